"""Orders wait for the line as long as they may, and not longer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.model.errors import IllegalMove
from papertape.resilience.outbox import Outbox, Verdict


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=30), st.integers(1, 60))
def test_an_order_is_sent_in_time_or_expires_once(steps: list[tuple[int, bool]], ttl_ns: int) -> None:
    """It waits while it may not go, goes when it may, and at its deadline expires even then; afterwards it is gone."""
    outbox = Outbox(ttl_ns=ttl_ns, limit=5)
    outbox.put("a", "BTC/USD", 0)
    now_ns = 0
    for wait_ns, may_go in steps:
        now_ns += wait_ns
        verdict = outbox.ask("a", now_ns, may_go=may_go)
        if now_ns >= ttl_ns:
            assert verdict is Verdict.EXPIRED
            assert "a" not in outbox
            return
        assert verdict is (Verdict.SEND if may_go else Verdict.WAIT)
        assert "a" in outbox


def test_what_comes_back_keeps_its_deadline() -> None:
    """An order that left without effect has only the time it had left, even if the outbox is full by now."""
    outbox = Outbox(ttl_ns=100, limit=1)
    outbox.put("a", "BTC/USD", 0)
    waiting = outbox.sent("a")
    outbox.put("b", "BTC/USD", 50)
    outbox.back(waiting)
    assert outbox.deadline_ns("a") == 100
    assert outbox.ask("a", 100, may_go=True) is Verdict.EXPIRED


def test_a_full_outbox_takes_nothing() -> None:
    """The number of waiting orders is bounded, and none is wanted twice."""
    outbox = Outbox(ttl_ns=100, limit=2)
    outbox.put("a", "BTC/USD", 0)
    with pytest.raises(IllegalMove):
        outbox.put("a", "BTC/USD", 0)
    outbox.put("b", "BTC/USD", 0)
    assert outbox.is_full
    with pytest.raises(IllegalMove, match="2 of 2"):
        outbox.put("c", "BTC/USD", 0)
    assert outbox.empty() == ("a", "b")
    assert len(outbox) == 0
