"""Whether the book that a stream keeps is the one that REST tells, while both move."""

from __future__ import annotations

from typing import Final

from papertape.model.book import Book
from papertape.model.event import BookSnapshot, BookUpdate, Level, Side
from papertape.model.ladder import items_of

Place = tuple[Side, int]
"""A level: its side and its price in ticks."""

LOOKS: Final = 2
"""Comparisons in a row that must find the same level wrong. REST may tell an old page once; a snapshot that was false stays false."""


class Comparison:
    """Holds a stream's book against REST's.

    It begins before REST is asked, and ends some time after REST has answered: which of the changes in between REST's book has in it nobody
    can tell, so every level that changed meanwhile is left out. All others have stood still, and must be the same in both books, as far
    down as REST tells. A side that REST leaves empty says nothing: it may have none to tell.

    >>> comparison = Comparison()
    >>> comparison.moves(BookUpdate(venue_ns=1, local_ns=1, symbol="BTC/USD", bids=((99, 7),), asks=()))
    >>> comparison.moved
    {(<Side.BUY: 'buy'>, 99): None}
    """

    __slots__ = ("moved",)

    def __init__(self) -> None:
        self.moved: dict[Place, None] = {}

    def moves(self, update: BookUpdate) -> None:
        """The stream changes levels."""
        for ticks, _ in update.bids:
            self.moved[Side.BUY, ticks] = None
        for ticks, _ in update.asks:
            self.moved[Side.SELL, ticks] = None

    def differing(self, book: Book, by_rest: BookSnapshot) -> dict[Place, None]:
        """Levels that stood still and are not the same, the bids' first."""
        found: dict[Place, None] = {}
        for side, told in ((Side.BUY, by_rest.bids), (Side.SELL, by_rest.asks)):
            theirs = dict(told)
            if not theirs:
                continue
            # In C: a real book has tens of thousands of levels.
            changed: set[Level] = theirs.items() ^ items_of(book.amounts(side))
            apart = {ticks for ticks, _ in changed if (side, ticks) not in self.moved}
            if apart:
                reach = min(theirs) if side is Side.BUY else max(theirs)
                for ticks in sorted(apart):
                    if ticks >= reach if side is Side.BUY else ticks <= reach:
                        found[side, ticks] = None
        return found


class Doubt:
    """What comparisons in a row have found; a book is wrong once `LOOKS` of them in a row name a level alike.

    >>> doubt = Doubt()
    >>> [doubt.found({(Side.BUY, ticks): None for ticks in levels}) for levels in ((99, 98), (98,), (97,), (), (97,), (97,))]
    [False, True, False, False, False, True]
    """

    __slots__ = ("_alike", "_times")

    def __init__(self) -> None:
        self._alike: dict[Place, None] = {}
        self._times = 0

    @property
    def is_open(self) -> bool:
        """The last comparison found something: compare again at once."""
        return self._times > 0

    def found(self, places: dict[Place, None]) -> bool:
        """One more comparison is done; whether the book is wrong."""
        alike = {place: None for place in places if place in self._alike} if self._times else places
        self._times = self._times + 1 if alike and self._times else int(bool(places))
        self._alike = alike or places
        if self._times < LOOKS:
            return False
        self._alike, self._times = {}, 0
        return True
