"""Taking changes of books many at a time: where no callback wants each as an event, and nothing else looks at each."""

from __future__ import annotations

from collections.abc import Iterator

from papertape.exchanges.lanes import LaneKeeper
from papertape.exchanges.streams import Streams
from papertape.model.band import EVERYWHERE, Band, common
from papertape.model.stretch import Change, Columns, Manner, Stretch


class StretchTaker:
    """The market lane's `model.stretch.Taker`: what it takes has done the same to the lane as if each change had come by itself."""

    def __init__(self, keeper: LaneKeeper, streams: Streams) -> None:
        self._keeper = keeper
        self._streams = streams

    def manner(self, symbol: str, sequence: int) -> Manner:
        keeper, feed = self._keeper, self._streams.books.get(symbol)
        if feed is None or not feed.is_steady or not keeper.is_open:
            return Manner.SINGLY
        if sequence != (keeper.sequence.expected if keeper.sequences is None else keeper.sequences.expected(symbol)):
            return Manner.SINGLY  # something was lost before it
        return Manner.SHOWN if feed.deliveries else Manner.KEPT

    def count(self, symbol: str, sequence: int, count: int) -> None:
        keeper = self._keeper
        keeper.heard += count
        if keeper.sequences is None:
            keeper.sequence.expected = sequence + count
        else:
            keeper.sequences.pass_on(symbol, sequence + count - 1)

    def keep(self, symbol: str, sequence: int, count: int, stretch: Stretch) -> None:
        self.count(symbol, sequence, count)
        feed = self._streams.books[symbol]
        feed.book.follow(stretch)
        feed.look()

    def band(self, symbol: str) -> Band:
        moves = self._streams.books[symbol].moves
        return moves[0].band if len(moves) == 1 else common(each.band for each in moves if each.band is not EVERYWHERE)

    def outside(self, symbol: str, columns: Columns, begin: int, band: Band) -> int:
        return self._streams.books[symbol].book.outside(columns, begin, band)

    def show(self, symbol: str, changes: Iterator[Change]) -> None:
        self._streams.books[symbol].show_each(changes)
