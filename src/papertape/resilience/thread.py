"""One instrument's trades as a bot hears them: each once and in order, whichever way they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from papertape.model.event import Trade
from papertape.model.units import SECOND, Nanos

REMEMBERED: Final = 4_000
"""Trades that would be known again; a venue's answer holds at most a thousand."""

HELD_MAX: Final = 10_000
"""Streamed trades that wait for the hole before them to be filled; beyond, the hole is given up."""

Trades = tuple[Trade, ...]


class TradeThread:
    """Follows trades across stream, REST and stream again.

    While the stream stands, what it says is handed on at once. Once it was lost the thread is torn: what a stream says after that waits
    until REST has told what came before it (`joined`); without a stream REST's word is handed on as it comes (`polled`). A trade is known
    by the venue's id for it, and one that was handed on is never handed on again: not by an answer that overlaps, nor by a stream that
    says later what REST said before.

    Where a venue gives no ids nothing waits. Of an answer only what is younger than the last trade is then handed on, so that of several
    trades at one instant some may be missing rather than told twice.

    Attributes:
        last: the last that was handed on, or known to lie before the first; None before any.
        is_torn: what the stream says may come after a hole.
        holes: how often trades are known, or must be feared, to be missing for good.
    """

    __slots__ = ("_had_none", "_held", "_order", "_seen", "holes", "is_torn", "last")

    def __init__(self) -> None:
        self.last: Trade | None = None
        self.is_torn = False
        self.holes = 0
        self._seen: dict[str, None] = {}
        self._order: deque[str] = deque()  # of what was seen, oldest first
        self._held: list[Trade] = []
        self._had_none = False  # REST has told that nothing was traded before us

    @property
    def is_waiting(self) -> bool:
        """Streamed trades wait for REST."""
        return bool(self._held)

    @property
    def since_ns(self) -> Nanos | None:
        """From when on to ask, nanoseconds since 1970-01-01 UTC, in whole seconds, because that is all some venues understand."""
        return None if self.last is None else self.last.venue_ns // SECOND * SECOND

    def tear(self) -> None:
        """Something may have been lost; what waits comes before another hole now, and REST will tell it."""
        self.is_torn = True
        self._held.clear()

    def streamed(self, trade: Trade) -> Trades:
        """The stream says a trade; what is to be handed on now."""
        key = trade.trade_id
        if not self.is_torn or not key:
            return (trade,) if self.passes(trade) else ()
        if key not in self._seen:
            self._held.append(trade)
        return self.give_up() if len(self._held) > HELD_MAX else ()

    def passes(self, trade: Trade) -> bool:
        """The stream says a trade, and nothing need wait: whether it is to be handed on, as nobody has told it before."""
        key = trade.trade_id
        if key:
            seen = self._seen
            if key in seen:
                return False
            seen[key] = None
            order = self._order
            order.append(key)
            if len(order) > REMEMBERED:
                del seen[order.popleft()]
        self.last = trade
        return True

    def lacks(self, answer: Sequence[Trade]) -> bool:
        """Whether REST's answer, asked from `since_ns` on, holds what was not handed on. The first of all tells from where to count.

        Nothing is taken for known by it: the stream stands, and what REST tells first may be on its way there.
        """
        if self.last is None and not self._had_none:
            self.last, self._had_none = answer[-1] if answer else None, not answer
            return False
        return any(trade.trade_id not in self._seen for trade in self._after_last(answer, self.last))

    def polled(self, answer: Sequence[Trade]) -> Trades:
        """REST says what was traded lately, oldest first, asked from `since_ns` on; what is to be handed on now.

        The first answer of all tells what was before us: nothing of it is news, but for what the stream has said already.
        """
        if self.last is None and not self._had_none:
            for trade in self._before_held(answer):
                self._remember(trade.trade_id)
                self.last = trade
            return ()
        news = [trade for trade in self._after_last(answer, self.last) if trade.trade_id not in self._seen]
        for trade in news:
            self._remember(trade.trade_id)
        if news:
            self.last = news[-1]
        return tuple(news)

    def joined(self, answer: Sequence[Trade]) -> Trades | None:
        """REST's answer after the stream came back; what is to be handed on now, or None if it does not reach the stream yet: ask again."""
        if not self._held:
            return self.polled(answer)  # it was asked for something that a later loss made void
        first = self._held[0].trade_id
        if first not in self._seen and all(trade.trade_id != first for trade in answer):
            return None
        before = () if self.last is None and not self._had_none else self.polled(answer)
        return before + self._let_go()

    def give_up(self) -> Trades:
        """The hole cannot be filled: go on behind it; what is to be handed on now."""
        self.holes += 1
        return self._let_go()

    def _let_go(self) -> Trades:
        held, self._held, self.is_torn = self._held, [], False
        return tuple(each for trade in held for each in self.streamed(trade))

    def _before_held(self, answer: Sequence[Trade]) -> Sequence[Trade]:
        """The answer as far as the first trade that waits, or all of it."""
        first = self._held[0].trade_id if self._held else None
        return answer[: next((place for place, trade in enumerate(answer) if trade.trade_id == first), len(answer))]

    def _after_last(self, answer: Sequence[Trade], last: Trade | None) -> Sequence[Trade]:
        if last is None:
            return answer
        if not last.trade_id:
            return [trade for trade in answer if trade.venue_ns > last.venue_ns]
        for place, trade in enumerate(answer):
            if trade.trade_id == last.trade_id:
                return answer[place + 1 :]
        if answer and answer[0].venue_ns > last.venue_ns:
            self.holes += 1  # it does not reach back to what we know
        return [trade for trade in answer if trade.venue_ns >= last.venue_ns]

    def _remember(self, key: str) -> None:
        if key and key not in self._seen:
            self._seen[key] = None
            self._order.append(key)
            if len(self._order) > REMEMBERED:  # the oldest of a dict is found only behind all that went before it
                del self._seen[self._order.popleft()]
