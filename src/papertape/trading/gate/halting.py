"""What a halt does to a bot that trades: it is noticed at once, and its own open orders are withdrawn."""

from __future__ import annotations

import asyncio
from typing import Final, Self

from papertape.exchanges.resilient import ResilientExchange
from papertape.model.units import MILLISECOND, SECOND, Nanos
from papertape.trading.parts import Parts

LOOK_EVERY_NS: Final[Nanos] = 250 * MILLISECOND
"""How soon the file that halts trading is seen while no order asks for it."""

AGAIN_AFTER_NS: Final[Nanos] = 2 * SECOND
"""How long after a cancel that failed it is tried again."""


class Halting:
    """While it lasts, watches for a halt; nothing to do where there is no gate.

    An order that was on its way as trading was halted may show up later, so it goes on looking.

    Args:
        is_cancelling: whether a halt withdraws the bot's own open orders; those that somebody else placed are never touched.
    """

    def __init__(self, exchange: ResilientExchange, parts: Parts, *, is_cancelling: bool) -> None:
        self._exchange = exchange
        self._parts = parts
        self._is_cancelling = is_cancelling
        self._halted = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        parts.on_halted = self._halted.set

    async def __aenter__(self) -> Self:
        self.begin()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.end()

    def begin(self) -> None:
        """Watch from now on; for who has no block that it could last for, until the loop ends."""
        if self._parts.keeper is not None:
            self._work = asyncio.ensure_future(self._watch())

    async def end(self) -> None:
        """Watch no longer; doing so twice changes nothing."""
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
            await asyncio.wait([work])

    async def _watch(self) -> None:
        keeper, clock = self._parts.keeper, self._parts.clock
        assert keeper is not None, "there is a gate"
        while not self._halted.is_set():
            keeper.look()
            await clock.sleep_ns(LOOK_EVERY_NS)
        while self._is_cancelling:
            await self._withdraw()
            await clock.sleep_ns(AGAIN_AFTER_NS)

    async def _withdraw(self) -> None:
        for order in self._exchange.own_open:
            try:
                await self._exchange.cancel_order(order.id, order.symbol)
            except Exception as error:  # whatever it is, the others are to be cancelled, and this one is tried again
                self._parts.tell(f"order {order.id} could not be cancelled yet: {error}")
