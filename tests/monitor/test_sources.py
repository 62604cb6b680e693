"""What a window looks at: a journal, a bot that trades, a served venue; and what a person hears who names something else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from tests.serving.process import serving

import papertape
from papertape.bots import MarketMaker
from papertape.exchanges.base import BaseExchange
from papertape.exchanges.coinbase import CoinbaseExchange
from papertape.exchanges.keys import Keys, Secret
from papertape.links.permits import Ungated
from papertape.model.errors import ConfigError, GateRefused
from papertape.monitor.attached import Attached, address
from papertape.monitor.opening import opened
from papertape.monitor.playing import Journal, lanes_of, read_journal
from papertape.monitor.screen import Screen
from papertape.monitor.served import Served
from papertape.monitor.source import Source, Waiting
from papertape.resilience.intents import MemoryIntents
from papertape.resilience.settings import ShellSettings
from papertape.runtime.chance import Chance
from papertape.runtime.clock import LoopClock
from papertape.session.chronicle import Bar, Chronicle, VenueChronicle
from papertape.session.serving.spec import Ready

SYMBOL = "BTC/USD"
HEADER = {"n": 0, "t": 0, "kind": "header", "title": "A story", "bot": "b:B", "venues": {"coinbase": {"feed": [{"start": 1_000_000}]}}}
ORDER = {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": "2", "price": "50"}


def written(path: Path, *lines: Any) -> Path:
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    return path


class Watching:
    """A source, and a screen that takes its lines until something is so."""

    def __init__(self, source: Source) -> None:
        self.screen = Screen()
        self.source = source
        self._news = threading.Event()
        source.start(self._news.set)

    def until(self, is_so: Callable[[Screen], bool], within_s: float = 30.0) -> Screen:
        while not is_so(self.screen):
            assert self._news.wait(within_s), f"nothing came: {self.screen.away}, {list(self.screen.log)[-5:]}"
            self._news.clear()
            for line in self.source.take():
                self.screen.take(line)
        return self.screen


# A journal


async def rest_and_take(exchange: BaseExchange) -> None:
    """Orders that rest, and one that fills as it comes: what the venue did with that stands in the journal before its command."""
    await MarketMaker(symbol=SYMBOL).start(exchange)
    await exchange.place_order(SYMBOL, "market", "buy", "0.02")
    await asyncio.sleep(35)


def test_a_run_is_told_again_as_it_was(tmp_path: Path) -> None:
    """Orders, fills, lanes and faults of a faulted run, with the dates of its tape; what the screen adds up is what the venue had."""
    path = tmp_path / "run.jsonl"
    papertape.simulate(
        rest_and_take, journal_path=path,
        venues={"coinbase": {"feed": {"tape": "builtin:btc-usd", "end": "40s"}, "account": {"USD": "100000", "BTC": "1"}}},
        faults=[{"kind": "lost_reply", "on": "order.create", "nth": 3}],
    )  # fmt: skip
    journal, screen = read_journal(path), Screen()
    for line in journal.lines:
        screen.take(line)
    end = next(line for line in map(msgspec.json.decode, path.read_bytes().splitlines()) if line["kind"] == "end")
    assert journal.symbols == [SYMBOL]
    assert len(screen.orders) == end["orders"]
    assert len(screen.fills) == end["fills"]
    assert (journal.has_prices, screen.market(SYMBOL).last) == (False, screen.fills[-1].price)
    assert {order.type for order in screen.orders.values() if order.filled} == {"limit", "market"}
    assert screen.position(SYMBOL) + 1 == Decimal(end["balances"]["BTC"])
    assert [lane.name for lane in screen.lanes] == ["rest", "market", "user"]
    assert [row.words for row in screen.log if row.kind == "fault"]
    assert journal.begin_ns > 10**18
    assert screen.now_ns >= journal.begin_ns + 40 * 10**9
    assert not [row for row in screen.log if "cannot be read" in row.words]


def test_prices_behind_a_journal_are_candles_and_a_killed_run_is_shown_as_far_as_it_went(tmp_path: Path) -> None:
    venue = VenueChronicle(
        venue="coinbase", prices={SYMBOL: [Bar(5, 49.0, 52.0, 51.0)]}, asked=(), wishes=(), orders=(), fills=(), opening={}, has_books=False
    )
    chronicle = Chronicle(end_ns=9, invariants=(), must_happen=(), venues=(venue,))
    tail = {"n": 0, "t": 0, "kind": "tail", "result": {}, "chronicle": msgspec.to_builtins(chronicle)}
    end = {"n": 2, "t": 9, "kind": "end", "venue": "coinbase", "balances": {}, "orders": 0, "fills": 0}
    journal = read_journal(written(tmp_path / "j", HEADER, end, tail))
    screen = Screen()
    for line in journal.lines[: journal.count_until(1_000_005)]:
        screen.take(line)
    assert (screen.market(SYMBOL).last, journal.has_prices, journal.is_cut) == (51.0, True, False)
    assert journal.end_ns == 1_000_009
    cut = written(tmp_path / "k", HEADER)
    with cut.open("ab") as file:
        file.write(b'{"n":1,"t":3,"ki')
    killed = read_journal(cut)
    assert (killed.is_cut, len(killed.lines)) == (True, 1)


def test_an_order_that_the_venue_refused_is_rejected_and_says_why(tmp_path: Path) -> None:
    command = {"n": 1, "t": 1, "kind": "command", "op": "order.create", "client_order_id": "c1", "order": ORDER, "refusal": "post_only"}
    screen = Screen()
    for line in read_journal(written(tmp_path / "j", HEADER, command)).lines:
        screen.take(line)
    assert (screen.orders["c1"].status, screen.orders["c1"].reason) == ("rejected", "post_only")


def test_lanes_are_read_from_what_is_missing() -> None:
    why = "rest lane: dialled; no answer yet; market lane: no connection; waiting to dial (polling by REST); book BTC/USD: waiting"
    assert lanes_of(why) == {
        "rest": ("dialled; no answer yet", ""), "market": ("no connection; waiting to dial", "polling by REST"), "user": ("up", ""),
    }  # fmt: skip
    assert lanes_of("disconnected")["user"] == ("closed", "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"hello\n", "line 1 is no journal line"),
        (b'{"n":1,"t":0,"kind":"fault"}\n', "does not begin as a journal does"),
        (msgspec.json.encode(HEADER) + b'\n\x00\xff\n{"n":2,"t":0,"kind":"end"}\n', "line 2 is no journal line"),
        (msgspec.json.encode(HEADER) + b'\n{"n":1,"t":0,"kind":"health"}\n', 'line 2 is no line of kind "health"'),
        (b'{"ready":true,"api_key":"x"}\n', "is no line that says a served venue is ready"),
    ],
)
def test_what_is_no_journal_is_told_by_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "it"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        opened(str(path))


def test_what_cannot_be_opened_is_told_by_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        opened(str(tmp_path / "nothing"))
    with pytest.raises(ConfigError, match="cannot be read"):
        opened(str(tmp_path))
    with pytest.raises(ConfigError, match=r"--symbol ETH/USD: .* tells nothing of it"):
        opened(str(written(tmp_path / "j", HEADER)), "ETH/USD")
    for url in ("https://127.0.0.1:90", "http://127.0.0.1", "http://127.0.0.1:port", "ws://127.0.0.1:1"):
        with pytest.raises(ConfigError, match="is no address of an endpoint"):
            address(url)
    assert isinstance(opened(str(written(tmp_path / "j", HEADER))), Journal)


# A bot that trades


STANDING = {
    "mode": "paper", "exchange": "coinbase", "bot": "b:B", "halted": "", "is_healthy": True, "why": "", "may_trade": True,
    "lanes": [{"lane": "rest", "state": "up", "feed": None, "reconnects": 2, "failures": 0, "quiet_ns": None, "reason": ""}],
    "queue_depth": 3, "unknown_orders": 0, "rate_left": 7, "stale_books": [], "symbols": [SYMBOL], "marks": {},
}  # fmt: skip


class Endpoint:
    """What `papertape trade --status` answers, from a thread of its own until the block ends."""

    def __enter__(self) -> Endpoint:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(20)

    def _serve(self) -> None:
        async def main() -> None:
            self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
            app = web.Application()
            app.add_routes(
                [web.get("/health", self._health), web.get("/events", self._events), web.get("/market", self._market)]
            )  # fmt: skip
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            self._ready.set()
            await self._over.wait()
            await runner.cleanup()

        asyncio.run(main())

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response(STANDING)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        return await self._stream(request, {"mode": "paper", "n": 1, "t": 5, "kind": "mark", "mark": "reconnected"})

    async def _market(self, request: web.Request) -> web.StreamResponse:
        line = {"kind": "trade", "symbol": SYMBOL, "ns": 10**18, "price": "9", "amount": "1", "side": "buy"}
        return await self._stream(request, line)

    async def _stream(self, request: web.Request, line: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(msgspec.json.encode(line) + b"\n{cut off")
        await self._over.wait()
        return response


def test_a_trading_bot_is_seen_and_seen_to_go() -> None:
    """Health, journal and market come; where the bot ends, the window says that nobody answers, and it never raises."""
    with Endpoint() as endpoint:
        watching = Watching(Attached(f"{endpoint.url}/"))
        screen = watching.until(lambda screen: bool(screen.mode and screen.markets and any(row.kind == "mark" for row in screen.log)))
        assert (screen.mode, screen.queue_depth, screen.rate_left, screen.lanes[0].reconnects, screen.away) == ("paper", 3, 7, 2, "")
        assert screen.market(SYMBOL).last == 9.0
    watching.until(lambda screen: bool(screen.away))
    assert "nobody answers at" in screen.away
    watching.source.close()
    watching.source.close()


# A served venue


def test_a_served_venue_is_seen_and_cannot_be_touched(tmp_path: Path) -> None:
    """Trades and books of a real `papertape serve` come, and the exchange behind them can send nothing that changes anything."""
    with serving("--loop") as server:
        path = tmp_path / "ready.json"
        path.write_bytes(msgspec.json.encode(server.ready))
        source = opened(str(path))
        assert isinstance(source, Served)
        watching = Watching(source)
        try:
            screen = watching.until(lambda screen: SYMBOL in screen.markets and bool(screen.markets[SYMBOL].bids and screen.lanes))
            assert screen.mode == "served"
            assert screen.markets[SYMBOL].bids[0] > ("0", "0")
            assert source.exchange is not None
            placing = source.exchange.place_order(SYMBOL, "limit", "buy", "0.01", "50000")
            with pytest.raises(GateRefused, match="no permit"):
                asyncio.run_coroutine_threadsafe(placing, source.loop).result(20)
            asyncio.run(another_client(msgspec.convert(server.ready, Ready), lambda: watching.until(lambda screen: bool(screen.orders))))
            screen = watching.until(lambda screen: not any(order.is_open for order in screen.orders.values()))
            assert [(order.side, order.price, order.status) for order in screen.orders.values()] == [("buy", "50000", "canceled")]
        finally:
            source.close()


async def another_client(ready: Ready, seen: Callable[[], object]) -> None:
    """Places an order with the same key, waits until somebody has seen it, and cancels it."""
    keys = Keys(api_key=Secret(ready.api_key), secret=Secret(ready.api_secret))
    clock = LoopClock()
    link = CoinbaseExchange.link_to_venue(keys, clock, Ungated(), rest=ready.http, stream=ready.ws, user_stream=f"{ready.ws}/user")
    exchange = CoinbaseExchange(
        link, clock=clock, chance=Chance(0), notes=QuietNotes(), store=MemoryIntents(), run_id="another", settings=ShellSettings(),
        on_bot_error=lambda error: None,
    )  # fmt: skip
    async with exchange:
        order = await exchange.place_order(SYMBOL, "limit", "buy", "0.01", "50000")
        await asyncio.to_thread(seen)
        await exchange.cancel_order(order.id)


class QuietNotes:
    def mark(self, mark: object, detail: str = "") -> None: ...

    def health_changed(self, is_healthy: bool, why: str) -> None: ...


def test_lines_that_nobody_takes_are_bounded_and_counted() -> None:
    waiting = Waiting(lambda: None, lines_max=10)
    for number in range(1_000):
        waiting.put({"kind": "note", "number": number})
    first, *rest = waiting.take()
    assert first == {"kind": "missed", "lines": 990}
    assert [line["number"] for line in rest] == list(range(990, 1_000))
    assert waiting.take() == []
