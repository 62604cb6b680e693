"""The line is back, and nobody asks for the data."""

from __future__ import annotations

from typing import ClassVar

from papertape.bots.canaries.base import BrokenShell
from papertape.exchanges.line import Line


class ForgetsToResubscribe(BrokenShell):
    """Dials a lost market lane anew and asks for nothing on it.

    The bug: subscriptions are made once and taken for a property of the exchange; they were one of the connection.

    From: freqtrade/freqtrade#10597 (a watch is not taken up after the nightly outage), thrasher-corp/gocryptotrader#2337 (a failed
    resubscription leaves no way back), chrisleekr/binance-trading-bot#486 (never updates again).

    Caught by `recovers_within`: what the cut took away is never asked for again.
    """

    caught_by: ClassVar[tuple[str, ...]] = ("recovers_within",)

    def sabotage(self, line: Line) -> None:
        streams = line._streams
        repair = streams.repair

        async def forgetful() -> int:
            if streams.is_connected:
                return await repair()
            streams.is_connected = True
            return 0

        streams.repair = forgetful  # type: ignore[method-assign]  # on this one object
