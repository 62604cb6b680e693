"""Quotes a little around the market with ccxt.pro until it has seen enough trades, then takes its orders back and goes."""

import asyncio
import os

import ccxt.pro

SYMBOL = "BTC/USD"
SIZE = 0.01
TRADES = 1000
EVERY = 200


async def follow_orders(exchange):
    while True:
        for order in await exchange.watch_orders():
            print(f"order {order['clientOrderId']}: {order['status']}, {order['filled']} filled")


async def quote(exchange, last):
    for order in await exchange.fetch_open_orders(SYMBOL):
        try:
            await exchange.cancel_order(order["id"], SYMBOL)
        except ccxt.ExchangeError as error:  # it was filled in the meantime
            print("not cancelled:", type(error).__name__)
    for side, price in (("buy", last - 0.5), ("sell", last + 0.5)):
        await exchange.create_order(SYMBOL, "limit", side, SIZE, price)


async def main():
    exchange = ccxt.pro.coinbase({"apiKey": os.environ["COINBASE_API_KEY"], "secret": os.environ["COINBASE_API_SECRET"]})
    follower = asyncio.create_task(follow_orders(exchange))
    seen, due = 0, EVERY
    try:
        while seen < TRADES:
            trades = await exchange.watch_trades(SYMBOL)
            seen += len(trades)
            if seen >= due:
                due += EVERY
                await quote(exchange, trades[-1]["price"])
        for order in await exchange.fetch_open_orders(SYMBOL):
            await exchange.cancel_order(order["id"], SYMBOL)
        mine = await exchange.fetch_my_trades(SYMBOL)
        balance = await exchange.fetch_balance({"v3": True})
        print(f"{seen} trades seen, {len(mine)} of them mine; {balance['BTC']['total']} BTC, {balance['USD']['total']} USD")
    finally:
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
        await exchange.close()


if __name__ == "__main__":
    asyncio.run(main())
