"""The venue says: not so fast."""

from __future__ import annotations

from typing import Any, ClassVar

from papertape.faults.base import Fault
from papertape.faults.drawing import Draw
from papertape.model.request import Op, Refusal, RefusalCode, Request
from papertape.model.units import parse_duration


class RateLimit(Fault, frozen=True, kw_only=True, tag="rate_limit"):
    """The venue refuses without looking, in its own words, and says how long to wait.

    By request: the nth matching one and `times` - 1 after it. By window: every request in it (narrowed by `on` and `where`).

    interface: the call raises RateLimitExceeded, with the wait attached.
    wire: HTTP 429 with the venue's own body and a Retry-After header in whole seconds, rounded up.

    Attributes:
        retry_after: what the answer asks for.
    """

    retry_after: str = "1s"

    default_on: ClassVar[Op | None] = Op.ORDER_CREATE

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any]:
        which = {**draw.request(), "times": draw.one_of(1, 1, 2, 5)} if draw.one_of(True, True, False) else draw.window()
        return {**which, "retry_after": draw.one_of("1s", "3s", "20s")}

    def durations(self) -> list[tuple[str, str | None]]:
        return [("retry_after", self.retry_after)]

    def before_venue(self, request: Request) -> Refusal | None:
        wait_ns = parse_duration(self.retry_after)
        return Refusal(code=RefusalCode.RATE_LIMITED, message="Too many requests", retry_after_ns=wait_ns)
