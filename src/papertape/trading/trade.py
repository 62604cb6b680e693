"""One bot on one exchange, from the first connect to the last answer, on the machine's own clock."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from papertape.exchanges.base import BaseExchange
from papertape.exchanges.factory import ExchangeFactory
from papertape.exchanges.resilient import ResilientExchange
from papertape.model.account import Balances
from papertape.model.errors import BaseError, ConfigError
from papertape.model.units import SECOND, Nanos, format_duration
from papertape.session.blame import line_of
from papertape.trading.notes import Say

STOP_WITHIN_NS: Final[Nanos] = 30 * SECOND
"""How long a bot may take to end once it is told to."""

LOOK_WITHIN_NS: Final[Nanos] = 5 * SECOND
"""How long the account's last word may take."""


class Trade:
    """Drives a bot. It ends where the bot does, where something raises, or where `drain` is called.

    Args:
        bot: a class with `start` and perhaps `stop`, or `async def main(exchange, **config)`.
        exchange: made, and not connected yet.
        name: the exchange's, by which the factory hands it out meanwhile.

    Attributes:
        failures: what went wrong, a sentence each.
        onlooking: how many of the exchange's subscriptions are not the bot's.
        balances: what the account held as the bot had ended; None where nobody could be asked any more.
    """

    def __init__(self, bot: Any, bot_config: dict[str, Any], *, name: str, tell: Say) -> None:
        self.failures: list[str] = []
        self.balances: Balances | None = None
        self.onlooking: Callable[[], int] = lambda: 0
        self._bot = bot
        self._config = bot_config
        self._name = name
        self._tell = tell
        self._over = asyncio.Event()

    def bot_failed(self, error: BaseException) -> None:
        """A callback raised, or the exchange came to an end by itself: the bot is stopped."""
        self._note(error)
        self._over.set()

    def drain(self) -> None:
        """Tell the bot to end; requests on their way are waited for."""
        self._over.set()

    async def run(self, exchange: ResilientExchange) -> None:
        """Trade until it is over; the exchange is disconnected then, whatever happened."""
        made, start = self._make()
        try:
            with ExchangeFactory.running({self._name: exchange}):
                if await self._connected(exchange):
                    await self._live(exchange, made, start)
                    await self._look(exchange)
        finally:
            await exchange.disconnect()

    async def _connected(self, exchange: ResilientExchange) -> bool:
        connecting = asyncio.ensure_future(exchange.connect())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait([connecting, over], return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            if not connecting.done():
                connecting.cancel()
                await asyncio.wait([connecting])
        if connecting.cancelled():
            self.failures.append(f"it ended before the exchange was connected: {exchange.health.why}")
            self._tell(self.failures[-1])
            return False
        error = connecting.exception()
        if error is not None:
            self._note(error)
        return error is None and not self._over.is_set()

    async def _live(self, exchange: ResilientExchange, made: Any, start: Callable[[BaseExchange], Coroutine[Any, Any, Any]]) -> None:
        main = asyncio.ensure_future(start(exchange))
        main.add_done_callback(lambda done: self._main_done(done, exchange))
        try:
            await self._over.wait()
        finally:
            await self._stop(made, main)

    async def _look(self, exchange: ResilientExchange) -> None:
        with suppress(BaseError, TimeoutError):
            self.balances = await asyncio.wait_for(exchange.fetch_balance(), timeout=LOOK_WITHIN_NS / SECOND)

    async def _stop(self, made: Any, main: asyncio.Future[Any]) -> None:
        stop = getattr(made, "stop", None)
        waiting: list[asyncio.Future[Any]] = [asyncio.ensure_future(stop())] if stop is not None else []
        if not main.done():
            main.cancel()
            waiting.append(main)
        if not waiting:
            return
        _, late = await asyncio.wait(waiting, timeout=STOP_WITHIN_NS / SECOND)
        for task in waiting:
            if task in late:
                self.failures.append(f"the bot did not end within {format_duration(STOP_WITHIN_NS)}")
                task.cancel()
            elif task is not main and not task.cancelled() and task.exception() is not None:
                self._note(task.exception())

    def _main_done(self, main: asyncio.Future[Any], exchange: ResilientExchange) -> None:
        if main.cancelled():
            self._over.set()
        elif main.exception() is not None:
            self.bot_failed(main.exception())  # type: ignore[arg-type]  # it is there
        elif exchange.subscriptions <= self.onlooking():
            self._over.set()  # it has returned, and left nobody to call

    def _make(self) -> tuple[Any, Callable[[BaseExchange], Coroutine[Any, Any, Any]]]:
        bot, config = self._bot, self._config
        try:
            if inspect.isclass(bot):
                made: Any = bot(**config)
                return made, made.start
            inspect.signature(bot).bind(None, **config)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"key `bot_config`: {getattr(bot, '__name__', bot)} does not take it: {error}") from error
        return None, lambda exchange: bot(exchange, **config)

    def _note(self, error: BaseException | None) -> None:
        if error is not None:
            self.failures.append(f"{type(error).__name__}: {error}{line_of(error)}")
            self._tell(self.failures[-1])
