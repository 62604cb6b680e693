"""Where a monitor's lines come from: something that runs, or a journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

Line = dict[str, Any]
"""See `monitor.screen`."""

LINES_MAX: Final = 20_000
"""So many wait for the window; older ones are dropped, and counted."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What has come since the last time.

    Attributes:
        missed: lines that had to go for want of room.
        trouble: what is wrong with the line, in words; empty where nothing is.
    """

    lines: list[Line]
    missed: int
    trouble: str


class Source(Protocol):
    """Something that runs.

    Attributes:
        title: what it is, for the window's.
    """

    title: str

    def start(self, wake: Callable[[], object]) -> Any:
        """Listen; `wake` is called in another thread when something has come."""
        ...

    def take(self) -> Taken:
        """What has come since the last time."""
        ...

    def close(self) -> None:
        """Listen no more."""
        ...
