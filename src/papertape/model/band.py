"""Between which best prices a book is nothing new to anybody."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

FAR: Final = 2**62
"""Ticks that no price is away from another."""


class Band(msgspec.Struct, frozen=True, gc=False):
    """Best prices of a book that has both sides, in ticks, bounds included."""

    bid_low: int
    bid_high: int
    ask_low: int
    ask_high: int

    @classmethod
    def around(cls, bid: int, ask: int, by: int) -> Band:
        """What is less than `by` ticks away from a bid and an ask."""
        return cls(bid - by + 1, bid + by - 1, ask - by + 1, ask + by - 1)

    def holds(self, bid: int | None, ask: int | None) -> bool:
        """Whether a book with these best prices is nothing new; one that lacks a side is."""
        if bid is None or ask is None:
            return False
        return self.bid_low <= bid <= self.bid_high and self.ask_low <= ask <= self.ask_high


EVERYWHERE: Final = Band(-FAR, FAR, -FAR, FAR)
NOWHERE: Final = Band(FAR, -FAR, FAR, -FAR)


def common(bands: Iterable[Band]) -> Band:
    """Where all of them hold; where nothing is in all, no book is.

    >>> common([Band.around(100, 110, 5), Band.around(98, 110, 3)])
    Band(bid_low=96, bid_high=100, ask_low=108, ask_high=112)
    """
    least = EVERYWHERE
    for each in bands:
        least = Band(
            max(least.bid_low, each.bid_low),
            min(least.bid_high, each.bid_high),
            max(least.ask_low, each.ask_low),
            min(least.ask_high, each.ask_high),
        )
    return least
