"""Two books of one market, both moving: what stood still must be the same, and nothing else is held against the stream."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from papertape.model.book import Book
from papertape.model.event import BookSnapshot, BookUpdate, Level, Side
from papertape.model.instrument import Instrument
from papertape.resilience.comparison import Comparison, Doubt

BTC = Instrument(symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.001"))

bids = st.dictionaries(st.integers(90, 99), st.integers(1, 5), min_size=1)
asks = st.dictionaries(st.integers(101, 110), st.integers(1, 5), min_size=1)
changes = st.lists(st.tuples(st.sampled_from(Side), st.integers(0, 9), st.integers(0, 5)), max_size=30)


def snapshot(its_bids: dict[int, int], its_asks: dict[int, int], depth: int = 99) -> BookSnapshot:
    told_bids, told_asks = tuple(sorted(its_bids.items(), reverse=True)), tuple(sorted(its_asks.items()))
    return BookSnapshot(venue_ns=1, local_ns=1, symbol="BTC/USD", bids=told_bids[:depth], asks=told_asks[:depth])


def book_of(its_bids: dict[int, int], its_asks: dict[int, int]) -> Book:
    book = Book(BTC)
    book.apply(snapshot(its_bids, its_asks))
    return book


def update(side: Side, level: Level) -> BookUpdate:
    told = {Side.BUY: ((level,), ()), Side.SELL: ((), (level,))}[side]
    return BookUpdate(venue_ns=2, local_ns=2, symbol="BTC/USD", bids=told[0], asks=told[1])


@given(bids, asks, changes, st.data())
def test_a_right_book_is_never_found_wrong_whatever_moves_meanwhile(
    its_bids: dict[int, int], its_asks: dict[int, int], moving: list[tuple[Side, int, int]], data: st.DataObject
) -> None:
    """REST tells the book as it was at any moment of the comparison, and as deep as it likes."""
    ours, comparison = book_of(its_bids, its_asks), Comparison()
    told_after, depth = data.draw(st.integers(0, len(moving))), data.draw(st.integers(1, 10))
    told = snapshot(its_bids, its_asks, depth)
    for number, (side, place, lots) in enumerate(moving, start=1):
        change = update(side, (99 - place if side is Side.BUY else 101 + place, lots))
        ours.apply(change)
        comparison.moves(change)
        if number == told_after:
            told = snapshot(dict(ours.bids), dict(ours.asks), depth)
    assert not comparison.differing(ours, told)


@given(bids, asks, st.data())
def test_a_level_that_stood_still_and_is_another_is_found(its_bids: dict[int, int], its_asks: dict[int, int], data: st.DataObject) -> None:
    """Also one that is in one of the two books only, if REST's reaches as far down."""
    ticks = data.draw(st.sampled_from(sorted(its_bids)))
    false = data.draw(st.sampled_from([{**its_bids, ticks: its_bids[ticks] + 1}, {**its_bids, 100: 1}]))
    if len(its_bids) > 1 and ticks != min(its_bids):
        false = data.draw(st.sampled_from([false, {each: lots for each, lots in its_bids.items() if each != ticks}]))
    found = Comparison().differing(book_of(false, its_asks), snapshot(its_bids, its_asks))
    assert list(found) in ([(Side.BUY, ticks)], [(Side.BUY, 100)])


def test_a_side_that_rest_leaves_empty_says_nothing() -> None:
    """A venue that has no page to serve serves an empty one."""
    assert not Comparison().differing(book_of({99: 1}, {101: 1}), snapshot({}, {}))


def test_one_old_page_is_no_evidence() -> None:
    """Only a level that two comparisons in a row find wrong makes a book wrong."""
    first, other = {(Side.BUY, 99): None}, {(Side.SELL, 101): None}
    doubt = Doubt()
    assert not doubt.found(first)
    assert doubt.is_open
    assert not doubt.found(other)
    assert not doubt.found({})
    assert not doubt.is_open
    assert not doubt.found(first)
    assert doubt.found(first | other)
