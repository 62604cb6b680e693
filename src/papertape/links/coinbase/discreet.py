"""A logger for libraries that would write down what they send: at DEBUG both ccxt and websockets tell requests with their signatures."""

from __future__ import annotations

import logging


class Discreet(logging.Logger):
    """Says what it is told from INFO on, to whoever listens to `papertape`; what is below it says to nobody, whatever levels are set.

    >>> Discreet("papertape.links.coinbase").isEnabledFor(logging.DEBUG)
    False
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.parent = logging.getLogger("papertape")

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's own name
        return level >= logging.INFO and super().isEnabledFor(level)


LOG = Discreet("papertape.links.coinbase")
