"""Waiting until the best prices of a kept book have moved."""

from __future__ import annotations

import asyncio

from papertape.model.band import EVERYWHERE, NOWHERE, Band, common
from papertape.model.book import Book

ENDED = "this book is kept no more, so that nobody will say when it moves; keep_order_book keeps it anew"


class Moves:
    """Who waits for one book's best prices to move.

    Args:
        book: which; None where there is none yet.
    """

    def __init__(self, book: Book | None = None) -> None:
        self.book = book
        self._waiting: dict[asyncio.Future[None], Band | None] = {}  # None: for a book that has both sides
        self._band: Band | None = EVERYWHERE
        self._is_over = False

    @property
    def band(self) -> Band:
        """Within which nobody wants to be called; the same object until somebody begins or ends waiting."""
        if self._band is None:
            self._band = common(NOWHERE if band is None else band for band in self._waiting.values())
        return self._band

    async def wait(self, by: int, bid: int | None, ask: int | None) -> Book:
        """See `base.KeptBook.moved`."""
        if by < 1:
            raise ValueError(f"by={by}: a price has moved by 1 tick at least")
        if self._is_over:
            raise RuntimeError(ENDED)
        band = None
        best_bid, best_ask = self._best()
        if best_bid is not None and best_ask is not None:
            band = Band.around(best_bid if bid is None else bid, best_ask if ask is None else ask, by)
        if band is None or band.holds(best_bid, best_ask):
            future = asyncio.get_running_loop().create_future()
            self._waiting[future], self._band = band, None
            try:
                await future
            finally:
                self._waiting.pop(future, None)
                self._band = None
        assert self.book is not None, "it was there, or has come"
        return self.book

    def look(self) -> None:
        """The book may have changed: wake whoever waits for that."""
        if not self._waiting:
            return
        bid, ask = self._best()
        is_there = bid is not None and ask is not None
        moved = [future for future, band in self._waiting.items() if (is_there if band is None else not band.holds(bid, ask))]
        for future in moved:
            del self._waiting[future]
            self._band = None
            if not future.done():
                future.set_result(None)

    def end(self) -> None:
        """The book is kept no more."""
        self._is_over = True
        for future in self._waiting:
            if not future.done():
                future.set_exception(RuntimeError(ENDED))
        self._waiting.clear()

    def _best(self) -> tuple[int | None, int | None]:
        book = self.book
        if book is None:
            return None, None
        bid, ask = book.best_bid, book.best_ask
        return None if bid is None else bid[0], None if ask is None else ask[0]
