"""How the exchange is: lanes, what waits, what is left of the budget, what was seen."""

from __future__ import annotations

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from papertape.monitor.qt import theme
from papertape.monitor.qt.words import span
from papertape.monitor.screen import LaneRow, Screen

ROW = 20
_SIGNS = {"up": ("●", theme.GOOD), "streamed": ("●", theme.GOOD), "closed": ("○", theme.DIM), "down": ("✕", theme.BAD)}
_WAITING = ("◐", theme.DOWN)


class Health(QWidget):
    """Painted as lines of words: a sign, a name, a state."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[tuple[str, str, str, str, str]] = []
        self.setMinimumWidth(230)
        self.setMinimumHeight(9 * ROW)

    def show_health(self, screen: Screen, symbol: str) -> None:
        """Show how it is now."""
        lines = [(*_sign(lane), _name(lane), _state(lane), lane.reason) for lane in screen.lanes]
        figures: list[tuple[str, int | None, int | None]] = [
            ("orders waiting", screen.queue_depth, 0),
            ("outcome unknown", screen.unknown_orders, 0),
            ("requests left", screen.rate_left, None),
        ]
        for name, value, good in figures:
            if value is not None:
                is_bad = good is not None and value > good
                lines.append(("!" if is_bad else "", theme.DOWN if is_bad else theme.DIM, name, f"{value:,}", ""))
        lag_ns = screen.market(symbol).lag_ns
        if lag_ns is not None:
            lines.append(("", theme.DIM, "lag", span(lag_ns / 1e9), "venue's clock to ours, of the last trade"))
        if screen.stale_books:
            lines.append(("!", theme.DOWN, "books waiting", ", ".join(screen.stale_books), ""))
        lines += [("", theme.DIM, name.replace("_", " "), f"{count:,}", "") for name, count in sorted(screen.marks.items())]
        if screen.missed:
            lines.append(("!", theme.DOWN, "not shown", f"{screen.missed:,} lines", ""))
        if lines != self._lines:
            self._lines = lines
            self.setToolTip("\n".join(f"{name}: {reason}" for *_, name, _, reason in lines if reason))
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(theme.PANEL))
        font = QFont(self.font())
        painter.setFont(font)
        if not self._lines:
            painter.setPen(QColor(theme.DIM))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "nothing is told of its health yet")
            return
        top = 4
        for sign, colour, name, state, _ in self._lines:
            if top + ROW > self.height():
                break
            painter.setPen(QColor(colour))
            painter.drawText(QRect(4, top, 18, ROW), Qt.AlignmentFlag.AlignCenter, sign)
            painter.setPen(QColor(theme.DIM))
            painter.drawText(QRect(24, top, self.width() - 32, ROW), Qt.AlignmentFlag.AlignVCenter, name)
            painter.setPen(QColor(theme.TEXT))
            left = 24 + painter.fontMetrics().horizontalAdvance(name) + 10
            width = max(20, self.width() - 8 - left)
            text = painter.fontMetrics().elidedText(state, Qt.TextElideMode.ElideRight, width)
            painter.drawText(QRect(left, top, width, ROW), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
            top += ROW


def _name(lane: LaneRow) -> str:
    return lane.name if "lane" in lane.name or lane.name == "books" else f"{lane.name} lane"


def _sign(lane: LaneRow) -> tuple[str, str]:
    return _SIGNS.get(lane.state, _WAITING)


def _state(lane: LaneRow) -> str:
    words = lane.state if not lane.feed or lane.feed == "streamed" else f"{lane.state}, {lane.feed}"
    if lane.reconnects:
        words += f" · {lane.reconnects}× back"
    if lane.quiet_s is not None and lane.quiet_s >= 2:
        words += f" · quiet {span(lane.quiet_s)}"
    return words
