"""The book as a ladder: asks above, bids below, how much lies where, and where our own orders stand."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from papertape.monitor.qt import theme
from papertape.monitor.qt.words import plain
from papertape.monitor.screen import Market, OrderRow

ROW: Final = 19
_RIGHT: Final = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_MIDDLE: Final = Qt.AlignmentFlag.AlignCenter


class Ladder(QWidget):
    """One market's book."""

    def __init__(self) -> None:
        super().__init__()
        self._market = Market()
        self._own: dict[float, str] = {}
        self._note = ""
        self.setMinimumWidth(230)
        self.setMinimumHeight(8 * ROW)

    def show_market(self, market: Market, own: list[OrderRow], note: str) -> None:
        """Show this book; `note` is why there is none, if there is none."""
        self._market, self._note = market, note
        self._own = {}
        for order in own:
            if order.is_open and order.price is not None:
                self._own[float(order.price)] = order.side
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(theme.PANEL))
        painter.setFont(theme.digits(12))
        market = self._market
        if not (market.bids or market.asks):
            painter.setPen(QColor(theme.DIM))
            painter.drawText(self.rect().adjusted(12, 0, -12, 0), _MIDDLE | Qt.TextFlag.TextWordWrap, self._note or "no book yet")
            return
        rows = max(1, (self.height() - 2 * ROW) // (2 * ROW))
        asks, bids = market.asks[:rows], market.bids[:rows]
        most = max((float(amount) for _, amount in (*asks, *bids)), default=0.0) or 1.0
        self._head(painter)
        top = ROW
        for place in range(rows - 1, -1, -1):
            if place < len(asks):
                self._row(painter, top, *asks[place], theme.DOWN, most)
            top += ROW
        self._spread(painter, top, market)
        top += ROW
        for price, amount in bids:
            self._row(painter, top, price, amount, theme.UP, most)
            top += ROW

    def _head(self, painter: QPainter) -> None:
        painter.setPen(QColor(theme.DIM))
        price, amount = self._columns(0)
        painter.drawText(price, _RIGHT, "price")
        painter.drawText(amount, _RIGHT, "amount")

    def _columns(self, top: int) -> tuple[QRect, QRect]:
        middle = self.width() * 52 // 100
        return QRect(20, top, middle - 20, ROW), QRect(middle, top, self.width() - middle - 8, ROW)

    def _row(self, painter: QPainter, top: int, price: str, amount: str, colour: str, most: float) -> None:
        price_at, amount_at = self._columns(top)
        shade = QColor(colour)
        shade.setAlpha(46)
        width = int((self.width() - 16) * min(1.0, float(amount) / most))
        painter.fillRect(QRect(self.width() - width, top + 1, width, ROW - 2), shade)
        painter.setPen(QColor(colour))
        painter.drawText(price_at, _RIGHT, plain(price) if "." not in price else _grouped(price))
        painter.setPen(QColor(theme.TEXT))
        painter.drawText(amount_at, _RIGHT, amount)
        side = self._own.get(float(price))
        if side is not None:
            painter.setPen(QColor(theme.OWN))
            painter.drawText(QRect(4, top, 16, ROW), _MIDDLE, "▲" if side == "buy" else "▼")

    def _spread(self, painter: QPainter, top: int, market: Market) -> None:
        painter.fillRect(QRect(0, top, self.width(), ROW), QColor(theme.BACK))
        if market.bids and market.asks:
            bid, ask = float(market.bids[0][0]), float(market.asks[0][0])
            middle = (bid + ask) / 2
            words = f"spread {ask - bid:.8f}".rstrip("0").rstrip(".") + f"  ·  {(ask - bid) / middle * 10_000:.2f} bp"
            painter.setPen(QColor(theme.BAD if ask <= bid else theme.DIM))
            painter.drawText(QRect(0, top, self.width(), ROW), _MIDDLE, f"CROSSED  {words}" if ask <= bid else words)


def _grouped(price: str) -> str:
    whole, _, fraction = price.partition(".")
    return f"{int(whole):,}.{fraction}"
