"""What the numbers on a lane tell to be lost, and what is done about it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from papertape.exchanges.lanes import LaneKeeper
from papertape.exchanges.streams import Streams
from papertape.model.event import Event
from papertape.model.notes import Mark, Notes
from papertape.model.order import OrderUpdate
from papertape.model.request import Lane
from papertape.resilience.reconnect import Signal
from papertape.resilience.sequence import Succession


class Losses:
    """Follows the counters of every lane.

    Where one counter counts all of a connection, a gap puts all that came by it in doubt, and its lane repairs it. Where each instrument
    has its own, the lane lives on: that instrument's book is asked for anew, its trades are filled in, and nothing else is touched.
    """

    def __init__(
        self,
        *,
        streams: Streams,
        notes: Notes,
        tear_bars: Callable[[str | None], None],
        catch_up: Callable[[str], Coroutine[Any, Any, None]],
        spawn: Callable[[str, Coroutine[Any, Any, Any]], object],
        on_change: Callable[[], None],
    ) -> None:
        self._streams = streams
        self._notes = notes
        self._tear_bars = tear_bars
        self._catch_up = catch_up
        self._spawn = spawn
        self._on_change = on_change
        self._lanes: dict[Lane, None] = {}  # that lost a message and are not whole again
        self._is_saying = False
        self._catching_up: dict[str, bool] = {}  # and whether more was lost since it was begun

    def follows(self, keeper: LaneKeeper, sequence: int | None, message: Event | OrderUpdate) -> bool:
        """Whether a message that is not simply the next may be used; notices what was lost before it."""
        if not keeper.is_open:
            return False  # left over from a connection that is gone
        if sequence is None:
            return True  # a link that does not count
        if keeper.sequences is not None:
            return self._follows_its_own(keeper, sequence, getattr(message, "symbol", ""))
        expected = keeper.sequence.expected
        told = keeper.sequence.on(sequence)
        if told is Succession.GAP:
            self._lanes[keeper.lane] = None
            self._notes.mark(Mark.GAP_DETECTED, f"{keeper.lane} lane: expected {expected}, got {sequence}")
            if keeper.lane is Lane.MARKET:
                self._streams.missed()
                self._tear_bars(None)
            keeper.signal(Signal.MISSED)
            self._on_change()
        return told is not Succession.OLD

    def healed(self, lane: Lane, detail: str) -> bool:
        """A lane is whole; whether it had lost anything."""
        if lane not in self._lanes:
            return False
        del self._lanes[lane]
        self._notes.mark(Mark.RESYNCED_AFTER_GAP, f"{lane} lane{detail}")
        return True

    def _follows_its_own(self, keeper: LaneKeeper, sequence: int, symbol: str) -> bool:
        assert keeper.sequences is not None
        expected = keeper.sequences.expected(symbol)
        told = keeper.sequences.on(symbol, sequence)
        if told is Succession.GAP and symbol:  # a heartbeat is of no instrument, and one that is lost leaves nothing to mend
            self._lanes[keeper.lane] = None
            self._notes.mark(Mark.GAP_DETECTED, f"{symbol}: expected {expected}, got {sequence}")
            self._streams.missed(symbol)
            self._tear_bars(symbol)
            if not self._is_saying:
                self._is_saying = True
                self._spawn("asking for a book anew", self._say())
            is_under_way = symbol in self._catching_up
            self._catching_up[symbol] = True
            if not is_under_way:
                self._spawn(f"trades that {symbol}'s stream missed", self._fill_in(symbol))
            self._on_change()
        return told is not Succession.OLD

    async def _say(self) -> None:
        try:
            await self._streams.say()
        finally:
            self._is_saying = False

    async def _fill_in(self, symbol: str) -> None:
        try:
            while self._catching_up[symbol]:
                self._catching_up[symbol] = False
                await self._catch_up(symbol)
        finally:
            del self._catching_up[symbol]
