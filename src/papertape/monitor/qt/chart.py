"""Candles with volume, public trades, our own orders as they rested, and our own fills."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPicture
from PySide6.QtWidgets import QVBoxLayout, QWidget

from papertape.model.units import SECOND
from papertape.monitor.qt import theme
from papertape.monitor.screen import Bar, Screen

_PRINTS_SHOWN: Final = 400
_SHOWN_MIN: Final = 40
_SHOWN_MAX: Final = 150
"""How many candles fit into the window, at least and at most, until somebody zooms."""


class Prices(pg.AxisItem):
    """An axis of prices, with as many digits as tell neighbours apart."""

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:  # noqa: N802 - pyqtgraph's name
        digits = max(0, -math.floor(math.log10(spacing) + 1e-9)) if spacing > 0 else 2
        return [f"{value * scale:,.{digits}f}" for value in values]


class Candles(pg.GraphicsObject):
    """Draws bars: filled where the price fell, hollow where it rose."""

    def __init__(self) -> None:
        super().__init__()
        self._picture = QPicture()
        self._bounds = QRectF()

    def show_bars(self, bars: Sequence[Bar], span_s: float) -> None:
        """Show these from now on."""
        picture = QPicture()
        painter = QPainter(picture)
        half = span_s * 0.36
        for bar in bars:
            middle, rises = bar.open_ns / SECOND + span_s / 2, bar.close >= bar.open
            colour = theme.UP if rises else theme.DOWN
            painter.setPen(pg.mkPen(colour))
            top, bottom = max(bar.open, bar.close), min(bar.open, bar.close)
            if bar.high > top:
                painter.drawLine(QPointF(middle, top), QPointF(middle, bar.high))
            if bar.low < bottom:
                painter.drawLine(QPointF(middle, bar.low), QPointF(middle, bottom))
            painter.setBrush(pg.mkBrush(theme.BACK if rises else colour))
            if top > bottom:
                painter.drawRect(QRectF(middle - half, bottom, 2 * half, top - bottom))
            else:
                painter.drawLine(QPointF(middle - half, top), QPointF(middle + half, top))
        painter.end()
        self._picture = picture
        if bars:
            low, high = min(bar.low for bar in bars), max(bar.high for bar in bars)
            left = bars[0].open_ns / SECOND
            self._bounds = QRectF(left, low, bars[-1].open_ns / SECOND + span_s - left, max(high - low, 1e-12))
        else:
            self._bounds = QRectF()
        self.prepareGeometryChange()
        self.informViewBoundsChanged()
        self.update()

    def paint(self, painter: QPainter, *args: Any) -> None:
        painter.drawPicture(0, 0, self._picture)

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        return self._bounds


class Chart(QWidget):
    """The chart of one market.

    Attributes:
        drawn: how often it has been drawn.
    """

    def __init__(self) -> None:
        super().__init__()
        self.drawn = 0
        self._layers = pg.GraphicsLayoutWidget()
        self._layers.setBackground(theme.BACK)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._layers)
        self._prices = self._layers.addPlot(row=0, col=0, axisItems=self._axes())
        self._volumes = self._layers.addPlot(row=1, col=0, axisItems=self._axes())
        self._volumes.setXLink(self._prices)
        self._volumes.setMaximumHeight(90)
        self._prices.getAxis("bottom").setStyle(showValues=False)
        for plot, label in ((self._prices, "price"), (self._volumes, "volume")):
            plot.showGrid(x=False, y=plot is self._prices, alpha=0.12)
            plot.setMenuEnabled(False)
            plot.hideButtons()
            plot.getAxis("left").hide()
            plot.showAxis("right")
            axis = plot.getAxis("right")
            axis.setWidth(96)
            axis.enableAutoSIPrefix(False)
            axis.setLabel(label)
            axis.setTickFont(theme.digits(11))
        view = self._prices.getViewBox()
        view.setAutoVisible(y=True)
        view.sigRangeChangedManually.connect(self._moved)
        self._follows = True
        self._candles = Candles()
        self._prices.addItem(self._candles)
        self._bars = pg.BarGraphItem(x=[], height=[], width=1, brush=theme.LINE, pen=None)
        self._volumes.addItem(self._bars)
        self._bought = pg.ScatterPlotItem(size=4, pen=None, brush=pg.mkBrush(theme.UP))
        self._sold = pg.ScatterPlotItem(size=4, pen=None, brush=pg.mkBrush(theme.DOWN))
        self._brushes = {True: pg.mkBrush(theme.UP), False: pg.mkBrush(theme.DOWN)}
        self._limits = pg.PlotDataItem(pen=pg.mkPen(theme.OWN, width=1.5), connect="pairs")
        self._gone = pg.PlotDataItem(pen=pg.mkPen(QColor(240, 228, 66, 90), width=1), connect="pairs")
        self._fills = pg.ScatterPlotItem(size=13, pen=pg.mkPen(theme.BACK, width=1))
        for item in (self._bought, self._sold, self._gone, self._limits, self._fills):
            self._prices.addItem(item)
        self._faults: list[Any] = []
        self._empty = pg.TextItem("no price yet", color=theme.DIM, anchor=(0.5, 0.5))
        self._prices.addItem(self._empty, ignoreBounds=True)

    @staticmethod
    def _axes() -> dict[str, Any]:
        axis = pg.DateAxisItem(orientation="bottom", utcOffset=0)
        axis.setTickFont(theme.digits(11))
        return {"bottom": axis, "right": Prices("right")}

    def _moved(self, *_: Any) -> None:
        """Somebody looks elsewhere; a double click goes back to the newest."""
        self._follows = False

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        self._follows = True
        self._prices.getViewBox().enableAutoRange(y=True)
        super().mouseDoubleClickEvent(event)

    def show_market(self, screen: Screen, symbol: str) -> None:
        """Draw a market as it is now."""
        self.drawn += 1
        market, span_s = screen.market(symbol), screen.span_ns / SECOND
        bars = list(market.candles)
        self._empty.setVisible(not bars)
        self._candles.show_bars(bars, span_s)
        self._bars.setOpts(
            x=[bar.open_ns / SECOND + span_s / 2 for bar in bars], height=[bar.volume for bar in bars], width=span_s * 0.72,
            brushes=[self._brushes[bar.close >= bar.open] for bar in bars],
        )  # fmt: skip
        prints = list(market.prints)[-_PRINTS_SHOWN:]
        for item, side in ((self._bought, "buy"), (self._sold, "sell")):
            item.setData(
                x=[each.ns / SECOND for each in prints if each.side == side], y=[each.price for each in prints if each.side == side]
            )
        self._volumes.setVisible(any(bar.volume for bar in bars))
        self._prices.getAxis("bottom").setStyle(showValues=not self._volumes.isVisible())
        self._show_own(screen, symbol)
        self._show_faults(screen)
        if bars and self._follows:
            last_s = bars[-1].open_ns / SECOND + span_s
            first_s = max(bars[0].open_ns / SECOND, last_s - _SHOWN_MAX * span_s)
            self._prices.setXRange(min(first_s, last_s - _SHOWN_MIN * span_s), last_s + 2 * span_s, padding=0)

    def _show_own(self, screen: Screen, symbol: str) -> None:
        open_x: list[float] = []
        open_y: list[float] = []
        gone_x: list[float] = []
        gone_y: list[float] = []
        for order in screen.own(symbol):
            if not order.limits:
                continue  # a market order rests nowhere
            xs, ys = (open_x, open_y) if order.is_open else (gone_x, gone_y)
            until_ns = screen.now_ns if order.is_open else order.ns
            ends = [*(at_ns for at_ns, _ in order.limits[1:]), until_ns]
            for (at_ns, price), end_ns in zip(order.limits, ends, strict=True):
                xs += [at_ns / SECOND, max(end_ns, at_ns) / SECOND]
                ys += [price, price]
        self._limits.setData(x=open_x, y=open_y)
        self._gone.setData(x=gone_x, y=gone_y)
        fills = [fill for fill in screen.fills if fill.symbol == symbol]
        self._fills.setData(
            x=[fill.ns / SECOND for fill in fills], y=[fill.price for fill in fills],
            symbol=["t1" if fill.side == "buy" else "t" for fill in fills],
            brush=[self._brushes[fill.side == "buy"] for fill in fills],
        )  # fmt: skip

    def _show_faults(self, screen: Screen) -> None:
        """Bands, each with its name at the top; those that are there already are only moved."""
        while len(self._faults) > len(screen.faults):
            for item in self._faults.pop():
                self._prices.removeItem(item)
        while len(self._faults) < len(screen.faults):
            band = pg.LinearRegionItem(
                brush=pg.mkBrush(255, 111, 89, 34), pen=pg.mkPen(theme.BAD, style=Qt.PenStyle.DotLine), movable=False
            )
            name = pg.InfLineLabel(band.lines[0], "", position=0.97, anchors=[(0, 0), (0, 0)], color=theme.BAD)
            self._prices.addItem(band, ignoreBounds=True)
            self._faults.append((band,))
            band.name = name
        for fault, (band,) in zip(screen.faults, self._faults, strict=True):
            end_ns = screen.now_ns if fault.end_ns is None else fault.end_ns
            band.setRegion((fault.begin_ns / SECOND, max(end_ns, fault.begin_ns) / SECOND))
            band.name.setFormat(fault.kind)
