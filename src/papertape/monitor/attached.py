"""A running `papertape trade --status PORT`, from beside: its health each second, its journal's lines, and its market as it hears it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec

from papertape.model.errors import ConfigError
from papertape.monitor.source import Listener
from papertape.runtime.clock import wall_ns

HEALTH_EVERY_S: Final = 1.0
AGAIN_AFTER_S: Final = 1.0
ANSWER_WITHIN_S: Final = 5.0
LINE_MAX: Final = 4 * 1024 * 1024


class Attached(Listener):
    """Reads the endpoint, and asks again a second after it has gone. It changes nothing there.

    Args:
        url: where `papertape trade --status` answers, such as http://127.0.0.1:9000.
        symbol: whose market to look at; the bot's own first one if left out.

    Raises:
        ConfigError: that is no address of an endpoint.
    """

    def __init__(self, url: str, symbol: str = "") -> None:
        super().__init__()
        self.name = self.url = address(url)
        self._symbol = symbol

    async def listen(self) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_WITHIN_S)
        async with aiohttp.ClientSession(timeout=timeout, read_bufsize=LINE_MAX) as client:
            following = [asyncio.ensure_future(self._follow_health(client)), asyncio.ensure_future(self._follow_events(client)),
                         asyncio.ensure_future(self._follow_market(client))]  # fmt: skip
            try:
                await asyncio.gather(*following)
            finally:
                for each in following:
                    each.cancel()
                await asyncio.gather(*following, return_exceptions=True)

    async def _follow_health(self, client: aiohttp.ClientSession) -> None:
        said = None
        while True:
            why = ""
            try:
                async with client.get(f"{self.url}/health", timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)) as answer:
                    if answer.status != 200:
                        raise aiohttp.ClientError(f"/health answers {answer.status}; is this `papertape trade --status`?")
                    standing = msgspec.json.decode(await answer.read(), type=dict[str, Any])
                if "mode" not in standing or "lanes" not in standing:
                    raise aiohttp.ClientError("what answers there is not `papertape trade --status`")
                self.waiting.put({"kind": "standing", **standing})
            except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
                why = _why(self.url, error)
            if why != said:
                self.tell(is_there=not why, why=why)
                said = why
            await asyncio.sleep(HEALTH_EVERY_S)

    async def _follow_events(self, client: aiohttp.ClientSession) -> None:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with client.get(f"{self.url}/events") as answer:
                    async for text in answer.content:
                        self._heard(text, at_ns=wall_ns())  # their own `t` counts from the bot's start
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _follow_market(self, client: aiohttp.ClientSession) -> None:
        said = ""
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with client.get(f"{self.url}/market", params={"symbol": self._symbol} if self._symbol else {}) as answer:
                    if answer.status == 200:
                        said = ""
                        async for text in answer.content:
                            self._heard(text)
                    else:
                        why = (await answer.text()).strip()
                        if why != said:
                            self.waiting.put({"kind": "note", "ns": wall_ns(), "words": f"no market yet: {why[:300]}"})
                        said = why
            await asyncio.sleep(AGAIN_AFTER_S)

    def _heard(self, text: bytes, at_ns: int | None = None) -> None:
        try:
            line = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.DecodeError:
            return  # cut off as the other side went
        if at_ns is not None:
            line["ns"] = at_ns
        self.waiting.put(line)


def address(url: str) -> str:
    """The base of an endpoint's address, without a slash at its end.

    >>> address("http://127.0.0.1:9000/health")
    'http://127.0.0.1:9000'
    """
    try:
        parts = urlsplit(url)
        is_one = parts.scheme == "http" and bool(parts.hostname) and parts.port is not None
    except ValueError:
        is_one = False
    if not is_one:
        raise ConfigError(
            f"monitor {url}: is no address of an endpoint; expected the one that `papertape trade --status 9000` says, such as "
            "http://127.0.0.1:9000"
        )
    return f"http://{parts.netloc}"


def _why(url: str, error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"nobody answers at {url} ({error.strerror or error.os_error}); `papertape trade --status PORT` listens, and says where"
    if isinstance(error, TimeoutError):
        return f"{url} does not answer within {ANSWER_WITHIN_S:g} s"
    return f"{url}: {error or type(error).__name__}"
