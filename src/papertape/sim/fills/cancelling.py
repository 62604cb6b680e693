"""A queue in which some of those who cancel stood before us: what the families of such models have in common.

The sum is hftbacktest's `ProbQueueModel` (its documentation, "Order Fill", and hftbacktest/src/backtest/models/queue.rs; MIT): of a level
that shrinks by `gone` lots that no trade explains, with `front` ahead of us and `back` behind,

    front ← min(front - (1 - p) · gone + min(back - p · gone, 0), what the level now holds)

where p, the chance that a cancelled lot stood behind us, is what a family says. It is an expectation, not a draw: the same tape gives
the same fills whatever the seed. Here lots ahead stay whole (what is taken off is rounded down), and no float takes part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from papertape.model.instrument import Instrument
from papertape.sim.fills.base import FillModel, Place, Told, told_before
from papertape.sim.fills.queue import UNKNOWN, QueuePlace

DIGITS: Final = Context(prec=50, rounding=ROUND_HALF_EVEN)
"""Decimal's sums, logarithms and powers are specified to the last digit, so they are the same everywhere."""

CHANGES_MAX: Final = 64
"""Level changes remembered; a trade that is printed later than that many counts its lots as cancelled and as traded."""

Behind = Callable[[int, int], Decimal]
"""From lots ahead and lots behind, not both 0, to the chance that a cancelled lot stood behind: from 0 to 1."""


class CancellingPlace(QueuePlace):
    """A place in the queue with an estimate of what is ahead, never above what `QueuePlace` is sure of.

    A level change that a trade printed later turns out to explain was no cancellation: what it took off the estimate is put back
    before the trade is counted, so that a trade counts once.

    Attributes:
        front: lots at our price that are taken to be ahead.
    """

    __slots__ = ("_behind", "_changes", "_level", "_untold", "front")

    def __init__(self, lots: int, mark: int, behind: Behind) -> None:
        super().__init__(lots, mark)
        self.front = lots
        self._behind = behind
        self._level: int | None = None if lots == UNKNOWN else lots
        self._untold = 0  # traded, and not in the level yet
        self._changes: list[list[int]] = []  # of the newest: its mark, lots that it cancelled, how many of them ahead of us

    @property
    def ahead(self) -> int:
        return self.front + self.before

    def on_trade(self, lots: int, absorbed: int, told: Sequence[Told]) -> int:
        before = self.before
        sure = super().on_trade(lots, absorbed, told)
        here = max(lots - absorbed - (before - self.before) - told_before(told, self.joined), 0)
        self._untold += lots - sum(each for each, _ in told)
        self._put_back(told)
        reaching = max(sure, here - self.front)
        self.front = min(max(self.front - here, 0), self.bounds[-1][1])
        return reaching

    def on_through(self, lots: int, absorbed: int, told: Sequence[Told], mark: int) -> int:
        reaching = super().on_through(lots, absorbed, told, mark)
        self.front = min(self.front, self.bounds[-1][1])
        return reaching

    def on_level(self, lots: int, mark: int, *, is_past: bool) -> None:
        was, sure = self._level, self.bounds[-1][1]
        gone = 0 if was is None or is_past else was - lots - self._untold
        self._level, self._untold = lots, 0
        super().on_level(lots, mark, is_past=is_past)
        if self.bounds[-1][1] > sure:
            self.front = self.bounds[-1][1]  # told late, but it stood there before us
            self._changes.clear()
        elif was is not None and gone > 0:
            self._cancel(gone, max(was + self.spared - self.front, 0), mark - 1)
        self.front = min(self.front, self.bounds[-1][1])

    def _cancel(self, gone: int, back: int, mark: int) -> None:
        if not self.front:
            return
        behind = DIGITS.multiply(self._behind(self.front, back), Decimal(gone))
        short = max(DIGITS.subtract(behind, Decimal(back)), Decimal(0))  # more than stand behind cannot have been cancelled there
        ahead = min(int(DIGITS.add(DIGITS.subtract(Decimal(gone), behind), short)), self.front)
        self.front -= ahead
        self._changes.append([mark, gone, ahead])
        if len(self._changes) > CHANGES_MAX:
            del self._changes[0]

    def _put_back(self, told: Sequence[Told]) -> None:
        for lots, mark in told:
            for change in self._changes:
                if change[0] == mark and change[1]:
                    used = min(lots, change[1])
                    ahead = -(-change[2] * used // change[1])
                    self.front += ahead
                    change[1] -= used
                    change[2] -= ahead


class CancellingFills(FillModel, frozen=True):
    """A queue of which some cancel ahead of us; a family says how many."""

    def behind(self, front: Decimal, back: Decimal) -> Decimal:
        """The chance that a cancelled lot stood behind us, of `front` base ahead and `back` base behind, not both 0."""
        raise NotImplementedError

    def join(self, lots: int | None, mark: int, instrument: Instrument) -> Place:
        def behind(front: int, back: int) -> Decimal:
            return self.behind(instrument.amount(front), instrument.amount(back))

        return CancellingPlace(UNKNOWN if lots is None else lots, mark, behind)
