"""The signals of a program in a simulated world: nobody sends any but the world itself, at the end of the run."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

OnLoop = tuple[asyncio.AbstractEventLoop, Callable[..., object], tuple[Any, ...]]


class Signals:
    """What a program has asked for, by signal number; begins as every Python program does.

    Args:
        turning: the loop that the program is inside of, if any.

    Attributes:
        sent: every signal that was delivered, in order.
    """

    def __init__(self, turning: Callable[[], asyncio.AbstractEventLoop | None]) -> None:
        self.sent: list[int] = []
        self._turning = turning
        self._handlers: dict[int, Any] = {int(signal.SIGINT): signal.default_int_handler}
        self._on_loop: dict[int, OnLoop] = {}

    def get(self, number: int) -> Any:
        """What `signal.getsignal` says."""
        return self._handlers.get(number, signal.SIG_DFL)

    def set(self, number: int, handler: Any) -> Any:
        """What `signal.signal` does."""
        before = self.get(number)
        self._handlers[number] = handler
        return before

    def set_on_loop(self, number: int, loop: asyncio.AbstractEventLoop, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        """What `loop.add_signal_handler` does."""
        self._on_loop[number] = (loop, callback, args)

    def remove_from_loop(self, number: int) -> bool:
        """What `loop.remove_signal_handler` does."""
        return self._on_loop.pop(number, None) is not None

    def deliver(self, number: int) -> None:
        """The signal arrives.

        Raises:
            KeyboardInterrupt: the program leaves SIGINT as it is.
            SystemExit: it leaves another signal as it is; the code is 128 and its number, as a shell shows it.
        """
        self.sent.append(number)
        on_loop = self._on_loop.get(number)
        if on_loop is not None and not on_loop[0].is_closed():
            loop, callback, args = on_loop
            loop.call_soon(callback, *args)
            return
        handler = self.get(number)
        if handler == signal.SIG_IGN:
            return
        if not callable(handler):
            raise SystemExit(128 + number)
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(self._turning())
        try:
            handler(number, None)
        finally:
            asyncio._set_running_loop(outer)
