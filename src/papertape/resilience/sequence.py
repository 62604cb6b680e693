"""Whether a connection lost anything: the venue's numbers say so.

A connection's counter (`Sequence`) tells that something was lost before the message that shows it, and how much. It cannot tell of which
market or channel, so that whatever came by the connection is in doubt. An instrument's counter (`Sequences`) tells that as well; what it
cannot tell is that the last thing said of a quiet market was lost. Neither tells of what the venue lost before it counted.
"""

from __future__ import annotations

from enum import Enum


class Succession(Enum):
    """How a message follows the one before it."""

    NEXT = "the one that was due"
    SAME = "another part of the message before"
    OLD = "came already; to be ignored"
    GAP = "something before it never came"


class Sequence:
    """Follow a connection's counter. It starts at 0 on each new connection; events of one wire message share theirs.

    >>> sequence = Sequence()
    >>> [sequence.on(n).name for n in (0, 0, 1, 4, 2)]
    ['NEXT', 'SAME', 'NEXT', 'GAP', 'OLD']
    """

    __slots__ = ("expected",)

    def __init__(self) -> None:
        self.expected = 0  # public, because the hot path compares it without a call

    def restart(self) -> None:
        """A new connection counts from 0."""
        self.expected = 0

    def on(self, number: int) -> Succession:
        expected = self.expected
        if number == expected:
            self.expected = number + 1
            return Succession.NEXT
        if number == expected - 1:
            return Succession.SAME
        if number < expected:
            return Succession.OLD
        self.expected = number + 1
        return Succession.GAP


class Sequences:
    """Follow a counter for each instrument of a connection; each starts at 0 on each new one.

    >>> sequences = Sequences()
    >>> [sequences.on(symbol, n).name for symbol, n in (("BTC/USDT", 0), ("ETH/USDT", 0), ("BTC/USDT", 2), ("ETH/USDT", 1))]
    ['NEXT', 'NEXT', 'GAP', 'NEXT']
    """

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[str, Sequence] = {}

    def restart(self) -> None:
        """A new connection counts from 0."""
        self._of.clear()

    def expected(self, symbol: str) -> int:
        """The number that an instrument's next message has, if nothing is lost."""
        sequence = self._of.get(symbol)
        return 0 if sequence is None else sequence.expected

    def pass_on(self, symbol: str, last: int) -> None:
        """Several messages of an instrument have come, each the next one, up to that number."""
        self._of.setdefault(symbol, Sequence()).expected = last + 1

    def on(self, symbol: str, number: int) -> Succession:
        sequence = self._of.get(symbol)
        if sequence is None:
            sequence = self._of[symbol] = Sequence()
        return sequence.on(number)
