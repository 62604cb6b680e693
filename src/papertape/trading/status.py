"""How a bot that trades is, for whoever asks on this machine: health, what happens, and figures for Prometheus.

    GET /health     JSON: the mode, whether all is well and what is missing, each lane, what waits, what was seen
    GET /events     JSON lines as they are written, each with the mode; goes on until either side ends it
    GET /market     JSON lines of one market, ?symbol=BTC/USD: trades, candles, own orders, health, and the book if the bot hears it; the
                    bot's own symbol if left out. With &book the book is subscribed to at the venue, and counts for the bot's health too.
    GET /metrics    Prometheus text; needs `pip install "papertape[metrics]"`

It listens on loopback and answers nothing that changes anything. Reading it costs the bot next to nothing, and a reader who is too slow is
told how many lines it missed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, Protocol, Self

import msgspec
from aiohttp import web

from papertape.exchanges.resilient import ResilientExchange
from papertape.model.errors import BadSymbol, ConfigError
from papertape.model.request import Channel
from papertape.trading.notes import TradingNotes
from papertape.trading.onlooker import Onlooker
from papertape.trading.parts import Parts

LOOPBACK: Final = "127.0.0.1"

WAITING_MAX: Final = 1_000
"""Lines that wait for one reader; older ones are dropped."""


class Status:
    """The endpoint of one exchange, from `async with` to the end of its block.

    Args:
        port: 0 picks a free one.

    Attributes:
        url: where it answers.
    """

    def __init__(self, exchange: ResilientExchange, parts: Parts, *, port: int) -> None:
        self.url = ""
        self._exchange = exchange
        self._parts = parts
        self._port = port
        self._readers: dict[int, _Reader] = {}
        self._onlookers: dict[int, Onlooker] = {}
        self._runner: web.AppRunner | None = None
        parts.journal.on_line = self._on_line

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes(
            [
                web.get("/health", self._health), web.get("/events", self._events), web.get("/market", self._market),
                web.get("/metrics", self._metrics),
            ]
        )  # fmt: skip
        self._runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, LOOPBACK, self._port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigError(f"--status {self._port}: cannot listen at {LOOPBACK}:{self._port}: {error.strerror}; give another") from None
        (address, *_) = self._runner.addresses
        self.url = f"http://{LOOPBACK}:{address[1]}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        for reader in self._readers.values():
            reader.end()
        for onlooker in self._onlookers.values():
            onlooker.end()
        if self._runner is not None:
            await self._runner.cleanup()

    def symbols(self) -> list[str]:
        """Whose markets the bot hears, or is set to trade."""
        wanted = [symbol for _, symbol in self._exchange.wanted()]
        given = self._parts.config.bot_config.get("symbol")
        return list(dict.fromkeys([*([given] if isinstance(given, str) else []), *wanted]))

    def onlooking(self) -> int:
        """How many of the exchange's subscriptions are those of onlookers."""
        return sum(onlooker.subscriptions for onlooker in self._onlookers.values())

    def standing(self) -> dict[str, Any]:
        """What `/health` answers."""
        health, parts = self._exchange.health, self._parts
        notes: TradingNotes = parts.notes
        return {
            "mode": str(parts.config.mode), "exchange": parts.config.exchange, "bot": parts.config.bot,
            "halted": "" if parts.keeper is None else parts.keeper.halted,
            **msgspec.to_builtins(health),
            "symbols": self.symbols(),
            "marks": {str(mark): count for mark, count in notes.marks.items()},
        }  # fmt: skip

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response(body=msgspec.json.encode(self.standing()))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        reader = _Reader()
        self._readers[id(reader)] = reader
        try:
            return await _stream(request, reader)
        finally:
            del self._readers[id(reader)]

    async def _market(self, request: web.Request) -> web.StreamResponse:
        symbols = self.symbols()
        symbol = request.query.get("symbol") or next(iter(symbols), "")
        if not symbol:
            raise web.HTTPBadRequest(text="the bot has subscribed to nothing yet; ask for ?symbol=BTC/USD or another\n")
        has_book = "book" in request.query or (Channel.BOOK, symbol) in self._exchange.wanted()
        onlooker = Onlooker(self._exchange, symbol, has_book=has_book)
        self._onlookers[id(onlooker)] = onlooker
        try:
            await onlooker.start()
        except BadSymbol as error:
            del self._onlookers[id(onlooker)]
            raise web.HTTPNotFound(text=f"{error}\n") from None
        try:
            return await _stream(request, onlooker)
        finally:
            del self._onlookers[id(onlooker)]
            await onlooker.stop()

    async def _metrics(self, request: web.Request) -> web.Response:
        try:
            from prometheus_client.exposition import generate_latest
        except ImportError:
            return web.Response(status=501, text='not installed: pip install "papertape[metrics]"\n')
        return web.Response(body=generate_latest(_Figures(self)), content_type="text/plain", charset="utf-8")

    def _on_line(self, kind: str, line: bytes) -> None:
        if self._readers:
            tagged = b'{"mode":"%s",%s\n' % (str(self._parts.config.mode).encode(), line.lstrip(b"{"))
            for reader in self._readers.values():
                reader.hear(tagged)


class _Lines(Protocol):
    async def lines(self) -> list[bytes]: ...


async def _stream(request: web.Request, reader: _Lines) -> web.StreamResponse:
    """Send what a reader gets until it gets nothing more, or the other side goes."""
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"})
    await response.prepare(request)
    with suppress(ConnectionError):
        while lines := await reader.lines():
            await response.write(b"".join(lines))
    return response


class _Reader:
    """Lines that wait for somebody."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._missed = 0
        self._news = asyncio.Event()
        self._is_over = False

    def hear(self, line: bytes) -> None:
        if len(self._waiting) >= WAITING_MAX:
            self._waiting.popleft()
            self._missed += 1
        self._waiting.append(line)
        self._news.set()

    def end(self) -> None:
        self._is_over = True
        self._news.set()

    async def lines(self) -> list[bytes]:
        """What has come since the last time, as soon as something has; nothing at the end."""
        await self._news.wait()
        self._news.clear()
        missed = [b'{"kind":"missed","count":%d}\n' % self._missed] if self._missed else []
        lines, self._missed = [*missed, *self._waiting], 0
        self._waiting.clear()
        return [] if self._is_over else lines


class _Figures:
    """What `/metrics` tells, as a collector of prometheus_client."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def collect(self) -> Iterable[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        found = self._status.standing()
        labels = {"mode": found["mode"], "exchange": found["exchange"]}
        names, values = list(labels), list(labels.values())

        def gauge(name: str, about: str, value: float) -> Any:
            family = GaugeMetricFamily(f"papertape_{name}", about, labels=names)
            family.add_metric(values, value)
            return family

        yield gauge("healthy", "Every lane is up and every subscribed book is valid.", found["is_healthy"])
        yield gauge("may_trade", "Orders leave at once.", found["may_trade"])
        yield gauge("halted", "Live trading is halted.", bool(found["halted"]))
        yield gauge("queue_depth", "Orders that wait for the line.", found["queue_depth"])
        yield gauge("unknown_orders", "Orders whose outcome is unknown.", found["unknown_orders"])
        yield gauge("rate_left", "Private requests that could go at once.", found["rate_left"])
        yield gauge("stale_books", "Subscribed books that are not valid.", len(found["stale_books"]))
        up = GaugeMetricFamily("papertape_lane_up", "The lane lacks nothing.", labels=[*names, "lane"])
        back = CounterMetricFamily("papertape_lane_reconnects", "Times the lane came back.", labels=[*names, "lane"])
        for lane in found["lanes"]:
            up.add_metric([*values, lane["lane"]], lane["state"] == "up")
            back.add_metric([*values, lane["lane"]], lane["reconnects"])
        marks = CounterMetricFamily("papertape_marks", "What the shell has seen and dealt with.", labels=[*names, "mark"])
        for mark, count in found["marks"].items():
            marks.add_metric([*values, mark], count)
        yield from (up, back, marks)
