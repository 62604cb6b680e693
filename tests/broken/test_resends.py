"""A request that leaves once more can make an order as the first could: who sends it when no order may leave is caught."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

import papertape
from papertape.exchanges import placing
from papertape.exchanges.base import BaseExchange
from papertape.exchanges.placing import Placing
from papertape.model import errors as ccxt
from papertape.model.request import Request
from papertape.model.units import MINUTE
from papertape.resilience.outbox import UNSEEN, Outbox, Seen, Verdict, Waiting
from papertape.session import run as session
from papertape.session.result import Status

SYMBOL = "BTC/USD"
SECOND_ORDER: dict[str, object] = {"on": "order.create", "nth": 2}
Break = Callable[[pytest.MonkeyPatch], None]


async def buys_twice(exchange: BaseExchange) -> None:
    """While it is well; what becomes of the second order is the shell's affair."""
    await exchange.subscribe_order_book(SYMBOL, lambda book: None)
    await exchange.subscribe_orders(lambda order: None)
    for _ in range(2):
        with contextlib.suppress(ccxt.BaseError):
            await exchange.place_order(SYMBOL, "market", "buy", "0.01")
        await asyncio.sleep(20)


def what_was_refused_goes_again_come_what_may(patch: pytest.MonkeyPatch) -> None:
    """As soon as the venue has had its quiet, whatever the lanes say and however long it took."""
    ask, back, may_go = Outbox.ask, Outbox.back, Placing._may_go
    returned: dict[str, None] = {}

    def kept(self: Outbox, waiting: Waiting) -> None:
        returned[waiting.client_order_id] = None
        back(self, msgspec.structs.replace(waiting, until_ns=waiting.until_ns + MINUTE))

    def asked(self: Outbox, client_order_id: str, now_ns: int, *, may_go: bool, seen: Seen = UNSEEN) -> Verdict:
        return Verdict.SEND if client_order_id in returned else ask(self, client_order_id, now_ns, may_go=may_go, seen=seen)

    patch.setattr(Outbox, "back", kept)
    patch.setattr(Outbox, "ask", asked)
    patch.setattr(Placing, "_may_go", lambda self, symbol, **rest: bool(returned) or may_go(self, symbol, **rest))


def an_outcome_is_looked_for_by_sending_come_what_may(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Placing, "_may_repeat", lambda *_: True)


def an_outcome_is_looked_for_by_sending_for_minutes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(session, "SETTINGS", msgspec.structs.replace(session.SETTINGS, resolve_within_ns=5 * MINUTE))


def limited(retry_after: str) -> dict[str, object]:
    return {"kind": "rate_limit", **SECOND_ORDER, "retry_after": retry_after}


def cut(connection: str, lasts: str) -> dict[str, object]:
    return {"kind": "disconnect", "connection": connection, **SECOND_ORDER, "lasts": lasts}


@pytest.mark.parametrize(
    ("invariant", "broken", "faults"),
    [
        ("orders_after_reconciling", what_was_refused_goes_again_come_what_may, [limited("20s"), cut("user", "60s")]),
        ("orders_from_fresh_data", what_was_refused_goes_again_come_what_may, [limited("45s"), cut("market", "48s")]),
        ("late_orders_fit", what_was_refused_goes_again_come_what_may, [limited("20s"), cut("market", "60s")]),
        ("orders_after_reconciling", an_outcome_is_looked_for_by_sending_come_what_may, [cut("rest", "15s"), cut("user", "60s")]),
        ("late_orders_fit", an_outcome_is_looked_for_by_sending_for_minutes, [cut("rest", "75s")]),
    ],
)
def test_a_resend_at_the_wrong_time_is_caught(
    invariant: str, broken: Break, faults: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> Any:
        venue = {"feed": {"tape": "builtin:btc-usd", "end": "2m"}, "account": {"USD": "100000", "BTC": "1"}}
        return papertape.simulate(buys_twice, venues={"coinbase": venue}, faults=faults)

    healthy = run()
    assert healthy.status is Status.PASSED, healthy.failures
    broken(monkeypatch)
    result = run()
    assert result.status is Status.FAILED
    assert invariant in result.broken, result.failures


def sent_under_a_new_id(patch: pytest.MonkeyPatch) -> None:
    create = placing._create

    def renamed(intent: Any) -> Request:
        request = create(intent)
        return request if request.attempt == 1 else msgspec.structs.replace(request, client_order_id=f"{request.client_order_id}-again")

    patch.setattr(placing, "_create", renamed)


def test_the_live_adapter_sends_again_under_the_same_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """All lanes are up and only the answer is lost, so that the outcome is learnt by sending again."""

    def run() -> Any:
        venue = {"feed": {"tape": "builtin:btc-usd", "end": "50s"}, "account": {"USD": "100000", "BTC": "1"}}
        return papertape.simulate(buys_twice, venues={"coinbase": venue}, faults=[{"kind": "lost_reply", **SECOND_ORDER}], depth="wire")

    assert run().status is Status.PASSED
    sent_under_a_new_id(monkeypatch)
    assert "no_duplicate_exposure" in run().broken
