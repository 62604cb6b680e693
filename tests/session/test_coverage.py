"""Where faults hit, read off the journal."""

from __future__ import annotations

import msgspec

from papertape.resilience.reconnect import LaneState
from papertape.session.coverage import LANE_WORDS, LANES_UP, Coverage, lanes_of


def heard(*lines: tuple[str, dict[str, object]]) -> dict[tuple[str, str, str], int]:
    coverage = Coverage()
    for kind, facts in lines:
        coverage(kind, msgspec.json.encode({"kind": kind, **facts}))
    return coverage.cells


def order(status: str) -> tuple[str, dict[str, object]]:
    return "order", {"client_order_id": "a", "status": status}


def health(healthy: bool, why: str) -> tuple[str, dict[str, object]]:
    return "health", {"venue": "coinbase", "healthy": healthy, "why": why}


HIT = ("fault", {"fault": "lost_reply", "what": "hit", "client_order_id": "a"})
BEGINS = ("fault", {"fault": "stall", "what": "begins"})
ENDS = ("fault", {"fault": "stall", "what": "ends"})


def test_a_hit_knows_its_order_and_the_lanes() -> None:
    """Of the request's own order the state at the venue; of the lanes the gravest."""
    down = health(False, "user lane: no connection; waiting to dial")
    cells = heard(HIT, order("open"), HIT, HIT, down, order("canceled"), HIT)
    assert cells == {
        ("lost_reply", "not at the venue", LANES_UP): 1,
        ("lost_reply", "open", LANES_UP): 2,
        ("lost_reply", "canceled", "a lane down"): 1,
    }


def test_a_window_knows_whether_orders_were_open() -> None:
    """It is counted where it begins, not where it ends."""
    assert heard(BEGINS, ENDS, order("open"), BEGINS, order("open"), order("closed"), BEGINS) == {
        ("stall", "no order open", LANES_UP): 2,
        ("stall", "orders open", LANES_UP): 1,
    }


def test_every_state_of_a_lane_has_a_word() -> None:
    """The words are found in the machine's own sentences; of those that keep a lane from trading none is missed."""
    states = [state for state in LaneState if state not in (LaneState.LIVE, LaneState.CLOSED)]
    assert [lanes_of(f"user lane: {state.value}") for state in states] == list(LANE_WORDS.values())
