"""Changes of books that are taken many at a time: what they do to the lane, and when they may not be taken so."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from papertape.exchanges.feeds import BookFeed, TradeFeed
from papertape.exchanges.taking import StretchTaker
from papertape.model.event import BookSnapshot
from papertape.model.instrument import Instrument
from papertape.model.stretch import Manner
from papertape.resilience.comparison import Comparison
from papertape.resilience.sequence import Sequence

SYMBOL = "BTC/USD"
BTC = Instrument(symbol=SYMBOL, venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.001"))


def taker(
    *, deliveries: tuple[Any, ...] = (), is_valid: bool = True, is_compared: bool = False, is_open: bool = True
) -> tuple[StretchTaker, Any]:
    """One on a lane that has heard 7 messages and expects number 7, and the lane."""
    sequence = Sequence()
    sequence.expected = 7
    keeper: Any = SimpleNamespace(is_open=is_open, heard=7, sequence=sequence, sequences=None)
    feed = BookFeed(BTC, now_ns=0)
    feed.begin(BookSnapshot(venue_ns=1, local_ns=1, symbol=SYMBOL, bids=((99, 5),), asks=((101, 5),)))
    feed.deliveries, feed.comparison = deliveries, Comparison() if is_compared else None
    if not is_valid:
        feed.invalidate(now_ns=5)
    streams: Any = SimpleNamespace(books={SYMBOL: feed}, trades={SYMBOL: TradeFeed(BTC, lambda symbol: None)})
    return StretchTaker(keeper, streams), keeper


def test_what_is_taken_counts_as_heard_and_in_order() -> None:
    """Else a venue without heartbeats would seem silent, and the next message to have come too early."""
    its, lane = taker()
    its.count(SYMBOL, 7, 40)
    assert (lane.heard, lane.sequence.expected) == (47, 47)


@pytest.mark.parametrize(
    ("symbol", "sequence", "state", "manner"),
    [
        (SYMBOL, 7, {}, Manner.KEPT),
        (SYMBOL, 7, {"deliveries": ("somebody",)}, Manner.SHOWN),
        (SYMBOL, 8, {}, Manner.SINGLY),  # one was lost before it
        (SYMBOL, 7, {"is_valid": False}, Manner.SINGLY),
        (SYMBOL, 7, {"is_compared": True}, Manner.KEPT),  # the rows tell what has moved
        (SYMBOL, 7, {"is_compared": True, "deliveries": ("somebody",)}, Manner.SINGLY),
        (SYMBOL, 7, {"is_open": False}, Manner.SINGLY),
        ("ETH/USD", 7, {}, Manner.SINGLY),
    ],
)
def test_changes_are_taken_so_only_where_nothing_needs_each(symbol: str, sequence: int, state: dict[str, Any], manner: Manner) -> None:
    assert taker(**state)[0].manner(symbol, sequence) is manner
