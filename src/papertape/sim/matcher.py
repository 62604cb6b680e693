"""Price-time matching of our orders against one instrument's recorded book.

The rules, all of which exist so that no fill happens that could not have happened:

- A message is taken over whole before anything is matched, so a book that looks crossed between two levels of one message fills nobody.
- While the book is not whole (no snapshot yet, or the recorder lost its line) or is crossed at a message's end, its levels fill nobody:
  market, IOC and FOK orders find no liquidity, limit orders wait and are matched as takers at the first message end with a sound book.
- While the market is halted nothing fills anybody, trades included; what the tape prints then others traded elsewhere.
- A taker gets each level at that level's price, best first, and never more of it than stands there: the recorded amount less what our
  orders have taken of it since the tape last changed it, less what trades have taken of it that the book has yet to tell.
- A maker gets its own limit, never a better price. It gets what its fill model lets through of a trade (`sim.fills`), and what a
  level of the other side that stands at or through its limit at a message's end holds; such a level is then taken.
- One volume fills once: several of our orders share a trade or a level by price, then time.
- A trade that happened before an order took its place in the queue is not for that order, however late it is printed; nor is the part
  of a trade that the book had told before the order came, by whatever clock it is stamped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from papertape.model.event import BookSnapshot, BookUpdate, Level, Side, Trade
from papertape.model.instrument import Instrument
from papertape.model.lazy_book import LazyBook
from papertape.model.order import Liquidity
from papertape.sim.fills.base import FillModel
from papertape.sim.order import LiveOrder
from papertape.sim.side import FAR, BookSide

OnFill = Callable[[LiveOrder, int, int, Liquidity], None]
"""(order, ticks, lots, liquidity); called after the order's `left_lots` went down and, if it is done, after it left the book."""


class Matcher:
    """One instrument: its recorded book and our orders in it.

    Attributes:
        book: the recorded book, whatever we took of it.
        ready: orders that waited for a sound book, which is now there: whoever owns the matcher enters them as takers.
        is_halted: the market is in a phase in which orders do not match.
    """

    def __init__(self, instrument: Instrument, fills: FillModel, on_fill: OnFill) -> None:
        self.instrument = instrument
        self.book = LazyBook(instrument)
        self.bids = BookSide(Side.BUY, self.book.bid_ladder)
        self.asks = BookSide(Side.SELL, self.book.ask_ladder)
        self.ready: list[LiveOrder] = []
        self.is_halted = False
        self._waiting: list[LiveOrder] = []
        self._unsettled = False  # a level met an order of ours while the book was not sound
        self._fills = fills
        self._on_fill = on_fill

    @property
    def is_sound(self) -> bool:
        """Whether the book's levels may fill anybody."""
        return not self.is_halted and self.book.is_complete and not self.book.is_crossed

    @property
    def is_unsettled(self) -> bool:
        """Whether every message's end matters, since orders of ours wait for a sound book."""
        return self._unsettled

    # What reaches the venue from the tape

    def on_update(self, update: BookUpdate) -> None:
        at_ns = update.venue_ns
        meets = False
        if update.bids:
            meets = self.bids.change(update.bids, at_ns)
        if update.asks and self.asks.change(update.asks, at_ns):
            meets = True
        self.book.venue_ns = at_ns
        if meets or self._unsettled:
            self.settle()

    def on_snapshot(self, snapshot: BookSnapshot) -> None:
        self.bids.replace(snapshot.bids, snapshot.venue_ns)
        self.asks.replace(snapshot.asks, snapshot.venue_ns)
        self.book.is_complete = True
        self.book.venue_ns = snapshot.venue_ns
        self.settle()

    def on_lost(self) -> None:
        """The recorder lost its line: until a snapshot comes nobody knows the book."""
        self.book.clear()

    def on_trade(self, trade: Trade) -> None:
        maker_side, taker_side = (self.asks, self.bids) if trade.taker is Side.BUY else (self.bids, self.asks)
        ticks = trade.price_ticks
        if not taker_side.low < ticks < taker_side.high and self._fills.counts_trades and not self.is_halted:
            self._share(trade, maker_side)
        maker_side.printed(trade)

    def _share(self, trade: Trade, maker_side: BookSide) -> None:
        """Share a trade among our orders that its taker would have met, by price, then time.

        Nothing gets past an order of ours that is not done: whatever a fill model lets through to one behind it would fill it first.
        """
        ticks, volume, mark = trade.price_ticks, trade.qty_lots, maker_side.recent.mark
        told = maker_side.told(trade)
        absorbed = 0
        is_blocked = False
        for order in maker_side.own_reaching(ticks):
            if order.place is None:
                continue
            is_past = trade.venue_ns <= order.arrived_ns
            told_here = [(volume, order.place.joined - 1)] if is_past else told
            if order.limit_ticks == ticks:
                reaching = order.place.on_trade(volume, absorbed, told_here)
            else:
                reaching = order.place.on_through(volume, absorbed, told_here, mark)
            if not is_past and not is_blocked:
                absorbed += self._fill_resting(order, reaching)
                is_blocked = order.left_lots > 0
        if absorbed:
            for order in maker_side.own_beyond(ticks):
                if order.place is not None:
                    order.place.on_absorbed(absorbed)

    def settle(self) -> None:
        """A message ended: match what rests with what now stands at or through it."""
        if not self.is_sound:
            self._unsettled = True
            return
        self._unsettled = False
        for order in self._waiting:
            self._side(order).remove(order, _limit(order))
            self.ready.append(order)
        self._waiting.clear()
        self._meet(self.bids, self.asks)
        self._meet(self.asks, self.bids)
        self._mind()

    def _meet(self, resting: BookSide, arriving: BookSide) -> None:
        """Levels that arrived at or through our prices fill us first, by price, then time."""
        best = resting.own_best
        if best is None or not self._fills.meets_levels:
            return
        for ticks, lots in list(arriving.open_levels(best, self.book.venue_ns)):
            absorbed = gone = 0
            for order in resting.own_reaching(ticks):
                if order.place is None:
                    continue
                reaching = order.place.on_through(lots, absorbed, (), resting.recent.mark)
                filled = self._fill_resting(order, reaching)
                absorbed += filled
                gone = max(gone, lots - reaching + filled)  # what others took who stand before us is gone too
                if order.left_lots:
                    break
            if gone:
                arriving.take(ticks, gone)

    def _fill_resting(self, order: LiveOrder, reaching: int) -> int:
        lots = min(reaching, order.left_lots)
        if lots > 0:
            order.left_lots -= lots
            if not order.left_lots:
                self.remove(order)
            self._on_fill(order, _limit(order), lots, Liquidity.MAKER)
        return lots

    # What reaches the venue from a client

    def open_levels(self, side: Side, limit_ticks: int | None) -> Iterator[Level]:
        """What an order of `side` may take now, best first; nothing while the book is not sound."""
        if not self.is_sound:
            return iter(())
        return (self.asks if side is Side.BUY else self.bids).open_levels(limit_ticks, self.book.venue_ns)

    def standing_levels(self, side: Side, limit_ticks: int | None) -> Iterator[Level]:
        """The same, whether or not the market is halted."""
        if not self.book.is_complete or self.book.is_crossed:
            return iter(())
        return (self.asks if side is Side.BUY else self.bids).open_levels(limit_ticks, self.book.venue_ns)

    def own_best_against(self, side: Side) -> int | None:
        """The first price of ours that an order of `side` would meet."""
        return (self.asks if side is Side.BUY else self.bids).own_best

    def take(self, order: LiveOrder, ticks: int, lots: int) -> None:
        """Fill an arriving order with one level, at that level's price."""
        (self.asks if order.side is Side.BUY else self.bids).take(ticks, lots)
        order.left_lots -= lots
        self._on_fill(order, ticks, lots, Liquidity.TAKER)

    def rest(self, order: LiveOrder) -> None:
        """Let what is left of an order rest behind whatever stands at its price; until the book is sound it waits to be a taker."""
        side, ticks = self._side(order), _limit(order)
        before = side.open_lots(ticks, self.book.venue_ns) if self.book.is_complete else None
        order.place = self._fills.join(before, side.recent.mark, self.instrument)
        side.add(order, ticks)
        if not self.is_sound:
            self._waiting.append(order)
            self._unsettled = True
        self._mind()

    def resume(self, order: LiveOrder) -> None:
        """Let an order rest that did so before: it takes nothing, and as the book is not known, nobody knows who is ahead of it."""
        side, ticks = self._side(order), _limit(order)
        order.place = self._fills.join(None, side.recent.mark, self.instrument)
        side.add(order, ticks)
        self._mind()

    def remove(self, order: LiveOrder) -> None:
        """Take an order out of the book; one that is not there changes nothing."""
        self._side(order).remove(order, _limit(order))
        if order in self._waiting:
            self._waiting.remove(order)
        self._mind()

    def _side(self, order: LiveOrder) -> BookSide:
        return self.bids if order.side is Side.BUY else self.asks

    def _mind(self) -> None:
        """Renew the prices at which the other side's levels meet orders of ours."""
        bid, ask = self.bids.own_best, self.asks.own_best
        self.asks.low = -FAR if bid is None else bid
        self.bids.high = FAR if ask is None else ask


def _limit(order: LiveOrder) -> int:
    assert order.limit_ticks is not None, "only limit orders rest"
    return order.limit_ticks
