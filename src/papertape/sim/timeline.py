"""What the Door needs of time: the virtual loop has it, and so has a wall clock for serving real clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from papertape.model.units import Nanos


class Handle(Protocol):
    """Something scheduled that can be called off."""

    def cancel(self) -> None: ...


class Timeline(Protocol):
    """Run time in nanoseconds, and a way to be called at one; `rank` orders ties (`runtime.rank`)."""

    @property
    def now_ns(self) -> Nanos: ...

    def schedule_ns(self, when_ns: Nanos, rank: int, callback: Callable[..., object], *args: Any) -> Handle: ...
