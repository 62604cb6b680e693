"""What a subscription's callbacks are fed from: trades, books and tickers of one instrument each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from papertape.exchanges.delivery import Delivery
from papertape.exchanges.moves import Moves
from papertape.model.account import Market
from papertape.model.event import ONLINE, BookSnapshot, BookUpdate, MarketStatus, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.lazy_book import LazyBook
from papertape.model.public import PublicTicker, PublicTrade
from papertape.model.stretch import Change
from papertape.model.units import SECOND, Nanos
from papertape.resilience.comparison import Comparison
from papertape.resilience.held import Held
from papertape.resilience.thread import TradeThread

NOBODY: Final[tuple[Any, ...]] = ()

APART_NS: Final = 2 * SECOND
"""How far REST's stamps may be ahead of the stream's."""


class TradeFeed:
    """Trades of one instrument, to bars being built and to callbacks.

    Attributes:
        thread: which of them are told now.
        on_hole: told when a trade came that must wait until REST has told what came before it.
        rest_ns: run time at which REST last told of trades in the stream's stead, or that there were none; None if it never did.
    """

    __slots__ = ("builders", "deliveries", "holes_told", "instrument", "last_ticks", "on_hole", "rest_ns", "thread")

    def __init__(self, instrument: Instrument, on_hole: Callable[[str], None]) -> None:
        self.instrument = instrument
        self.thread = TradeThread()
        self.last_ticks: int | None = None
        self.on_hole = on_hole
        self.holes_told = 0
        self.rest_ns: Nanos | None = None
        self.deliveries: tuple[Delivery, ...] = NOBODY  # replaced, never changed: a callback may unsubscribe while it is walked
        self.builders: tuple[Callable[[Trade], None], ...] = NOBODY

    def __call__(self, event: Trade) -> None:
        thread = self.thread
        was_waiting = thread.is_torn and thread.is_waiting
        self.tell(thread.streamed(event))
        if thread.is_torn and thread.is_waiting and not was_waiting:
            self.on_hole(self.instrument.symbol)

    def tell(self, trades: Sequence[Trade]) -> None:
        """Hand them on."""
        for event in trades:
            self.last_ticks = event.price_ticks
            for build in self.builders:
                build(event)
            if self.deliveries:
                trade = PublicTrade(event, self.instrument)
                for deliver in self.deliveries:
                    deliver(trade)


class TickerFeed:
    """Tickers of one instrument; `last` is the one that came last, `rest_ns` when one last came from REST (run time)."""

    __slots__ = ("deliveries", "instrument", "last", "rest_ns")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.last: Ticker | None = None
        self.rest_ns: Nanos | None = None
        self.deliveries: tuple[Delivery, ...] = NOBODY

    @property
    def last_ticks(self) -> int | None:
        return None if self.last is None else self.last.last_ticks

    def __call__(self, event: Ticker) -> None:
        ticker = PublicTicker(event, self.instrument)
        self.last = event
        for deliver in self.deliveries:
            deliver(ticker)


class StatusFeed:
    """How one market stands; `last` is what a stream said of it last."""

    __slots__ = ("deliveries", "last")

    def __init__(self) -> None:
        self.last: MarketStatus | None = None
        self.deliveries: tuple[Delivery, ...] = NOBODY

    @property
    def is_shut(self) -> bool:
        """Whether the stream says so."""
        return self.last is not None and self.last.status != ONLINE

    def show(self, market: Market) -> None:
        """Hand on the market as it is now."""
        for deliver in self.deliveries:
            deliver(market)


class BookFeed:
    """One instrument's book as delivered.

    Attributes:
        invalid_since_ns: run time since when the stream's snapshot is missing; None while the book is the stream's and valid.
        polled_ns: run time at which REST was asked for the book that is shown instead; None where it is none of REST's.
        rest_ns: run time at which REST last told a book that was shown instead, shown still or not; None if it never did.
        is_doubted: the last snapshot that came was not believed.
        last_mid: the middle price as the book was last lost.
        doubtful: a second one in a row that was not; it is believed if REST says so too.
        held: changes that came while the book was not valid.
        moves: who waits for its best prices to move.
        comparison: notes what moves while the book is held against REST's; None while it is not, and from the moment it is another book.
    """

    __slots__ = (
        "book",
        "comparison",
        "deliveries",
        "doubtful",
        "held",
        "invalid_since_ns",
        "is_doubted",
        "last_mid",
        "moves",
        "polled_ns",
        "rest_ns",
        "streamed_ns",
    )

    def __init__(self, instrument: Instrument, now_ns: Nanos) -> None:
        self.book = LazyBook(instrument)
        self.deliveries: tuple[Delivery, ...] = NOBODY
        self.moves: tuple[Moves, ...] = NOBODY  # replaced, never changed, like these
        self.invalid_since_ns: Nanos | None = now_ns
        self.polled_ns: Nanos | None = None
        self.rest_ns: Nanos | None = None
        self.doubtful: BookSnapshot | None = None
        self.last_mid: Decimal | None = None
        self.held = Held()
        self.streamed_ns: Nanos = 0  # venue clock of the stream's last word, while the book is REST's
        self.is_doubted = False
        self.comparison: Comparison | None = None

    @property
    def known_ns(self) -> Nanos:
        """How far the book is known, by the venue's clock: the stream's last word, or what REST has told since that is surely older."""
        return self.book.venue_ns if self.polled_ns is None else max(self.streamed_ns, self.book.venue_ns - APART_NS)

    @property
    def whole_from_ns(self) -> Nanos:
        """How old a snapshot may be, by the venue's clock: of what came after an older one something is known no more."""
        return max(self.known_ns, self.held.lost_ns)

    def begin(self, snapshot: BookSnapshot) -> None:
        """The book is the stream's and whole from here on: its snapshot, and what came before that and is newer."""
        self.invalid_since_ns = self.polled_ns = self.doubtful = self.comparison = None
        self.is_doubted = False
        self.book.apply(snapshot)
        for update in self.held.newer_than(snapshot):
            self.book.apply(update)
        self.show()

    def invalidate(self, now_ns: Nanos) -> None:
        """Forget the book until a snapshot comes: no bot may act on what it looked like before the line was lost."""
        if self.invalid_since_ns is None:
            self.last_mid = self.book.mid
        self.held.restart()
        self.doubtful = self.comparison = None
        if self.polled_ns is None:
            self.book.clear()
        if self.invalid_since_ns is None:
            self.invalid_since_ns = now_ns
        self.look()

    @property
    def is_steady(self) -> bool:
        """Whether its changes need not come as messages: the book stands, and nobody takes notes of each."""
        return self.invalid_since_ns is None and self.comparison is None

    def show_each(self, changes: Iterator[Change]) -> None:
        """Work in changes as they come, and hand the book on after each, as long as it is steady and nobody begins or ends listening."""
        book, deliveries, moves = self.book, self.deliveries, self.moves
        if len(deliveries) == 1 and not moves:
            deliveries[0].each(book, book.changing(changes), self)
            return
        for _ in book.changing(changes):
            for deliver in deliveries:
                deliver(book)
            for each in moves:
                each.look()
            if self.deliveries is not deliveries or self.moves is not moves or not self.is_steady:
                return

    @property
    def is_valid(self) -> bool:
        """Whether the book may be acted upon, whoever told it."""
        return self.invalid_since_ns is None or self.polled_ns is not None

    def polled(self, event: BookSnapshot, asked_ns: Nanos, now_ns: Nanos) -> None:
        """REST tells the book; the stream's own is better."""
        if self.invalid_since_ns is None:
            return
        if self.polled_ns is None:
            self.streamed_ns = self.book.venue_ns
        self.polled_ns, self.rest_ns = asked_ns, now_ns
        self.book.apply(event)
        self.show()

    def forget_polled(self) -> None:
        """What REST told is too old."""
        known_ns = self.known_ns
        self.polled_ns, self.last_mid = None, self.book.mid
        self.book.clear()
        self.book.venue_ns = known_ns
        self.look()

    def __call__(self, event: BookUpdate) -> None:
        book = self.book
        book.apply(event)
        if self.comparison is not None:
            self.comparison.moves(event)
        for deliver in self.deliveries:
            deliver(book)
        for moves in self.moves:
            moves.look()

    def show(self) -> None:
        """Hand the book on as it is."""
        for deliver in self.deliveries:
            deliver(self.book)
        self.look()

    def look(self) -> None:
        """The book may have moved: wake whoever waits for that."""
        for moves in self.moves:
            moves.look()
