"""A user lane that went deaf is found in time, and one that tells everything is left alone but for a question now and then."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from papertape.resilience.hearing import DOUBLINGS_MAX, Doubt, Hearing

QUIET, UNTOLD, LATE = 30, 5, 4

changes = st.lists(st.tuples(st.integers(1, 400), st.integers(0, LATE)), max_size=20)


def doubts(changes: list[tuple[int, int]], *, is_deaf_after: int, until: int = 600) -> list[tuple[int, Doubt]]:
    """When and why it was doubted, of a lane that tells of an order's change so much later than REST shows it, and of none from then on.

    Whoever asks anew is answered at once.
    """
    hearing, found = Hearing(quiet_ns=QUIET, untold_ns=UNTOLD), []
    hearing.restart(0)
    for now in range(until):
        for number, (at, late) in enumerate(changes):
            if at == now:
                hearing.learnt(f"o-{number}", now)
            if at + late == now and now <= is_deaf_after:
                hearing.told(f"o-{number}", now, is_all=True)
        doubt = hearing.doubt(now)
        if doubt is not None:
            found.append((now, doubt))
            hearing.restart(now, doubt)
    return found


@given(changes)
def test_a_lane_that_tells_everything_is_doubted_only_for_its_silence(changes: list[tuple[int, int]]) -> None:
    """However late within the limit, nothing is taken for untold; and a question comes after so much silence and no sooner."""
    found = doubts(changes, is_deaf_after=10_000)
    assert {why for _, why in found} <= {Doubt.QUIET}
    told = sorted(at + late for at, late in changes)
    for at, _ in found:
        assert not [each for each in told if at - QUIET < each <= at]
    assert all(later - earlier >= QUIET for earlier, later in pairwise(at for at, _ in found))


@given(changes, st.integers(0, 300))
def test_a_deaf_lane_is_doubted_within_a_stated_time(changes: list[tuple[int, int]], is_deaf_after: int) -> None:
    """Of the first change that REST shows and the lane does not tell; and in any case of its last word."""
    kept = [at for at, late in changes if at > is_deaf_after]
    found = doubts(changes, is_deaf_after=is_deaf_after)
    after = [at for at, _ in found if at > is_deaf_after]
    assert after[0] <= is_deaf_after + 1 + QUIET
    if kept:
        assert [at for at, _ in found if min(kept) <= at <= min(kept) + (UNTOLD << DOUBLINGS_MAX)]


def test_what_is_told_in_part_is_still_owed() -> None:
    """The lane says that an order is there, and REST that it is filled."""
    hearing = Hearing(quiet_ns=QUIET, untold_ns=UNTOLD)
    hearing.learnt("a", 0)
    hearing.told("a", 3, is_all=False)
    assert hearing.doubt(UNTOLD - 1) is None
    assert hearing.doubt(UNTOLD) is Doubt.UNTOLD
    hearing.told("a", UNTOLD, is_all=True)
    assert hearing.doubt(UNTOLD) is None


def test_a_venue_that_never_tells_of_something_is_asked_ever_less_often() -> None:
    """Until it tells of what is owed in time: then the patience of the first day is back."""
    hearing, waits = Hearing(quiet_ns=10_000, untold_ns=UNTOLD), []
    now = 0
    for number in range(DOUBLINGS_MAX + 3):
        hearing.restart(now, Doubt.UNTOLD if number else None)
        hearing.learnt(f"o-{number}", now)
        begun = now
        while hearing.doubt(now) is None:
            now += 1
        waits.append(now - begun)
    assert waits == [UNTOLD << min(number, DOUBLINGS_MAX) for number in range(DOUBLINGS_MAX + 3)]
    hearing.restart(now)
    hearing.learnt("b", now)
    hearing.told("b", now, is_all=True)
    hearing.learnt("c", now)
    assert hearing.doubt(now + UNTOLD) is Doubt.UNTOLD
