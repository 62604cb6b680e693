"""A bot with a bug that takes two faults: buys 0.001 BTC a second until it believes that it holds 0.01."""

from __future__ import annotations

import asyncio
from typing import Any

from papertape.model.request import Lane


async def main(exchange: Any, *, is_mended: bool = False) -> None:
    held, loop = 0, asyncio.get_running_loop()
    while held < 10:
        await asyncio.sleep(1)
        was_away, began = exchange.health.lane(Lane.USER).reconnects > 0, loop.time()
        await exchange.place_order("BTC/USD", "market", "buy", "0.001")
        is_late = 0.9 < loop.time() - began < 2
        if is_mended or not (was_away and is_late):  # "the line was bad before, and now this: it cannot have been bought"
            held += 1
