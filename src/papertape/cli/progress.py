"""How far a run has come: a bar on a terminal, plain lines elsewhere; always on stderr, so that results can be piped."""

from __future__ import annotations

import sys
from typing import IO, Final

from papertape.model.units import SECOND, Nanos, format_duration
from papertape.runtime.clock import wall_seconds

BAR: Final = 24
REDRAW_S: Final = 0.1
PLAIN_S: Final = 10.0


class Progress:
    """Say how far each of `total` scenarios has come."""

    def __init__(self, total: int, file: IO[str] | None = None) -> None:
        self._file = sys.stderr if file is None else file
        self._is_terminal = _is_terminal(self._file)
        self._total = total
        self._index = 0
        self._name = ""
        self._next_s = 0.0

    def begin(self, name: str) -> None:
        self._index += 1
        self._name = name
        self._next_s = wall_seconds() + (0.0 if self._is_terminal else PLAIN_S)

    def advance(self, now_ns: Nanos, total_ns: Nanos) -> None:
        """Called by the run, often; looks at the clock and mostly does nothing."""
        now_s = wall_seconds()
        if now_s < self._next_s:
            return
        share = min(1.0, now_ns / total_ns) if total_ns else 1.0
        whole = f"{format_duration(now_ns // SECOND * SECOND)} of {format_duration(total_ns // SECOND * SECOND)}"
        if self._is_terminal:
            self._next_s = now_s + REDRAW_S
            filled = int(share * BAR)
            self._draw(f"\r\x1b[2K[{self._index}/{self._total}] {'█' * filled}{'░' * (BAR - filled)} {share:4.0%}  {whole}  {self._name}")
        else:
            self._next_s = now_s + PLAIN_S
            self._draw(f"[{self._index}/{self._total}] {self._name}: {share:.0%}, {whole}\n")

    def say(self, text: str) -> None:
        """A sentence of its own."""
        clear = "\r\x1b[2K" if self._is_terminal else ""
        self._draw(f"{clear}[{self._index}/{self._total}] {self._name}: {text}\n")

    def end(self, verdict: str, wall_s: float) -> None:
        clear = "\r\x1b[2K" if self._is_terminal else ""
        self._draw(f"{clear}[{self._index}/{self._total}] {self._name}: {verdict} in {wall_s:.2f} s\n")

    def _draw(self, text: str) -> None:
        _put(self._file, text)


class Tally:
    """Say how many of many small things are done, and how fast."""

    def __init__(self, noun: str, file: IO[str] | None = None) -> None:
        self._file = sys.stderr if file is None else file
        self._is_terminal = _is_terminal(self._file)
        self._noun = noun
        self._began_s = wall_seconds()
        self._next_s = self._began_s + (0.0 if self._is_terminal else PLAIN_S)
        self._failed = 0
        self._last = ""

    def show(self, done: int, total: int, is_failure: bool) -> None:
        """One more is done."""
        self._failed += is_failure
        rate = done / max(wall_seconds() - self._began_s, 1e-9)
        self.say(f"{done:,} of {total:,} {self._noun}, {self._failed:,} failed, {rate:.1f} a second", is_last=done == total)

    def say(self, text: str, *, is_last: bool = False) -> None:
        """Now and then; the last word always."""
        now_s = wall_seconds()
        self._last = text
        if now_s < self._next_s and not is_last:
            return
        self._next_s = now_s + (REDRAW_S if self._is_terminal else PLAIN_S)
        _put(self._file, f"\r\x1b[2K{text}" if self._is_terminal else f"{text}\n")

    def end(self) -> None:
        """Leave the last line standing."""
        if self._last and self._is_terminal:
            _put(self._file, f"\r\x1b[2K{self._last}\n")
        self._last = ""


def _put(file: IO[str] | None, text: str) -> None:
    if file is None:
        return
    try:
        file.write(text)
        file.flush()
    except (OSError, ValueError):  # full, or closed, as daemons have it: a verdict does not depend on who watches
        return


def _is_terminal(file: IO[str] | None) -> bool:
    try:
        return file is not None and file.isatty()
    except ValueError:  # closed
        return False
