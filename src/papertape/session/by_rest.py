"""What REST has told a client of its markets, and when it heard."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from papertape.model.event import BookSnapshot
from papertape.model.request import Answer, Channel, Op, Request
from papertape.model.units import SECOND, Nanos

AS_GOOD_AS: Final = {
    Channel.BOOK: (Op.BOOK_FETCH,),
    Channel.TRADES: (Op.TRADES_FETCH, Op.OHLCV_FETCH),
    Channel.TICKER: (Op.TRADES_FETCH, Op.BOOK_FETCH),
    Channel.CANDLES: (Op.OHLCV_FETCH, Op.TRADES_FETCH),
}
"""Which answers say what a channel would have said. Only a book tells a book; best prices come with trades, as venues' REST tickers do, and
with books; candles are made of trades."""

REMEMBERED_NS: Final = 15 * SECOND
"""How long a book is kept: a client may show one for ten seconds, however many others it asks for meanwhile."""


class ByRest:
    """The answers of one venue to one client."""

    def __init__(self) -> None:
        self._heard_ns: dict[tuple[str, Op], Nanos] = {}
        self._books: dict[str, deque[BookSnapshot]] = {}

    def heard(self, request: Request, answer: Answer, now_ns: Nanos) -> None:
        """The client has just got an answer about a market, or about several."""
        for symbol in [request.symbol] if request.symbol else [book.symbol for book in answer.books]:
            self._heard_ns[symbol, request.op] = now_ns
        if request.op is Op.BOOK_FETCH:
            for book in answer.books:
                kept = self._books.setdefault(book.symbol, deque())
                kept.append(book)
                while book.venue_ns - kept[0].venue_ns > REMEMBERED_NS:
                    kept.popleft()

    def told_ns(self, symbol: str, channel: Channel, ops: Iterable[Op] | None = None) -> Nanos:
        """When it last heard what a channel would have said, by one of `ops` if not by all that say it; 0 if it never did."""
        return max((self._heard_ns.get((symbol, op), 0) for op in (AS_GOOD_AS.get(channel, ()) if ops is None else ops)), default=0)

    def books(self, symbol: str) -> tuple[BookSnapshot, ...]:
        """The books that it was told of late, newest first."""
        return tuple(reversed(self._books.get(symbol, ())))


def wanting_ns(since_ns: Nanos, channel: Channel | None, told: Mapping[Channel, Nanos], *, is_bot: bool) -> Nanos:
    """From when on what a stream has not brought since `since_ns` is really wanting, run time.

    A bot on our interface must have each channel that it follows, if only by REST. Nobody knows what a program goes by: one that asks for a
    ticker may use that, and leave the book alone that it follows as well as the ticker; who follows a book only must have a book.

    Args:
        channel: what lacks; None where that is all it follows.
        told: what it follows, and when REST told it that.

    >>> told = {Channel.BOOK: 5, Channel.TICKER: 9}
    >>> [wanting_ns(3, None, told, is_bot=is_bot) for is_bot in (True, False)]
    [5, 9]
    """
    if is_bot and channel is not None:
        return max(since_ns, told.get(channel, 0))
    best = min if is_bot else max
    return max(since_ns, best(told.values(), default=0))
