"""The venue asks for quiet; the client asks again."""

from __future__ import annotations

from typing import ClassVar

from papertape.bots.canaries.base import BrokenShell
from papertape.exchanges.line import Line
from papertape.model.units import Nanos


class IgnoresRetryAfter(BrokenShell):
    """Goes on asking while the venue has told it to wait.

    The bug: a refusal for coming too fast is taken for a passing failure, and its Retry-After for decoration. Venues ban whoever does it.

    From: svanas/nefertiti#55 (ignores Retry-After), hummingbot/hummingbot#1291 (no backing off after 429, then 418),
    sammchardy/python-binance#128 (bans).

    Caught by `rate_respected`: a private request left before the time that the venue had asked for was over.
    """

    caught_by: ClassVar[tuple[str, ...]] = ("rate_respected",)

    def sabotage(self, line: Line) -> None:
        def deaf(until_ns: Nanos) -> None:
            return None

        for limiter in (line.requests.private, line.requests.public):
            limiter.pause = deaf  # type: ignore[method-assign]  # on this one object
