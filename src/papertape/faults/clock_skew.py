"""The client's clock is wrong."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from papertape.faults.base import Fault
from papertape.faults.drawing import Draw
from papertape.model.request import Lane
from papertape.model.units import MILLISECOND, Nanos, parse_duration


class ClockSkew(Fault, frozen=True, kw_only=True, tag="clock_skew"):
    """While it lasts the date on the bot's machine is not the venue's: off by `by` at once, and by more as it drifts; then right again.

    Only the date jumps. What measures time that has passed (monotonic clocks, timers, the loop) goes on as always, as it does when an
    operating system sets its clock. It is the date that papertape's exchange goes by and signs with; what a bot reads of `time.time()` by
    itself stays right, and so does a program's, which therefore cannot have this fault.

    interface: the exchange's own clock; nothing is refused, but what it makes of the date (bars, where it looks for lost orders) is put to
        the test.
    wire: requests and subscriptions are signed with the wrong date. A Coinbase takes a token that starts up to 5 s in its future and ended
        up to 5 s in its past; others it answers with HTTP 401, "Unauthorized", and on a stream with "authentication failure".

    Attributes:
        by: how far off.
        direction: "ahead" of the venue's clock or "behind" it.
        drift_ppm: how much it goes wrong beside that, in the same direction, in millionths of the time since the start.
    """

    by: str = "30s"
    direction: Literal["ahead", "behind"] = "behind"
    drift_ppm: int = 0

    needs_start: ClassVar[bool] = True
    needs_bot: ClassVar[bool] = True

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any]:
        by, way = draw.one_of("3s", "30s", "5m", "2h"), draw.one_of("ahead", "behind")
        return {**draw.moment(), "by": by, "direction": way, "drift_ppm": draw.one_of(0, 0, 500, 100_000)}

    def durations(self) -> list[tuple[str, str | None]]:
        return [("by", self.by)]

    def problems(self) -> list[tuple[str, str]]:
        found = super().problems()
        if not found and self.drift_ppm < 0:
            found.append(("drift_ppm", f'holds {self.drift_ppm}; expected 0 or more, with `direction` = "ahead" or "behind"'))
        if not found and parse_duration(self.by) < MILLISECOND and not self.drift_ppm:
            found.append(("by", f'holds "{self.by}"; a clock that is right is no fault'))
        return found

    def lanes(self) -> tuple[Lane, ...]:
        return ()

    def skew_ns(self, since_start_ns: Nanos) -> Nanos:
        off_ns = parse_duration(self.by) + since_start_ns * self.drift_ppm // 1_000_000
        return off_ns if self.direction == "ahead" else -off_ns
