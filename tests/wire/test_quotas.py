"""Quotas: never more than so many in any window, and never fewer than could be had."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from papertape.model.venue import Quota
from papertape.wire.quotas import STRANGERS_MAX, Quotas


@given(steps=st.lists(st.integers(0, 30), max_size=60), count=st.integers(1, 5), per_ns=st.integers(1, 60))
def test_no_window_holds_more_than_its_quota(steps: list[int], count: int, per_ns: int) -> None:
    """Whoever is let in was not one too many in any window; who is not would have been; what is left is told truly."""
    quotas, quota, now_ns = Quotas(), Quota(count=count, per_ns=per_ns), 0
    let_in: list[int] = []
    for step in steps:
        now_ns += step
        standing = quotas.ask("me", quota, now_ns)
        recent = [at for at in let_in if at > now_ns - per_ns]
        assert standing.is_over is (len(recent) == count)
        if not standing.is_over:
            let_in.append(now_ns)
            recent.append(now_ns)
        assert (standing.limit, standing.remaining, standing.whole_ns) == (count, count - len(recent), recent[-1] + per_ns)


def test_each_has_a_window_of_its_own() -> None:
    """By name and by quota."""
    quotas, one = Quotas(), Quota(count=1)
    assert [quotas.ask(who, one, 0).is_over for who in ("a", "b", "a", "b")] == [False, False, True, True]


def test_strangers_are_forgotten() -> None:
    """Whoever asks from ever new addresses does not fill the memory."""
    quotas, one = Quotas(), Quota(count=1)
    for n in range(STRANGERS_MAX + 50):
        quotas.ask(str(n), one, 0)
    assert len(quotas._asked) == STRANGERS_MAX
