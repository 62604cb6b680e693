"""How faults are drawn at random: coarse values, far apart, so that one seed hardly troubles a run and the next one drowns it."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from papertape.model.request import Op
from papertape.model.units import SECOND, Nanos, format_duration, parse_duration
from papertape.runtime.chance import Stream

T = TypeVar("T")

NTHS: Final = (1, 2, 3, 5, 8, 13, 21, 34, 55)
LENGTHS: Final = ("500ms", "2s", "5s", "10s", "20s", "45s", "90s")
OPS: Final = (Op.ORDER_CREATE, Op.ORDER_CREATE, Op.ORDER_CREATE, Op.ORDER_CANCEL, Op.ORDER_CANCEL, Op.ORDER_FETCH, Op.ORDERS_OPEN)
"""What a fault waits for; what moves money most often."""


class Draw:
    """What one fault is drawn from. `Fault.drawn` asks it; what it gives is a part of a [[fault]] table.

    Attributes:
        until_ns: run time by which every window is over, nanoseconds; at least a second.
    """

    def __init__(self, stream: Stream, until_ns: Nanos) -> None:
        self._stream = stream
        self.until_ns = until_ns

    def one_of(self, *items: T) -> T:
        """One of these, each as likely; name one twice to have it more often."""
        return self._stream.choice(items)

    def request(self) -> dict[str, Any]:
        """Which requests: by count, or by intent and then every attempt for it."""
        count = self.one_of("nth", "nth", "nth_intent")
        return {"on": str(self.one_of(*OPS)) if count == "nth" else str(Op.ORDER_CREATE), count: self.one_of(*NTHS)}

    def window(self) -> dict[str, Any]:
        """When: a whole second, and a length that fits."""
        lasts = self.length()
        latest_s = max(self.until_ns - parse_duration(lasts), 0) // SECOND
        return {"at": format_duration(self._stream.between(0, latest_s) * SECOND), "lasts": lasts}

    def length(self) -> str:
        fitting = [each for each in LENGTHS if parse_duration(each) <= self.until_ns]
        return self._stream.choice(fitting)

    def moment(self) -> dict[str, Any]:
        """A length of time that begins with a request, by meaning, or on the clock."""
        if self.one_of(True, False):
            return {**self.request(), "lasts": self.length()}
        return self.window()
