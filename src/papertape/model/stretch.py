"""Many changes of one book in a row, as columns: where nobody wants them one by one, no event is made of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Protocol

import msgspec

from papertape.model.band import Band
from papertape.model.event import Level
from papertape.model.units import Nanos

BID = 1
"""What a side is in columns; any other number but 0, which is none, is an ask."""


class Tops(msgspec.Struct, gc=False):
    """The best levels of a book after each of some rows; lots are 0 where a side is empty.

    Attributes:
        begin, end: these rows, of columns; of each there is an entry in the other four.
    """

    begin: int
    end: int
    bids: Sequence[int]
    bid_lots: Sequence[int]
    asks: Sequence[int]
    ask_lots: Sequence[int]


Held = Sequence[Mapping[int, int]]
"""Levels of one side, ticks to lots; what the later of them say of a price counts, and 0 is nothing."""


class Columns(Protocol):
    """Changed levels, one a row, oldest first."""

    def rows(self, begin: int, end: int) -> Sequence[tuple[int, int, int]]:
        """(side, ticks, lots) of each row from `begin` up to, not including, `end`."""
        ...

    def levels(self, begin: int, end: int) -> tuple[Iterable[Level], Iterable[Level]]:
        """Bids and asks of these rows."""
        ...

    def tops(self, begin: int, bids: Held, asks: Held) -> Tops | None:
        """The best levels after each of many rows from `begin` on, before which a book holds that; None where there are too few."""
        ...

    def outside(self, tops: Tops, begin: int, band: Band) -> int:
        """The first of the rows from `begin` on after which a best price is outside; the last one that is known of if there is none."""
        ...


class Stretch(msgspec.Struct, gc=False):
    """Changes of one book that follow each other, with nothing between them that anybody had to be told.

    Attributes:
        venue_ns: the venue's stamp of the last, since 1970-01-01 UTC.
        columns: where their levels stand, from row `begin` up to, not including, row `end`.
    """

    venue_ns: Nanos
    columns: Columns
    begin: int
    end: int


Change = tuple[Nanos, int, int, int]
"""(the venue's stamp, side, ticks, lots): a change of one level."""


class Manner(Enum):
    """How a client takes the changes of a book."""

    SINGLY = "each as a message"
    SHOWN = "each, but not as a message: it calls who wants to look"
    KEPT = "many at a time: nobody wants to look at each"


class Taker(Protocol):
    """A client that may take changes of a book many at a time, instead of messages; numbers are those of its connection."""

    def manner(self, symbol: str, sequence: int) -> Manner:
        """How it takes the changes of a book, the next of which has that number; true until somebody there is called."""
        ...

    def count(self, symbol: str, sequence: int, count: int) -> None:
        """So many changes have come, the first of which has that number."""
        ...

    def band(self, symbol: str) -> Band:
        """Within which best prices of a book that is kept nobody wants to be called."""
        ...

    def outside(self, symbol: str, columns: Columns, begin: int, band: Band) -> int:
        """The first of the rows from `begin` on, which are the next to come, after which a best price is outside a band.

        An earlier one does no harm: that is as far as was looked.
        """
        ...

    def keep(self, symbol: str, sequence: int, count: int, stretch: Stretch) -> None:
        """The same, and these are they."""
        ...

    def show(self, symbol: str, changes: Iterator[Change]) -> None:
        """Take changes one by one, each as it comes, as long as that may go on; they are counted after that."""
        ...
