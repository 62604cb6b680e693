"""Which connection of a lane carries what, and the one number that what they bring is counted by."""

from __future__ import annotations

from typing import Final

BOOKS_MAX: Final = 16
"""Books on one connection: JKorf/Coinbase.Net#19 tells of 32 that were refused ("too many L2 streams requested in a single session") and of
16 that worked. Coinbase publishes no number. Other channels are not known to be limited."""

BOOK: Final = "level2"
HEARTBEATS: Final = "heartbeats"

Wanted = tuple[str, str]
"""A channel and a product; "" for channels that have none."""


class Spread:
    """Subscriptions over connections: as few of these as carry all books, and a product's channels together where that can be.

    >>> spread = Spread(books_max=1)
    >>> [spread.place(BOOK, product) for product in ("BTC-USD", "ETH-USD", "BTC-USD")], spread.place("ticker", "ETH-USD")
    ([0, 1, 0], 1)
    """

    def __init__(self, books_max: int = BOOKS_MAX) -> None:
        self._books_max = books_max
        self._placed: dict[Wanted, int] = {}

    def place(self, channel: str, product: str) -> int:
        """The connection that is to be asked for it, counted from 0; it may be the one after the last, which is then to be opened."""
        where = self.of(channel, product)
        if where is None:
            where = self._room(product) if channel == BOOK else next((n for (_, p), n in self._placed.items() if p == product and p), 0)
            self._placed[channel, product] = where
        return where

    def of(self, channel: str, product: str) -> int | None:
        """The connection that was asked for it; None if none was."""
        return self._placed.get((channel, product))

    def end(self, channel: str, product: str) -> None:
        """Nobody wants it any more; its place is free."""
        self._placed.pop((channel, product), None)

    def _room(self, product: str) -> int:
        books: dict[int, int] = {}
        for (channel, _), where in self._placed.items():
            books[where] = books.get(where, 0) + (channel == BOOK)
        beside = next((where for (_, other), where in self._placed.items() if other == product), 0)
        for where in (beside, *sorted(books)):
            if books.get(where, 0) < self._books_max:
                return where
        return max(books) + 1


class Count:
    """One counter for several that each count from 0: it goes on by one for each message, and by as many more as one of them lost.

    Of one connection it is that connection's own.

    >>> count = Count()
    >>> [count.on(where, number) for where, number in ((0, 0), (1, 0), (0, 1), (1, 3), (0, 2))]
    [0, 1, 2, 5, 6]
    """

    def __init__(self) -> None:
        self._next = 0
        self._expected: dict[int, int] = {}

    def on(self, where: int, number: int) -> int:
        """The number of a message that `where` counts as `number`; one that came already has a number that is gone by."""
        if self._expected.get(where, 0) == number:  # as a rule nothing is
            self._expected[where] = number + 1
            told, self._next = self._next, self._next + 1
            return told
        lost = number - self._expected.get(where, 0)
        told = max(0, self._next + lost)
        if lost >= 0:
            self._expected[where] = number + 1
            self._next = told + 1
        return told
