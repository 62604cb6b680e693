"""What asyncio asks of a loop besides turning: tasks and futures with numbers, executors inline, errors that nobody caught kept."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from papertape.runtime.ordered import OrderedWeakSet
from papertape.runtime.outside import Outside
from papertape.runtime.sequenced import SequencedFuture, SequencedTask


class Manners(Outside, asyncio.BaseEventLoop):  # type: ignore[misc] # Outside refuses whatever the arguments
    """The half of a virtual loop that makes things for the program.

    Attributes:
        unhandled: what asyncio's exception handler was told, in order.
        next_number: numbers the tasks and futures of a run.
    """

    if TYPE_CHECKING:
        _closed: bool
        _stopping: bool
        _thread_id: int | None
        _task_factory: Any

        def _check_closed(self) -> None: ...

    def __init__(self) -> None:
        super().__init__()
        self.unhandled: list[dict[str, Any]] = []
        self._clock_resolution = 1e-9
        self.next_number: Callable[[], int] = itertools.count(1).__next__
        self._names = itertools.count(1)
        self._asyncgens = OrderedWeakSet()

    # What asyncio asks of a loop

    def next_task_name(self) -> str:
        return f"Task-{next(self._names)}"

    def create_future(self) -> asyncio.Future[Any]:
        return SequencedFuture(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None, **options: Any) -> asyncio.Task[Any]:  # type: ignore[override]  # typeshed's options differ from one Python to the next
        if self._task_factory is not None:
            return super().create_task(coro, name=name or self.next_task_name(), context=context, **options)
        self._check_closed()
        return SequencedTask(coro, loop=self, name=name, context=context, **options)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what nobody caught, also where the program has a handler of its own; whoever runs the loop decides what it means."""
        self.unhandled.append(context)
        super().call_exception_handler(context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        return None

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]  # typeshed ties the arguments to the callback's
        if self._thread_id is not None and self._thread_id != threading.get_ident():
            self.refuse_thread("call_soon_threadsafe from another thread", "use asyncio.to_thread, which runs inline here")
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]  # typeshed ties the arguments to the callback's
        """Run `func` inline, one turn later; the executor is not used."""
        self._check_closed()
        future = self.create_future()
        self.call_soon(self._run_inline, future, func, args)
        return future

    def _run_inline(self, future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if future.cancelled():
            return
        asyncio._set_running_loop(None)  # as in a thread: code there may ask whether it is inside a loop
        try:
            result = func(*args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            if not future.cancelled():
                future.set_exception(error)
        else:
            if not future.cancelled():
                future.set_result(result)
        finally:
            asyncio._set_running_loop(self)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        self._executor_shutdown_called = True

    def set_default_executor(self, executor: Any) -> None:
        """Accept any; none is used."""

    def _process_events(self, event_list: Any) -> None:
        """No selector, no events."""

    def _write_to_self(self) -> None:
        """Nobody sleeps who would have to be woken."""
