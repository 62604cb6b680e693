"""What `test_adapter.py` runs beside our adapter: ccxt.pro on the same three streams, with a request a minute."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt.pro

SYMBOL = "BTC/USD"


async def follow(watch: Callable[[str], Awaitable[Any]]) -> None:
    """Take what comes, until the end."""
    while True:
        await watch(SYMBOL)


async def main() -> None:
    exchange = ccxt.pro.coinbase(
        {"apiKey": os.environ["COINBASE_API_KEY"], "secret": os.environ["COINBASE_API_SECRET"], "newUpdates": True}
    )
    await exchange.load_markets()
    following = [
        asyncio.ensure_future(follow(watch)) for watch in (exchange.watch_trades, exchange.watch_order_book, exchange.watch_ticker)
    ]
    try:
        while True:
            await exchange.fetch_balance()
            await asyncio.sleep(60)
    finally:
        for each in following:
            each.cancel()
        await exchange.close()


if __name__ == "__main__":
    asyncio.run(main())
