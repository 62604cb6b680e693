"""A bot that computes for ever: no virtual clock can see it, since no virtual time passes; a real one can."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Final

from papertape.model.errors import StuckSimulation
from papertape.session.result import ExitCode

PATIENCE_S: Final = 30.0
"""Real seconds without a sign of life from the run; an event takes microseconds."""

TRIES: Final = 3
"""How often it is raised in a bot that catches even that and goes on."""


class Watchdog:
    """Within a `with`, raise `StuckSimulation` in whatever computes for longer than `patience_s` without `feed` being called.

    It is raised at the very line that does not come to an end, so that the run ends as it does for any error of the bot. If that is caught
    again and again, nothing in this process can end the run: the whole process ends, with what would have been raised on stderr and exit
    code 5. Works in the main thread of systems that have interval timers; elsewhere it does nothing.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._is_fed = True
        self._raised = 0
        self._can_watch = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()

    def feed(self) -> None:
        """The run moves on."""
        self._is_fed = True
        self._raised = 0

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
        said = f"{self._patience_s:g} s of real time passed and no virtual time; {where} does not give way"
        self._raised += 1
        if self._raised > TRIES:
            os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"papertape: {said}, and catches whatever stops it\n".encode())
            os._exit(ExitCode.INTERNAL)  # the bot would catch SystemExit as well
        raise StuckSimulation(said)
