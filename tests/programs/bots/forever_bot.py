"""Watches trades until somebody presses Ctrl-C, then says what it saw."""

import asyncio

import ccxt.pro

SYMBOL = "BTC/USD"
seen = []


async def main():
    exchange = ccxt.pro.coinbase()
    try:
        while True:
            seen.extend(await exchange.watch_trades(SYMBOL))
    finally:
        await exchange.close()
        print("exchange closed")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print(f"stopped: {len(seen)} trades, {sum(trade['amount'] for trade in seen):.8f} BTC")
