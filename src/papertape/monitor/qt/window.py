"""The window: what mode it is, one market, our own orders, how the exchange is, what happened; and for a journal, when."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QPushButton,
    QSlider,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from papertape.model.units import SECOND, Nanos
from papertape.monitor.player import Player
from papertape.monitor.qt import theme
from papertape.monitor.qt.chart import Chart
from papertape.monitor.qt.health import Health
from papertape.monitor.qt.ladder import Ladder
from papertape.monitor.qt.tables import FILLS, LOG, ORDERS, Rows, fill_rows, log_rows, order_rows, table
from papertape.monitor.qt.words import clock, date, money, plain
from papertape.monitor.screen import Screen
from papertape.monitor.source import Source

FRAME_MS: Final = 28
"""Between two looks at what there is to paint."""

_TABLES_EVERY: Final = 6
"""Tables are filled each so manieth frame: nobody reads faster."""

_SPEEDS: Final = (1, 5, 20, 100)
_STEPS: Final = 10_000
"""Of the slider."""

NO_BOOK: Final = "No book is told of: the bot does not subscribe to it.\nWith --book it does."


class Window(QMainWindow):
    """Shows a source that runs, or a player that plays.

    Attributes:
        frames: how often it was painted.
    """

    _woken = Signal()

    def __init__(self, *, source: Source | None = None, player: Player | None = None, symbol: str = "") -> None:
        super().__init__()
        self.frames = 0
        self._source = source
        self._player = player
        self._screen = Screen() if player is None else player.screen
        self._symbol = symbol
        self._shown = -1
        self._looks = -1
        self._is_told = False
        self._is_ending = False
        self._badged: tuple[str, str] | None = None
        self._build()
        self.setWindowTitle(f"{'' if source is None else source.name}{'' if player is None else player.journal.title} · papertape")
        self.resize(1400, 900)
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(FRAME_MS)
        self._timer.timeout.connect(self.frame)
        self._timer.start()
        if source is not None:
            source.start(self._woken.emit)
        if player is not None:
            self._seek(player.now_ns)
        self.frame()

    # Building

    def _build(self) -> None:
        root = QWidget()
        layout = QVBoxLayout(root)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        layout.addLayout(self._head())
        self._chart, self._ladder, self._health = Chart(), Ladder(), Health()
        side = QSplitter(Qt.Orientation.Vertical)
        side.addWidget(self._ladder)
        side.addWidget(self._health)
        side.setSizes([480, 260])
        self._ladder.setVisible(self._player is None)  # a journal has no book
        upper = QSplitter(Qt.Orientation.Horizontal)
        upper.addWidget(self._chart)
        upper.addWidget(side)
        upper.setStretchFactor(0, 1)
        upper.setSizes([1080, 300])
        whole = QSplitter(Qt.Orientation.Vertical)
        whole.addWidget(upper)
        whole.addWidget(self._tabs())
        whole.setSizes([590, 240])
        layout.addWidget(whole, 1)
        if self._player is not None:
            layout.addLayout(self._transport(self._player))
        self.setCentralWidget(root)

    def _head(self) -> QHBoxLayout:
        head = QHBoxLayout()
        head.setSpacing(14)
        self._badge = QLabel()
        self._badge.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._badge.setMinimumWidth(120)
        self._who = QLabel()
        self._symbols = QComboBox()
        self._symbols.setMinimumWidth(130)
        self._symbols.textActivated.connect(self._choose)
        self._price = QLabel()
        self._price.setStyleSheet("font-size: 20px; font-weight: bold; font-family: monospace")
        self._quotes = QLabel()
        self._quotes.setFont(theme.digits(12))
        self._own = QLabel()
        self._own.setFont(theme.digits(12))
        self._now = QLabel()
        self._now.setFont(theme.digits(12))
        self._now.setStyleSheet(f"color: {theme.DIM}")
        self._alarm = QLabel()
        self._alarm.setStyleSheet(f"color: {theme.BAD}")
        for widget in (self._badge, self._symbols, self._price, self._quotes, self._own):
            head.addWidget(widget)
        head.addWidget(self._alarm, 1)
        head.addWidget(self._who)
        head.addWidget(self._now)
        return head

    def _tabs(self) -> QTabWidget:
        self._orders, self._fills = Rows(ORDERS, (4, 5, 6, 7)), Rows(FILLS, (3, 4, 5))
        self._log = Rows(LOG)
        self._all = QCheckBox("everything, not only what is worth a look")
        self._all.toggled.connect(self._tables)
        journal = QWidget()
        inside = QVBoxLayout(journal)
        inside.setContentsMargins(0, 4, 0, 0)
        inside.addWidget(self._all)
        views = [table(rows) for rows in (self._orders, self._fills, self._log)]
        for view, widths in zip(views, ((110, 170, 60, 70, 120, 120, 120, 120, 90), (110, 170, 60, 120, 120), (110, 130)), strict=True):
            for column, width in enumerate(widths):
                view.setColumnWidth(column, width)
        inside.addWidget(views[2])
        tabs = QTabWidget()
        tabs.addTab(views[0], "Orders")
        tabs.addTab(views[1], "Fills")
        tabs.addTab(journal, "Journal")
        self._tab_names = tabs
        return tabs

    def _transport(self, player: Player) -> QHBoxLayout:
        bar = QHBoxLayout()
        self._play = QPushButton("▶ play")
        self._play.setCheckable(True)
        self._rate = QComboBox()
        self._rate.addItems([f"{speed}×" for speed in _SPEEDS])
        self._rate.setCurrentIndex(1)
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(0, _STEPS)
        self._slider.sliderMoved.connect(self._slid)
        self._fault = QPushButton("next fault")
        self._fault.setEnabled(bool(player.faults_ns))
        self._fault.clicked.connect(self._next_fault)
        self._when = QLabel()
        self._when.setFont(theme.digits(12))
        for widget in (self._play, self._rate, self._fault):
            bar.addWidget(widget)
        bar.addWidget(self._slider, 1)
        bar.addWidget(self._when)
        return bar

    # What happens

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        self._timer.stop()
        if self._source is not None:
            self._source.close()
        super().closeEvent(event)

    def end_soon(self) -> None:
        """Close with the next frame; for handlers of signals, which may come in the middle of painting."""
        self._is_ending = True

    def frame(self) -> None:
        """Take what has come, and paint if there is anything new."""
        if self._is_ending:
            self.close()
            return
        if self._player is not None:
            self._advance(self._player)
        elif self._source is not None:
            for line in self._source.take():
                self._screen.take(line)
        if self._screen.version != self._shown:
            self._shown = self._screen.version
            self._paint()
        self._looks += 1
        if not self._is_told and (self._looks % _TABLES_EVERY == 0 or self._player is not None):
            self._is_told = True
            self._tables()

    def _paint(self) -> None:
        screen = self._screen
        self._names()
        market = screen.market(self._symbol)
        own = screen.own(self._symbol)
        self._show_badge()
        self._price.setText(money(market.last))
        quotes = f"bid {plain(market.bid)}   ask {plain(market.ask)}" if market.bid or market.ask else ""
        self._quotes.setText(quotes)
        base = self._symbol.partition("/")[0]
        open_count = sum(order.is_open for order in own)
        self._own.setText(f"position {plain(f'{screen.position(self._symbol):f}')} {base}   open {open_count}   fills {len(screen.fills)}")
        unknown = screen.unknown_orders or 0
        troubles = [
            screen.halted and f"halted: {screen.halted}",
            screen.away and f"NOT CONNECTED, what you see is old: {screen.away}",
            f"{unknown} orders of unknown outcome" if unknown else "",
            screen.why or "",
        ]
        troubles = [each for each in troubles if each]
        self._alarm.setText(" · ".join(troubles))
        self._alarm.setToolTip("\n".join(troubles))
        self._who.setText(" · ".join(each for each in (screen.exchange, screen.bot) if each))
        self._now.setText(f"{date(screen.now_ns)} UTC" if screen.now_ns else "")
        self._chart.show_market(screen, self._symbol)
        self._ladder.show_market(market, own, NO_BOOK)
        self._health.show_health(screen, self._symbol)
        self._is_told = False
        self.frames += 1

    def _tables(self) -> None:
        screen = self._screen
        orders = list(screen.orders.values())
        self._orders.show_rows(order_rows(orders))
        self._fills.show_rows(fill_rows(list(screen.fills)))
        self._log.show_rows(log_rows(screen.log, 0 if self._all.isChecked() else 1))
        for place, (name, count) in enumerate((("Orders", len(orders)), ("Fills", len(screen.fills)), ("Journal", screen.logged))):
            self._tab_names.setTabText(place, f"{name} {count:,}" if count else name)

    def _show_badge(self) -> None:
        kind = "halted" if self._screen.halted else self._screen.mode
        if (kind, self._screen.mode) == self._badged:
            return  # a style sheet costs more than all else in a frame
        self._badged = (kind, self._screen.mode)
        word, ground, ink = theme.BADGES.get(kind, (kind.upper(), theme.LINE, theme.TEXT))
        word = f"{self._screen.mode.upper()} {word}" if kind == "halted" else word
        self._badge.setText(word)
        self._badge.setStyleSheet(
            f"background: {ground}; color: {ink}; font-size: 16px; font-weight: bold; padding: 5px 14px; border-radius: 4px; "
            f"border: 1px solid {ink if kind == 'halted' else ground};"
        )

    def _names(self) -> None:
        known = [symbol for symbol, market in self._screen.markets.items() if symbol]
        shown = [self._symbols.itemText(place) for place in range(self._symbols.count())]
        if not self._symbol and known:
            self._symbol = known[0]
        wanted = list(dict.fromkeys([*([self._symbol] if self._symbol else []), *known]))
        if sorted(wanted) != sorted(shown):
            self._symbols.clear()
            self._symbols.addItems(sorted(wanted))
            self._symbols.setCurrentText(self._symbol)

    def _choose(self, symbol: str) -> None:
        self._symbol, self._shown = symbol, -1

    # Playing

    def _advance(self, player: Player) -> None:
        if self._play.isChecked():
            speed = _SPEEDS[self._rate.currentIndex()]
            at_ns = player.now_ns + FRAME_MS * speed * SECOND // 1_000
            if player.now_ns >= player.journal.end_ns:
                at_ns = player.journal.begin_ns
            self._seek(at_ns)
            if at_ns >= player.journal.end_ns:
                self._play.setChecked(False)

    def _seek(self, ns: Nanos) -> None:
        assert self._player is not None
        self._screen = self._player.seek(ns)
        self._shown = -1
        self._to_slider(self._player.now_ns)

    def _to_slider(self, ns: Nanos) -> None:
        player = self._player
        assert player is not None
        if not self._slider.isSliderDown():
            self._slider.setValue((ns - player.journal.begin_ns) * _STEPS // max(1, player.journal.end_ns - player.journal.begin_ns))
        self._when.setText(f"{clock(ns)} of {clock(player.journal.end_ns)}")

    def _slid(self, step: int) -> None:
        assert self._player is not None
        journal = self._player.journal
        self._seek(journal.begin_ns + (journal.end_ns - journal.begin_ns) * step // _STEPS)

    def _next_fault(self) -> None:
        player = self._player
        assert player is not None
        later = [at_ns for at_ns in player.faults_ns if at_ns > player.now_ns]
        self._seek(later[0] if later else player.faults_ns[0])
