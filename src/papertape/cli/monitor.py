"""`papertape monitor`: a window at a bot that trades, at a served venue, or into a journal."""

from __future__ import annotations

import os
import sys

from papertape.model.errors import ConfigError
from papertape.monitor.opening import opened
from papertape.monitor.player import Player
from papertape.monitor.playing import Journal

_EXTRA = 'the window needs Qt: pip install "papertape[qt]"'


def monitor(what: str, *, symbol: str = "") -> int:
    """Look on: candles, book, own orders and fills, how the exchange is, and what happened.

    Nothing can be changed from there, and a bot notices nothing of it.

    Parameters
    ----------
    what
        A journal's file, to scrub through; or where `papertape trade --status PORT` answers, such as http://127.0.0.1:9464; or a file
        with the line that `papertape serve` printed, - for stdin.
    symbol
        Whose market, such as BTC/USD; the bot's own, or the first, if left out.
    """
    source = opened(what, symbol)
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")):
        raise ConfigError("papertape monitor: there is no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set)")
    try:
        from papertape.monitor.qt.app import show
    except ImportError as error:
        raise ConfigError(f"papertape monitor: {_EXTRA} ({error})") from None
    if isinstance(source, Journal):
        return show(player=Player(source), symbol=symbol)
    return show(source=source, symbol=symbol)
