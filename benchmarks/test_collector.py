"""What a trade and a change of the book cost on their way through a `DataCollector` into a `Mailbox` that a screen empties."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.measure import beside
from papertape.collector import DataCollector, Mailbox
from papertape.model.book import Book
from papertape.model.event import BookSnapshot, BookUpdate, Side, Trade
from papertape.model.instrument import Instrument
from papertape.model.public import PublicTrade

SYMBOL: Final = "BTC/USD"
COUNT: Final = 100_000
A_FRAME: Final = 667
"""Updates from one emptying to the next: 20,000 a second at 30 frames a second."""


class _Tapped:
    """Takes subscriptions, and leaves it to the benchmark to call back."""

    def __init__(self) -> None:
        self.callbacks: dict[str, Callable[[Any], object]] = {}

    def __getattr__(self, name: str) -> Any:
        async def subscribe(*args: Any) -> Any:
            self.callbacks[name] = args[-1]
            return self

        return subscribe


def test_collector(benchmark: BenchmarkFixture) -> None:
    instrument = Instrument(symbol=SYMBOL, venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.001"))
    book = Book(instrument)
    book.apply(BookSnapshot(venue_ns=0, local_ns=0, symbol=SYMBOL, bids=tuple((n, 5) for n in range(1, 1_000)), asks=((2_000, 5),)))
    event = Trade(venue_ns=0, local_ns=1, symbol=SYMBOL, price_ticks=1, qty_lots=1, taker=Side.BUY)
    update = BookUpdate(venue_ns=0, local_ns=0, symbol=SYMBOL, bids=((500, 7),), asks=())
    trade = PublicTrade(event, instrument)
    exchange: Any = _Tapped()
    collector = DataCollector(exchange, SYMBOL, kinds=["trades", "book"])
    mailbox = Mailbox(collector)
    asyncio.run(collector.start())
    on_trade, on_book = exchange.callbacks["subscribe_trades"], exchange.callbacks["subscribe_order_book"]
    taken: list[int] = []

    def run() -> None:
        for number in range(COUNT):
            if number % 2:
                on_trade(trade)
            else:
                book.apply(update)
                on_book(book)
            if number % A_FRAME == 0:
                collector._show_changed()  # what its timer does ten times a second
                taken.append(len(mailbox.take().trades))

    def bare() -> None:
        for number in range(COUNT):
            if number % 2 == 0:
                book.apply(update)

    figures = beside(benchmark, "updates through a collector and a mailbox", run, bare, count=COUNT, unit="updates")
    assert sum(taken) >= COUNT // 2 - A_FRAME
    assert figures["per_second"] > 0
