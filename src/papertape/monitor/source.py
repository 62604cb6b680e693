"""Where a window's lines come from: what every source can do, and the thread that those have which listen to another process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Any, Final, Protocol

from papertape.collector.lines import Line
from papertape.model.errors import PapertapeError

LINES_MAX: Final = 20_000
"""Lines that wait for a window that does not look; older ones are dropped, and counted."""

END_WITHIN_S: Final = 5.0

Wake = Callable[[], object]


class Source(Protocol):
    """Lines for a `Screen`, to be taken from the window's thread.

    Attributes:
        name: what is looked at, for the window's title.
    """

    name: str

    def start(self, wake: Wake) -> None:
        """Begin; `wake` is called, in any thread, when something waits where nothing did."""

    def take(self) -> list[Line]:
        """Everything that waits, oldest first."""

    def close(self) -> None:
        """End; doing it twice does nothing."""


class Waiting:
    """Lines that wait to be taken, from any thread.

    >>> waiting = Waiting(lambda: print("woken"), lines_max=2)
    >>> for number in range(3):
    ...     waiting.put({"kind": "note", "number": number})
    woken
    >>> waiting.take()
    [{'kind': 'missed', 'lines': 1}, {'kind': 'note', 'number': 1}, {'kind': 'note', 'number': 2}]
    """

    def __init__(self, wake: Wake, lines_max: int = LINES_MAX) -> None:
        self._wake = wake
        self._lock = Lock()
        self._lines: deque[Line] = deque(maxlen=lines_max)
        self._told = 0

    def put(self, line: Line) -> None:
        with self._lock:
            has_some = bool(self._lines)
            self._lines.append(line)
            self._told += 1
        if not has_some:
            self._wake()

    def take(self) -> list[Line]:
        """All of them; where some had to go for want of room, how many comes first."""
        with self._lock:
            lines, missed = list(self._lines), self._told - len(self._lines)
            self._lines.clear()
            self._told = 0
        return [{"kind": "missed", "lines": missed}, *lines] if missed else lines


class Listener:
    """A source with a thread and an event loop of its own, so that nothing it waits for ever holds up a window.

    What goes wrong there is a line, never an exception in the window: `{"kind": "attached", "is_there": …, "why": …}`.

    Attributes:
        loop: the thread's; there once it has begun.
    """

    name = ""
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        self.waiting = Waiting(lambda: None)
        self._thread: Thread | None = None
        self._task: asyncio.Task[None] | None = None
        self._has_begun = Event()

    def start(self, wake: Wake) -> None:
        self.waiting = Waiting(wake)
        self._thread = Thread(target=lambda: asyncio.run(self._main()), name=f"papertape {self.name}", daemon=True)
        self._thread.start()
        self._has_begun.wait()

    def take(self) -> list[Line]:
        return self.waiting.take()

    def close(self) -> None:
        thread, task, self._thread = self._thread, self._task, None
        if thread is None or task is None:
            return
        with suppress(RuntimeError):  # it has ended by itself, and its loop is closed
            self.loop.call_soon_threadsafe(task.cancel)
        thread.join(END_WITHIN_S)

    def tell(self, *, is_there: bool, why: str) -> None:
        """How the connection to what is looked at stands."""
        self.waiting.put({"kind": "attached", "is_there": is_there, "why": why})

    def listen(self) -> Coroutine[Any, Any, None]:
        """Listen until cancelled, in the thread's own loop."""
        raise NotImplementedError

    async def _main(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._task = asyncio.ensure_future(self.listen())
        self._has_begun.set()
        try:
            await self._task
        except asyncio.CancelledError:
            return
        except PapertapeError as error:
            self.tell(is_there=False, why=str(error))
        except Exception as error:  # the window stays, and says what it was
            self.tell(is_there=False, why=f"{type(error).__name__}: {error}")
