"""Handing events to a bot's callback: one after another, never losing an exception, never blocking the lane."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sized
from types import CoroutineType
from typing import Any, Protocol, Self

from papertape.model.units import Nanos
from papertape.resilience.inbox import Inbox
from papertape.runtime.stepper import Stepper


class Shown(Protocol):
    """What is shown again and again to one who listens: `feeds.BookFeed`, where these are explained."""

    deliveries: tuple[Delivery, ...]
    invalid_since_ns: Nanos | None

    @property
    def comparison(self) -> object: ...

    @property
    def moves(self) -> Sized: ...


class Delivery:
    """One subscription's way to its callback.

    While an async callback is suspended, what comes meanwhile waits in the inbox; the lane and all other subscriptions go on.

    Attributes:
        is_busy: the callback has not finished yet.
        is_over: unsubscribed, or the bot failed; nothing is delivered any more.
    """

    __slots__ = ("_callback", "_inbox", "_on_end", "_on_error", "_on_lost", "_step", "_waiting", "_when_ended", "is_busy", "is_over")

    def __init__(
        self,
        callback: Callable[[Any], object],
        inbox: Inbox,
        stepper: Stepper,
        *,
        on_error: Callable[[BaseException], None],
        on_lost: Callable[[Any], None],
        on_end: Callable[[Delivery], Awaitable[None]],
    ) -> None:
        self.is_busy = False
        self.is_over = False
        self._callback = callback
        self._inbox = inbox
        self._waiting = inbox.items
        self._step = stepper.step
        self._when_ended = self._ended  # bound once, not for each event
        self._on_error = on_error
        self._on_lost = on_lost
        self._on_end = on_end

    @property
    def waiting(self) -> int:
        """Events that wait for the callback to be free."""
        return len(self._inbox)

    def __call__(self, item: Any) -> None:
        """Deliver now, or keep it until the callback is free."""
        if self.is_busy or self.is_over:
            if not self.is_over:
                lost = self._inbox.put(item)
                if lost is not None:
                    self._on_lost(lost)
            return
        self.is_busy = True  # a callback that makes something happen must not be called within itself
        try:
            result = self._callback(item)
        except (Exception, asyncio.CancelledError) as error:
            self._failed(error)
            return
        if result is None:
            self.is_busy = False
        elif type(result) is CoroutineType:  # the hot path; `_goes_on` says the same at leisure
            if not self._step(result, self._when_ended):
                return
            self.is_busy = False
        elif self._goes_on(result):
            return
        if self._waiting:
            self._catch_up()

    def each(self, item: Any, comes: Iterator[object], feed: Shown) -> None:
        """Deliver the same `item` each time that `comes` says so, until it is not steady any more, or somebody begins or ends listening.

        It is what calling does, without a call for each: so many changes of a book come that this is a tenth of a run.
        """
        callback, step, waiting, ended, deliveries = self._callback, self._step, self._waiting, self._when_ended, feed.deliveries
        for _ in comes:
            if self.is_busy or self.is_over:
                self(item)
            else:
                self.is_busy = True
                try:
                    result = callback(item)
                except (Exception, asyncio.CancelledError) as error:
                    self._failed(error)
                    return
                if result is None or (type(result) is CoroutineType and step(result, ended)):
                    self.is_busy = False
                    if waiting:
                        self._catch_up()
                elif type(result) is not CoroutineType and not self._goes_on(result) and waiting:
                    self._catch_up()
            if feed.moves or feed.deliveries is not deliveries or feed.invalid_since_ns is not None or feed.comparison is not None:
                return

    def _goes_on(self, result: object) -> bool:
        """Step what the callback returned; whether it still runs."""
        if type(result) is CoroutineType:
            coroutine: Coroutine[Any, Any, object] = result
        elif inspect.isawaitable(result):
            coroutine = _finished(result)
        else:
            self.is_busy = False
            return False
        if not self._step(coroutine, self._when_ended):
            return True
        self.is_busy = False
        return False

    def _ended(self, error: BaseException | None) -> None:
        """A callback that took its time is over, or one failed."""
        if error is not None and not (self.is_over and isinstance(error, asyncio.CancelledError)):
            self._failed(error)
            return
        self.is_busy = False
        if self._inbox:
            self._catch_up()

    def _catch_up(self) -> None:
        inbox = self._inbox
        while inbox and not self.is_busy and not self.is_over:
            self.is_busy = True
            try:
                result = self._callback(inbox.take())
            except (Exception, asyncio.CancelledError) as error:
                self._failed(error)
                return
            if result is None:
                self.is_busy = False
            elif self._goes_on(result):
                return

    def _failed(self, error: BaseException) -> None:
        self.end()
        self._on_error(error)

    def end(self) -> None:
        """Deliver nothing any more."""
        self.is_over = True
        self._inbox.clear()

    async def unsubscribe(self) -> None:
        """Hear no more; doing it twice does nothing."""
        if not self.is_over:
            self.end()
            await self._on_end(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.unsubscribe()


async def _finished(awaitable: Awaitable[object]) -> None:
    await awaitable
