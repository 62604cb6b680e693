"""A market stall: what is served, without its sockets and in virtual time, for tests of what it decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from papertape.journal import Journal
from papertape.model.event import Side
from papertape.model.order import NewOrder, OrderType, OrderUpdate
from papertape.model.request import Answer, Channel, Lane, Op, Request
from papertape.model.units import SECOND
from papertape.runtime.clock import VirtualClock
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.world import run_virtual
from papertape.session.serving.market import ServedMarket
from papertape.session.serving.spec import ServeSpec
from papertape.session.spec import FeedSpec

ROOT = Path(__file__).parents[2]
TODAY_NS = 1_790_000_000 * SECOND
"""What the machine's clock shows as a test begins."""


class Stall:
    """The market, what it has told the person at the terminal, and a client."""

    def __init__(self, market: ServedMarket, loop: VirtualLoop, journal: Journal, told: list[str]) -> None:
        self.market, self.loop, self.journal, self.told = market, loop, journal, told
        self._attempts: dict[tuple[Op, str], int] = {}

    async def ask(self, op: Op, client_order_id: str = "", **more: Any) -> Answer:
        """One request, counted as the front end counts it; raises `ReplyLost` as it would."""
        key = (op, client_order_id)
        self._attempts[key] = attempt = self._attempts.get(key, 0) + 1
        return await self.market.port.request(Request(op=op, client_order_id=client_order_id, attempt=attempt, **more))

    async def buy(self, client_order_id: str, price: str = "50000") -> Answer:
        order = NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal("0.01"), price=Decimal(price))
        return await self.ask(Op.ORDER_CREATE, client_order_id, symbol="BTC/USD", order=order)

    def listen(self) -> list[OrderUpdate]:
        """What a user stream brings from now on."""
        heard: list[OrderUpdate] = []
        handle = self.market.port.open_stream(Lane.USER, lambda sequence, message: heard.append(message), lambda goodbye: None)
        handle.subscribe(Channel.ORDERS, "")
        return heard


def at_a_stall(story: Callable[[Stall], Awaitable[Any]], *, feeds: tuple[str, ...] = ("fixtures/btc-usd-30s.parquet",), **spec: Any) -> Any:
    """Tell the story to a market that has just begun, and return what it returns."""
    made = ServeSpec(
        venue="coinbase",
        feeds=tuple(FeedSpec(tape=tape) for tape in feeds),
        account={"USD": Decimal(100_000), "BTC": Decimal(1)},
        folder=ROOT,
        **spec,
    )

    async def main(loop: VirtualLoop) -> Any:
        told: list[str] = []
        journal = Journal({})
        market = ServedMarket(made, VirtualClock(loop), journal, told.append)
        if not made.waits:
            market.start()
        try:
            return await story(Stall(market, loop, journal, told))
        finally:
            market.time.stop()

    return run_virtual(main, epoch_ns=TODAY_NS, limit_ns=3_600 * SECOND, patch=False)
