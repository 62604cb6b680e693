"""Colours, dark on white, that people with any kind of sight can tell apart; nothing is told by colour alone."""

from __future__ import annotations

from typing import Final

BUY: Final = "#0059a1"
SELL: Final = "#b34700"
AMISS: Final = "#8a1253"
INK: Final = "#222222"
PALE: Final = "#8a8a8a"
HIT: Final = "#a00000"
