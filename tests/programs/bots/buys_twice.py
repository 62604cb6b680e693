"""Buys 0.01 BTC. If the exchange does not answer, it tries again, as it should. Or should it?"""

import asyncio
import os

import ccxt.async_support as ccxt

SYMBOL, AMOUNT = "BTC/USD", 0.01


async def buy(exchange, price):
    while True:
        try:
            return await exchange.create_order(SYMBOL, "limit", "buy", AMOUNT, price)
        except ccxt.NetworkError as error:
            print(f"no answer ({type(error).__name__}), trying again")
            await asyncio.sleep(1)


async def main():
    keys = {"apiKey": os.environ["COINBASE_API_KEY"], "secret": os.environ["COINBASE_API_SECRET"]}
    async with ccxt.coinbase(keys) as exchange:
        ticker = await exchange.fetch_ticker(SYMBOL)
        order = await buy(exchange, ticker["ask"])
        print(f"bought {AMOUNT} {SYMBOL}: order {order['id']}")


if __name__ == "__main__":
    asyncio.run(main())
