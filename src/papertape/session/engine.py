"""Which engine walks the tapes: the plain one stops at each row, the fast one only where somebody must be told. Their journals are equal.

The plain engine is the reference, and what runs unless $PAPERTAPE_ENGINE asks for "fast"; nothing in a run, and no digest, knows of that.
"""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Final

from papertape.model.errors import ConfigError

VARIABLE: Final = "PAPERTAPE_ENGINE"


class Engine(StrEnum):
    """FAST steps aside by itself where it cannot do what is asked."""

    FAST = "fast"
    PLAIN = "plain"


def engine() -> Engine:
    """The one that the environment asks for; PLAIN if it does not say."""
    asked = os.environ.get(VARIABLE) or Engine.PLAIN
    try:
        return Engine(asked)
    except ValueError:
        raise ConfigError(f'${VARIABLE} holds "{asked}"; expected "fast" or "plain" (which it is without it)') from None
