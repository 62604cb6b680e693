"""Own orders, own fills and the log, as tables that are filled a few times a second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from papertape.monitor.qt import theme
from papertape.monitor.qt.words import clock, money, plain
from papertape.monitor.screen import Fill, LogRow, OrderRow

Index = QModelIndex | QPersistentModelIndex
Row = tuple[tuple[str, ...], str]
"""The words of a row, and its colour."""

_NUMBERS = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_WORDS = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter

ORDERS = ("time", "order", "side", "type", "amount", "filled", "price", "average", "status", "reason")
FILLS = ("time", "order", "side", "amount", "price", "worth")
LOG = ("time", "what", "")
_STATUS = {"open": theme.OWN, "rejected": theme.BAD, "closed": theme.TEXT}


class Rows(QAbstractTableModel):
    """Rows of words under a head."""

    def __init__(self, head: Sequence[str], numbers: Sequence[int] = ()) -> None:
        super().__init__()
        self._head, self._numbers = tuple(head), tuple(numbers)
        self._rows: list[Row] = []

    def show_rows(self, rows: list[Row]) -> None:
        """Show these; nothing happens if they are what is shown."""
        if rows != self._rows:
            self.beginResetModel()
            self._rows = rows
            self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: N802, B008 - Qt's name and default
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: N802, B008 - Qt's names
        return 0 if parent.isValid() else len(self._head)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        words, colour = self._rows[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return words[index.column()]
        if role == Qt.ItemDataRole.ForegroundRole:
            return QColor(colour)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _NUMBERS if index.column() in self._numbers else _WORDS
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802 - Qt's names
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self._head[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _NUMBERS if section in self._numbers else _WORDS
        return None


def table(model: Rows) -> QTableView:
    """A view of it: rows are chosen whole and nothing can be written into them."""
    view = QTableView()
    view.setModel(model)
    view.setFont(theme.digits(12))
    view.verticalHeader().hide()
    view.verticalHeader().setDefaultSectionSize(20)
    view.setShowGrid(False)
    view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    view.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
    view.horizontalHeader().setStretchLastSection(True)
    view.horizontalHeader().setHighlightSections(False)
    return view


def order_rows(orders: Sequence[OrderRow]) -> list[Row]:
    """Open ones first, and of each kind the newest first."""
    rows: list[Row] = []
    for order in sorted(orders, key=lambda order: (not order.is_open, -order.ns)):
        average = float(order.cost / order.filled) if order.filled else None
        words = (
            clock(order.ns), order.key, order.side, order.type, plain(order.amount), plain(f"{order.filled:f}"),
            "–" if order.price is None else money(float(order.price)),
            money(average), order.status, order.reason,
        )  # fmt: skip
        rows.append((words, _STATUS.get(order.status, theme.DIM)))
    return rows


def fill_rows(fills: Sequence[Fill]) -> list[Row]:
    """The newest first."""
    return [
        (
            (clock(fill.ns), fill.key, fill.side, plain(f"{fill.amount:f}"), money(fill.price), money(fill.price * float(fill.amount))),
            theme.UP if fill.side == "buy" else theme.DOWN,
        )
        for fill in reversed(fills)
    ]


def log_rows(log: Sequence[LogRow], least: int, most: int = 400) -> list[Row]:
    """The newest first, those of at least that weight."""
    colours = (theme.DIM, theme.TEXT, theme.BAD)
    found: list[Row] = []
    for row in reversed(log):
        if row.weight >= least:
            found.append(((clock(row.ns), row.kind, row.words), colours[row.weight]))
            if len(found) == most:
                break
    return found
