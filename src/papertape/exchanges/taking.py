"""Taking changes of books many at a time: where no callback wants each, and nothing else looks at each."""

from __future__ import annotations

from papertape.exchanges.lanes import LaneKeeper
from papertape.exchanges.streams import Streams
from papertape.model.stretch import Stretch


class StretchTaker:
    """The market lane's `model.stretch.Taker`: what it takes has done the same to the lane as if each change had come by itself."""

    def __init__(self, keeper: LaneKeeper, streams: Streams) -> None:
        self._keeper = keeper
        self._streams = streams

    def takes(self, symbol: str, sequence: int) -> bool:
        keeper, feed = self._keeper, self._streams.books.get(symbol)
        if feed is None or not feed.is_only_kept or not keeper.is_open:
            return False
        return sequence == (keeper.sequence.expected if keeper.sequences is None else keeper.sequences.expected(symbol))

    def take(self, sequence: int, stretch: Stretch) -> None:
        keeper = self._keeper
        keeper.heard += stretch.count
        last = sequence + stretch.count - 1
        if keeper.sequences is None:
            keeper.sequence.expected = last + 1
        else:
            keeper.sequences.pass_on(stretch.symbol, last)
        self._streams.books[stretch.symbol].book.follow(stretch)
