"""From the exchange's thread to the window's: one queued signal says that something waits, and what waits is taken there."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, Signal, Slot

from papertape.collector import DataCollector, Mailbox


class CollectorBridge(QObject):
    """A `DataCollector` as Qt signals, in the thread that made this object, for widgets of anybody's.

        bridge = CollectorBridge(collector)
        bridge.trades.connect(my_widget.show_trades)

    The exchange's thread does no more than put things into a mailbox and post one event for however many; slots run in the thread of
    the bridge, with lists or dicts of what has come since the last time: see `collector.Batch`.
    """

    trades = Signal(list)
    orders = Signal(dict)
    tickers = Signal(dict)
    books = Signal(dict)
    candles = Signal(list)
    health = Signal(object)
    missed = Signal(int)

    _came = Signal()

    def __init__(self, collector: DataCollector, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._came.connect(self._take, Qt.ConnectionType.QueuedConnection)
        self._mailbox = Mailbox(collector, wake=self._came.emit)

    def close(self) -> None:
        """Hear no more."""
        self._mailbox.close()

    @Slot()
    def _take(self) -> None:
        batch = self._mailbox.take()
        for signal, what in (
            (self.trades, batch.trades), (self.candles, batch.candles), (self.tickers, batch.tickers), (self.books, batch.books),
            (self.orders, batch.orders),
        ):  # fmt: skip
            if what:
                signal.emit(what)
        if batch.pulse is not None:
            self.health.emit(batch.pulse)
        missed = batch.missed_trades + batch.missed_orders + batch.missed_candles
        if missed:
            self.missed.emit(missed)
