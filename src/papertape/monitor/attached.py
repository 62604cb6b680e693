"""A running `papertape trade --status`, as lines: a thread that listens at its endpoint, and comes back when the line was lost."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Self

import msgspec

from papertape.model.errors import ConfigError
from papertape.monitor.source import LINES_MAX, Line, Taken

ASK_EVERY_S: Final = 1.0
AGAIN_AFTER_S: Final = 1.0
QUIET_S: Final = 10.0
"""Longer than that nothing is waited for."""


class Attached:
    """Listens at an endpoint such as http://127.0.0.1:9464.

    Args:
        symbol: whose market; the bot's own if empty.
        has_book: have the bot subscribe to the book if it does not itself.

    Attributes:
        title: what it is attached to.
    """

    def __init__(self, url: str, *, symbol: str = "", has_book: bool = False) -> None:
        self.title = self._url = url.rstrip("/")
        self._symbol = symbol
        self._has_book = has_book
        self._lock = threading.Lock()
        self._lines: deque[Line] = deque(maxlen=LINES_MAX)
        self._told = 0
        self._trouble = "connecting"
        self._wake: Callable[[], object] = lambda: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="papertape-monitor", daemon=True)

    def start(self, wake: Callable[[], object]) -> Self:
        """Listen from now on; `wake` is called in another thread when something has come."""
        self._wake = wake
        self._thread.start()
        return self

    def take(self) -> Taken:
        """What has come since the last time, and what is wrong with the line; empty where nothing is."""
        with self._lock:
            lines, self._lines = list(self._lines), deque(maxlen=LINES_MAX)
            missed, self._told = self._told - len(lines), 0
        return Taken(lines, missed, self._trouble)

    def close(self) -> None:
        """Listen no more."""
        if self._loop is not None and self._main is not None:
            self._loop.call_soon_threadsafe(self._main.cancel)
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            asyncio.run(self._listen())
        except asyncio.CancelledError:
            return

    async def _listen(self) -> None:
        import aiohttp

        self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
        timeout = aiohttp.ClientTimeout(total=None, connect=QUIET_S, sock_connect=QUIET_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                try:
                    await self._attached(session)
                    self._say("it has ended; waiting for it to come back")
                except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                    self._say(f"nobody answers at {self._url}: {_words(error)}; trying again")
                await asyncio.sleep(AGAIN_AFTER_S)

    async def _attached(self, session: Any) -> None:
        """From the first answer until any of the three ends."""
        await self._ask(session)
        self._say("")
        query = {**({"symbol": self._symbol} if self._symbol else {}), **({"book": "1"} if self._has_book else {})}
        tasks = [
            asyncio.ensure_future(each)
            for each in (self._asking(session), self._stream(session, "/events", {}), self._market(session, query))
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _asking(self, session: Any) -> None:
        while True:
            await asyncio.sleep(ASK_EVERY_S)
            await self._ask(session)

    async def _ask(self, session: Any) -> None:
        async with asyncio.timeout(QUIET_S), session.get(f"{self._url}/health") as answer:
            if answer.status != 200:
                raise ValueError(f"{answer.status} for /health; is it the address that `papertape trade --status` says?")
            standing = msgspec.json.decode(await answer.read())
        if not isinstance(standing, dict) or "mode" not in standing:
            raise ValueError("what answers is no `papertape trade`")
        self._put({**standing, "kind": "standing"})

    async def _market(self, session: Any, query: dict[str, str]) -> None:
        """The market; while the bot has none, that is asked again now and then."""
        while True:
            refusal = await self._stream(session, "/market", query)
            if not refusal:
                return
            self._put({"kind": "note", "what": refusal})
            await asyncio.sleep(5 * AGAIN_AFTER_S)

    async def _stream(self, session: Any, path: str, query: dict[str, str]) -> str:
        """Lines until they end; returns what the endpoint said if it has none."""
        decode = msgspec.json.Decoder(dict[str, Any]).decode
        async with session.get(f"{self._url}{path}", params=query) as answer:
            if answer.status in (400, 404):
                return str((await answer.text()).strip())
            async for line in answer.content:
                self._put(decode(line))
        return ""

    def _put(self, line: Line) -> None:
        with self._lock:
            was_empty = not self._lines
            self._lines.append(line)
            self._told += 1
        if was_empty:
            self._wake()

    def _say(self, trouble: str) -> None:
        self._trouble = trouble
        self._wake()


def attach(url: str, *, symbol: str = "", has_book: bool = False) -> Attached:
    """An endpoint on this machine; ConfigError for any other address, since whoever listens there hears of the account."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(
            f"papertape monitor {url}: {error}; expected what `papertape trade --status` says, http://127.0.0.1:PORT"
        ) from None
    if parts.scheme != "http" or host not in ("127.0.0.1", "localhost", "::1") or port is None:
        raise ConfigError(f"papertape monitor {url}: expected what `papertape trade --status` says, such as http://127.0.0.1:9464")
    return Attached(f"http://{parts.netloc}", symbol=symbol, has_book=has_book)


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
