"""A bot that computes for ever: no virtual clock can see it, since no virtual time passes; a real one can."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Final

from papertape.model.errors import StuckSimulation

PATIENCE_S: Final = 30.0
"""Real seconds without a sign of life from the run; an event takes microseconds."""


class Watchdog:
    """Within a `with`, raise `StuckSimulation` in whatever computes for longer than `patience_s` without `feed` being called.

    It is raised at the very line that does not come to an end, so that the run ends as it does for any error of the bot. Works in the main
    thread of systems that have interval timers; elsewhere it does nothing.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._is_fed = True
        self._can_watch = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()

    def feed(self) -> None:
        """The run moves on."""
        self._is_fed = True

    def __enter__(self) -> Watchdog:
        if self._can_watch:
            self._before = signal.signal(signal.SIGALRM, self._look)
            self._timer_before = signal.setitimer(signal.ITIMER_REAL, self._patience_s, self._patience_s)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._can_watch:
            signal.setitimer(signal.ITIMER_REAL, *self._timer_before)
            signal.signal(signal.SIGALRM, self._before)

    def _look(self, number: int, frame: FrameType | None) -> None:
        if self._is_fed:
            self._is_fed = False
            return
        self._is_fed = True  # so that what cleans up has its time too
        where = f"{os.path.relpath(frame.f_code.co_filename)}:{frame.f_lineno} in {frame.f_code.co_name}" if frame else "an unknown place"
        raise StuckSimulation(f"{self._patience_s:g} s of real time passed and no virtual time; {where} does not give way")
