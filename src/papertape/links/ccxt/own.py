"""The user lane by REST: the open orders now and then, and each that is no longer among them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from papertape.model.errors import BaseError, OrderNotFound
from papertape.model.event import Event, Heartbeat
from papertape.model.order import Order, OrderUpdate
from papertape.model.request import Answer, Op, Request
from papertape.model.units import Nanos
from papertape.runtime.clock import Clock

TOLD_MAX = 10_000
"""Of how many orders is remembered what was told of them; the oldest are forgotten first."""


class Own:
    """One opened user lane: tells each change of our orders once. The first question that fails ends it.

    ccxt.pro has own orders of many venues, but does not say when a stream has begun; what happens before it has is told by nobody.

    Args:
        spend: awaited before each request.
        ask: the link's `request`.
        followed: ids and symbols of orders that are open as far as the link knows.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        every_ns: Nanos,
        spend: Callable[[Op], Awaitable[object]],
        ask: Callable[[Request], Awaitable[Answer]],
        followed: Callable[[], list[Order]],
        on_message: Callable[[Event | OrderUpdate], None],
        on_closed: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._every_ns = every_ns
        self._spend = spend
        self._ask = ask
        self._followed = followed
        self._on_message = on_message
        self._on_closed = on_closed
        self._told: dict[str, tuple[object, ...]] = {}
        self._task = asyncio.get_running_loop().create_task(self._run(), name="own orders by REST")

    def close(self) -> None:
        """Ask no more; nobody is told."""
        self._task.cancel()

    async def _run(self) -> None:
        counter = 0
        try:
            while True:
                await self._look()
                self._on_message(Heartbeat(venue_ns=0, local_ns=self._clock.wall_ns(), symbol="", counter=counter))
                counter += 1
                await self._clock.sleep_ns(self._every_ns)
        except BaseError as error:
            self._on_closed(f"own orders by REST: {type(error).__name__}: {error}")

    async def _look(self) -> None:
        before = self._followed()
        listed = (await self._paid(Request(op=Op.ORDERS_OPEN))).orders
        names = dict.fromkeys(order.id for order in listed)
        for order in listed:
            self._tell(order)
        for known in before:
            if known.id in names:
                continue
            if not known.status.is_final:
                try:
                    answer = await self._paid(Request(op=Op.ORDER_FETCH, order_id=known.id, symbol=known.symbol))
                except OrderNotFound:
                    continue  # a list may lag, and so may this; not found is not dead
                known = answer.order or known
            self._tell(known)

    async def _paid(self, request: Request) -> Answer:
        await self._spend(request.op)
        return await self._ask(request)

    def _tell(self, order: Order) -> None:
        stands = (order.status, order.filled, order.amount, order.price)
        if self._told.get(order.id) == stands:
            return
        self._told.pop(order.id, None)
        self._told[order.id] = stands
        if len(self._told) > TOLD_MAX:
            del self._told[next(iter(self._told))]
        self._on_message(OrderUpdate(venue_ns=order.updated_ns, order=order))
