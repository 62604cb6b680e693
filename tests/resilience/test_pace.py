"""No window holds more dials than the venue allows, over any number of lives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from papertape.model.venue import Quota
from papertape.resilience.pace import AT_ONCE, Pace

lives = st.lists(st.lists(st.integers(0, 60), max_size=30), min_size=1, max_size=4)
quotas = st.builds(lambda count, per_ns: Quota(count=count, per_ns=per_ns), st.integers(1, 9), st.integers(1, 300))


@given(lives, quotas, st.integers(0, 50))
def test_no_window_holds_more_dials_than_the_quota_over_all_lives(lives: list[list[int]], quota: Quota, margin_ns: int) -> None:
    """Each life knows nothing of those before it; what was booked beyond its end was never dialled."""
    now_ns, dials = 0, list[int]()
    for waits in lives:
        pace, booked = Pace(quota, start_ns=now_ns, margin_ns=margin_ns), []
        for wait_ns in waits:
            now_ns += wait_ns
            booked.append(pace.book(now_ns))
            assert booked[-1] >= now_ns
        dials += [at_ns for at_ns in booked if at_ns <= now_ns]
    dials.sort()
    for first, last in zip(dials, dials[quota.count :], strict=False):
        assert last - first >= quota.per_ns + margin_ns


@given(quotas, st.integers(0, 10_000))
def test_a_client_that_was_quiet_dials_all_its_streams_at_once(quota: Quota, later_ns: int) -> None:
    """A cut of both lanes costs no wait; and whoever keeps dialling gets the quota's share, not less than half of it."""
    pace = Pace(quota, start_ns=0)
    now_ns = 2 * quota.per_ns + later_ns
    at_once = min(AT_ONCE, quota.count)
    assert [pace.book(now_ns) for _ in range(at_once)] == [now_ns] * at_once
    assert pace.book(now_ns) - now_ns <= max(2 * quota.per_ns // quota.count, 1) or quota.count == 1
