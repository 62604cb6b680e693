"""A lane is dialled, repaired, delivered or waited for, and nothing else."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.model.errors import IllegalMove
from papertape.model.units import SECOND
from papertape.resilience.backoff import Backoff
from papertape.resilience.reconnect import NEXT, Dial, LaneState, Reconnect, Repair, Rest, Signal, Wait


def machine(stable_after_s: int = 10) -> Reconnect:
    return Reconnect(lambda failures: failures * SECOND, stable_after_ns=stable_after_s * SECOND)


def live_machine(now_ns: int = 0) -> Reconnect:
    lane = machine()
    for signal in (Signal.RETRY_DUE, Signal.OPENED, Signal.REPAIRED):
        lane.on(signal, now_ns)
    assert lane.state is LaneState.LIVE
    return lane


def test_dials_at_once_and_repairs_before_it_delivers() -> None:
    """A new lane is dialled without waiting, and nobody may trade on it before it is repaired."""
    lane = machine()
    assert lane.on(Signal.RETRY_DUE, 0) == Dial()
    assert lane.on(Signal.OPENED, 1) == Repair()
    assert lane.state is LaneState.SYNCING


def test_waits_before_redialling() -> None:
    """A dropped lane is dialled again only after its backoff."""
    assert live_machine().on(Signal.DROPPED, now_ns=20 * SECOND) == Wait(until_ns=21 * SECOND)


def test_a_lane_that_drops_at_once_waits_longer_each_time() -> None:
    """Becoming live for a moment forgives nothing: reset_then_flapping must not hammer the venue."""
    lane = live_machine()
    waits = []
    now_ns = 0
    for _ in range(3):
        action = lane.on(Signal.DROPPED, now_ns)
        assert isinstance(action, Wait)
        waits.append(action.until_ns - now_ns)
        now_ns = action.until_ns
        for signal in (Signal.RETRY_DUE, Signal.OPENED, Signal.REPAIRED):
            lane.on(signal, now_ns)
    assert waits == [1 * SECOND, 2 * SECOND, 3 * SECOND]


def test_a_lane_that_lasted_starts_with_a_clean_sheet() -> None:
    """After ten seconds of life earlier failures are forgotten."""
    lane = live_machine()
    lane.on(Signal.DROPPED, 1)
    for signal in (Signal.RETRY_DUE, Signal.OPENED, Signal.REPAIRED):
        lane.on(signal, SECOND)
    assert lane.on(Signal.DROPPED, 11 * SECOND) == Wait(until_ns=12 * SECOND)


def test_a_gap_repairs_without_redialling() -> None:
    """A lane that missed a message is repaired on the connection it has, and that is no reconnect."""
    lane = live_machine()
    assert lane.on(Signal.MISSED, 5) == Repair()
    lane.on(Signal.REPAIRED, 6)
    assert lane.times_live == 1


@pytest.mark.parametrize(("state", "signal"), [pair for pair in product(LaneState, Signal) if pair not in NEXT])
def test_what_the_table_lacks_raises(state: LaneState, signal: Signal) -> None:
    """Every pair that is not in the table is a bug and raises, naming both."""
    lane = machine()
    lane.state = state
    with pytest.raises(IllegalMove, match=f"{signal.name} while {state.name}"):
        lane.on(signal, 0)


@given(st.lists(st.sampled_from(Signal)))
def test_no_order_of_events_leads_out_of_the_table(signals: list[Signal]) -> None:
    """Whatever happens in whatever order, a lane is always somewhere from which it can be closed, and closed is closed."""
    lane = machine()
    for step, signal in enumerate(signals):
        if (lane.state, signal) in NEXT:
            lane.on(signal, step)
    if lane.state is not LaneState.CLOSED:
        assert lane.on(Signal.CLOSED, len(signals)) == Rest()


class Draws:
    """Draws what it is told, as far as allowed."""

    def __init__(self, share: float) -> None:
        self.share = share

    def below(self, count: int) -> int:
        return int((count - 1) * self.share)


@given(st.integers(1, 200), st.floats(0, 1))
def test_backoff_grows_to_its_limit_and_no_further(failures: int, share: float) -> None:
    """A wait is between half of its step and the whole, and never above the limit."""
    backoff = Backoff(first_ns=100, max_ns=5_000, draws=Draws(share))
    step = min(5_000, 100 * 2 ** (failures - 1))
    assert step // 2 <= backoff(failures) <= step
