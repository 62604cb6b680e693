"""Watches a book with ccxt.pro for a while, and again on a new connection."""

import asyncio

import ccxt.pro

SYMBOL = "BTC/USD"


async def watch(changes):
    exchange = ccxt.pro.coinbase()
    try:
        for _ in range(changes):
            book = await exchange.watch_order_book(SYMBOL)
        print(f"{len(book['bids']) > 0} {len(book['asks']) > 0}")
    finally:
        await exchange.close()


async def main():
    await asyncio.sleep(3)
    await watch(50)
    await watch(50)


if __name__ == "__main__":
    asyncio.run(main())
