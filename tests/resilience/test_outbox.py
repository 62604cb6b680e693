"""Orders wait for the line as long as they may, and not longer."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.model.errors import IllegalMove
from papertape.resilience.outbox import Outbox, Seen, Verdict


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


steps = st.tuples(
    st.sampled_from(["put", "ask", "sent", "back", "withdraw"]),
    st.integers(0, 7),
    st.integers(0, 30),
    st.booleans(),
    st.sampled_from([None, 100, 101, 150]),
)


@given(st.lists(steps, max_size=60))
def test_it_lets_go_in_order_in_time_and_into_the_same_market(script: list[tuple[str, int, int, bool, int | None]]) -> None:
    """Against a list that is as plain as can be: what goes is the oldest of its symbol, in time, and, if it waited, at its price."""
    outbox = Outbox(ttl_ns=100, limit=5, stale_bps=200)
    model: list[dict[str, object]] = []  # what waits, oldest wish first
    out: dict[str, tuple[object, dict[str, object]]] = {}
    now_ns = wishes = 0
    for what, number, wait_ns, flag, price in script:
        now_ns += wait_ns
        key, symbol = f"o-{number}", f"S{number % 2}"
        mine = next((each for each in model if each["key"] == key), None)
        seen = Seen(None if price is None else Decimal(price), is_current=flag)
        if what == "put" and mine is None and key not in out and len(model) < 5:
            outbox.put(key, symbol, now_ns, seen)
            model.append({"key": key, "symbol": symbol, "until": now_ns + 100, "at": price, "waited": False, "wish": wishes})
            wishes += 1
        elif what == "ask" and mine is not None:
            verdict = outbox.ask(key, now_ns, may_go=number < 6, seen=seen)
            if now_ns >= mine["until"]:  # type: ignore[operator]  # the model's rows hold what their keys say
                expected = Verdict.EXPIRED
            elif number >= 6 or (mine["waited"] and not flag):
                expected, mine["waited"] = Verdict.WAIT, True
            elif any(each["symbol"] == symbol for each in model[: model.index(mine)]):
                expected = Verdict.BEHIND
            elif mine["waited"] and mine["at"] is not None and price is not None and abs(price - mine["at"]) * 50 > mine["at"]:  # type: ignore[call-overload, operator]  # the model's rows hold what their keys say
                expected = Verdict.STALE
            else:
                expected = Verdict.SEND
            assert verdict is expected
            if expected in (Verdict.EXPIRED, Verdict.STALE):
                model.remove(mine)
        elif what == "sent" and mine is not None:
            out[key] = (outbox.sent(key), mine)
            model.remove(mine)
        elif what == "back" and key in out:
            waiting, was = out.pop(key)
            outbox.back(waiting)  # type: ignore[arg-type]  # the model's rows hold what their keys say
            model = sorted([*model, {**was, "waited": True}], key=lambda each: each["wish"])  # type: ignore[arg-type, return-value]  # the model's rows hold what their keys say
        elif what == "withdraw":
            outbox.withdraw(key)
            model = [each for each in model if each["key"] != key]
        assert len(outbox) == len(model)
        assert all(str(each["key"]) in outbox for each in model)
    assert outbox.empty() == tuple(each["key"] for each in model)
