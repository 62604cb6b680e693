"""Bots that do whatever a seed says, and the journal of a run by one engine: the other's must be the same."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest

import papertape
from papertape.bots import MarketMaker
from papertape.exchanges.base import BaseExchange
from papertape.model.book import Book
from papertape.model.errors import BaseError
from papertape.model.event import Side
from papertape.model.public import PublicTrade
from papertape.runtime.chance import Chance
from papertape.session.engine import VARIABLE
from papertape.tape.index.store import VARIABLE as INDEX
from papertape.tape.index.store import make, places
from papertape.tape.reader import open_tape

SYMBOL = "BTC/USD"


class Fickle:
    """Does whatever a seed says: orders near the market and far from it, cancels, questions, subscriptions that come and go."""

    def __init__(self, seed: int = 0, symbol: str = SYMBOL) -> None:
        self.random, self.symbol = Chance(seed).stream("fickle"), symbol
        self.heard = 0

    async def start(self, exchange: BaseExchange) -> None:
        random, subscriptions, orders = self.random, [], []
        for _ in range(25):
            await asyncio.sleep(random.choice((0.01, 0.2, 0.9)))
            try:
                match random.below(10):
                    case 0 | 1 | 2 | 3:
                        bars = await exchange.fetch_ohlcv(self.symbol, "1m")
                        if not bars:  # nothing has been traded yet
                            continue
                        close = bars[-1].close
                        side, away = random.choice(("buy", "sell")), random.choice((-3, 0, 0, 1, 5, 40))
                        price = close + (-away if side == "buy" else away) * Decimal("0.01")
                        orders.append(
                            await exchange.place_order(self.symbol, "limit", side, "0.004", price, **random.choice(self.terms(close)))
                        )
                    case 4:
                        await exchange.place_order(self.symbol, "market", random.choice(("buy", "sell")), "0.003")
                    case 5 if orders:
                        await exchange.cancel_order(orders.pop().id, SYMBOL)
                    case 6:
                        subscriptions.append(await exchange.subscribe_trades(self.symbol, self.on_anything))
                    case 7:
                        subscriptions.append(await exchange.subscribe_order_book(self.symbol, self.on_anything))
                    case 8 if subscriptions:
                        await subscriptions.pop().unsubscribe()
                    case _:
                        await exchange.fetch_ohlcv(self.symbol, "5m")
            except BaseError:
                continue

    def terms(self, close: Decimal) -> tuple[dict[str, Any], ...]:
        """Beside the price; most have none."""
        return {}, {}, {}, {"post_only": True}, {"time_in_force": "IOC"}, {"trigger_price": close + Decimal("0.02"), "stop_direction": "up"}

    async def on_anything(self, what: object) -> None:
        self.heard += 1


class Protected:
    """Has stops around the market, so near that a trade of the next seconds reaches one, and orders that rest there."""

    def __init__(self, seed: int = 0, symbol: str = SYMBOL) -> None:
        self.symbol = symbol

    async def start(self, exchange: BaseExchange) -> None:
        await asyncio.sleep(2)
        bars = await exchange.fetch_ohlcv(self.symbol, "1m")
        close, tick = bars[-1].close, Decimal("0.01")
        for away in (1, 3, 9):
            up, down = close + away * tick, close - away * tick
            for terms in (
                {"side": "sell", "price": down - tick, "trigger_price": down},
                {"side": "buy", "price": up + tick, "trigger_price": up},
                {"side": "buy", "price": down - 9 * tick},
            ):
                with contextlib.suppress(BaseError):  # the market has passed its stop already
                    await exchange.place_order(self.symbol, "limit", amount="0.01", **terms)  # type: ignore[arg-type]  # its values are of two kinds
        await asyncio.sleep(30)


class Sleeper:
    """Does little, and sleeps for long in between; whenever it wakes it notes how everything stands."""

    seen: ClassVar[list[object]] = []
    """What the last one saw, and when."""

    def __init__(self, seed: int = 0, symbol: str = SYMBOL) -> None:
        self.random, self.symbol = Chance(seed).stream("sleeper"), symbol
        Sleeper.seen = []

    async def start(self, exchange: BaseExchange) -> None:
        random, orders, subscriptions = self.random, [], []
        await exchange.subscribe_orders(lambda order: self.seen.append(order))
        ticking = asyncio.create_task(self.tick(exchange, random.choice((3, 7.3, 50))))
        for _ in range(12):
            self.note(exchange)
            await self.pause()
            try:
                match random.below(9):
                    case 0 | 1 | 2:
                        orders.append(await exchange.place_order(self.symbol, "limit", random.choice(("buy", "sell")), "0.004", "1000.01"))
                    case 3:
                        await exchange.place_order(self.symbol, "market", random.choice(("buy", "sell")), "0.003")
                    case 4 if orders:
                        await exchange.cancel_order(orders.pop().id, self.symbol)
                    case 5:
                        subscribe = random.choice((exchange.subscribe_trades, exchange.subscribe_order_book))
                        subscriptions.append(await subscribe(self.symbol, lambda what: None))
                    case 6 if subscriptions:
                        await subscriptions.pop().unsubscribe()
                    case 7:
                        await exchange.fetch_ohlcv(self.symbol, "1m")
            except BaseError as error:
                self.seen.append(repr(error))
        ticking.cancel()

    async def pause(self) -> None:
        """In one of the ways in which bots wait, for a time that may be a heartbeat's or a look's very nanosecond."""
        seconds = self.random.choice((0.01, 1.004, 4, 12.5, 31, 60))
        match self.random.below(4):
            case 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.Event().wait(), seconds)
            case 1:
                await asyncio.wait([asyncio.ensure_future(asyncio.sleep(each)) for each in (seconds, seconds / 3)])
            case 2:
                woken = asyncio.Event()
                asyncio.get_running_loop().call_later(seconds, woken.set)
                await woken.wait()
            case _:
                await asyncio.sleep(seconds)

    async def tick(self, exchange: BaseExchange, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            self.note(exchange)

    def note(self, exchange: BaseExchange) -> None:
        self.seen.append((asyncio.get_running_loop().time(), exchange.health))


class Onlooker:
    """Keeps a book, or is told of each change, as the fancy takes it; looks when a trade comes, now and then, and before it acts."""

    seen: ClassVar[list[object]] = []
    """What the last one saw, and when."""

    def __init__(self, seed: int = 0, symbol: str = SYMBOL) -> None:
        self.random, self.symbol = Chance(seed).stream("onlooker"), symbol
        self.kept: dict[str, Any] = {}
        Onlooker.seen = []

    async def start(self, exchange: BaseExchange) -> None:
        self.exchange, random = exchange, self.random
        self.kept[self.symbol] = await exchange.keep_order_book(self.symbol)
        self.trades = await exchange.subscribe_trades(self.symbol, self.on_trade)
        await exchange.subscribe_orders(self.look)
        told: list[Any] = []
        waiting = [asyncio.create_task(self.wait(Chance(number).stream("waiting"))) for number in range(self.random.below(3))]
        for _ in range(40):
            await asyncio.sleep(random.choice((0.02, 0.3, 0.9)))
            self.look()
            try:
                match random.below(9):
                    case 0 | 1:
                        best = self.kept[self.symbol].book.best_bid if self.symbol in self.kept else None
                        if best is not None:
                            price = (best[0] + random.choice((-2, 0, 1))) * self.kept[self.symbol].book.instrument.tick
                            await exchange.place_order(self.symbol, "limit", "buy", "0.004", price)
                    case 2:
                        await exchange.place_order(self.symbol, "market", random.choice(("buy", "sell")), "0.003")
                    case 3 if self.symbol in self.kept:
                        await self.kept.pop(self.symbol).unsubscribe()
                    case 4 | 5:
                        symbol = random.choice((self.symbol, self.symbol, *(market.symbol for market in await exchange.fetch_markets())))
                        self.kept.setdefault(symbol, await exchange.keep_order_book(symbol))
                    case 6:
                        told.append(await exchange.subscribe_order_book(self.symbol, self.on_book))
                    case 7 if told:
                        await told.pop().unsubscribe()
            except BaseError:
                continue
        for each in waiting:
            each.cancel()

    async def wait(self, random: Any) -> None:
        """For one move after another, whoever keeps the book; now and then it does something else."""
        while True:
            kept = self.kept.get(self.symbol)
            book = None if kept is None else kept.book
            try:
                if kept is not None and random.below(4):
                    bid, ask = (
                        None if each is None or random.below(2) else each[0] + random.below(3) for each in (book.best_bid, book.best_ask)
                    )
                    async with asyncio.timeout(random.choice((0.05, 3))):
                        await kept.moved(random.choice((1, 1, 2, 4)), bid=bid, ask=ask)
            except (TimeoutError, RuntimeError):
                pass
            self.look()
            await asyncio.sleep(random.choice((0, 0.001, 0.1, 0.4)))

    def look(self, _: object = None) -> None:
        at = asyncio.get_running_loop().time()
        for symbol, kept in self.kept.items():
            book = kept.book
            self.seen.append((at, symbol, book.venue_ns, book.is_complete, book.best_bid, book.best_ask))
            if self.random.below(5) == 0:
                self.seen.append((book.ladder(Side.BUY), list(book.asks.items()), book.mid, self.exchange.health.may_trade))

    async def on_trade(self, trade: PublicTrade) -> None:
        match self.random.below(12):
            case 0 | 1 | 2 | 3:
                self.look()
            case 4:
                self.kept.setdefault(self.symbol, await self.exchange.keep_order_book(self.symbol))
            case 5:
                async with await self.exchange.subscribe_order_book(self.symbol, self.on_book):  # at once: nothing need be asked for it
                    await asyncio.sleep(self.random.choice((0, 0.05)))

    def on_book(self, book: Book) -> None:
        self.seen.append((asyncio.get_running_loop().time(), book.venue_ns, book.best_bid, book.best_ask))


def journal(
    tape: Path,
    asked: str,
    seed: int,
    faults: list[dict[str, Any]],
    latency: dict[str, Any],
    bot: Any = Fickle,
    venue: str = "coinbase",
    symbol: str = SYMBOL,
    end: str = "",
    *,
    index: str = "none",
) -> list[Any]:
    """The lines of a run by an engine, and what the bot saw; without an index, while one is made, or with the one that was made."""
    path, file = tape.with_suffix(f".{asked}.jsonl"), places(open_tape(tape))[0]
    config = {"symbol": symbol, "every": "50ms", "move": 1} if issubclass(bot, MarketMaker) else {"seed": seed, "symbol": symbol}
    feed = {"tape": str(tape)} | ({"end": end} if end else {})
    account = dict(zip(symbol.partition(":")[0].split("/"), ("1", "10000"), strict=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, asked)
        patch.setenv(INDEX, "off" if index == "none" else "auto")
        if index == "made":
            file.unlink(missing_ok=True)
        elif index == "kept":
            assert make(open_tape(tape)) == file
        result = papertape.simulate(
            bot, bot_config=config, seed=seed, faults=faults, journal_path=path,
            venues={venue: {"feed": feed, "account": account, "model": {"latency": latency}}},
        )  # fmt: skip
    assert not [failure for failure in result.failures if "the bot raised" in failure]
    return [*path.read_text().splitlines(), *getattr(bot, "seen", ())]
