"""Who looks after a served venue: clients that do not read, strangers, a machine that is too slow, mistakes of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from papertape.model.units import SECOND, Nanos, format_duration
from papertape.runtime.paced import PacedTime

BACKLOG_MAX: Final = 100_000
"""Frames that wait for one client until it is cut off: it would not catch up, and the others' memory is at stake."""

BEHIND_MAX_NS: Final[Nanos] = 5 * SECOND
"""How late the market may be, by the clock on the wall, before somebody is told."""


class Reader(Protocol):
    """A stream connection."""

    @property
    def backlog(self) -> int: ...

    def cut_off(self) -> None: ...


class Front(Protocol):
    """What there is to see of a server; `wire.coinbase.server.CoinbaseServer` shows it."""

    @property
    def streams(self) -> Iterable[Reader]: ...

    @property
    def strangers(self) -> Mapping[str, int]: ...

    @property
    def failures(self) -> list[str]: ...


class Lookout:
    """Looks now and then, and tells of each thing once.

    Args:
        time: of the market.
        tell: told what a person at the terminal should know.
    """

    def __init__(self, time: PacedTime, front: Front, tell: Callable[[str], object]) -> None:
        self._time = time
        self._front = front
        self._tell = tell
        self._strangers: dict[str, None] = {}
        self._failures = 0
        self._is_late = False

    def look(self) -> None:
        for reader in list(self._front.streams):
            if reader.backlog > BACKLOG_MAX:
                self._tell(f"a client does not read: {reader.backlog} messages wait for it; its connection is reset")
                reader.cut_off()
        for name in self._front.strangers:
            if name not in self._strangers:
                self._strangers[name] = None
                self._tell(
                    f'somebody signed with the key "{name}", which is not this server\'s, and was told no; its key stands in the ready line'
                )
        for failure in self._front.failures[self._failures :]:
            self._tell(f"a request met a mistake of papertape's own, please report it: {failure}")
        self._failures = len(self._front.failures)
        self._look_at_time()

    def _look_at_time(self) -> None:
        behind_ns, speed = self._time.behind_ns(), self._time.pace.speed
        is_late = behind_ns > BEHIND_MAX_NS * speed
        if is_late and not self._is_late:
            late = format_duration(behind_ns // SECOND * SECOND)
            self._tell(f"the market is {late} late: this machine is too slow for this speed; take a lower one")
        self._is_late = is_late
