"""Notes every few seconds what the market costs, in the ways of programs that grew in an office: threads, a database, a settings file."""

import argparse
import asyncio
import logging
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import ccxt.async_support as ccxt


def load_settings():
    """What `.env` beside this file says, unless the environment says otherwise."""
    for line in (Path(__file__).parent / ".env").read_text().splitlines():
        name, sign, value = line.partition("=")
        if sign and not line.startswith("#"):
            os.environ.setdefault(name.strip(), value.strip())


def round_trip(price):
    """Something slow that would stop everything else: it belongs in a thread."""
    time.sleep(0.25)
    return price * float(os.environ["FEE_BPS"]) / 10_000 * 2


def note(database, price, cost):
    with database:
        database.execute("INSERT INTO prices VALUES (?, ?, ?)", (datetime.now(UTC).isoformat(), price, cost))


async def main():
    load_settings()
    parser = argparse.ArgumentParser()
    parser.add_argument("--symbol", default=os.environ["SYMBOL"])
    parser.add_argument("--times", type=int, default=3)
    wanted = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    log = logging.getLogger(os.environ["BOT_NAME"])
    loop, pool = asyncio.get_running_loop(), ThreadPoolExecutor(1)
    database = await loop.run_in_executor(pool, lambda: sqlite3.connect(":memory:", check_same_thread=False))
    await loop.run_in_executor(pool, database.execute, "CREATE TABLE prices (at TEXT, price REAL, cost REAL)")
    async with ccxt.coinbase({"apiKey": os.environ["COINBASE_API_KEY"], "secret": os.environ["COINBASE_API_SECRET"]}) as exchange:
        log.info("%s USD to spend", (await exchange.fetch_balance({"v3": True}))["USD"]["free"])
        for _ in range(wanted.times):
            price = (await exchange.fetch_ticker(wanted.symbol))["last"]
            cost = await asyncio.to_thread(round_trip, price)
            await loop.run_in_executor(pool, note, database, price, cost)
            log.info("%s costs %.2f, there and back %.2f", wanted.symbol, price, cost)
            await asyncio.sleep(2)
    rows = await loop.run_in_executor(pool, lambda: database.execute("SELECT count(*), min(at), max(price) FROM prices").fetchone())
    log.info("%d noted since %s, %.2f at most", *rows)


if __name__ == "__main__":
    asyncio.run(main())
