"""Running a coroutine at once, without making a task for it: a replay calls millions of callbacks, and few of them wait.

A coroutine is stepped up to its first suspension under a *carrier*: a real task that does nothing else meanwhile, so that `current_task()`,
`asyncio.timeout()` and context variables are what they are in any task. If the coroutine suspends, the carrier goes on with what is left of
it; if not, the carrier serves the next one.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import tasks
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any

from papertape.runtime.place import IDLE_TASK

Done = Callable[[BaseException | None], object]

if sys.version_info >= (3, 12):

    def _become(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any] | None) -> asyncio.Task[Any] | None:
        return tasks._swap_current_task(loop, task)  # type: ignore[attr-defined,no-any-return]

else:

    def _become(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any] | None) -> asyncio.Task[Any] | None:
        current = asyncio.current_task(loop)
        if current is not None:
            tasks._leave_task(loop, current)
        if task is not None:
            tasks._enter_task(loop, task)
        return current


class Stepper:
    """Steps coroutines on one loop.

    What they set in context variables stays for the next, as it would in one task that awaits them one after another.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.loop = loop or asyncio.get_running_loop()
        self._idle: list[Carrier] = []

    def step(self, coroutine: Coroutine[Any, Any, object], on_done: Done) -> bool:
        """Run `coroutine` as far as it goes without waiting; call it from a callback of the loop or from inside a task.

        Returns:
            Whether it ended at once. Then `on_done` was called only if it failed. Otherwise it goes on as a task of its own, and `on_done`
            will be called when that ends, with the exception that ended it or None.
        """
        idle = self._idle
        carrier = idle.pop() if idle else Carrier(self)
        if carrier.wake.done() or carrier.task.cancelling():  # somebody cancelled every task they could find
            carrier = Carrier(self)
        loop = self.loop
        before = _become(loop, carrier.task)
        try:
            awaited = carrier.context.run(coroutine.send, None)
        except StopIteration:
            _become(loop, before)
            idle.append(carrier)
            return True
        except (SystemExit, KeyboardInterrupt):
            _become(loop, before)
            raise
        except BaseException as error:
            _become(loop, before)
            idle.append(carrier)
            on_done(error)
            return True
        _become(loop, before)
        carrier.take_over(coroutine, awaited, on_done)
        return False

    def close(self) -> None:
        """Let the idle carriers end; what is under way goes on."""
        for carrier in self._idle:
            carrier.task.cancel()
        self._idle.clear()


class Carrier(Coroutine[Any, Any, None]):
    """A task's coroutine that waits until there is something to carry on with.

    Attributes:
        wake: what the task waits for while idle.
        context: the one its task runs in.
    """

    def __init__(self, stepper: Stepper) -> None:
        self._stepper = stepper
        self._coroutine: Coroutine[Any, Any, object] | None = None
        self._awaited: Any = None
        self._on_done: Done | None = None
        self._is_waiting = False  # for `wake`, with work to do
        self.context: Context = copy_context()
        self.wake: asyncio.Future[None] = stepper.loop.create_future()
        self.task: asyncio.Task[None] = stepper.loop.create_task(self, name=IDLE_TASK, context=self.context)

    def take_over(self, coroutine: Coroutine[Any, Any, object], awaited: Any, on_done: Done) -> None:
        """Go on with a coroutine that has just yielded `awaited`."""
        self._coroutine, self._awaited, self._on_done = coroutine, awaited, on_done
        self._is_waiting = True
        self.task.set_name(getattr(coroutine, "__qualname__", type(coroutine).__name__))
        if not self.wake.done():
            self.wake.set_result(None)

    def send(self, value: Any) -> Any:
        """The task takes its next step."""
        coroutine = self._coroutine
        if coroutine is None:  # its first step ever
            return self._rest()
        if self._is_waiting:
            self._is_waiting = False
            awaited, self._awaited = self._awaited, None
            if awaited is not None:
                return awaited  # as the coroutine yielded it: now the task waits for it
            # `asyncio.sleep(0)`: the turn has passed.
        return self._drive(coroutine.send, value)

    def throw(self, error: Any, value: Any = None, traceback: Any = None) -> Any:
        """The task is cancelled, or what it waited for failed."""
        coroutine = self._coroutine
        if coroutine is None:
            self.wake.cancel()
            raise error
        if self._is_waiting:  # cancelled in the very turn of its suspension
            self._is_waiting = False
            awaited, self._awaited = self._awaited, None
            if awaited is not None:
                awaited._asyncio_future_blocking = False
                awaited.cancel()
        return self._drive(coroutine.throw, error)

    def close(self) -> None:
        if self._coroutine is not None:
            self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, None]:
        raise TypeError("a carrier is driven by its task")

    def _drive(self, step: Callable[[Any], Any], value: Any) -> Any:
        try:
            return step(value)
        except StopIteration:
            error = None
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as raised:
            error = raised
        on_done = self._on_done
        self._coroutine = self._on_done = None
        assert on_done is not None
        on_done(error)
        if self.task.cancelling():
            raise StopIteration  # whoever asked for the end of this task has it
        self.task.set_name(IDLE_TASK)
        self.wake = self._stepper.loop.create_future()
        self._stepper._idle.append(self)
        return self._rest()

    def _rest(self) -> Any:
        if self.wake.done():
            raise StopIteration
        self.wake._asyncio_future_blocking = True
        return self.wake

    # What asyncio and `runtime.place` look at when they print a task.

    @property
    def cr_frame(self) -> Any:
        return getattr(self._coroutine, "cr_frame", None)

    @property
    def cr_await(self) -> Any:
        return getattr(self._coroutine, "cr_await", None)

    @property
    def cr_running(self) -> bool:
        return bool(getattr(self._coroutine, "cr_running", False))

    @property
    def cr_code(self) -> Any:
        return getattr(self._coroutine, "cr_code", Carrier.send.__code__)
