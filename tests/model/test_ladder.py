"""One side of a book that is put in order late."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from papertape.model.book import Book
from papertape.model.event import BookUpdate, Side
from papertape.model.instrument import Instrument
from papertape.model.ladder import Ladder
from papertape.model.lazy_book import LazyBook
from papertape.sim.side import BookSide

BTC = Instrument(symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.001"))

changes = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 3)), min_size=1, max_size=40)


@given(st.lists(st.one_of(st.tuples(st.integers(1, 40), st.integers(0, 3)), changes), max_size=40))
def test_a_ladder_holds_what_a_dict_would_and_in_order(looks: list[tuple[int, int] | list[tuple[int, int]]]) -> None:
    """Few changes between two looks are put in place one by one, many by sorting anew; nobody can tell."""
    ladder, plain = Ladder(Side.SELL), dict.fromkeys(range(1, 41), 9)
    ladder.replace(plain.items())
    same = ladder.look()
    for change in looks:
        for ticks, lots in [change] if isinstance(change, tuple) else change:
            ladder.late[ticks] = plain[ticks] = lots
        plain = {ticks: lots for ticks, lots in plain.items() if lots}
        assert list(ladder.look().items()) == sorted(plain.items())
        assert ladder.look() is same
        assert not ladder.late


@given(changes, changes, st.sampled_from(Side), st.none() | st.integers(0, 41))
def test_levels_within_a_limit_are_told_without_putting_any_in_order(
    settled: list[tuple[int, int]], late: list[tuple[int, int]], side: Side, limit: int | None
) -> None:
    """The same levels, best first, as in a side that is in order; what has changed late is late still."""
    ladder = Ladder(side)
    ladder.replace((ticks, lots) for ticks, lots in dict(settled).items() if lots)
    ladder.late.update(late)
    all_of_it = {ticks: lots for ticks, lots in {**dict(settled), **dict(late)}.items() if lots}
    near = [ticks for ticks in all_of_it if limit is None or (ticks >= limit if side is Side.BUY else ticks <= limit)]
    assert list(ladder.within(limit)) == [(ticks, all_of_it[ticks]) for ticks in sorted(near, reverse=side is Side.BUY)]
    assert [ladder.lots(ticks) for ticks in range(42)] == [all_of_it.get(ticks, 0) for ticks in range(42)]
    assert ladder.late == dict(late)


few_prices = st.integers(1, 5) | st.sampled_from((200, 400))
far_apart = st.lists(st.tuples(few_prices, st.integers(0, 1)), min_size=1, max_size=6)


@given(steps=st.lists(st.tuples(far_apart, st.booleans(), st.booleans()), max_size=20), side=st.sampled_from(Side))
@example(steps=[([(2, 1), (3, 1)], False, True), ([(3, 0)], False, False), ([(5, 1)], False, True)], side=Side.BUY)
@example(steps=[([(2, 1), (3, 1)], False, True), ([(2, 0)], False, False), ([(1, 1)], False, True)], side=Side.SELL)
def test_a_venues_side_knows_its_best_price_from_row_to_row(steps: list[tuple[list[tuple[int, int]], bool, bool]], side: Side) -> None:
    """Whether rows come one by one or many at a time, whoever looks when, and however far the next price is from the one that is gone."""
    theirs, levels = BookSide(side, Ladder(side)), dict[int, int]()
    for rows, at_once, looks in steps:
        if at_once:
            theirs.ladder.update(rows)
        else:
            for ticks, lots in rows[:-1]:
                theirs.follow(ticks, lots, 0)
            theirs.change((rows[-1],), 0)
        levels |= dict(rows)
        there = {ticks: lots for ticks, lots in levels.items() if lots}
        if looks:
            best = (max if side is Side.BUY else min)(there, default=None)
            assert theirs.ladder.best == (None if best is None else (best, there[best]))
    assert dict(theirs.levels) == {ticks: lots for ticks, lots in levels.items() if lots}


@given(st.lists(st.tuples(changes, changes, st.booleans()), max_size=20))
def test_the_best_prices_are_right_at_every_look(updates: list[tuple[list[tuple[int, int]], list[tuple[int, int]], bool]]) -> None:
    """The best price is kept from one look to the next, whatever comes and goes around it, or looked for anew."""
    lazy, plain = LazyBook(BTC), Book(BTC)
    for bids, asks, looks in updates:
        update = BookUpdate(venue_ns=0, local_ns=0, symbol="BTC/USD", bids=tuple(bids), asks=tuple(asks))
        lazy.apply(update)
        plain.apply(update)
        if looks:
            assert (lazy.best_bid, lazy.best_ask) == (plain.best_bid, plain.best_ask)
            assert (lazy.bid, lazy.ask, lazy.mid, lazy.spread) == (plain.bid, plain.ask, plain.mid, plain.spread)
            assert lazy.is_crossed == plain.is_crossed


@given(st.lists(st.tuples(changes, st.booleans(), st.booleans()), max_size=20), st.sampled_from(Side))
def test_each_page_is_what_stands_there(updates: list[tuple[list[tuple[int, int]], bool, bool]], side: Side) -> None:
    """A page is made of the one before and what has changed since, many changes at once, a snapshot, or everything gone included."""
    lazy, plain = LazyBook(BTC), Book(BTC)
    for levels, is_new, looks in updates:
        bids, asks = (tuple(levels), ()) if side is Side.BUY else ((), tuple(levels))
        update = BookUpdate(venue_ns=0, local_ns=0, symbol="BTC/USD", bids=bids, asks=asks)
        for book in (lazy, plain):
            if is_new:
                book.clear()
            book.apply(update)
        if looks:
            assert lazy.ladder(side) == tuple(plain.levels(side))


def test_a_page_hands_out_again_what_has_not_changed() -> None:
    """Thousands of levels stand still from one page to the next, and are not made anew."""
    ladder = Ladder(Side.BUY)
    ladder.replace((ticks, 5) for ticks in range(1, 20))
    first = ladder.page()
    ladder.late[3] = 7
    second = ladder.page()
    assert [level for level, before in zip(second, first, strict=True) if level is not before] == [(3, 7)]
