"""What ccxt.pro's streams bring from a served Coinbase."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import ccxt.pro
from checks import Checks, name_of_order

SYMBOL = "BTC/USD"
LOOK_S = 0.25
"""How long to wait for ccxt to tell before looking at what it has."""

check = Checks()


class Listener(ccxt.pro.coinbase):  # type: ignore[misc]  # ccxt's classes have no types here
    """ccxt's client, which says too what it is subscribed to: ccxt itself keeps the venue's word on that from its callers."""

    subscribed_to: tuple[str, ...] = ()

    def handle_message(self, client: Any, message: Any) -> None:
        super().handle_message(client, message)
        if message.get("channel") == "subscriptions":
            self.subscribed_to = tuple(message["events"][0]["subscriptions"])


@asynccontextmanager
async def client(ready: dict[str, Any]) -> AsyncIterator[Any]:
    keys = {"apiKey": ready["api_key"], "secret": ready["api_secret"]}
    exchange = Listener({**keys, "urls": {"api": {"rest": ready["http"], "ws": ready["ws"]}}})
    try:
        await exchange.load_markets()
        yield exchange
    finally:
        await exchange.close()


async def watched_until(watch: Any, is_there: Any) -> Any:
    """What `watch` has brought, when it is what it has to be; the check's patience ends it otherwise."""
    seen: dict[str, Any] = {}
    while not is_there(seen):
        for each in await watch(SYMBOL):
            seen[each["id"]] = each
    return seen


def levels(book: Any, depth: int = 10) -> Any:
    return [[tuple(level[:2]) for level in book[side][:depth]] for side in ("bids", "asks")]


@check("streams")
async def watch_trades(ready: Any) -> None:
    """No trade is missing: the ids follow each other, and those that REST tells of are the same in price, amount and side."""
    async with client(ready) as exchange:
        seen = await watched_until(exchange.watch_trades, lambda found: len(found) >= 20)
        ids = sorted(int(each) for each in seen)
        assert ids == list(range(ids[0], ids[-1] + 1))
        fetched = {each["id"]: each for each in await exchange.fetch_trades(SYMBOL, limit=100)}
        common = [each for each in seen if each in fetched]
        assert len(common) >= 5
        for each in common:
            one, other = ([found[each][key] for key in ("price", "amount", "side", "timestamp")] for found in (seen, fetched))
            assert one == other


@check("streams")
async def watch_ticker(ready: Any) -> None:
    """It moves, the ask stays above the bid, and the last price is a traded one."""
    async with client(ready) as exchange:
        tickers = [dict(await exchange.watch_ticker(SYMBOL)) for _ in range(10)]
        assert all(each["symbol"] == SYMBOL and each["bid"] < each["ask"] for each in tickers)
        assert len({each["timestamp"] for each in tickers}) > 1
        traded = {each["price"] for each in await exchange.fetch_trades(SYMBOL, limit=100)}
        assert tickers[-1]["last"] in traded


@check("streams")
async def watch_order_book(ready: Any) -> None:
    """Kept up from the stream, in a market that moves, it is never crossed, and one of its states is the book that REST tells of."""
    async with client(ready) as exchange:
        states: list[Any] = []

        async def watch() -> None:
            while True:
                book = await exchange.watch_order_book(SYMBOL)
                assert book["bids"][0][0] < book["asks"][0][0]
                if not states or states[-1] != levels(book):
                    states.append(levels(book))

        async def agree() -> None:
            while len(states) < 20:
                await asyncio.sleep(0.1)
            while True:
                fetched = levels(await exchange.fetch_order_book(SYMBOL, 10))
                await asyncio.sleep(0.5)
                if fetched in states:
                    return

        work = [asyncio.ensure_future(each) for each in (watch(), agree())]
        done, left = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        for each in left:
            each.cancel()
        for each in done:
            each.result()
        assert len(states) >= 20


@check("streams")
async def watch_orders_that_rest(ready: Any) -> None:
    """An order is told of as open, with its client order id, price and amount, and as cancelled in the end."""
    async with client(ready) as exchange:
        watching = await watching_orders(exchange)
        name = name_of_order("rests")
        placed = await exchange.create_order(SYMBOL, "limit", "buy", 0.01, 50_000, {"client_order_id": name})
        told = await told_until(exchange, watching, placed["id"], "open")
        assert (told["clientOrderId"], told["price"], told["amount"], told["filled"]) == (name, 50_000, 0.01, 0)
        watching = await watching_orders(exchange)
        await exchange.cancel_order(placed["id"])
        told = await told_until(exchange, watching, placed["id"], "canceled")
        assert (told["clientOrderId"], told["filled"]) == (name, 0)


@check("streams")
async def watch_orders_that_fill(ready: Any) -> None:
    """A fill is told of with the amount and the average price that REST tells of."""
    async with client(ready) as exchange:
        watching = await watching_orders(exchange)
        name = name_of_order("fills")
        placed = await exchange.create_order(SYMBOL, "limit", "buy", 0.01, 66_000, {"client_order_id": name})
        told = await told_until(exchange, watching, placed["id"], "closed")
        fetched = await exchange.fetch_order(placed["id"])
        assert (told["clientOrderId"], told["filled"], told["average"]) == (name, 0.01, fetched["average"])
        assert (fetched["status"], fetched["filled"]) == ("closed", 0.01)


async def watching_orders(exchange: Any) -> asyncio.Future[Any]:
    """ccxt's next word on our orders, once the venue has said that it will tell of them: what was before that it tells nobody."""
    watching: asyncio.Future[Any] = asyncio.ensure_future(exchange.watch_orders(SYMBOL))
    while "user" not in exchange.subscribed_to:
        await asyncio.sleep(0.05)
    return watching


async def told_until(exchange: Any, watching: asyncio.Future[Any], id: str, status: str) -> Any:
    """The order as the stream tells of it with that status.

    What comes between two calls of `watch_orders` ccxt puts where it keeps its orders, and wakes nobody: so that is looked at too.
    """
    while True:
        done, _ = await asyncio.wait({watching}, timeout=LOOK_S)
        told = watching.result() if done else []
        found = [each for each in [*told, *(exchange.orders or [])] if each["id"] == id and each["status"] == status]
        if found:
            watching.cancel()
            return found[-1]
        if done:
            watching = asyncio.ensure_future(exchange.watch_orders(SYMBOL))


if __name__ == "__main__":
    check.run("ccxt")
