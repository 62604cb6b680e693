"""What every fault of the network has: whom it hits, after how much, and when. It acts at depth `wire` alone."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import msgspec

from papertape.faults.base import Fault
from papertape.model.request import Lane
from papertape.model.units import Nanos, parse_duration
from papertape.runtime.network.trouble import ON_BYTES, ONCE, Act, Trouble

_WAYS: Final[dict[str, Literal[">", "<", "<>"]]] = {"to_server": ">", "to_client": "<", "both": "<>"}


class NetworkFault(Fault, frozen=True, kw_only=True):
    """A fault of the line, not of the venue: it knows hosts, connections and bytes, and no orders.

    It begins with `at` or `from`; without them when a connection is opened or, where a count is given, when that is reached, on each
    connection for itself. It ends after `lasts` or at `until`; without them when the run heals.

    Attributes:
        host: the host's name; any if left out.
        nth_connection: which dial to that host, from 1, failed ones counted; every one if left out.
        direction: "to_server", "to_client" or "both", each for itself.
        after_bytes: how many bytes of that direction of one connection pass first.
        after_frames: the same in pieces as they were written, a WebSocket frame or a flushed request being one.
    """

    host: str | None = None
    nth_connection: int | None = None
    direction: Literal["both", "to_server", "to_client"] = "both"
    after_bytes: int | None = None
    after_frames: int | None = None

    needs_length: ClassVar[bool] = False
    needs_wire: ClassVar[bool] = True
    """Nothing at interface depth goes over a network."""
    act: ClassVar[Act]
    """What it does, in the network's terms."""

    def problems(self) -> list[tuple[str, str]]:
        found = super().problems()
        if found:
            return found
        kind = self.kind
        for key in ("on", "nth", "nth_intent", "where", "venue"):
            if getattr(self, key):
                found.append(
                    (key, f'goes with requests at a venue; a fault of the network such as "{kind}" goes by host and nth_connection')
                )
        if self.times != 1:
            found.append(("times", f'goes with requests at a venue; "{kind}" acts for as long as it `lasts`'))
        if self.host is not None and (not self.host.strip() or "/" in self.host):
            found.append(("host", f'holds "{self.host}"; expected the name of a host, such as "api.coinbase.com"'))
        if self.nth_connection is not None and self.nth_connection < 1:
            found.append(("nth_connection", f"holds {self.nth_connection}; the first connection is 1"))
        found += self._problems_of_counts() + self._problems_of_time()
        return found

    def _problems_of_counts(self) -> list[tuple[str, str]]:
        found = []
        counts = [(key, count) for key in ("after_bytes", "after_frames") if (count := getattr(self, key)) is not None]
        if self.act not in ON_BYTES:
            found += [(key, f'is about bytes; "{self.kind}" acts before there are any') for key, _ in counts]
            if self.direction != "both":
                found.append(("direction", f'is about bytes; "{self.kind}" acts before there are any'))
        found += [(key, f"holds {count}; expected 0 or more") for key, count in counts if count < 0]
        if len(counts) > 1:
            found.append(("after_frames", "stands beside `after_bytes`; give one of them"))
        return found

    def _problems_of_time(self) -> list[tuple[str, str]]:
        if self.lasts is None:
            return []
        if self.act not in ONCE and not parse_duration(self.lasts):
            return [("lasts", f'is 0; say how long it acts, such as lasts = "30s" (fault "{self.kind}")')]
        if self.act in ONCE and self.at is None and self.from_ is None:
            return [("lasts", f'needs `at`; without it "{self.kind}" happens once on each connection')]
        return []

    def lanes(self) -> tuple[Lane, ...]:
        return ()

    def trouble(self) -> Trouble:
        """The fault as the network knows it; a member adds what is its own."""
        start_ns = lasts_ns = None
        begin = self.at or self.from_
        if begin is not None:
            start_ns = parse_duration(begin)
        if self.until is not None:
            lasts_ns = parse_duration(self.until) - (start_ns or 0)
        elif self.lasts is not None:
            lasts_ns = parse_duration(self.lasts)
        elif self.act in ONCE and start_ns is not None and self.after_bytes is None and self.after_frames is None:
            lasts_ns = 0  # those connections that are open at that instant
        return Trouble(
            kind=self.kind, act=self.act, host=self.host, nth_connection=self.nth_connection, direction=_WAYS[self.direction],
            after_bytes=self.after_bytes, after_frames=self.after_frames, start_ns=start_ns, lasts_ns=lasts_ns,
        )  # fmt: skip


class Slowing(NetworkFault, frozen=True, kw_only=True):
    """What makes something take longer.

    Attributes:
        add: how much longer.
    """

    add: str = "5s"

    def durations(self) -> list[tuple[str, str | None]]:
        return [("add", self.add)]

    def problems(self) -> list[tuple[str, str]]:
        found = super().problems()
        return found or (
            []
            if parse_duration(self.add)
            else [("add", f'is 0, which changes nothing; expected how much longer, such as "5s" (fault "{self.kind}")')]
        )

    def trouble(self) -> Trouble:
        return replaced(super().trouble(), add_ns=parse_duration(self.add))


def replaced(trouble: Trouble, **changes: Nanos | bool | None) -> Trouble:
    """A copy with other values."""
    return msgspec.structs.replace(trouble, **changes)
