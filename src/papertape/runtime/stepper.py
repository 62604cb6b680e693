"""Running a coroutine at once, without making a task for it: a replay calls millions of callbacks, and few of them wait.

A coroutine is stepped up to its first suspension under a *carrier*: a real task that does nothing else meanwhile, so that `current_task()`,
`asyncio.timeout()` and context variables are what they are in any task. If the coroutine suspends, the carrier goes on with what is left of
it; if not, the carrier serves the next one.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import tasks
from collections.abc import Callable, Coroutine, Generator, Sized
from contextvars import Context, copy_context
from typing import Any

from papertape.runtime.loop import VirtualLoop
from papertape.runtime.place import IDLE_TASK

Done = Callable[[BaseException | None], object]

if sys.version_info >= (3, 12):

    def _become(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any] | None) -> asyncio.Task[Any] | None:
        if task is None:  # which 3.12 cannot swap for None
            current = asyncio.current_task(loop)
            if current is not None:
                tasks._leave_task(loop, current)
            return current
        return tasks._swap_current_task(loop, task)  # type: ignore[attr-defined,no-any-return]  # typeshed does not know it

else:

    def _become(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any] | None) -> asyncio.Task[Any] | None:
        # As `asyncio.current_task` does, which 3.11 has in Python.
        current: asyncio.Task[Any] | None = tasks._current_tasks.get(loop)  # type: ignore[attr-defined]  # asyncio keeps it there
        if current is not None:
            tasks._leave_task(loop, current)
        if task is not None:
            tasks._enter_task(loop, task)
        return current


class Carriers:
    """The carriers of one loop, shared by all its steppers.

    Attributes:
        idle: those that wait for work.
        entered: the one that is the current task of a batch and has nothing to carry at the moment.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.idle: list[Carrier] = []
        self.entered: Carrier | None = None

    def take(self) -> Carrier:
        """One that is fit for work."""
        while self.idle:
            carrier = self.idle.pop()
            if not (carrier.wake.done() or carrier.task.cancelling()):  # nobody cancelled every task they could find
                return carrier
        return Carrier(self)

    def batch(self, work: Callable[[], object]) -> None:
        """Run `work` as if inside a carrier's task: many coroutines stepped one after another then share one change of tasks."""
        if self.entered is not None:
            work()
            return
        carrier = self.take()
        before = _become(self.loop, carrier.task)
        self.entered = carrier
        try:
            carrier.context.run(work)
        finally:
            _become(self.loop, before)
            if self.entered is carrier:
                self.entered = None
            if carrier.is_free:
                self.idle.append(carrier)


class Stepper:
    """Steps coroutines on one loop.

    What they set in context variables stays for the next, as it would in one task that awaits them one after another.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.loop = loop or asyncio.get_running_loop()
        self._carriers: Carriers
        self._ready: Sized = ()
        if isinstance(self.loop, VirtualLoop):
            shared = self.loop.carriers
            if not isinstance(shared, Carriers):
                shared = self.loop.carriers = Carriers(self.loop)
            self._carriers, self._ready = shared, self.loop.ready
        else:
            self._carriers = Carriers(self.loop)

    def step(self, coroutine: Coroutine[Any, Any, object], on_done: Done, *, is_driver: bool = False) -> bool:
        """Run `coroutine` as far as it goes without waiting; call it from a callback of the loop or from inside a task.

        Args:
            is_driver: it is ours and awaits many others, one after another; what people see is the one that waits.

        Returns:
            Whether it ended at once. Then `on_done` was called only if it failed. Otherwise it goes on as a task of its own, and `on_done`
            will be called when that ends, with the exception that ended it or None.
        """
        carriers = self._carriers
        carrier = carriers.entered
        if carrier is None:
            return self._step_alone(coroutine, on_done, is_driver)
        carriers.entered = None  # a coroutine that steps another needs two
        try:
            awaited = coroutine.send(None)
        except StopIteration:
            if not self._ready:  # else it may have asked for its own end, and the next one must not suffer that
                carriers.entered = carrier
            return True
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            on_done(error)
            return True
        # What else this batch steps is stepped alone.
        _become(self.loop, None)
        carrier.take_over(coroutine, awaited, on_done, is_driver=is_driver)
        return False

    def _step_alone(self, coroutine: Coroutine[Any, Any, object], on_done: Done, is_driver: bool) -> bool:
        carriers = self._carriers
        carrier = carriers.take()
        loop = self.loop
        before = _become(loop, carrier.task)
        try:
            awaited = carrier.context.run(coroutine.send, None)
        except StopIteration:
            _become(loop, before)
            carriers.idle.append(carrier)
            return True
        except (SystemExit, KeyboardInterrupt):
            _become(loop, before)
            raise
        except BaseException as error:
            _become(loop, before)
            carriers.idle.append(carrier)
            on_done(error)
            return True
        _become(loop, before)
        carrier.take_over(coroutine, awaited, on_done, is_driver=is_driver)
        return False

    def close(self) -> None:
        """Let the idle carriers end; what is under way goes on."""
        for carrier in self._carriers.idle:
            carrier.task.cancel()
        self._carriers.idle.clear()


class Carrier(Coroutine[Any, Any, None]):
    """A task's coroutine that waits until there is something to carry on with.

    Attributes:
        wake: what the task waits for while idle.
        context: the one its task runs in.
    """

    def __init__(self, carriers: Carriers) -> None:
        self._carriers = carriers
        self._coroutine: Coroutine[Any, Any, object] | None = None
        self._shown: Any = None  # of that, what people see
        self._awaited: Any = None
        self._on_done: Done | None = None
        self._is_waiting = False  # for `wake`, with work to do
        self.context: Context = copy_context()
        self.wake: asyncio.Future[None] = carriers.loop.create_future()
        self.task: asyncio.Task[None] = carriers.loop.create_task(self, name=IDLE_TASK, context=self.context)

    @property
    def is_free(self) -> bool:
        """Whether it has nothing to carry."""
        return self._coroutine is None

    def take_over(self, coroutine: Coroutine[Any, Any, object], awaited: Any, on_done: Done, *, is_driver: bool = False) -> None:
        """Go on with a coroutine that has just yielded `awaited`."""
        self._coroutine, self._awaited, self._on_done = coroutine, awaited, on_done
        self._is_waiting = True
        self._shown = shown = getattr(coroutine, "cr_await", None) if is_driver else coroutine
        self.task.set_name(getattr(shown, "__qualname__", type(shown).__name__))
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
        self._coroutine = self._on_done = self._shown = None
        assert on_done is not None
        on_done(error)
        if self.task.cancelling():
            raise StopIteration  # whoever asked for the end of this task has it
        self.task.set_name(IDLE_TASK)
        self.wake = self._carriers.loop.create_future()
        self._carriers.idle.append(self)
        return self._rest()

    def _rest(self) -> Any:
        if self.wake.done():
            raise StopIteration
        self.wake._asyncio_future_blocking = True
        return self.wake

    # What asyncio and `runtime.place` look at when they print a task.

    @property
    def cr_frame(self) -> Any:
        return getattr(self._shown, "cr_frame", None)

    @property
    def cr_await(self) -> Any:
        return getattr(self._shown, "cr_await", None)

    @property
    def cr_running(self) -> bool:
        return bool(getattr(self._coroutine, "cr_running", False))

    @property
    def cr_code(self) -> Any:
        return getattr(self._shown, "cr_code", Carrier.send.__code__)
