"""What a fill model decides: how much of the traffic at a price comes to an order of ours that rests there."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Place(Protocol):
    """Where one resting order stands in the queue at its price. All amounts are lots."""

    @property
    def ahead(self) -> int:
        """Lots of others that must go before this order is next."""
        ...

    def on_trade(self, lots: int, *, reported: int, absorbed: int) -> int:
        """A trade at this very price, its taker hitting our side; returns how much of it gets as far as this order.

        Args:
            lots: its volume, less what our own orders with priority over this one took (`absorbed`).
            reported: the part of the trade that level changes since this order arrived have told already.
        """
        ...

    def on_through(self, lots: int) -> int:
        """`lots` came that trade beyond our price, or rest at or through it now; returns how much of it gets as far as this order."""
        ...

    def on_level(self, lots: int, *, is_past: bool) -> None:
        """The tape says that our price now holds `lots`; `is_past` if that was so before this order arrived."""
        ...


class FillModel(msgspec.Struct, frozen=True, tag_field="kind"):
    """How resting orders get filled."""

    def join(self, lots: int | None) -> Place:
        """A place behind `lots` of others; None where the tape has not told the book, so nobody knows."""
        raise NotImplementedError
