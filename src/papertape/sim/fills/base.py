"""What a fill model decides: how much of the traffic at a price comes to an order of ours that rests there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

import msgspec

from papertape.model.instrument import Instrument

Told = tuple[int, int]
"""(lots, mark): so much of a trade was reported by the level change with that mark. Marks number what the tape tells of one side of a
book, in the order in which it reached the venue."""


class Place(Protocol):
    """Where one resting order stands in the queue at its price. All amounts are lots."""

    @property
    def joined(self) -> int:
        """The mark with which the order came: what was told before it is past."""
        ...

    @property
    def ahead(self) -> int:
        """Lots of others that must go before this order is next."""
        ...

    def on_trade(self, lots: int, absorbed: int, told: Sequence[Told]) -> int:
        """A trade of `lots` at this very price, its taker hitting our side; returns how much of it gets as far as this order.

        Args:
            absorbed: what our own orders with priority over this one took of it.
            told: what level changes told of the trade before it was printed. What was told before this order came is past: nothing of
                that gets to it, but what our own orders absorbed of it still stands before this one.
        """
        ...

    def on_through(self, lots: int, absorbed: int, told: Sequence[Told], mark: int) -> int:
        """`lots` came that trade beyond our price, or would rest at or through it now; returns how much of it gets as far as this order."""
        ...

    def on_absorbed(self, lots: int) -> None:
        """Our own orders took `lots` of a trade at a better price than this order's, so those whom the tape has as hit still stand."""
        ...

    def on_level(self, lots: int, mark: int, *, is_past: bool) -> None:
        """The tape, by what it told last before `mark`, has `lots` at our price; `is_past` if that was so before this order came."""
        ...


class FillModel(msgspec.Struct, frozen=True, tag_field="kind"):
    """How resting orders get filled.

    Attributes:
        meets_levels: whether a level of the other side that arrives at or through an order's price fills it.
        counts_trades: whether trades do.
    """

    meets_levels: ClassVar[bool] = True
    counts_trades: ClassVar[bool] = True

    def join(self, lots: int | None, mark: int, instrument: Instrument) -> Place:
        """A place behind `lots` of others, by what was told before `mark`; None where the tape has told no book, so nobody knows."""
        raise NotImplementedError


def told_before(told: Sequence[Told], mark: int) -> int:
    """How much of a trade was told before `mark`."""
    return sum(lots for lots, told_mark in told if told_mark < mark)
