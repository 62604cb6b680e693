"""Whether a connection lost anything: its own counter says so."""

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
