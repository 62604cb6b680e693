"""Every open order on the account is mine."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Final

from papertape.bots.canaries.base import Canary
from papertape.exchanges.base import BaseExchange
from papertape.model.errors import BaseError

EVERY_S: Final = 20.0


class CancelsForeignOrders(Canary):
    """Now and then cancels every open order that is none of its two quotes, whoever placed it.

    The bug: it tidies up what it takes for its own leftovers, on an account that somebody else, or another bot, trades on as well.

    From: freqtrade/freqtrade#907 and ctubio/Krypto-trading-bot#500, #1057 (orders should be cancelled at the end, but only mine).

    Caught by `leaves_foreign_orders_alone`: an order that the client never placed was cancelled by it.
    """

    caught_by: ClassVar[tuple[str, ...]] = ("leaves_foreign_orders_alone",)

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._tidying: asyncio.Task[None] | None = None

    async def start(self, exchange: BaseExchange) -> None:
        await super().start(exchange)
        self._tidying = asyncio.get_running_loop().create_task(self._tidy_up(exchange), name="tidy up")

    async def stop(self) -> None:
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.wait([self._tidying])
        await super().stop()

    async def _tidy_up(self, exchange: BaseExchange) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                for order in await exchange.fetch_open_orders(self.symbol):
                    if order.id not in [quote.id for quote in self._quotes.values()]:
                        await exchange.cancel_order(order.id, order.symbol)
            except BaseError:
                continue  # filled meanwhile, or the line is down: next time
