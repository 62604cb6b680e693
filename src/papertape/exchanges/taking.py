"""Taking changes of books many at a time: where no callback wants each as an event, and nothing else looks at each."""

from __future__ import annotations

from collections.abc import Iterator

from papertape.exchanges.feeds import BookFeed, TradeFeed
from papertape.exchanges.lanes import LaneKeeper
from papertape.exchanges.streams import Streams
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

    def show(self, symbol: str, changes: Iterator[Change]) -> None:
        self._streams.books[symbol].show_each(changes)

    def hears(self, symbol: str) -> bool:
        feed = self._streams.trades.get(symbol)
        return feed is not None and not feed.thread.is_torn

    def hear(self, symbol: str, columns: Columns, begin: int, trades: Iterator[Told]) -> None:
        streams = self._streams
        feed, kept = streams.trades[symbol], streams.books[symbol]
        book, passes, tell, deliveries = kept.book, feed.thread.passes, feed.tell_one, feed.deliveries
        book.follow(Stretch(book.venue_ns, columns, begin, begin))
        come = begin
        for trade, end, stamp_ns in trades:
            if end != come:
                book.follow_on(end, stamp_ns)
                come = end
            if passes(trade):
                tell(trade)
                if feed.deliveries is not deliveries or not self._goes_on(symbol, feed, kept):
                    break
        if kept.comparison is not None and come > begin:
            kept.comparison.moves_among(columns, begin, come)

    def _goes_on(self, symbol: str, feed: TradeFeed, kept: BookFeed) -> bool:
        """Whether a callback has left these two as they were."""
        streams = self._streams
        is_kept = streams.books.get(symbol) is kept and not kept.deliveries and kept.invalid_since_ns is None
        return is_kept and streams.trades.get(symbol) is feed and not feed.thread.is_torn
