"""An order that had to wait meets the market that it was meant for."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from invariants.cases import WANTED, case
from papertape.invariants import Freshness, NotJudged
from papertape.invariants.late_orders_fit import LateOrdersFit, LateWatch
from papertape.model.request import Op, Request
from papertape.model.units import SECOND


def at(mid: str, since_s: int | None = None) -> Freshness:
    return Freshness(mid=Decimal(mid), since_ns=None if since_s is None else since_s * SECOND, why="its connection has been closed")


def request(attempt: int = 1) -> Request:
    return Request(op=Op.ORDER_CREATE, client_order_id="pt-1", symbol="BTC/USD", order=WANTED, attempt=attempt)


def left(watch: LateWatch, at_s: int, fresh: Freshness | None, attempt: int = 1) -> None:
    watch.order_left(at_s * SECOND, request(attempt), fresh)


def judged(watch: LateWatch) -> list[str]:
    return LateOrdersFit().judge(case(watches={"late_orders_fit": watch}))


def waited(at_s: int, fresh: Freshness | None, asked: Freshness | None = None) -> LateWatch:
    """What came of an order that was asked for at second 10, with the market at 100."""
    watch = LateWatch()
    watch.order_asked(10 * SECOND, msgspec.structs.replace(WANTED), asked or at("100"))
    left(watch, at_s, fresh)
    return watch


@pytest.mark.parametrize("fresh", [at("100"), at("101"), at("99"), at("100", since_s=21)])
def test_the_same_market_seen_of_late_is_fine(fresh: Freshness) -> None:
    """A hundred basis points either way, and ten seconds of not having noticed that the line is dead."""
    assert judged(waited(30, fresh)) == []


def test_a_market_that_has_moved_is_named() -> None:
    (problem,) = judged(waited(30, at("98.99")))
    assert (
        problem == "coinbase: at 30s: order pt-1 (buy BTC/USD) left 20s after it was asked for, when the market had gone from 100 to 98.99"
    )


def test_a_market_that_cannot_be_seen_is_named() -> None:
    (problem,) = judged(waited(30, at("100", since_s=15)))
    assert "into a market that could not be seen for 15s: its connection has been closed" in problem


def test_an_order_that_waited_for_too_long_is_named_whatever_the_market_did() -> None:
    assert judged(waited(41, at("100"))) == []
    (problem,) = judged(waited(42, at("100")))
    assert problem.endswith("left 32s after it was asked for; whatever it was meant for is over")


def test_of_two_calls_alike_the_later_one_counts() -> None:
    """The earlier one's order may have died unsent with the bot that wanted it."""
    watch = LateWatch()
    for at_s in (10, 100):
        watch.order_asked(at_s * SECOND, msgspec.structs.replace(WANTED), at("100"))
    left(watch, 102, at("100"))
    assert judged(watch) == []


def test_what_did_not_wait_is_not_judged() -> None:
    """What an order from old data is worth is for `orders_from_fresh_data`."""
    with pytest.raises(NotJudged, match="no order had to wait"):
        judged(waited(10, at("50", since_s=0)))


def test_who_follows_nothing_trades_blind_on_purpose() -> None:
    with pytest.raises(NotJudged):
        judged(waited(30, None))


@pytest.mark.parametrize("is_refused", [True, False])
def test_each_leaving_counts(is_refused: bool) -> None:
    """What the market must not be for the first it must not be for the second, whatever that is for."""
    watch = waited(12, at("100"))
    if is_refused:
        watch.order_refused(13 * SECOND, request())
    left(watch, 30, at("50"), attempt=2)
    left(watch, 31, at("100", since_s=15), attempt=3)
    moved, unseen = judged(watch)
    assert "order pt-1 (buy BTC/USD), attempt 2, left 20s after it was asked for, when the market had gone from 100 to 50" in moved
    assert "attempt 3, left 21s after it was asked for, into a market that could not be seen for 16s" in unseen


def test_what_was_refused_has_no_longer_than_the_first_and_what_was_not_answered_has_a_hunt() -> None:
    for answered, last_s in ((True, 41), (False, 81)):
        watch = waited(12, at("100"))
        if answered:
            watch.order_refused(13 * SECOND, request())
        left(watch, last_s, at("100"), attempt=2)
        assert judged(watch) == []
        if answered:
            watch.order_refused(last_s * SECOND, request(2))
        left(watch, last_s + 1, at("100"), attempt=3)
        (problem,) = judged(watch)
        assert "attempt 3" in problem
        assert problem.endswith("whatever it was meant for is over")


def test_a_call_that_was_told_no_leaves_no_trace() -> None:
    """The next order like it was asked for when it was asked for."""
    watch = LateWatch()
    refused = msgspec.structs.replace(WANTED)
    watch.order_asked(10 * SECOND, refused, at("100"))
    watch.asking_undone(refused)
    watch.order_asked(100 * SECOND, msgspec.structs.replace(WANTED), at("50"))
    left(watch, 102, at("50"))
    assert judged(watch) == []
