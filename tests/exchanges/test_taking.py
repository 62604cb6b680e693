"""Changes of books that are taken many at a time: what they do to the lane, and when they may not be taken so."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from papertape.exchanges.delivery import Delivery
from papertape.exchanges.feeds import BookFeed, TradeFeed
from papertape.exchanges.taking import StretchTaker
from papertape.model.event import BookSnapshot, Side, Trade
from papertape.model.instrument import Instrument
from papertape.model.public import PublicTrade
from papertape.model.stretch import Manner
from papertape.resilience import inbox
from papertape.resilience.comparison import Comparison
from papertape.resilience.sequence import Sequence
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.stepper import Stepper
from papertape.runtime.world import run_virtual

SYMBOL = "BTC/USD"
BTC = Instrument(symbol=SYMBOL, venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.001"))


def taker(
    *, deliveries: tuple[Any, ...] = (), is_valid: bool = True, is_compared: bool = False, is_open: bool = True
) -> tuple[StretchTaker, Any]:
    """One on a lane that has heard 7 messages and expects number 7, and the lane."""
    sequence = Sequence()
    sequence.expected = 7
    keeper: Any = SimpleNamespace(is_open=is_open, heard=7, sequence=sequence, sequences=None)
    feed = BookFeed(BTC, now_ns=0)
    feed.begin(BookSnapshot(venue_ns=1, local_ns=1, symbol=SYMBOL, bids=((99, 5),), asks=((101, 5),)))
    feed.deliveries, feed.comparison = deliveries, Comparison() if is_compared else None
    if not is_valid:
        feed.invalidate(now_ns=5)
    streams: Any = SimpleNamespace(books={SYMBOL: feed}, trades={SYMBOL: TradeFeed(BTC, lambda symbol: None)})
    return StretchTaker(keeper, streams), keeper


def test_what_is_taken_counts_as_heard_and_in_order() -> None:
    """Else a venue without heartbeats would seem silent, and the next message to have come too early."""
    its, lane = taker()
    its.count(SYMBOL, 7, 40)
    assert (lane.heard, lane.sequence.expected) == (47, 47)


@pytest.mark.parametrize(
    ("symbol", "sequence", "state", "manner"),
    [
        (SYMBOL, 7, {}, Manner.KEPT),
        (SYMBOL, 7, {"deliveries": ("somebody",)}, Manner.SHOWN),
        (SYMBOL, 8, {}, Manner.SINGLY),  # one was lost before it
        (SYMBOL, 7, {"is_valid": False}, Manner.SINGLY),
        (SYMBOL, 7, {"is_compared": True}, Manner.KEPT),  # the rows tell what has moved
        (SYMBOL, 7, {"is_compared": True, "deliveries": ("somebody",)}, Manner.SINGLY),
        (SYMBOL, 7, {"is_open": False}, Manner.SINGLY),
        ("ETH/USD", 7, {}, Manner.SINGLY),
    ],
)
def test_changes_are_taken_so_only_where_nothing_needs_each(symbol: str, sequence: int, state: dict[str, Any], manner: Manner) -> None:
    assert taker(**state)[0].manner(symbol, sequence) is manner


ROWS = ((1, 100, 7), (2, 101, 0), (2, 102, 3), (1, 100, 0), (1, 98, 4))


class Rows:
    """Changed levels as columns."""

    def rows(self, begin: int, end: int) -> Any:
        return ROWS[begin:end]

    def levels(self, begin: int, end: int) -> Any:
        return [[row[1:] for row in ROWS[begin:end] if row[0] == side] for side in (1, 2)]


def print_of(number: int, key: str) -> Trade:
    return Trade(venue_ns=number, local_ns=number, symbol=SYMBOL, price_ticks=number, qty_lots=1, taker=Side.BUY, trade_id=key)


@pytest.mark.parametrize("subscriptions", [1, 2])
@pytest.mark.parametrize("leaves", ["", "subscription", "book", "trades"])
def test_trades_are_told_beside_a_kept_book_as_long_as_nothing_changes(subscriptions: int, leaves: str) -> None:
    """Each once, with the book as it is by then; and whoever holds the book against REST's knows what moved."""

    async def story(loop: VirtualLoop) -> None:
        its, _ = taker(is_compared=True)
        streams: Any = its._streams
        feed, kept, seen = streams.trades[SYMBOL], streams.books[SYMBOL], []

        async def on_trade(trade: PublicTrade) -> None:
            seen.append((trade.event.trade_id, kept.book.best_bid, kept.book.best_ask, kept.book.venue_ns, feed.last_ticks))
            if trade.event.trade_id == "b" and leaves == "subscription":
                feed.deliveries = ()
            elif trade.event.trade_id == "b" and leaves == "book":
                kept.invalidate(now_ns=9)
            elif trade.event.trade_id == "b" and leaves == "trades":
                del streams.trades[SYMBOL]

        async def on_end(delivery: Delivery) -> None:
            return None

        def deliver(callback: Any) -> Delivery:
            items = inbox.Inbox(inbox.Manner.QUEUE, limit=9)
            return Delivery(callback, items, Stepper(loop), on_error=seen.append, on_lost=seen.append, on_end=on_end)

        feed.deliveries = (deliver(on_trade), *(deliver(lambda trade: None) for _ in range(subscriptions - 1)))
        comparison: Any = kept.comparison
        told = [(print_of(11, "a"), 0, 0), (print_of(12, "b"), 2, 50), (print_of(12, "b"), 2, 50), (print_of(13, "c"), 5, 60)]
        assert its.hears(SYMBOL)
        its.hear(SYMBOL, cast("Any", Rows()), 0, iter(told))
        expected: list[Any] = [("a", (99, 5), (101, 5), 1, 11), ("b", (100, 7), None, 50, 12), ("c", (99, 5), (102, 3), 60, 13)]
        assert seen == expected[: 2 if leaves else 3]
        if not leaves:
            assert comparison.differing(kept.book, BookSnapshot(venue_ns=1, local_ns=1, symbol=SYMBOL, bids=((99, 5),), asks=())) == {}
            assert list(comparison.moved) == [(Side.BUY, 100), (Side.BUY, 98), (Side.SELL, 101), (Side.SELL, 102)]
        feed.thread.tear()
        assert not its.hears(SYMBOL)

    run_virtual(story, patch=False)
