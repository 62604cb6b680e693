"""`papertape monitor`: a window at a bot that trades, at a served venue, or into a journal."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from papertape.model.errors import ConfigError
from papertape.model.units import Nanos, parse_duration
from papertape.monitor.opening import opened
from papertape.monitor.player import Player
from papertape.monitor.playing import Journal

_EXTRA = 'the window needs Qt: pip install "papertape[qt]"'


def monitor(what: str, *, symbol: str = "", at: str = "", picture: Path | None = None) -> int:
    """Look on: candles, book, own orders and fills, how the exchange is, and what happened.

    Nothing can be changed from there, and a bot notices nothing of it.

    Parameters
    ----------
    what
        A journal's file, to scrub through; or where `papertape trade --status PORT` answers, such as http://127.0.0.1:9464; or a file
        with the line that `papertape serve` printed, - for stdin.
    symbol
        Whose market, such as BTC/USD; the bot's own, or the first, if left out.
    at
        Of a journal: how long after its beginning to stand, such as 90s; at its end if left out.
    picture
        Of a journal: write the window to this .png and end; wants no screen.
    """
    source = opened(what, symbol)
    player = Player(source) if isinstance(source, Journal) else None
    if player is None and (at or picture is not None):
        raise ConfigError(f"papertape monitor {what}: `--at` and `--picture` go with a journal")
    at_ns = _at(player, at) if player is not None else 0
    if picture is not None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")):
        raise ConfigError("papertape monitor: there is no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set)")
    try:
        from papertape.monitor.qt.app import draw, show
    except ImportError as error:
        raise ConfigError(f"papertape monitor: {_EXTRA} ({error})") from None
    if player is None:
        assert not isinstance(source, Journal)
        return show(source=source, symbol=symbol)
    player.seek(at_ns)
    if picture is None:
        return show(player=player, symbol=symbol)
    if not draw(player, picture, symbol=symbol):
        raise ConfigError(f"--picture {picture}: cannot be written; expected the name of a .png in a folder that is there")
    return 0


def _at(player: Player, text: str) -> Nanos:
    journal = player.journal
    if not text:
        return journal.end_ns
    try:
        return journal.begin_ns + parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"--at: {error}") from None
