"""Many changes of one book in a row, as columns: where nobody wants them one by one, no event is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from papertape.model.units import Nanos

BID = 1
"""What a side is in columns; any other number but 0, which is none, is an ask."""


class Columns(Protocol):
    """Changed levels, one a row, oldest first."""

    def rows(self, begin: int, end: int) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
        """Side, ticks and lots of each row from `begin` up to, not including, `end`."""
        ...


class Stretch(msgspec.Struct, gc=False):
    """Changes of one book that follow each other, with nothing between them that anybody had to be told.

    Attributes:
        symbol: of the instrument.
        count: how many messages they were; each spent a number of its connection.
        venue_ns: the venue's stamp of the last, since 1970-01-01 UTC.
        columns: where their levels stand, from row `begin` up to, not including, row `end`.
    """

    symbol: str
    count: int
    venue_ns: Nanos
    columns: Columns
    begin: int
    end: int

    def joins(self, other: Stretch) -> bool:
        """Whether `other` begins where this one ends, so that both are one."""
        return self.columns is other.columns and self.end == other.begin


class Taker(Protocol):
    """A client that may take changes of a book many at a time."""

    def takes(self, symbol: str, sequence: int) -> bool:
        """Whether nobody there wants a book's changes one by one now, the next of which has that number."""
        ...

    def take(self, sequence: int, stretch: Stretch) -> None:
        """Changes, the first of which has that number."""
        ...
