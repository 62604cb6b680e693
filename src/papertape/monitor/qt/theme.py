"""Colours and fonts: dark, and told apart by whoever cannot tell red from green; nothing is said by colour alone."""

from __future__ import annotations

from typing import Final

from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication

BACK: Final = "#14171c"
PANEL: Final = "#1b1f26"
LINE: Final = "#2d333d"
TEXT: Final = "#d7dce2"
DIM: Final = "#8b95a3"
UP: Final = "#56b4e9"
"""What rises, and who buys."""
DOWN: Final = "#e69f00"
"""What falls, and who sells."""
OWN: Final = "#f0e442"
"""Our own orders."""
GOOD: Final = "#4fc3a1"
BAD: Final = "#ff6f59"

BADGES: Final = {
    "replay": ("REPLAY", "#3b4a63", "#ffffff"),
    "served": ("SERVED", "#3b4a63", "#ffffff"),
    "paper": ("PAPER", "#1d7a5f", "#ffffff"),
    "live": ("LIVE · REAL MONEY", "#c8102e", "#ffffff"),
    "halted": ("HALTED", "#000000", "#ff6f59"),
    "": ("…", LINE, DIM),
}
"""Of each mode: its word, its ground, its ink."""

SHEET: Final = f"""
QWidget {{ background: {BACK}; color: {TEXT}; font-size: 12px; }}
QTableView {{ background: {PANEL}; gridline-color: {LINE}; border: 1px solid {LINE}; selection-background-color: #33415a; }}
QHeaderView::section {{ background: {BACK}; color: {DIM}; border: 0; border-bottom: 1px solid {LINE}; padding: 3px 6px; }}
QTabWidget::pane {{ border: 0; }}
QTabBar::tab {{ background: {BACK}; color: {DIM}; padding: 5px 14px; border-bottom: 2px solid {BACK}; }}
QTabBar::tab:selected {{ color: {TEXT}; border-bottom: 2px solid {UP}; }}
QSplitter::handle {{ background: {LINE}; }}
QComboBox, QPushButton {{ background: {PANEL}; border: 1px solid {LINE}; padding: 3px 10px; border-radius: 3px; }}
QPushButton:checked {{ background: #33415a; }}
QSlider::groove:horizontal {{ background: {LINE}; height: 4px; }}
QSlider::handle:horizontal {{ background: {UP}; width: 10px; margin: -6px 0; border-radius: 3px; }}
QCheckBox {{ color: {DIM}; }}
QToolTip {{ background: {PANEL}; color: {TEXT}; border: 1px solid {LINE}; }}
"""


def dress(app: QApplication) -> None:
    """Give an application these colours."""
    app.setStyle("Fusion")
    palette = QPalette()
    for role, colour in (
        (QPalette.ColorRole.Window, BACK), (QPalette.ColorRole.Base, PANEL), (QPalette.ColorRole.Text, TEXT),
        (QPalette.ColorRole.WindowText, TEXT), (QPalette.ColorRole.Button, PANEL), (QPalette.ColorRole.ButtonText, TEXT),
    ):  # fmt: skip
        palette.setColor(role, QColor(colour))
    app.setPalette(palette)
    app.setStyleSheet(SHEET)


def digits(size: int = 12) -> QFont:
    """A font whose digits stand under each other."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    font.setPixelSize(size)
    return font
