"""Changes of books that are taken many at a time: what they do to the lane, and when they may not be taken so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from papertape.exchanges.taking import StretchTaker
from papertape.model.stretch import Manner
from papertape.resilience.sequence import Sequence

SYMBOL = "BTC/USD"


def taker(*, deliveries: tuple[Any, ...] = (), is_steady: bool = True, is_open: bool = True) -> tuple[StretchTaker, Any]:
    """One on a lane that has heard 7 messages and expects number 7, and the lane."""
    sequence = Sequence()
    sequence.expected = 7
    keeper: Any = SimpleNamespace(is_open=is_open, heard=7, sequence=sequence, sequences=None)
    streams: Any = SimpleNamespace(books={SYMBOL: SimpleNamespace(is_steady=is_steady, deliveries=deliveries)})
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
        (SYMBOL, 7, {"is_steady": False}, Manner.SINGLY),
        (SYMBOL, 7, {"is_open": False}, Manner.SINGLY),
        ("ETH/USD", 7, {}, Manner.SINGLY),
    ],
)
def test_changes_are_taken_so_only_where_nothing_needs_each(symbol: str, sequence: int, state: dict[str, Any], manner: Manner) -> None:
    assert taker(**state)[0].manner(symbol, sequence) is manner
