"""`papertape monitor`: a window at a bot that trades, at a served venue, or into a journal."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from papertape.model.errors import ConfigError
from papertape.monitor.attached import attach
from papertape.monitor.playing import Player
from papertape.monitor.served import Served, read_ready
from papertape.monitor.source import Source

_EXTRA = 'the window needs Qt: pip install "papertape[qt]"'


def monitor(what: str, *, symbol: str = "", book: bool = False) -> int:
    """Look on: candles, book, own orders and fills, how the exchange is, and what happened.

    Nothing can be changed from there, and a bot notices nothing of it.

    Parameters
    ----------
    what
        A journal's file, to scrub through; or where `papertape trade --status PORT` answers, such as http://127.0.0.1:9464; or a file
        with the line that `papertape serve` printed.
    symbol
        Whose market, such as BTC/USD; the bot's own, or the first, if left out.
    book
        Have a bot that trades subscribe to the book if it does not itself; until its snapshot has come that counts for its health.
    """
    if "://" in what:
        source, player = attach(what, symbol=symbol, has_book=book), None
        return _show(source, player, symbol)
    path = Path(what)
    if not path.is_file():
        raise ConfigError(
            f"papertape monitor {what}: there is no such file; expected a journal, a file with what `papertape serve` printed, or an "
            "address such as http://127.0.0.1:9464"
        )
    ready = read_ready(path)
    return _show(Served(ready, symbol=symbol), None, symbol) if ready is not None else _show(None, Player(path), symbol)


def _show(source: Source | None, player: Player | None, symbol: str) -> int:
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")):
        raise ConfigError("papertape monitor: there is no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set)")
    try:
        from papertape.monitor.qt.app import show
    except ImportError as error:
        raise ConfigError(f"papertape monitor: {_EXTRA} ({error})") from None
    return show(source=source, player=player, symbol=symbol)
