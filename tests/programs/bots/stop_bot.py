"""Protects what it holds by stops and a date, as a ccxt program writes them, and says how the exchange shows them."""

import asyncio
import os

import ccxt.async_support as ccxt

SYMBOL, AMOUNT = "BTC/USD", 0.01
ORDERS = (
    ("buy", 50000.0, {"timeInForce": "GTD", "end_time": "2030-01-01T00:00:00.000Z"}),
    ("sell", 59000.0, {"stopLossPrice": 60000.0}),
    ("sell", 69000.0, {"takeProfitPrice": 70000.0}),
    ("sell", 59000.0, {"stopLossPrice": 90000.0}),
)


async def main():
    keys = {"apiKey": os.environ["COINBASE_API_KEY"], "secret": os.environ["COINBASE_API_SECRET"]}
    async with ccxt.coinbase(keys) as exchange:
        await exchange.load_markets()
        await asyncio.sleep(2)
        for side, price, terms in ORDERS:
            try:
                made = await exchange.create_order(SYMBOL, "limit", side, AMOUNT, price, terms)
            except ccxt.InvalidOrder as error:
                print("refused:", str(error).partition('"preview_failure_reason":"')[2].partition('"')[0])
                continue
            order = await exchange.fetch_order(made["id"])
            print(order["status"], order["price"], order["triggerPrice"], order["timeInForce"], order["info"]["trigger_status"])


if __name__ == "__main__":
    asyncio.run(main())
