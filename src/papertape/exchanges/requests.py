"""Asking the venue: spends the budget, waits for the line, repeats what may be repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from papertape.exchanges.bell import Bell
from papertape.links.base import Link
from papertape.model.errors import (
    BaseError,
    ExchangeError,
    ExchangeNotAvailable,
    NetworkError,
    PapertapeError,
    RateLimitExceeded,
    RequestTimeout,
    as_never_sent,
    never_sent,
    retry_after_ns,
)
from papertape.model.notes import Mark, Notes
from papertape.model.request import PUBLIC_OPS, Answer, Op, Request
from papertape.model.units import SECOND, Nanos, format_duration
from papertape.resilience.backoff import Backoff
from papertape.resilience.limiter import Limiter
from papertape.resilience.settings import ShellSettings
from papertape.runtime.clock import Clock


class Requests:
    """The one way from the shell to `Link.request`.

    Attributes:
        backoff: how long to wait between repetitions.
    """

    def __init__(
        self,
        link: Link,
        *,
        clock: Clock,
        notes: Notes,
        settings: ShellSettings,
        bell: Bell,
        backoff: Backoff,
        rest_is_live: Callable[[], bool],
        on_line_dead: Callable[[str], None],
    ) -> None:
        rules = link.rules
        self.private = Limiter(rules.private_quota, reserve=settings.rate_reserve, margin_ns=settings.rate_margin_ns)
        self.public = Limiter(rules.public_quota, reserve=0, margin_ns=settings.rate_margin_ns)
        self.backoff = backoff
        self.is_over = False  # disconnected: nothing can be asked any more
        self._link = link
        self._clock = clock
        self._notes = notes
        self._settings = settings
        self._bell = bell
        self._rest_is_live = rest_is_live
        self._on_line_dead = on_line_dead

    def follow_on(self) -> None:
        """An earlier life of this client may have spent the budget a moment ago; nobody here knows."""
        for limiter in (self.private, self.public):
            limiter.follow_on(self._clock.now_ns())

    async def spend(self, op: Op, *, urgent: bool, until_ns: Nanos | None = None) -> bool:
        """Wait for the budget of one request; False if there is none by `until_ns`, and then nothing was spent."""
        limiter = self.public if op in PUBLIC_OPS else self.private
        while True:
            now_ns = self._clock.now_ns()
            at_ns = limiter.book(now_ns, urgent=urgent, until_ns=until_ns)
            if at_ns is None:
                return False
            if at_ns > now_ns:
                await self._clock.sleep_ns(at_ns - now_ns)
            if not limiter.is_paused(self._clock.now_ns()):
                return True

    async def send(self, request: Request) -> Answer:
        """One request, once, its budget already spent.

        What goes wrong is raised as the link raised it; what a link should never raise counts as a fault of the line, so that nobody takes
        an answer that made no sense for a request that had no effect.
        """
        try:
            async with asyncio.timeout(self._settings.request_within_ns / SECOND):
                return await self._link.request(request)
        except TimeoutError as error:
            text = f"{request.op}: no answer within {format_duration(self._settings.request_within_ns)}"
            raise RequestTimeout(text) from error
        except RateLimitExceeded as error:
            self.obey(error)
            raise
        except BaseError as error:
            if never_sent(error):
                self._on_line_dead(f"{type(error).__name__}: {error}")
            raise
        except PapertapeError:
            raise  # ours: the run is over, or code escaped from it
        except Exception as error:
            raise NetworkError(f"{request.op}: the link failed with {type(error).__name__}: {error}") from error

    def obey(self, error: RateLimitExceeded) -> Nanos:
        """The venue wants quiet: nothing is asked before it is over; returns when that is, run time."""
        return self.quiet(retry_after_ns(error))

    def quiet(self, wait_ns: Nanos | None) -> Nanos:
        """The same, for so long; None for as long as the venue's rules have it."""
        until_ns = self._clock.now_ns() + (self._link.rules.retry_after_ns if wait_ns is None else wait_ns)
        self.private.pause(until_ns)
        self.public.pause(until_ns)
        return until_ns

    async def repeat(
        self,
        request: Request,
        *,
        urgent: bool = False,
        within_ns: Nanos | None = None,
        look_first: Callable[[], Awaitable[Answer | None]] | None = None,
    ) -> Answer:
        """Ask until there is an answer, for requests that change nothing or may be done twice.

        Args:
            request: what to ask; each repetition counts its `attempt` up.
            urgent: may spend the reserved budget.
            within_ns: when to give up; `settings.read_within_ns` if left out.
            look_first: after an answer was lost, whether there is one by other means; without, the request is simply repeated.

        Raises the venue's refusal at once, and the line's last fault when time is up.
        """
        deadline_ns = self._clock.now_ns() + (self._settings.read_within_ns if within_ns is None else within_ns)
        failures = 0
        limited = False
        trouble: BaseError | None = None
        while True:
            await self._bell.until(lambda: self.is_over or self._rest_is_live(), deadline_ns)
            if not self._rest_is_live() or not await self.spend(request.op, urgent=urgent, until_ns=deadline_ns):
                raise trouble or as_never_sent(ExchangeNotAvailable(f"{request.op}: the line stayed down; nothing was sent"))
            if not self._rest_is_live():
                continue
            try:
                answer = await self.send(request)
            except RateLimitExceeded as error:
                trouble, limited = error, True
            except ExchangeError:
                raise
            except BaseError as error:
                trouble = error
                failures += 1
                await self._clock.sleep_ns(min(self.backoff(failures), max(0, deadline_ns - self._clock.now_ns())))
                found = None if look_first is None or never_sent(error) else await look_first()
                if found is not None:
                    return found
            else:
                if limited:
                    self._notes.mark(Mark.RETRIED_AFTER_RATE_LIMIT, str(request.op))
                return answer
            if self._clock.now_ns() >= deadline_ns:
                raise trouble
            request = _again(request)


def _again(request: Request) -> Request:
    return msgspec.structs.replace(request, attempt=request.attempt + 1)
