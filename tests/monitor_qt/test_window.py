"""The window shows what the screen holds, at the pace of a screen, and a program's own widgets can hear an exchange as Qt signals."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt, QThread
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QLabel, QTabWidget
from pytestqt.qtbot import QtBot

import papertape
from monitor.test_screen import BEGIN, SYMBOL, state, trade
from papertape.bots import MarketMaker
from papertape.cli.main import main
from papertape.collector import DataCollector, Kind, Mailbox, lines_of
from papertape.collector.lines import Line
from papertape.exchanges.base import BaseExchange
from papertape.model.units import SECOND
from papertape.monitor.attached import Attached
from papertape.monitor.player import Player
from papertape.monitor.playing import read_journal
from papertape.monitor.qt import theme
from papertape.monitor.qt.app import application
from papertape.monitor.qt.bridge import CollectorBridge
from papertape.monitor.qt.window import Window

ROOT = Path(__file__).parents[2]


BOT = """
import asyncio

async def main(exchange):
    await exchange.subscribe_order_book("BTC/USD", lambda book: None)
    await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "50000")
    print("resting", flush=True)
    await asyncio.sleep(60)
"""
SHOWN = """
import sys
from PySide6.QtCore import QTimer
from papertape.cli.main import main
from papertape.monitor.qt.window import Window

made = Window.show

def show(self):
    made(self)
    QTimer.singleShot(1500, lambda: (self.grab().save(sys.argv[2]), print("shown", flush=True)))

Window.show = show
sys.exit(main(["monitor", sys.argv[1]]))
"""


class Told:
    """A source that says what a test wants."""

    name = "a test"

    def __init__(self, *lines: Line) -> None:
        self.lines = list(lines)
        self.is_closed = False

    def start(self, wake: Callable[[], object]) -> None:
        """Nothing to begin."""

    def take(self) -> list[Line]:
        lines, self.lines = self.lines, []
        return lines

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def shown(qtbot: QtBot) -> Callable[..., Window]:
    application()

    def show(*lines: Line, player: Player | None = None) -> Window:
        if player is not None:
            player.seek(player.journal.end_ns)
        window = Window(source=None if player is not None else Told(*lines), player=player)
        qtbot.addWidget(window)
        window.show()
        window.frame()
        return window

    return show


def texts(window: Window) -> str:
    return " | ".join(label.text() for label in window.findChildren(QLabel))


def colours(image: QImage) -> dict[str, int]:
    """How many pixels have which colour, looked at here and there."""
    found: dict[str, int] = {}
    for x in range(0, image.width(), 3):
        for y in range(0, image.height(), 3):
            name = image.pixelColor(x, y).name()
            found[name] = found.get(name, 0) + 1
    return found


def standing(mode: str, **more: Any) -> Line:
    return {"kind": "standing", "mode": mode, "exchange": "coinbase", "bot": "mybot:Bot", **more}


@pytest.mark.parametrize(
    ("line", "word", "ground"),
    [
        (standing("live"), "LIVE · REAL MONEY", "#c8102e"),
        (standing("paper"), "PAPER", "#1d7a5f"),
        (standing("replay"), "REPLAY", "#3b4a63"),
        (standing("live", halted="by the file HALT"), "LIVE HALTED", "#000000"),
    ],
)
def test_the_mode_is_loud(shown: Callable[..., Window], line: Line, word: str, ground: str) -> None:
    """A word on a ground of its own; a halt is told with its reason."""
    window = shown(line)
    assert window._badge.text() == word
    assert ground in window._badge.styleSheet()
    assert line.get("halted", "") in texts(window)


def test_a_market_and_our_orders_are_drawn(shown: Callable[..., Window]) -> None:
    """Candles that rise and fall in two colours, our limits in a third, the ladder with its numbers; the tables say the same in words."""
    book = {"kind": "book", "symbol": SYMBOL, "ns": BEGIN, "bids": [["99.50", "2"]], "asks": [["100.50", "3"]]}
    prices = [100, 103, 101, 106, 102, 108]
    trades = [
        trade(BEGIN + (60 * at + place) * SECOND, str(price + 2 * place * (-1) ** at))
        for at, price in enumerate(prices)
        for place in (0, 1)
    ]
    window = shown(standing("paper"), *trades, book, state(BEGIN + 60 * SECOND, "1", "100"), state(BEGIN, "0", "0", "rejected", key="b"))
    image = window.grab().toImage()
    assert not image.isNull()
    found = colours(image)
    assert all(found.get(colour, 0) > 10 for colour in (theme.UP, theme.DOWN)), found
    assert found.get(theme.OWN, 0) > 0
    (tabs,) = window.findChildren(QTabWidget)
    assert [tabs.tabText(place) for place in range(3)] == ["Orders 2", "Fills 1", "Journal 2"]
    assert window._orders.data(window._orders.index(0, 1), Qt.ItemDataRole.DisplayRole) == "a"
    assert "position -1 BTC" in texts(window)
    assert "bid 99.5   ask 100.5" in texts(window)


def test_an_empty_window_says_what_is_missing(shown: Callable[..., Window]) -> None:
    """And trouble with the line is said in words at the top."""
    window = shown()
    assert window._badge.text() == "…"
    source = window._source
    assert isinstance(source, Told)
    source.lines = [{"kind": "attached", "is_there": False, "why": "nobody answers at http://127.0.0.1:9"}]
    window.frame()
    assert "nobody answers" in texts(window)
    window.close()
    assert source.is_closed


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("journal") / "run.jsonl"
    done = subprocess.run(
        [sys.executable, "-m", "papertape", "run", str(ROOT / "scenarios" / "everything_at_once.scenario.toml"), "--journal", str(path)],
        check=False, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0
    return path


def test_a_journal_is_scrubbed_through(shown: Callable[..., Window], journal: Path) -> None:
    """To its next fault, to the start, and on by itself; the faults are bands with their names."""
    player = Player(read_journal(journal))
    window = shown(player=player)
    assert len(window._chart._faults) == 2
    window._seek(player.journal.begin_ns)
    window.frame()
    assert "fills 0" in texts(window)
    window._fault.click()
    assert player.now_ns == player.faults_ns[0]
    window._play.setChecked(True)
    window.frame()
    assert player.now_ns > player.faults_ns[0]
    window._play.setChecked(False)
    window._slider.setSliderPosition(window._slider.maximum())
    window._slider.sliderMoved.emit(window._slider.maximum())
    window.frame()
    assert player.now_ns == player.journal.end_ns
    assert f"fills {len(player.screen.fills)}" in texts(window)


def test_signals_come_in_the_windows_thread(qtbot: QtBot) -> None:
    """A run lives in a thread of its own, on its own loop; what it tells arrives here, all of it, whatever a slot raises there."""
    heard: list[Any] = []
    threads: dict[QThread, None] = {}
    is_over = threading.Event()
    told: list[Any] = []

    def on_trades(trades: list[Any]) -> None:
        threads[QThread.currentThread()] = None
        heard.extend(trades)

    collector = DataCollector(None, SYMBOL)  # type: ignore[arg-type] # never started: the test tells what it tells
    bridge = CollectorBridge(collector)
    bridge.trades.connect(on_trades)

    async def relay(exchange: BaseExchange) -> None:
        await exchange.subscribe_trades(SYMBOL, lambda each: (told.append(each), collector.trades.emit(each))[0])
        await asyncio.sleep(20)

    def run() -> None:
        venues = {"coinbase": {"feed": {"tape": "builtin:btc-usd", "end": "25s"}, "account": {"USD": "1000"}}}
        papertape.simulate(relay, venues=venues)
        is_over.set()

    thread = threading.Thread(target=run)
    thread.start()
    qtbot.waitUntil(lambda: is_over.is_set() and len(heard) == len(told) > 5, timeout=60_000)
    thread.join()
    assert heard == told
    assert list(threads) == [QThread.currentThread()]
    bridge.close()


def test_a_replay_has_the_same_digest_with_the_window_open(qtbot: QtBot) -> None:
    """The market maker's run in a thread of its own, alone and with a window that takes what its collector tells while it runs."""

    class Heard(Told):
        mailbox: Mailbox | None = None

        def take(self) -> list[Line]:
            return [] if self.mailbox is None else list(lines_of(self.mailbox.take()))

    heard = Heard()
    is_watched = False
    results: list[papertape.RunResult] = []

    async def trade(exchange: BaseExchange) -> None:
        await MarketMaker(symbol=SYMBOL).start(exchange)
        if not is_watched:
            await asyncio.sleep(40)
            return
        collector = DataCollector(exchange, SYMBOL, kinds=[Kind.BOOK, Kind.ORDERS, Kind.HEALTH])
        heard.mailbox = Mailbox(collector)
        async with collector:
            await asyncio.sleep(40)

    def run() -> None:
        venues = {"coinbase": {"feed": {"tape": "builtin:btc-usd", "end": "45s"}, "account": {"USD": "100000", "BTC": "1"}}}
        results.append(papertape.simulate(trade, venues=venues))

    run()
    is_watched = True
    application()
    window = Window(source=heard)
    qtbot.addWidget(window)
    window.show()
    thread = threading.Thread(target=run)
    thread.start()
    qtbot.waitUntil(lambda: len(results) == 2 and bool(window._screen.orders), timeout=60_000)
    thread.join()
    alone, watched = results
    assert watched.digest == alone.digest
    assert window._screen.market(SYMBOL).bids
    assert window._screen.lanes


def test_twenty_thousand_updates_a_second_leave_time_to_paint(shown: Callable[..., Window]) -> None:
    """What a frame of so many costs is bounded: trades beyond what is drawn are dropped, tables are not filled each time."""
    window = shown(standing("paper"))
    source = window._source
    assert isinstance(source, Told)
    for frame in range(30):
        source.lines = [trade(BEGIN + (frame * 667 + at) * SECOND // 20_000, "100", side="sell") for at in range(667)]
        window.frame()
    assert window.frames >= 30
    assert len(window._screen.market(SYMBOL).prints) == 2_000


def test_a_running_bot_is_attached_to(qtbot: QtBot, tmp_path: Path) -> None:
    """`papertape trade --status` in mode paper at a served market: the window says PAPER, has its book, and closes without it noticing."""
    from serving.process import serving

    with serving("--dates", "now", "--loop") as server:
        (tmp_path / "mybot.py").write_text(BOT)
        (tmp_path / "papertape.toml").write_text(
            f'mode = "paper"\nexchange = "coinbase"\nbot = "mybot.py:main"\n[venue.coinbase]\naccount = {{ USD = "10000" }}\n'
            f'rest = "{server.http}"\nstream = "{server.ws}"\n'
        )
        command = [sys.executable, "-m", "papertape", "trade", "--status", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as bot:
            try:
                assert bot.stderr is not None
                url = next(line.split("how it goes: ")[1].partition("/health")[0] for line in bot.stderr if "how it goes" in line)
                assert bot.stdout is not None
                assert bot.stdout.readline() == "resting\n"
                application()
                window = Window(source=Attached(url))
                qtbot.addWidget(window)
                window.show()
                qtbot.waitUntil(lambda: window._badge.text() == "PAPER" and bool(window._screen.market("BTC/USD").bids), timeout=30_000)
                assert [lane.state for lane in window._screen.lanes] == ["up"] * 3
                window.close()
                assert bot.poll() is None
            finally:
                bot.terminate()
                bot.communicate(timeout=30)
        assert bot.returncode == 0


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed: apt install xvfb")
def test_a_real_window_opens_on_an_x_display(journal: Path, tmp_path: Path) -> None:
    """Through Qt's xcb, as on a desktop: `papertape monitor JOURNAL` opens, and Ctrl-C closes it."""
    import signal

    environment = {key: value for key, value in os.environ.items() if key != "QT_QPA_PLATFORM"}
    reader, writer = os.pipe()
    screen = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1600x1000x24"], pass_fds=(writer,), stderr=subprocess.DEVNULL
    )
    os.close(writer)
    try:
        display = os.read(reader, 16).decode().strip()
        script = str(tmp_path / "shown.py")
        Path(script).write_text(SHOWN)
        with subprocess.Popen(
            [sys.executable, script, str(journal), str(tmp_path / "window.png")], env={**environment, "DISPLAY": f":{display}"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as window:  # fmt: skip
            assert window.stdout is not None
            line = window.stdout.readline()
            window.send_signal(signal.SIGINT)
            _, said = window.communicate(timeout=30)
        assert line == "shown\n", said
        assert window.returncode == 0, said
        image = QImage(str(tmp_path / "window.png"))
        assert image.width() > 1_000
        assert len(colours(image)) > 20
    finally:
        os.close(reader)
        screen.terminate()
        screen.wait(timeout=10)


def test_the_command_opens_a_window(journal: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the title of the run, at its end."""
    opened: list[Window] = []

    def run(self: Any) -> int:
        opened.extend(each for each in self.topLevelWidgets() if isinstance(each, Window) and each.isVisible())
        qtbot.addWidget(opened[0])
        return 0

    monkeypatch.setattr("PySide6.QtWidgets.QApplication.exec", run)
    assert main(["monitor", str(journal)]) == 0
    title = json.loads(journal.read_text().splitlines()[0])["title"]
    assert opened[0].windowTitle() == f"{title} · papertape"


@pytest.mark.parametrize(("words", "code"), [([], 0), (["--at", "90s"], 0), (["--at", "soon"], 2)])
def test_a_picture_is_taken_without_a_screen(journal: Path, tmp_path: Path, words: list[str], code: int) -> None:
    """Of any instant; two of one are the same."""
    path = tmp_path / "window.png"
    assert main(["monitor", str(journal), "--picture", str(path), *words]) == code
    assert path.exists() is (code == 0)
    if code == 0:
        again = tmp_path / "again.png"
        assert main(["monitor", str(journal), "--picture", str(again), *words]) == 0
        assert QImage(str(again)) == QImage(str(path))
        assert main(["monitor", str(journal), "--picture", str(tmp_path / "nowhere" / "a.png")]) == 2
