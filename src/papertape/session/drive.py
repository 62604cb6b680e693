"""Drive a bot from the first connect to the last answer: start it, notice its end or its error, stop it, let things come to rest."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from papertape.exchanges.base import BaseExchange
from papertape.exchanges.factory import ExchangeFactory
from papertape.model.errors import ConfigError, EscapedSimulation, StuckSimulation
from papertape.model.units import MILLISECOND, MINUTE, SECOND, Nanos, format_duration
from papertape.runtime.life import Life
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.rank import END
from papertape.session.blame import line_of
from papertape.session.unseen import died_unseen, tell_of_task
from papertape.session.world import VenueWorld

STOP_WITHIN_NS: Final = 30 * SECOND
"""How long a bot may take to end once it is told to."""

LAST_ROW_WITHIN_NS: Final = 60 * SECOND
"""How long after the feed's end its last rows may be on their way."""

LIVE_ON_NS: Final = 5 * MINUTE
"""How long after the feed's end, or the bot's own, an exchange lives on that may yet recover from a fault in time."""

LOOK_EVERY_NS: Final = 100 * MILLISECOND
REST_WITHIN_NS: Final = 120 * SECOND
"""How long after the bot's end the last answers may take."""


class Drive:
    """One bot's life.

    Attributes:
        failures: what the bot did wrong, a sentence each.
        escaped: the bot left the simulation; nothing that followed counts.
    """

    def __init__(
        self,
        bot: Any,
        config: dict[str, Any],
        worlds: list[VenueWorld],
        loop: VirtualLoop | Life,
        end_ns: Nanos,
        recovers_within_ns: Nanos | None = None,
    ) -> None:
        self.failures: list[str] = []
        self.escaped: EscapedSimulation | None = None
        self._bot = bot
        self._config = config
        self._worlds = worlds
        self._loop = loop
        self._host = loop.host if isinstance(loop, Life) else loop
        self._end_ns = end_ns
        self._recovers_within_ns = recovers_within_ns
        self._over: asyncio.Future[None] = loop.create_future()

    def bot_failed(self, error: BaseException) -> None:
        """A callback of the bot raised; the bot is stopped."""
        self._note(error)
        self._finish()

    async def run(self, is_first: bool = True) -> None:
        """From the first connect to the last answer. A life that is not the first is let connect, however late it comes."""
        with ExchangeFactory.running({world.name: world.exchange for world in self._worlds if world.exchange is not None}):
            await self._run(is_first)

    async def _run(self, is_first: bool) -> None:
        self._loop.schedule_ns(self._end_ns, END, self._feed_ended)
        made, start = self._make()
        exchanges = [world.exchange for world in self._worlds if world.exchange is not None]
        connected = asyncio.ensure_future(self._connect(exchanges))
        await asyncio.wait([connected, self._over] if is_first else [connected], return_when=asyncio.FIRST_COMPLETED)
        if not connected.done():
            connected.cancel()
            self.failures.append("the exchange was not connected before the feed ended")
        elif connected.exception() is not None:
            self._note(connected.exception())
        else:
            for world in self._worlds:
                if world.watching is not None:
                    world.watching.look_into(made)
            main = asyncio.ensure_future(start(exchanges[0]))
            main.add_done_callback(self._main_done)
            await self._over
            await self._live_on()
            for world in self._worlds:
                if world.watching is not None:
                    world.watching.bot_ended()
            await self._stop(made, main)
        for world in self._worlds:
            world.observer.bot_ended(None if world.exchange is None else world.exchange.insight.lanes())
            world.door.plan.end_all()
            world.door.broadcast.forget_lost()
        await self._rest(exchanges)

    def died_unseen(self) -> list[str]:
        """A sentence for each task that died and that nobody asked."""
        return [tell_of_task(error, " of the bot") for error in died_unseen([self._loop])]

    async def _connect(self, exchanges: list[Any]) -> None:
        for exchange in exchanges:
            await exchange.connect()

    async def _live_on(self) -> None:
        """Let a client that has something to recover from, and time left for it, go on: the market stands still, and time is free.

        Without this, whatever takes long to recover from would only have to come late to be judged by nobody.
        """
        limit_ns = self._recovers_within_ns
        if limit_ns is None:
            return
        until_ns = self._loop.now_ns + LIVE_ON_NS
        while not self.failures and self._loop.now_ns < until_ns and any(world.observer.has_to_wait(limit_ns) for world in self._worlds):
            await asyncio.sleep(LOOK_EVERY_NS / SECOND)

    async def _stop(self, made: Any, main: asyncio.Future[Any]) -> None:
        """Tell the bot to end; a loop that does not is cancelled, and one that will not be cancelled is reported."""
        stop = getattr(made, "stop", None)
        waiting: list[asyncio.Future[Any]] = []
        if stop is not None and self.escaped is None:
            waiting.append(asyncio.ensure_future(stop()))
        if not main.done():
            main.cancel()
            waiting.append(main)
        if not waiting:
            return
        _, late = await asyncio.wait(waiting, timeout=STOP_WITHIN_NS / SECOND)
        for task in waiting:
            if task in late:
                who = "its `stop()` did not return" if task is not main else "it goes on although it was cancelled"
                self.failures.append(f"the bot did not end within {format_duration(STOP_WITHIN_NS)}: {who}; {_where(task)}")
                task.cancel()
            elif not task.cancelled() and task.exception() is not None and task is not main:
                self._note(task.exception())

    async def _rest(self, exchanges: list[Any]) -> None:
        for exchange in exchanges:
            try:
                await exchange.disconnect()
            except Exception as error:  # whatever it is, it must not hide what came before
                self.failures.append(f"disconnect raised {type(error).__name__}: {error}")
        give_up_ns = self._loop.now_ns + REST_WITHIN_NS
        while any(world.door.is_busy for world in self._worlds) and self._loop.now_ns < give_up_ns:
            await asyncio.sleep(10 * MILLISECOND / SECOND)

    def _main_done(self, main: asyncio.Future[Any]) -> None:
        if main.cancelled():
            if not self._over.done():
                self.failures.append("the bot was cancelled, and not by us")
            self._finish()
        elif main.exception() is not None:
            self._note(main.exception())
            self._finish()
        elif getattr(self._bot, "ends_with_main", False) or not any(
            world.exchange is not None and world.exchange.is_subscribed for world in self._worlds
        ):
            self._finish()  # it has returned and left nobody to call

    def _feed_ended(self) -> None:
        """No row reaches the venue any more; the bot ends once the last has been delivered."""
        feed = self._host.feed
        key = None if feed is None else feed.next_key()
        if key is not None and key[0] <= self._end_ns + LAST_ROW_WITHIN_NS:
            self._loop.schedule_ns(key[0], END, self._feed_ended)
        else:
            self._finish()

    def _finish(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

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
        if error is None or isinstance(error, SystemExit):  # that one ends the loop, and whoever runs it says so
            return
        if isinstance(error, EscapedSimulation):
            self.escaped = self.escaped or error
        if isinstance(error, StuckSimulation):
            raise error
        self.failures.append(f"the bot raised {type(error).__name__}: {error}{line_of(error)}")


def _where(task: asyncio.Future[Any]) -> str:
    if isinstance(task, asyncio.Task):
        for frame in task.get_stack(limit=1):
            return f"it waits in {Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
    return "nobody knows where it waits"
