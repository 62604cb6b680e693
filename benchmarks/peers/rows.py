"""What is measured, and which ratio of what to what is compared with which mark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True)
class Measured:
    """One kind of run of one system.

    Attributes:
        job: what its program is told; `work` says what the bot does.
        is_long: whether on the tape of most events.
        keeps: "not yet" or "already" where the system may keep an index of a tape that it has seen.
    """

    name: str
    system: str
    job: Mapping[str, Any] = field(default_factory=dict)
    is_long: bool = False
    keeps: str = ""


MEASURED: Final = (
    Measured("papertape, callback per trade, book kept", "papertape", {"work": "keeper"}),
    Measured("nautilus, trade handler, book kept, single", "nautilus", {"work": "keeper"}),
    Measured("nautilus, trade handler, book kept, batched", "nautilus", {"work": "keeper", "batched": True}),
    Measured("papertape, market maker", "papertape", {"work": "maker"}),
    Measured("papertape, market maker that waits for a move", "papertape", {"work": "patient maker"}),
    Measured("nautilus, market maker, single", "nautilus", {"work": "maker"}),
    Measured("nautilus, market maker, batched", "nautilus", {"work": "maker", "batched": True}),
    Measured("hftbacktest, market maker in plain Python", "hftbacktest", {"work": "maker"}),
    Measured("hftbacktest, market maker compiled", "hftbacktest", {"work": "compiled maker"}),
    Measured("papertape, now and then, on a short tape", "papertape", {"work": "now and then"}, keeps="not yet"),
    Measured("papertape, now and then, tape not seen before", "papertape", {"work": "now and then"}, is_long=True, keeps="not yet"),
    Measured("papertape, now and then, tape indexed before", "papertape", {"work": "now and then"}, is_long=True, keeps="already"),
    Measured("hftbacktest, nothing, compiled", "hftbacktest", {"work": "nothing"}, is_long=True),
    Measured("papertape, wire depth, builtin market", "papertape", {"work": "wire"}),
    Measured("papertape, wire depth, an hour at a message a second", "papertape", {"work": "quiet wire"}),
    Measured("papertape, callback per trade and per change", "papertape", {"work": "watcher"}),
    Measured("nautilus, trade and delta handlers, single", "nautilus", {"work": "watcher"}),
    Measured("nautilus, trade and delta handlers, batched", "nautilus", {"work": "watcher", "batched": True}),
)


@dataclass(frozen=True)
class Mark:
    """A ratio of two speeds that shall be reached first, and then.

    Attributes:
        what: the sentence.
        ours, theirs: names of what is measured.
    """

    what: str
    ours: str
    theirs: str
    first: float
    then: float


MARKS: Final = (
    Mark("async callback per trade + book, beside nautilus (single)", MEASURED[0].name, MEASURED[1].name, 3, 6),
    Mark("the same, beside nautilus (batched)", MEASURED[0].name, MEASURED[2].name, 3, 6),
    Mark("Python market maker, beside nautilus (single)", MEASURED[3].name, MEASURED[5].name, 10, 25),
    Mark("the same, beside nautilus (batched)", MEASURED[3].name, MEASURED[6].name, 10, 25),
    Mark("Python market maker, beside hftbacktest from plain Python", MEASURED[3].name, MEASURED[7].name, 1, 2),
    Mark("a maker that waits for a move (`KeptBook.moved`), beside nautilus' (single)", MEASURED[4].name, MEASURED[5].name, 10, 25),
    Mark("the same, beside hftbacktest from plain Python", MEASURED[4].name, MEASURED[7].name, 1, 2),
    Mark(
        "a bot that acts now and then, tape not seen before, beside hftbacktest's compiled no-op",
        MEASURED[10].name,
        MEASURED[12].name,
        1,
        2,
    ),
    Mark("the same, tape indexed before", MEASURED[11].name, MEASURED[12].name, 5, 50),
)
