"""The best levels of a book, worked out for many rows at once."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from papertape.model import lazy_book
from papertape.model.band import Band
from papertape.model.book import Book
from papertape.model.event import BookSnapshot, BookUpdate, Level
from papertape.model.instrument import Instrument
from papertape.model.lazy_book import LazyBook
from papertape.model.stretch import BID, Held, Stretch, Tops
from papertape.tape import tops
from papertape.tape.tops import first_outside, tops_of

BTC = Instrument(symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.001"))

Row = tuple[int, int, int]

rows = st.lists(st.tuples(st.sampled_from((1, 1, 2, 2, 0)), st.integers(1, 25) | st.integers(1, 10**15), st.integers(0, 2)), max_size=80)
LOOKS = ("best", "best", "best", "all", "wait", "nothing", "apply", "snapshot", "clear")
levels = st.dictionaries(st.integers(1, 25), st.integers(0, 3), max_size=25)


class Drawn:
    """Columns as `tape.changes` has them, of rows that were drawn."""

    def __init__(self, rows: list[Row], ahead: int) -> None:
        self.drawn, self.ahead, self.made = rows, ahead, 0

    def rows(self, begin: int, end: int) -> list[Row]:
        return self.drawn[begin:end]

    def levels(self, begin: int, end: int) -> tuple[Iterable[Level], Iterable[Level]]:
        bids, asks = ([(ticks, lots) for side, ticks, lots in self.drawn[begin:end] if side in its] for its in ((1,), (2, 3)))
        return bids, asks

    def outside(self, tops: Tops, begin: int, band: Band) -> int:
        return first_outside(tops, begin, band)

    def tops(self, begin: int, bids: Held, asks: Held) -> Tops | None:
        self.made += 1
        return tops_of(begin, *arrays(self.drawn[begin : begin + self.ahead]), bids, asks)


def arrays(rows: list[Row]) -> tuple[Any, Any, Any]:
    sides, prices, lots = ([row[place] for row in rows] for place in range(3))
    return np.array(sides, np.int8), np.array(prices, np.int64), np.array(lots, np.int64)


def plainly(book: Book, row: Row) -> None:
    side, ticks, lots = row
    if side:
        its = {"bids" if side == BID else "asks": ((ticks, lots),)}
        book.apply(BookUpdate(venue_ns=0, local_ns=0, symbol="BTC/USD", **its))


@given(rows=rows, bids=levels, late=levels, asks=levels, near=st.sampled_from((1, 2, 256)))
@example(rows=[], bids={}, late={}, asks={}, near=1)
@example(rows=[(1, 7, 0), (2, 9, 0)], bids={7: 1}, late={}, asks={9: 1}, near=1)  # nothing is left
def test_the_best_after_each_row_is_that_of_a_plain_book(
    rows: list[Row], bids: dict[int, int], late: dict[int, int], asks: dict[int, int], near: int
) -> None:
    """Whatever was there before, however often a price comes and goes, and where the two sides cross."""
    plain = Book(BTC)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tops, "NEAR_MAX", near)
        found = tops_of(7, *arrays(rows), (bids, late), (asks,))
    for level in bids.items() | late.items():
        plainly(plain, (1, level[0], late.get(level[0], level[1])))
    for ticks, lots in asks.items():
        plainly(plain, (2, ticks, lots))
    assert (found.begin, found.end) == (7, 7 + len(rows))
    for row, *best in zip(rows, found.bids, found.bid_lots, found.asks, found.ask_lots, strict=True):
        plainly(plain, row)
        bid, ask = plain.best_bid or (0, 0), plain.best_ask or (0, 0)
        assert best == [*bid, *ask]


@given(
    rows=rows,
    looks=st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(("best", "best", "best", "all", "wait", "nothing", "apply", "snapshot", "clear")))
    ),
    ahead=st.sampled_from((3, 20, 100)),
    many=st.sampled_from((2, 1_024)),
)
def test_a_book_that_follows_columns_is_a_plain_one_at_every_look(
    rows: list[Row], looks: list[tuple[int, str]], ahead: int, many: int
) -> None:
    """Its best prices, read ahead or not; all of it; and after whatever else was told of it between."""
    columns, lazy, plain, come = Drawn(rows, ahead), LazyBook(BTC), Book(BTC), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lazy_book, "LOOKS", 1)
        patch.setattr(lazy_book, "MANY", many)
        patch.setattr(lazy_book, "LATE_MAX", 12)
        for step, what in looks:
            end = min(come + step, len(rows))
            lazy.follow(Stretch(end, columns, come, end))
            for row in rows[come:end]:
                plainly(plain, row)
            come = end
            assert lazy.venue_ns == end
            for book in (lazy, plain):
                if what == "apply":
                    book.apply(BookUpdate(venue_ns=0, local_ns=0, symbol="BTC/USD", bids=((13, 0), (12, 1)), asks=((14, 1),)))
                elif what == "snapshot":
                    book.apply(BookSnapshot(venue_ns=0, local_ns=0, symbol="BTC/USD", bids=((12, 1),), asks=((14, 1),)))
                elif what == "clear":
                    book.clear()
            if what != "nothing":
                assert (lazy.best_bid, lazy.best_ask, lazy.is_crossed) == (plain.best_bid, plain.best_ask, plain.is_crossed)
            if what == "wait" and plain.best_bid and plain.best_ask and come < len(rows):
                band, later = Band.around(plain.best_bid[0], plain.best_ask[0], 2), plain.copy()
                first = lazy.outside(columns, come, band)
                assert come <= first < len(rows)
                for row in rows[come:first]:  # each of these leaves it inside
                    plainly(later, row)
                    assert band.holds(*(level and level[0] for level in (later.best_bid, later.best_ask)))
                assert first == len(rows) - 1 or first - come < ahead
            if what == "all":
                assert (lazy.bids, lazy.asks) == (plain.bids, plain.asks)


@given(
    rows=rows,
    begin=st.integers(0, 40),
    bid=st.integers(5, 20),
    ask=st.integers(5, 20),
    by=st.integers(1, 9),
    soon=st.sampled_from((1, 512)),
)
@example(rows=[(2, 19, 1), (2, 15, 0), (0, 1, 1)], begin=0, bid=10, ask=15, by=4, soon=512)  # each bound, to the tick
@example(rows=[(1, 6, 1), (1, 10, 0), (0, 1, 1)], begin=0, bid=10, ask=15, by=4, soon=512)
@example(rows=[(1, 13, 1), (1, 14, 1), (0, 1, 1)], begin=0, bid=10, ask=15, by=4, soon=512)
@example(rows=[(2, 12, 1), (2, 11, 1), (0, 1, 1)], begin=0, bid=10, ask=15, by=4, soon=512)
def test_the_first_row_outside_is_that_of_a_plain_book(rows: list[Row], begin: int, bid: int, ask: int, by: int, soon: int) -> None:
    """A side that is empty after it is outside, too; where none is, it is the last that is known of."""
    begin = min(begin, max(len(rows) - 1, 0))
    plain, band, expected = Book(BTC), Band.around(bid, ask, by), 7 + len(rows) - 1
    for ticks in (bid, ask):
        plainly(plain, (1 if ticks == bid else 2, ticks, 1))
    for number, row in enumerate(rows):
        plainly(plain, row)
        if number >= begin and not band.holds(*(None if level is None else level[0] for level in (plain.best_bid, plain.best_ask))):
            expected = 7 + number
            break
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tops, "NEXT", soon)
        held = ({bid: 1},), ({ask: 1} if ask != bid else {},)
        assert first_outside(tops_of(7, *arrays(rows), *held), 7 + begin, band) == expected


def test_who_looks_often_has_nothing_worked_in() -> None:
    """Sixteen looks, and the best prices of all that comes are known; who looks at more has the very same book."""
    drawn = [(1 + number % 2, 1_000 + number % 7 if number % 2 else 990 - number % 5, 1 + number % 3) for number in range(4_000)]
    columns, book = Drawn(drawn, 5_000), LazyBook(BTC)
    for end in range(10, 2_000, 10):
        book.follow(Stretch(end, columns, end - 10, end))
        assert book.best_bid is not None
    assert columns.made == 1
    assert book._come - book._worked > 1_500
    plain = Book(BTC)
    for row in drawn[: book._come]:
        plainly(plain, row)
    assert (book.bids, book.asks) == (plain.bids, plain.asks)
