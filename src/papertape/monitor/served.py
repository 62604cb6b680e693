"""A running `papertape serve`, as lines: the live adapter at the served venue in a thread of its own, without any permit to trade."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from papertape.collector import DataCollector, Mailbox, lines_of
from papertape.exchanges.keys import Keys, Secret
from papertape.model.errors import BaseError, ConfigError
from papertape.monitor.source import Line, Taken

AGAIN_AFTER_S: Final = 2.0
PAST: Final = 120
"""How many candles from before are asked for."""


class Served:
    """Looks on at a served venue, with the venue's throwaway key.

    Args:
        ready: the server's readiness line.
        symbol: whose market; the first that the venue has if empty.

    Attributes:
        title: what it is attached to.
    """

    def __init__(self, ready: dict[str, Any], *, symbol: str = "") -> None:
        self.title = f"{ready['venue']} served at {ready['http']}"
        self._ready = ready
        self._symbol = symbol
        self._mailbox: Mailbox | None = None
        self._trouble = "connecting"
        self._wake: Callable[[], object] = lambda: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._is_told = False
        self._thread = threading.Thread(target=self._run, name="papertape-monitor", daemon=True)

    def start(self, wake: Callable[[], object]) -> Self:
        """Listen from now on; `wake` is called in another thread when something has come."""
        self._wake = wake
        self._thread.start()
        return self

    def take(self) -> Taken:
        """What has come since the last time."""
        mailbox = self._mailbox
        lines: list[Line] = [] if mailbox is None else list(lines_of(mailbox.take()))
        if not self._is_told:
            self._is_told = True
            lines.insert(0, {"kind": "standing", "mode": "served", "exchange": self._ready["venue"], "bot": ""})
        return Taken(lines, 0, self._trouble)

    def close(self) -> None:
        """Listen no more."""
        if self._loop is not None and self._main is not None:
            self._loop.call_soon_threadsafe(self._main.cancel)
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        try:
            asyncio.run(self._listen())
        except asyncio.CancelledError:
            return

    async def _listen(self) -> None:
        self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
        while True:
            try:
                await self._look_on()
            except (BaseError, OSError, TimeoutError) as error:
                self._say(f"nobody answers at {self._ready['http']}: {error or type(error).__name__}; trying again")
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _look_on(self) -> None:
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_error(error: BaseException) -> None:
            if not failed.done():
                failed.set_exception(error)

        async with self._exchange(on_error) as exchange:
            symbol = self._symbol or next(iter(market.symbol for market in await exchange.fetch_markets()), "")
            collector = DataCollector(exchange, symbol)
            past = [(symbol, candle) for candle in await exchange.fetch_ohlcv(symbol, "1m", limit=PAST)]
            self._mailbox = Mailbox(collector, wake=self._wake)
            for candle in past:
                collector.candles.emit(candle)
            async with collector:
                self._say("")
                await failed

    def _exchange(self, on_error: Callable[[BaseException], None]) -> Any:
        """An exchange that can ask and listen; it sends nothing that changes anything, since nobody issues a permit."""
        from papertape.exchanges.coinbase import CoinbaseExchange
        from papertape.links.permits import Permits
        from papertape.model.notes import Mark
        from papertape.resilience.intents import MemoryIntents
        from papertape.resilience.settings import ShellSettings
        from papertape.runtime.chance import Chance
        from papertape.runtime.clock import LoopClock

        class Silence:
            def mark(self, mark: Mark, detail: str = "") -> None: ...

            def health_changed(self, is_healthy: bool, why: str) -> None: ...

        ready, clock = self._ready, LoopClock()
        keys = Keys(api_key=Secret(ready["api_key"]), secret=Secret(ready["api_secret"]))
        link = CoinbaseExchange.link_to_venue(keys, clock, Permits(), rest=ready["http"], stream=ready["ws"])
        return CoinbaseExchange(
            link, clock=clock, chance=Chance(0), notes=Silence(), store=MemoryIntents(), run_id="monitor", settings=ShellSettings(),
            on_bot_error=on_error,
        )  # fmt: skip

    def _say(self, trouble: str) -> None:
        self._trouble = trouble
        self._wake()


def read_ready(path: Path) -> dict[str, Any] | None:
    """The readiness line in a file; None where its first line is none. ConfigError where the file cannot be read."""
    try:
        with path.open("rb") as file:
            line = file.readline(1 << 20)
    except OSError as error:
        raise ConfigError(f"papertape monitor {path}: cannot be read: {error.strerror}") from None
    try:
        ready = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    wanted = ("venue", "http", "ws", "api_key", "api_secret")
    if not isinstance(ready, dict) or not ready.get("ready"):
        return None
    missing = [key for key in wanted if not isinstance(ready.get(key), str)]
    if missing:
        raise ConfigError(f"papertape monitor {path}: it lacks {', '.join(missing)}; expected what `papertape serve` prints")
    return ready
