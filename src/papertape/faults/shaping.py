"""Lines that are narrow, slow, choppy or dirty."""

from __future__ import annotations

from typing import ClassVar, Literal

from papertape.faults.network import NetworkFault, Slowing, replaced
from papertape.model.units import parse_duration
from papertape.runtime.network.trouble import Act, Trouble


class Bandwidth(NetworkFault, frozen=True, kw_only=True, tag="bandwidth"):
    """Each direction of each connection carries only so many bytes a second.

    Bytes come in segments of at most 1460. When the fault ends, the rest comes at once.

    interface: nothing; there are no bytes.
    wire: each segment arrives when the line has had time for it and for all before it; with more than about 1 MiB under way writers are
    paused.

    Attributes:
        bytes_per_second: how many.
    """

    bytes_per_second: int = 10_000

    act: ClassVar[Act] = Act.LIMIT

    def problems(self) -> list[tuple[str, str]]:
        found = super().problems()
        if self.bytes_per_second < 1:
            found.append(("bytes_per_second", f'holds {self.bytes_per_second}; expected 1 or more, or "half_open" for none at all'))
        return found

    def trouble(self) -> Trouble:
        return replaced(super().trouble(), size=self.bytes_per_second)


class Split(NetworkFault, frozen=True, kw_only=True, tag="split"):
    """What is written at once is read in parts.

    interface: nothing; there are no bytes.
    wire: each piece arrives in parts of `size` bytes, or of 1 up to `size` drawn for each, each in a call of `data_received` of its own
    and a turn of the loop apart, all at the same instant. No byte is lost, and pieces are never joined. Of a piece of more than `parts`
    times `size` bytes the rest comes whole: a snapshot of five megabytes, byte by byte, would take minutes to read and find nothing more.

    Attributes:
        size: the most bytes in a part.
        random: draw the size of each part, by connection, direction and place.
        parts: into how many parts of `size` bytes a piece is taken apart at most.
    """

    size: int = 1
    random: bool = False
    parts: int = 10_000

    act: ClassVar[Act] = Act.SPLIT

    def problems(self) -> list[tuple[str, str]]:
        found = super().problems()
        if self.size < 1:
            found.append(("size", f"holds {self.size}; expected 1 or more"))
        if self.parts < 1:
            found.append(("parts", f"holds {self.parts}; expected 1 or more"))
        return found

    def trouble(self) -> Trouble:
        return replaced(super().trouble(), size=self.size, is_random=self.random, of_each=self.parts * self.size)


class Corrupt(NetworkFault, frozen=True, kw_only=True, tag="corrupt"):
    """One bit arrives turned over, once in each connection and direction that it hits.

    Which byte: the first to pass once the fault acts, or after `skip` more. TCP's own sums do not see it, as happens with a bad middlebox;
    TLS would, and end the connection, which is not modelled.

    interface: nothing; there are no bytes.
    wire: the reader gets the same number of bytes, one of them wrong.

    Attributes:
        skip: how many bytes to leave alone first.
        bit: which bit, from 0 for the lowest to 7; drawn by connection and direction if left out.
    """

    direction: Literal["both", "to_server", "to_client"] = "to_client"
    skip: int = 0
    bit: int | None = None

    act: ClassVar[Act] = Act.FLIP

    def problems(self) -> list[tuple[str, str]]:
        found = super().problems()
        if self.skip < 0:
            found.append(("skip", f"holds {self.skip}; expected 0 or more"))
        if self.bit is not None and not 0 <= self.bit <= 7:
            found.append(("bit", f"holds {self.bit}; expected 0 to 7"))
        return found

    def trouble(self) -> Trouble:
        return replaced(super().trouble(), size=self.skip, bit=self.bit)


class Lag(Slowing, frozen=True, kw_only=True, tag="lag"):
    """Bytes take longer on their way; nothing overtakes.

    What is written while the fault lasts is late, wherever it then ends. Connecting is not slowed down: see "slow_connect".

    interface: nothing; use "latency".
    wire: each written piece arrives `add` later, and up to `jitter` more, drawn by connection, direction and piece; but not before one that
    was written earlier.

    Attributes:
        add: how much later at least.
        jitter: how much more at most.
    """

    add: str = "200ms"
    jitter: str = "0s"

    act: ClassVar[Act] = Act.LAG

    def durations(self) -> list[tuple[str, str | None]]:
        return [*super().durations(), ("jitter", self.jitter)]

    def trouble(self) -> Trouble:
        return replaced(super().trouble(), jitter_ns=parse_duration(self.jitter))
