"""How often the monitor's window paints while a collector hears 20,000 updates a second.

    QT_QPA_PLATFORM=offscreen python -m benchmarks.monitor_frames

An exchange's thread calls back as an adapter would, trades and changes of a book in turn, at an even pace by the machine's clock; a
`DataCollector` and its `Mailbox` stand between it and the window, which runs its own timer and paints candles, ladder, health and tables.
"""

# ruff: noqa: TID251 - in real time, on purpose.

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import threading
import time
from decimal import Decimal
from typing import Any, Final

from benchmarks.test_collector import SYMBOL, _Tapped
from papertape.collector import DataCollector, Mailbox, lines_of
from papertape.collector.lines import Line
from papertape.model.book import Book
from papertape.model.event import BookSnapshot, BookUpdate, Side, Trade
from papertape.model.instrument import Instrument
from papertape.model.public import PublicTrade

BEGIN_NS: Final = 1_767_571_200_000_000_000
BURST_S: Final = 0.005


class Heard:
    """A source of lines: what a mailbox holds."""

    name = "benchmark"

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    def start(self, wake: object) -> None:
        """Nothing to begin."""

    def take(self) -> list[Line]:
        return list(lines_of(self._mailbox.take()))

    def close(self) -> None:
        """Nothing to end."""


def call_back(callbacks: dict[str, Any], rate: int, seconds: float, told: list[int], show: Any) -> None:
    """The exchange's thread: so many updates a second, in bursts of five milliseconds."""
    instrument = Instrument(symbol=SYMBOL, venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.001"))
    book = Book(instrument)
    bids, asks = tuple((6_400_000 - n, 50 + n % 7) for n in range(1_000)), tuple((6_400_010 + n, 50 + n % 5) for n in range(1_000))
    book.apply(BookSnapshot(venue_ns=BEGIN_NS, local_ns=BEGIN_NS, symbol=SYMBOL, bids=bids, asks=asks))
    begun, count, shown = time.perf_counter(), 0, 0.0
    while (passed := time.perf_counter() - begun) < seconds:
        for number in range(count, int(passed * rate)):
            ns = BEGIN_NS + number * 1_000_000_000 // rate
            if number % 2:
                ticks, side = 6_400_000 + number // 997 % 90, Side.BUY if number % 3 else Side.SELL
                event = Trade(venue_ns=ns, local_ns=ns, symbol=SYMBOL, price_ticks=ticks, qty_lots=1 + number % 9, taker=side)
                callbacks["subscribe_trades"](PublicTrade(event, instrument))
            else:
                book.apply(BookUpdate(venue_ns=ns, local_ns=ns, symbol=SYMBOL, bids=((6_400_000 - number % 900, 40 + number % 30),)))
                callbacks["subscribe_order_book"](book)
            told[0] += 1
        count = told[0]
        if passed - shown >= 0.1:  # what the collector's own timer does, on the exchange's loop
            shown = passed
            show()
        time.sleep(BURST_S)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--rate", type=int, default=20_000, help="updates a second")
    options.add_argument("--seconds", type=float, default=10)
    given = options.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QTimer

    from papertape.monitor.qt.app import application
    from papertape.monitor.qt.window import Window

    exchange: Any = _Tapped()
    collector = DataCollector(exchange, SYMBOL, kinds=["trades", "book"])
    asyncio.run(collector.start())
    mailbox, told = Mailbox(collector), [0]
    app = application()
    window = Window(source=Heard(mailbox))
    window.show()
    arguments = (exchange.callbacks, given.rate, given.seconds, told, collector._show_changed)
    thread = threading.Thread(target=call_back, args=arguments)
    begun_cpu, begun = time.process_time(), time.perf_counter()
    thread.start()
    frames = window.frames
    QTimer.singleShot(int(given.seconds * 1_000), app.quit)
    app.exec()
    passed = time.perf_counter() - begun
    thread.join()
    frames = window.frames - frames
    heard, painted, busy = told[0] / passed, frames / passed, (time.process_time() - begun_cpu) / passed
    print(f"{heard:,.0f} updates a second heard, {painted:.1f} frames a second painted, {busy:.0%} of a core for both")
    print(f"{window._screen.missed:,} trades not shown")
    window.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
