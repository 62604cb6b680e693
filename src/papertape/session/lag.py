"""What has reached a venue and is not worked into it yet: rows that nobody has looked at.

Rows far back are worked in many at a time, which leaves out what each of them told of the queue; the last ones one by one, since that is
how far back anybody looks who asks what the book has yet to tell. Who looks further back after all is told from the tape, read anew.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from papertape.model.event import BookSnapshot, BookUpdate, MarketEvent, Side, Trade
from papertape.model.ladder import Ladder
from papertape.model.units import MILLISECOND, Nanos
from papertape.session.minding import minded, near_ours
from papertape.sim.lagging import LaggingVenue, Minds
from papertape.sim.prints import Fact
from papertape.sim.side import FAR, BookSide
from papertape.sim.venue import TRADES_MAX
from papertape.tape.block import Block
from papertape.tape.rows import Row
from papertape.tape.schema import ASK, BID, DELTA, TRADE

TAIL_NS: Final = 150 * MILLISECOND
"""Rows younger than this, by the newest, are worked in one by one; more than `sim.prints` looks back as a rule."""

FEW: Final = 128
"""So few rows are not worth the trouble of many at a time."""

LOOK_MIN: Final = 256
LOOK_MAX: Final = 16_384
"""How many messages ahead are searched at a time for one that an order of ours minds: few first, then more."""


UNTOLD_MAX: Final = 3
"""So many parts of blocks are held for the sake of trades that nobody has asked for."""


PATIENCE: Final = 64
"""So many walks may find nearly every row wanted before the plain engine takes over."""


class Tuning:
    """The same figures, for tests to change: no result depends on them."""

    tail_ns: Nanos = TAIL_NS
    few: int = FEW
    look_min: int = LOOK_MIN
    patience: int = PATIENCE


class Behind:
    """A place among a tape's messages, up to which something has been worked in."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.at = 0  # in that block

    def until(self, end: int) -> Iterator[tuple[Block, int, int]]:
        """The parts of blocks from here up to, not including, message `end`; each is passed once it has been worked in."""
        while self.block.first + self.at < end:
            block = self.block
            stop = min(end - block.first, block.count)
            if self.at < stop:
                begin, self.at = self.at, stop
                yield block, begin, stop
            if self.at == block.count and end > block.end:
                following = block.following()
                assert following is not None, "no more reaches a venue than there is"
                self.block, self.at = following, 0

    def step(self) -> None:
        """Pass one message, which may be the first of the next block."""
        if self.at == self.block.count:
            following = self.block.following()
            assert following is not None, "it is there"
            self.block, self.at = following, 0
        self.at += 1


class Keeper:
    """Keeps count of the rows that have reached a venue; its `sim.lagging.Lag`.

    Args:
        symbols: the tape's instruments, in its order.
        reached: how many messages have.
        replay: the messages from the first on, for whoever asks for what is long past.
        origin_ns: run time 0, since 1970-01-01 UTC.
    """

    def __init__(
        self,
        venue: LaggingVenue,
        symbols: Sequence[str],
        block: Block,
        *,
        reached: Callable[[], int],
        replay: Callable[[], Iterator[tuple[int, Nanos, Nanos, MarketEvent]]],
        origin_ns: Nanos,
    ) -> None:
        self.venue = venue
        self._reached = reached
        self._replay = replay
        self._origin_ns = origin_ns
        self._symbols = [(number, symbol) for number, symbol in enumerate(symbols) if symbol in venue.instruments]
        self._books, self._trades, self._candles = Behind(block), Behind(block), Behind(block)
        self._untold: deque[tuple[Block, int, int]] = deque()  # parts with the last public trades, oldest first
        self._matchers = {number: venue.matcher(symbol) for number, symbol in self._symbols}
        self._sides = {number: {BID: matcher.bids, ASK: matcher.asks} for number, matcher in self._matchers.items()}
        self._is_busy = False

    # What somebody looks at

    def tell_books(self) -> None:
        self.tell_books_until(self._reached())

    def tell_books_until(self, end: int) -> None:
        """Work in what changes books, up to, not including, message `end`."""
        if self._is_busy or self._books.block.first + self._books.at >= end:
            return
        self._is_busy = True
        try:
            while self._books.block.first + self._books.at < end:
                self._jump(end)
                for block, begin, stop in self._books.until(self._stop(end)):
                    self._work_in(block, begin, stop)
        finally:
            self._is_busy = False

    def tell_trades(self) -> None:
        self._put_trades_off(self._reached())
        while self._untold:
            self._tell_trades_of(*self._untold.popleft())

    def _tell_trades_of(self, block: Block, begin: int, stop: int) -> None:
        for number, symbol in self._symbols:
            self.venue.keep_trades(symbol, _last_trades(block, begin, stop, number, symbol))

    def _put_trades_off(self, end: int) -> None:
        """Keep the trades before message `end` for whoever may ask; of those that later ones push out nothing is kept."""
        self._untold += self._trades.until(end)
        missing = {number: TRADES_MAX for number, _ in self._symbols}
        for count, (block, begin, stop) in enumerate(reversed(self._untold), 1):
            for number in missing:
                missing[number] -= block.trades(number, begin, stop)
            if all(each <= 0 for each in missing.values()):
                for _ in range(len(self._untold) - count):
                    self._untold.popleft()
                break

    def tell_candles(self) -> None:
        self._tell_candles_until(self._reached())

    def _tell_candles_until(self, end: int) -> None:
        for block, begin, stop in self._candles.until(end):
            for number, symbol in self._symbols:
                made, minute = block.bars(number, begin, stop)
                if made:
                    self.venue.keep_bars(symbol, made, minute)

    def leave(self, block: Block) -> None:
        """All of a block has reached the venue; it need not be kept for this any more. A light one may be."""
        if block.is_light:
            return
        self.tell_books_until(block.end)
        self._tell_candles_until(block.end)
        self._put_trades_off(block.end)
        while len(self._untold) > UNTOLD_MAX:
            self._tell_trades_of(*self._untold.popleft())

    def end(self) -> None:
        """Work in all that has reached the venue, and let go of the tape: from now on each row is told in its time, by others."""
        self.tell_books()
        self.tell_trades()
        self.tell_candles()
        self._books = self._trades = self._candles = Behind(self._books.block.alone())

    def happen(self, index: int, event: MarketEvent, now_ns: Nanos) -> None:
        """A message reaches the venue that must be told in its time."""
        self.tell_books_until(index)
        self._books.step()
        self.venue.apply(event, now_ns)

    def tell(self, block: Block, place: int, event: MarketEvent, now_ns: Nanos) -> None:
        """A message reaches the venue, and so has each before it been told."""
        self._books.block, self._books.at = block, place + 1
        self.venue.apply(event, now_ns)

    # How rows are worked in

    def _stop(self, end: int) -> int:
        """Up to where rows are worked in before there may be a place to jump to again."""
        block, at = self._books.block, self._books.at
        return min(end, block.end) if at < block.count else min(end, block.end + 1)

    def _jump(self, end: int) -> None:
        """Go on from the books as an index has them, close enough before message `end`; not past what is no strand's."""
        behind = self._books
        passed = [(behind.block, behind.at)]
        block = behind.block
        while block.end < end and block.is_light and not _barriers(*passed[-1]) and not near_ours(self._matchers, *passed[-1], block.count):
            following = block.following()
            assert following is not None, "no more reaches a venue than there is"
            block = following
            passed.append((block, 0))
        last_ns = FAR if block.end < end else block.reaches[end - 1 - block.first] - Tuning.tail_ns
        while len(passed) > 1 and (not passed[-1][0].is_light or passed[-1][0].reaches[0] > last_ns):
            passed.pop()
        target, _ = passed.pop()
        if not passed:
            return
        for number, symbol in self._symbols:
            matcher = self.venue.matcher(symbol)
            for place, (side, book_side, levels) in enumerate(
                zip((Side.BUY, Side.SELL), (matcher.bids, matcher.asks), target.book(number), strict=True)
            ):
                facts = sum(each.facts(number, place, at, each.count, book_side.snapshot_ns) for each, at in passed)
                self.venue.jump(symbol, side, levels, facts, partial(self._recall, symbol, side))
            for each, at in reversed(passed):
                stamp = _newest(each, number, at, each.count)
                if stamp is not None:
                    matcher.book.venue_ns = stamp
                    break
        for each, _ in passed:
            each.release()
        behind.block, behind.at = target, 0

    def _work_in(self, block: Block, begin: int, end: int) -> None:
        barriers = block.barriers
        for barrier in barriers[bisect_left(barriers, begin) : bisect_left(barriers, end)]:
            self._pass(block, begin, barrier)
            for _, reach_ns, _, event in block.messages(barrier, barrier + 1):
                self.venue.apply(event, max(reach_ns - self._origin_ns, 0))
            begin = barrier + 1
        self._pass(block, begin, end)

    def _pass(self, block: Block, begin: int, end: int) -> None:
        if end - begin > Tuning.few:
            tail = bisect_left(block.reaches, block.reaches[end - 1] - Tuning.tail_ns, begin, end)
            while tail - begin > Tuning.few:
                taken = self._taken()
                for place in [*near_ours(self._matchers, block, begin, tail), tail]:
                    if place - begin > Tuning.few:
                        for number, symbol in self._symbols:
                            self._skip(block, begin, place, number, symbol)
                        begin = place
                    if place < tail:
                        self._pass_each(block, begin, place + 1)
                        begin = place + 1
                        if self._taken() != taken:
                            break  # a level of which we took is new, and what changes it matters no more
        self._pass_each(block, begin, end)

    def _taken(self) -> list[list[int]]:
        """Prices at which we took something that the tape has not made new yet."""
        return [list(side.taken) for matcher in self._matchers.values() for side in (matcher.bids, matcher.asks)]

    def _pass_each(self, block: Block, begin: int, end: int) -> None:
        if begin == end:
            return
        rows = block.plain_rows(begin, end)
        if rows is not None:
            self._follow(rows)
            return
        follow = self.venue.follow
        for event in block.market(begin, end):
            follow(event)

    def _follow(self, rows: Iterable[Row]) -> None:
        """Work in rows that are a message each and that no order of ours minds: what `LaggingVenue.follow` does, without events."""
        sides, matchers = self._sides, self._matchers
        for kind, side, instrument, ticks, lots, at_ns in rows:
            if instrument in sides:
                if kind == DELTA:
                    sides[instrument][side].follow(ticks, lots, at_ns)
                    matchers[instrument].book.venue_ns = at_ns
                elif kind == TRADE:
                    sides[instrument][3 - side].print(ticks, lots, at_ns)  # a taker who bought met the asks

    def _skip(self, block: Block, begin: int, end: int, number: int, symbol: str) -> None:
        matcher = self.venue.matcher(symbol)
        for place, (side, book_side) in enumerate(((Side.BUY, matcher.bids), (Side.SELL, matcher.asks))):
            changed = block.strands(number)[place]
            facts = block.facts(number, place, begin, end, book_side.snapshot_ns)
            if facts:
                levels = changed.levels(*changed.between(begin, end), book_side.ladder.held)
                self.venue.skip(symbol, side, levels, facts, partial(self._recall, symbol, side))
        stamp = _newest(block, number, begin, end)
        if stamp is not None:
            matcher.book.venue_ns = stamp

    def _recall(self, symbol: str, side: Side, mark: int) -> list[Fact]:
        """The facts before that with a mark, from the tape's beginning on."""
        fresh = BookSide(side, Ladder(side))
        for _, _, _, event in self._replay():
            if fresh.recent.mark >= mark:
                break
            if event.symbol != symbol:
                continue
            if type(event) is BookUpdate:
                changes = event.bids if side is Side.BUY else event.asks
                if changes:
                    fresh.change(changes, event.venue_ns)
            elif type(event) is BookSnapshot:
                fresh.replace(event.bids if side is Side.BUY else event.asks, event.venue_ns)
            elif type(event) is Trade and event.taker is not side:
                fresh.printed(event)
        return list(fresh.recent.facts)

    # What must be told in its time

    def minds(self) -> tuple[Minds, ...]:
        """What orders of ours mind now, by instrument; equal while nothing has changed."""
        return tuple(self.venue.minds(symbol) for _, symbol in self._symbols)

    def minded(self, minds: Sequence[Minds], block: Block, begin: int, end: int) -> list[int]:
        """Places of the messages in a part of a block that must be told in their time, ascending."""
        return minded([number for number, _ in self._symbols], minds, block, begin, end)


def _barriers(block: Block, begin: int) -> bool:
    """Whether there are any from there on."""
    return bool(block.barriers) and block.barriers[-1] >= begin


def _newest(block: Block, number: int, begin: int, end: int) -> Nanos | None:
    """The stamp of the last change of an instrument's book in a part of a block; None where there is none."""
    found: list[tuple[int, int, Any, int]] = []
    for place, strand in enumerate(block.strands(number)[:2]):
        low, high = strand.between(begin, end)
        if high > low:
            found.append((strand.places[high - 1], place, strand.stamps, high - 1))
    if not found:
        return None
    _, _, stamps, at = max(found, key=lambda each: each[:2])
    stamp: Nanos = stamps[at].as_py()
    return stamp


def _last_trades(block: Block, begin: int, end: int, number: int, symbol: str) -> list[Trade]:
    """An instrument's trades, oldest first, or the last `TRADES_MAX` of them."""
    places: list[int] = []
    for strand in block.strands(number)[2:]:
        low, high = strand.between(begin, end)
        places += list(strand.places[max(low, high - TRADES_MAX) : high])
    if not places:
        return []
    first = sorted(places)[-TRADES_MAX:][0]
    events = (event for _, event in block.chosen(first, end, (TRADE,)))
    return [event for event in events if type(event) is Trade and event.symbol == symbol][-TRADES_MAX:]
