"""Keeps its sums in a file beside it, as programs of more than one file do."""

import asyncio

import ccxt.async_support as ccxt
from helpers import calls, middle


async def main():
    async with ccxt.coinbase() as exchange:
        for _ in range(2):
            book = await exchange.fetch_order_book("BTC/USD", 5)
            print(f"middle {middle(book):.2f}, asked {len(calls)} times")
            await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(main())
