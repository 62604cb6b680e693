"""The line is back, so everything that waited goes out."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from papertape.bots.canaries.base import BrokenShell
from papertape.exchanges.line import Line
from papertape.model.units import DAY, HOUR
from papertape.resilience.outbox import Seen


class ReleasesAStalePricedOrder(BrokenShell):
    """Sends what has waited for the line, however long ago it was wanted and whatever has become of the market since.

    The bug: an order that waits is a wish to be granted as soon as possible; nobody asks whether it would still be made.

    From: shinnytech/tqsdk-python#71 (orders of before a disconnect are sent after it), deepentropy/ibx#116 (where keeping them back to send
    them later was asked for, and nobody asked for how long).

    Caught by `late_orders_fit`: an order left too long after it was asked for, or into a market that had moved or that nobody could see.
    """

    caught_by: ClassVar[tuple[str, ...]] = ("late_orders_fit",)

    def sabotage(self, line: Line) -> None:
        def blind(symbol: str) -> Seen:
            return Seen()

        line.placing.outbox.ttl_ns = HOUR
        line.placing.outbox.stale_bps = None
        line.placing._seen = blind
        # A client of that kind does not ask by REST while the lane is away either; so its orders wait for as long as that lasts.
        line._polling._settings = msgspec.structs.replace(line.settings, poll_after_ns=DAY)
