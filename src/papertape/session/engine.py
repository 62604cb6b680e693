"""Which engine walks the tapes: the plain one stops at each row, the fast one only where somebody must be told. Their journals are equal.

The plain engine is the reference. Unless $PAPERTAPE_ENGINE asks for one of them, the fast one walks a tape that is read for one run alone,
until it turns out that somebody wants nearly every row; nothing in a run, and no digest, knows of that.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from papertape.runtime.choice import chosen

VARIABLE: Final = "PAPERTAPE_ENGINE"


class Engine(StrEnum):
    """FAST steps aside by itself where it cannot do what is asked, AUTO also where it would gain nothing."""

    AUTO = "auto"
    FAST = "fast"
    PLAIN = "plain"


def engine() -> Engine:
    """The one that the environment asks for; AUTO if it does not say."""
    return chosen(VARIABLE, Engine.AUTO)
