"""Taking changes of books many at a time: where no callback wants each as an event, and nothing else looks at each."""

from __future__ import annotations

from collections.abc import Iterator

from papertape.exchanges.feeds import BookFeed, TradeFeed
from papertape.exchanges.lanes import LaneKeeper
from papertape.exchanges.streams import Streams
from papertape.model.band import EVERYWHERE, Band, common
from papertape.model.public import PublicTrade
from papertape.model.stretch import Change, Columns, Manner, Stretch, Told


class StretchTaker:
    """The market lane's `model.stretch.Taker`: what it takes has done the same to the lane as if each change had come by itself."""

    def __init__(self, keeper: LaneKeeper, streams: Streams) -> None:
        self._keeper = keeper
        self._streams = streams

    def manner(self, symbol: str, sequence: int) -> Manner:
        keeper, feed = self._keeper, self._streams.books.get(symbol)
        if feed is None or feed.invalid_since_ns is not None or not keeper.is_open:
            return Manner.SINGLY
        if sequence != (keeper.sequence.expected if keeper.sequences is None else keeper.sequences.expected(symbol)):
            return Manner.SINGLY  # something was lost before it
        if not feed.deliveries:
            return Manner.KEPT
        return Manner.SHOWN if feed.is_steady else Manner.SINGLY

    def count(self, symbol: str, sequence: int, count: int) -> None:
        keeper = self._keeper
        keeper.heard += count
        if keeper.sequences is None:
            keeper.sequence.expected = sequence + count
        else:
            keeper.sequences.pass_on(symbol, sequence + count - 1)

    def keep(self, symbol: str, sequence: int, count: int, stretch: Stretch) -> None:
        self.count(symbol, sequence, count)
        self._streams.books[symbol].follow(stretch)

    def band(self, symbol: str) -> Band:
        moves = self._streams.books[symbol].moves
        return moves[0].band if len(moves) == 1 else common(each.band for each in moves if each.band is not EVERYWHERE)

    def outside(self, symbol: str, columns: Columns, begin: int, band: Band) -> int:
        return self._streams.books[symbol].book.outside(columns, begin, band)

    def show(self, symbol: str, changes: Iterator[Change]) -> None:
        self._streams.books[symbol].show_each(changes)

    def hears(self, symbol: str) -> bool:
        feed = self._streams.trades.get(symbol)
        return feed is not None and not feed.thread.is_torn and self.band(symbol) is EVERYWHERE

    def hear(self, symbol: str, columns: Columns, begin: int, trades: Iterator[Told]) -> None:
        feed, kept = self._streams.trades[symbol], self._streams.books[symbol]
        book = kept.book
        book.follow(Stretch(book.venue_ns, columns, begin, begin))
        told = self._told(symbol, feed, kept, trades)
        if len(feed.deliveries) == 1 and not feed.builders and feed.deliveries[0].is_free:
            feed.deliveries[0].serve(told)
        else:
            for trade in told:
                feed.tell_one(trade.event)
        if kept.comparison is not None and book.come > begin:
            kept.comparison.moves_among(columns, begin, book.come)

    def _told(self, symbol: str, feed: TradeFeed, kept: BookFeed, trades: Iterator[Told]) -> Iterator[PublicTrade]:
        """Those that are to be handed on, as long as a callback leaves both feeds as they were."""
        thread, deliveries, all_trades, all_books = feed.thread, feed.deliveries, self._streams.trades, self._streams.books
        passes, follow_on, come, instrument = thread.passes, kept.book.follow_on, kept.book.come, feed.instrument
        for trade, end, stamp_ns in trades:
            if end != come:
                follow_on(end, stamp_ns)
                come = end
            if passes(trade):
                feed.last_ticks = trade.price_ticks
                yield PublicTrade(trade, instrument)
                if feed.deliveries is not deliveries or thread.is_torn or all_trades.get(symbol) is not feed:
                    return
                if kept.deliveries or kept.invalid_since_ns is not None or all_books.get(symbol) is not kept:
                    return
