"""A snapshot and the changes held for it make the book of the whole stream."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from papertape.model.book import Book
from papertape.model.event import BookSnapshot, BookUpdate, Side
from papertape.model.instrument import Instrument
from papertape.resilience.held import Held

BTC = Instrument(symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.001"))

levels = st.lists(st.tuples(st.integers(1, 8), st.integers(0, 3)), max_size=3).map(tuple)
changes = st.lists(st.tuples(st.integers(0, 2), levels, levels), min_size=1, max_size=40)


Row = tuple[int, tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]


def updates_of(rows: list[Row]) -> list[BookUpdate]:
    """Several of them may have one stamp."""
    found, at_ns = [], 1
    for wait_ns, bids, asks in rows:
        at_ns += wait_ns
        found.append(BookUpdate(venue_ns=at_ns, local_ns=at_ns, symbol="BTC/USD", bids=bids, asks=asks))
    return found


def snapshot_of(book: Book, at_ns: int) -> BookSnapshot:
    return BookSnapshot(
        venue_ns=at_ns, local_ns=at_ns, symbol="BTC/USD", bids=tuple(book.levels(Side.BUY)), asks=tuple(book.levels(Side.SELL))
    )


@given(changes, st.data())
def test_held_and_snapshot_are_the_book_of_the_whole_stream(rows: list[Row], data: st.DataObject) -> None:
    """Wherever listening begins, whenever the snapshot was taken after that, and whenever it comes; unless too much had to be held."""
    updates = updates_of(rows)
    begun = data.draw(st.integers(0, len(updates)))
    taken = data.draw(st.integers(begun, len(updates)))
    comes = data.draw(st.integers(taken, len(updates)))
    limit = data.draw(st.integers(1, 60))
    whole, ours, held = Book(BTC), Book(BTC), Held(limit)
    snapshot = snapshot_of(whole, 0)
    for place, update in enumerate(updates):
        if place == taken:
            snapshot = snapshot_of(whole, updates[place - 1].venue_ns if place else 1)
        whole.apply(update)
    if taken == len(updates):
        snapshot = snapshot_of(whole, updates[-1].venue_ns)
    for update in updates[begun:comes]:
        held.hold(update)
    is_enough = held.is_enough_for(snapshot)
    if comes - begun <= limit:
        assert is_enough
    ours.apply(snapshot)
    for update in [*held.newer_than(snapshot), *updates[comes:]]:
        ours.apply(update)
    if is_enough:
        assert (dict(ours.bids), dict(ours.asks)) == (dict(whole.bids), dict(whole.asks))


def test_what_was_held_before_a_gap_is_of_no_use() -> None:
    """The change that was lost may have undone it."""
    held = Held()
    (update,) = updates_of([(0, ((5, 1),), ())])
    held.hold(update)
    held.restart()
    assert held.newer_than(snapshot_of(Book(BTC), 1)) == []


def test_a_snapshot_without_a_stamp_knows_all_that_came_before_it() -> None:
    """On one connection that is what its place says."""
    held = Held()
    for update in updates_of([(0, ((5, 1),), ())]):
        held.hold(update)
    assert held.newer_than(snapshot_of(Book(BTC), 0)) == []


def test_what_was_thrown_away_is_remembered_until_there_is_a_book() -> None:
    """By the newest stamp, in whatever order stamps came: an older snapshot lacks it for good."""
    held = Held()
    for at_ns in (7, 9, 8):
        held.hold(BookUpdate(venue_ns=at_ns, local_ns=9, symbol="BTC/USD", bids=((at_ns, 1),)))
    held.restart()
    held.restart()
    assert held.lost_ns == 9
    held.newer_than(BookSnapshot(venue_ns=10, local_ns=10, symbol="BTC/USD", bids=(), asks=()))
    assert held.lost_ns == 0
