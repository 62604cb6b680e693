"""Each invariant on the shelf catches the client that breaks it, and says its name: one sabotage for each, in the shell or in the bot."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

import papertape
from papertape.exchanges import account, line, placing, polling, requests, streams
from papertape.exchanges.base import BaseExchange
from papertape.exchanges.delivery import Delivery
from papertape.model import errors as ccxt
from papertape.model.event import Side
from papertape.model.order import NewOrder, OrderType
from papertape.model.request import Lane, Op, Request
from papertape.resilience import outbox, sequence, tracker
from papertape.resilience.feed import Feed
from papertape.session.result import RunResult, Status

SYMBOL = "BTC/USD"
Break = Callable[[pytest.MonkeyPatch], None]


def run(bot: Any, *faults: dict[str, object], end: str = "90s", **more: Any) -> RunResult:
    feed = {"tape": "builtin:btc-usd", "end": end}
    return papertape.simulate(bot, venues={"coinbase": {"feed": feed, "account": {"USD": "100000", "BTC": "1"}}}, faults=faults, **more)


async def trades(exchange: BaseExchange) -> None:
    """Follows everything, buys now and then, leaves one order open, asks for its balance."""
    await exchange.subscribe_order_book(SYMBOL, lambda book: None)
    await exchange.subscribe_trades(SYMBOL, lambda trade: None)
    await exchange.subscribe_orders(lambda order: None)
    resting = await exchange.place_order(SYMBOL, "limit", "buy", "0.01", "50000.00")
    for _ in range(4):
        await asyncio.sleep(20)
        with contextlib.suppress(ccxt.BaseError):
            await exchange.place_order(SYMBOL, "market", "buy", "0.01")
    await exchange.fetch_balance()
    await exchange.cancel_order(resting.id, SYMBOL)


def nothing(patch: pytest.MonkeyPatch) -> None:
    """All is well."""


def sent_under_a_new_id(patch: pytest.MonkeyPatch) -> None:
    create = placing._create

    def renamed(intent: Any) -> Request:
        request = create(intent)
        return request if request.attempt == 1 else msgspec.structs.replace(request, client_order_id=f"{request.client_order_id}-again")

    patch.setattr(placing, "_create", renamed)


def answers_are_not_remembered(patch: pytest.MonkeyPatch) -> None:
    """The bot is told of its orders, and the books are not."""
    told = tracker.Tracker.told

    def forgetful(self: tracker.Tracker, order: Any, at_ns: int) -> Any:
        return told(self, msgspec.structs.replace(order, filled=Decimal(0), cost=Decimal(0)) if order.filled else order, at_ns)

    patch.setattr(tracker.Tracker, "told", forgetful)


def given_up_after_sending(patch: pytest.MonkeyPatch) -> None:
    """An answer that does not come is taken for a request that never left."""
    lost = account.Account.lost

    def wishful(self: account.Account, intent: tracker.Intent, why: str) -> None:
        if intent.state is tracker.IntentState.SENT:
            self.held_back(intent)
            self.given_up(intent)
        else:
            lost(self, intent, why)

    patch.setattr(account.Account, "lost", wishful)


def fills_count_twice(patch: pytest.MonkeyPatch) -> None:
    count = tracker.Tracker._count

    def twice(self: tracker.Tracker, known: Any, order: Any) -> None:
        count(self, known, order)
        count(self, known, order)

    patch.setattr(tracker.Tracker, "_count", twice)


def all_is_told_twice(patch: pytest.MonkeyPatch) -> None:
    call = Delivery.__call__

    def twice(self: Delivery, item: Any) -> None:
        call(self, item)
        call(self, item)

    patch.setattr(Delivery, "__call__", twice)


def fees_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    told = tracker.Tracker.told
    patch.setattr(tracker.Tracker, "told", lambda self, order, at_ns: told(self, msgspec.structs.replace(order, fee=Decimal(0)), at_ns))


def all_open_orders_are_cancelled(patch: pytest.MonkeyPatch) -> None:
    """Whosesoever they are; somebody else has one at the venue."""
    connect = line.Line.connect

    async def sweeping(self: line.Line) -> None:
        await connect(self)
        door = self._link._door  # type: ignore[attr-defined]  # of a link to a simulated venue
        wanted = NewOrder(symbol=SYMBOL, type=OrderType.LIMIT, side=Side.BUY, amount=Decimal("0.01"), price=Decimal("50000.00"))
        foreign = Request(op=Op.ORDER_CREATE, client_order_id="website-1", symbol=SYMBOL, order=wanted)
        door.venue.execute(foreign, self.clock.now_ns())
        answer = await self.requests.repeat(Request(op=Op.ORDERS_OPEN))
        for order in answer.orders:
            await self.requests.send(Request(op=Op.ORDER_CANCEL, order_id=order.id, symbol=order.symbol))

    patch.setattr(line.Line, "connect", sweeping)


def the_market_lane_stays_down(patch: pytest.MonkeyPatch) -> None:
    """And nobody minds."""
    on_closed = line.Line.on_closed
    patch.setattr(line.Line, "on_closed", lambda self, lane, reason: None if lane is Lane.MARKET else on_closed(self, lane, reason))
    patch.setattr(streams.Streams, "lost", lambda self: None)
    patch.setattr("papertape.resilience.silence.Silence.is_dead", lambda *_: False)


def nothing_is_reconciled(patch: pytest.MonkeyPatch) -> None:
    async def reconcile(*_: Any) -> int:
        return 0

    patch.setattr(line, "reconcile", reconcile)


def gaps_are_never_noticed(patch: pytest.MonkeyPatch) -> None:
    def on(self: sequence.Sequence, number: int) -> sequence.Succession:
        self.expected = number + 1
        return sequence.Succession.NEXT

    patch.setattr(sequence.Sequence, "on", on)


def haste(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(requests, "retry_after_ns", lambda error: 0)


def a_task_is_left(patch: pytest.MonkeyPatch) -> None:
    leave = line.Line._leave

    async def untidy(self: line.Line) -> None:
        await leave(self)
        self.spawn("still looking", asyncio.sleep(3600))

    patch.setattr(line.Line, "_leave", untidy)


def tasks_pile_up(patch: pytest.MonkeyPatch) -> None:
    place = placing.Placing.take_in

    def hoarding(self: placing.Placing, *arguments: Any) -> Any:
        for number in range(2_500):
            self._spawn(f"hoard {number}", asyncio.sleep(3600))
        return place(self, *arguments)

    patch.setattr(placing.Placing, "take_in", hoarding)


LOST: dict[str, object] = {"kind": "lost_reply", "nth_intent": 2}
DEAF: dict[str, object] = {"kind": "disconnect", "connection": "user", "on": "order.create", "nth_intent": 2, "lasts": "2s"}
LIMITED: dict[str, object] = {"kind": "rate_limit", "nth_intent": 2, "retry_after": "5s"}
CUT: dict[str, object] = {"kind": "disconnect", "connection": "market", "at": "5s", "lasts": "1s"}


def what_waits_goes_out_whenever_it_can(patch: pytest.MonkeyPatch) -> None:
    ask = outbox.Outbox.ask

    def patient(
        self: outbox.Outbox, client_order_id: str, now_ns: int, *, may_go: bool, seen: outbox.Seen = outbox.UNSEEN
    ) -> outbox.Verdict:
        waiting = self._waiting[client_order_id]
        self._waiting[client_order_id] = msgspec.structs.replace(waiting, until_ns=now_ns + self.ttl_ns)
        return ask(self, client_order_id, now_ns, may_go=may_go)

    async def nobody_polls(self: polling.Polling, lane: Lane, feed: Feed) -> None:
        await self.bell.until(lambda: self._is_live(lane))

    patch.setattr(outbox.Outbox, "ask", patient)
    patch.setattr(polling.Polling, "_poll", nobody_polls)  # else they would leave as soon as REST has reconciled


@pytest.mark.parametrize(
    ("invariant", "broken", "faults"),
    [
        ("no_duplicate_exposure", sent_under_a_new_id, [LIMITED]),
        ("every_order_known", answers_are_not_remembered, []),
        ("never_sent_is_true", given_up_after_sending, [LOST, DEAF]),
        ("position_matches", fills_count_twice, []),
        ("nothing_counted_twice", all_is_told_twice, []),
        ("money_conserved", fees_are_forgotten, []),
        ("leaves_foreign_orders_alone", all_open_orders_are_cancelled, []),
        ("orders_after_reconciling", nothing_is_reconciled, [{**CUT, "connection": "user"}]),
        ("orders_from_fresh_data", the_market_lane_stays_down, [CUT]),
        ("late_orders_fit", what_waits_goes_out_whenever_it_can, [{**CUT, "connection": "user", "lasts": "45s"}]),
        ("book_matches", gaps_are_never_noticed, [{"kind": "gap", "at": "5s"}]),
        ("rate_respected", haste, [LIMITED]),
        ("stays_bounded", tasks_pile_up, []),
        ("nothing_left_behind", a_task_is_left, []),
    ],
)
def test_each_invariant_catches_who_breaks_it(
    invariant: str, broken: Break, faults: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy = run(trades, *faults)
    assert healthy.status is Status.PASSED, healthy.failures
    broken(monkeypatch)
    result = run(trades, *faults)
    assert result.status is Status.FAILED
    assert invariant in result.broken, result.failures


def test_every_invariant_has_its_break() -> None:
    from papertape.invariants import INVARIANTS

    (mark,) = test_each_invariant_catches_who_breaks_it.pytestmark
    assert {name for name, _, _ in mark.args[1]} == set(INVARIANTS)
