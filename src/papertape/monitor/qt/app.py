"""Opens the window and stays until it is closed."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from PySide6.QtWidgets import QApplication

from papertape.monitor.player import Player
from papertape.monitor.qt import theme
from papertape.monitor.qt.window import Window
from papertape.monitor.source import Source


def application() -> QApplication:
    """The one application of this process, dressed."""
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    app.setApplicationName("papertape")
    theme.dress(app)
    return app


def show(*, source: Source | None = None, player: Player | None = None, symbol: str = "") -> int:
    """Show it until the window is closed, or Ctrl-C."""
    app = application()
    window = Window(source=source, player=player, symbol=symbol)
    window.show()
    signal.signal(signal.SIGINT, lambda *_: window.end_soon())  # the window's timer lets Python look for it
    return int(app.exec())


def draw(player: Player, path: Path, *, symbol: str = "") -> bool:
    """Write the window to a .png, as it would be seen; whether that could be done."""
    app = application()
    window = Window(player=player, symbol=symbol)
    window.show()
    app.processEvents()
    window.frame()
    app.processEvents()
    is_written = window.grab().save(str(path))
    window.close()
    return bool(is_written)
