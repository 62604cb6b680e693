"""The client never exceeds the venue's quota, whatever the bot does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from papertape.model.units import MINUTE, SECOND
from papertape.model.venue import Quota
from papertape.resilience.limiter import Limiter

steps = st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=80)
quotas = st.builds(lambda count, per_ns: Quota(count=count, per_ns=per_ns), st.integers(1, 8), st.integers(1, 200))


@given(steps, quotas, st.integers(0, 9), st.integers(0, 50))
def test_no_window_holds_more_than_the_quota(steps: list[tuple[int, bool]], quota: Quota, reserve: int, margin_ns: int) -> None:
    """In any window of the quota's length, stretched by the margin, at most its count of requests goes."""
    limiter = Limiter(quota, reserve=reserve, margin_ns=margin_ns)
    now_ns, times = 0, []
    for wait_ns, urgent in steps:
        now_ns += wait_ns
        at_ns = limiter.book(now_ns, urgent=urgent)
        assert at_ns is not None
        assert at_ns >= now_ns
        times.append(at_ns)
    times.sort()
    for first, last in zip(times, times[quota.count :], strict=False):
        assert last - first >= quota.per_ns + margin_ns


@given(steps, quotas)
def test_ordinary_requests_go_first_come_first_served(steps: list[tuple[int, bool]], quota: Quota) -> None:
    """Nobody who asks later goes earlier."""
    limiter = Limiter(quota, reserve=0, margin_ns=0)
    now_ns, last_ns = 0, 0
    for wait_ns, _ in steps:
        now_ns += wait_ns
        at_ns = limiter.book(now_ns)
        assert at_ns is not None
        assert at_ns >= last_ns
        last_ns = at_ns


def test_cancels_go_while_orders_queue() -> None:
    """The reserve is there when the rest is spent, and only for what is urgent."""
    limiter = Limiter(Quota(count=5, per_ns=100), reserve=2, margin_ns=0)
    assert [limiter.book(0) for _ in range(4)] == [0, 0, 0, 100]
    assert [limiter.book(1, urgent=True) for _ in range(3)] == [1, 1, 100]


def test_a_pause_holds_everything_back() -> None:
    """After the venue asked us to wait, nothing goes before that, urgent or not; a shorter wish later changes nothing."""
    limiter = Limiter(Quota(count=5, per_ns=100), reserve=2, margin_ns=0)
    limiter.pause(1_000)
    limiter.pause(500)
    assert limiter.book(10) == 1_000
    assert limiter.book(10, urgent=True) == 1_000
    assert limiter.is_paused(999)
    assert not limiter.is_paused(1_000)


@given(steps, quotas, st.integers(1, 9), st.integers(0, 5))
def test_neither_kind_can_starve_the_other(steps: list[tuple[int, bool]], quota: Quota, reserve: int, flood: int) -> None:
    """A request waits for one window, and as often for one more as those of its own kind that wait already fill what is kept for it.

    However many of the other kind are asked for, before it or at the same time.
    """
    limiter = Limiter(quota, reserve=reserve, margin_ns=0)
    now_ns, waiting = 0, {False: list[int](), True: list[int]()}
    for wait_ns, urgent in steps:
        now_ns += wait_ns
        for _ in range(flood):
            at_ns = limiter.book(now_ns, urgent=not urgent)
            assert at_ns is not None
            waiting[not urgent].append(at_ns)
        at_ns = limiter.book(now_ns, urgent=urgent)
        assert at_ns is not None
        reserved = min(reserve, quota.count - 1)  # where there is none, all are of one kind
        kept = reserved if urgent else min(reserved, quota.count - reserved)
        if kept:
            before = sum(each > now_ns for each in waiting[urgent])
            assert at_ns - now_ns <= quota.per_ns * (1 + before // kept)
        waiting[urgent].append(at_ns)


@given(steps, quotas)
def test_what_would_come_too_late_costs_nothing(steps: list[tuple[int, bool]], quota: Quota) -> None:
    """A request that gives up instead of waiting leaves the budget as it was."""
    limiter, other = Limiter(quota, reserve=0, margin_ns=0), Limiter(quota, reserve=0, margin_ns=0)
    now_ns = 0
    for wait_ns, patient in steps:
        now_ns += wait_ns
        at_ns = limiter.book(now_ns, until_ns=None if patient else now_ns + 20)
        if at_ns is not None:
            assert other.book(now_ns) == at_ns
        else:
            assert not patient


@given(steps, steps, quotas, st.integers(0, 9), st.integers(0, 50))
def test_no_window_holds_more_than_the_quota_over_two_lives(
    before: list[tuple[int, bool]], after: list[tuple[int, bool]], quota: Quota, reserve: int, margin_ns: int
) -> None:
    """The second begins at any time after the first, of which it knows nothing."""
    now_ns, times = 0, []
    for life in (before, after):
        limiter = Limiter(quota, reserve=reserve, margin_ns=margin_ns)
        if life is after:
            limiter.follow_on(now_ns)
        for wait_ns, urgent in life:
            now_ns += wait_ns
            at_ns = limiter.book(now_ns, urgent=urgent)
            if at_ns == now_ns or life is after:  # what would go later never left: the first is dead by then
                times.append(at_ns or 0)
    times.sort()
    for first, last in zip(times, times[quota.count :], strict=False):
        assert last - first >= quota.per_ns + margin_ns


def test_a_life_that_follows_on_waits_for_a_short_window_and_goes_evenly_where_it_is_long() -> None:
    short, long = (Limiter(quota, reserve=0, margin_ns=0) for quota in (Quota(count=10, per_ns=SECOND), Quota(count=60, per_ns=MINUTE)))
    for limiter in (short, long):
        limiter.follow_on(5 * SECOND)
    assert [short.book(5 * SECOND) for _ in range(10)] == [6 * SECOND] * 10
    times = sorted(long.book(5 * SECOND) or 0 for _ in range(30))
    assert times[0] < 8 * SECOND
    assert 30 * SECOND <= times[-1] <= 70 * SECOND
