"""The venue said goodbye, so we are done."""

from __future__ import annotations

from typing import ClassVar

from papertape.bots.canaries.base import BrokenShell
from papertape.exchanges.line import Line
from papertape.model.request import Lane


class TakesACleanCloseForTheEnd(BrokenShell):
    """Lets a lane be that the venue closed with 1001, "going away": nobody is told, and nobody dials.

    The bug: only a connection that breaks is a failure; one that is closed in good order counts as finished. The feed stops without a word.

    From: coinbase/coinbase-advanced-py#63 (1001 counts as a clean end; mended in its PR #140).

    Caught by `recovers_within`: what the close took away is never asked for again.
    """

    caught_by: ClassVar[tuple[str, ...]] = ("recovers_within",)

    def sabotage(self, line: Line) -> None:
        closed = line.on_closed

        def on_closed(lane: Lane, reason: str) -> None:
            if "1001" not in reason:
                closed(lane, reason)
                return
            tick = line._lanes[lane]._tick
            if tick is not None:
                tick.cancel()  # nor does anybody look for its heartbeats any more

        line.on_closed = on_closed  # type: ignore[method-assign]  # on this one object
