"""Counting, silence, inboxes, books and bars."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.model.book import Book
from papertape.model.errors import BadRequest
from papertape.model.event import BookSnapshot, BookUpdate, Side, Trade
from papertape.model.instrument import Instrument
from papertape.model.lazy_book import LazyBook
from papertape.resilience.bars import BarBuilder, span_of
from papertape.resilience.inbox import Inbox, Manner
from papertape.resilience.sequence import Sequence, Succession
from papertape.resilience.silence import Silence

BTC = Instrument(symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.001"))
levels = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5)), max_size=6).map(tuple)


@given(st.lists(st.integers(0, 30), max_size=40))
def test_a_gap_is_noticed_exactly_when_a_number_was_skipped(numbers: list[int]) -> None:
    """Against the plain definition: the highest number so far decides."""
    sequence, highest = Sequence(), -1
    for number in numbers:
        told = sequence.on(number)
        if number == highest + 1:
            assert told is Succession.NEXT
        elif number == highest:
            assert told is Succession.SAME
        else:
            assert told is (Succession.GAP if number > highest else Succession.OLD)
        highest = max(highest, number)


@given(st.lists(st.tuples(st.integers(1, 10), st.booleans()), min_size=1, max_size=30))
def test_silence_is_noticed_between_its_limit_and_one_look_more(looks: list[tuple[int, bool]]) -> None:
    """A stream is dead if nothing was heard for the limit, as far as looks can tell; one that speaks never is."""
    silence = Silence(limit_ns=20)
    silence.restart(now_ns=0)
    now_ns = heard = noticed_ns = 0
    for wait_ns, speaks in looks:
        now_ns += wait_ns
        if speaks:
            heard += 1
            noticed_ns = now_ns
        assert silence.is_dead(heard, now_ns) == (now_ns - noticed_ns >= 20)


@given(st.lists(st.tuples(st.integers(1, 10), st.sampled_from([0, 6, 4096, 100_000]), st.booleans()), min_size=1, max_size=30))
def test_a_message_that_is_on_its_way_is_no_silence(looks: list[tuple[int, int, bool]]) -> None:
    """Parts of a message keep a stream alive, a few bytes of the protocol's own do not; since when one has been coming is known."""
    silence = Silence(limit_ns=20)
    silence.restart(now_ns=0)
    now_ns = heard = volume = noticed_ns = noticed_volume = 0
    coming_ns = None
    for wait_ns, size, is_whole in looks:
        now_ns += wait_ns
        volume += size
        if is_whole:
            heard, coming_ns = heard + 1, None
        if is_whole or volume - noticed_volume >= 4096:
            noticed_ns, noticed_volume = now_ns, volume
            coming_ns = None if is_whole else now_ns if coming_ns is None else coming_ns
        assert silence.is_dead(heard, now_ns, volume) == (now_ns - noticed_ns >= 20)
        assert silence.receiving_since_ns == coming_ns


@given(st.lists(st.one_of(st.integers(), st.none()), max_size=50), st.integers(1, 5))
def test_a_queue_loses_the_oldest_and_says_which(steps: list[int | None], limit: int) -> None:
    """An inbox never holds more than its limit; what had to go is returned and counted; the rest comes out in order."""
    inbox, kept = Inbox(Manner.QUEUE, limit=limit), list[int]()
    for item in steps:
        if item is None:
            if kept:
                assert inbox.take() == kept.pop(0)
        else:
            kept.append(item)
            assert inbox.put(item) == (kept.pop(0) if len(kept) > limit else None)
    assert len(inbox) == len(kept) <= limit


def test_a_conflating_inbox_holds_the_newest_and_loses_nothing() -> None:
    """Books and tickers replace each other; that is no loss."""
    inbox = Inbox(Manner.CONFLATE, limit=100)
    assert [inbox.put(n) for n in range(5)] == [None] * 5
    assert (len(inbox), inbox.lost, inbox.take()) == (1, 0, 4)


@given(st.lists(st.tuples(st.booleans(), levels, levels, st.booleans()), max_size=30))
def test_a_lazy_book_is_the_plain_book(events: list[tuple[bool, tuple[tuple[int, int], ...], tuple[tuple[int, int], ...], bool]]) -> None:
    """Whenever somebody looks, the lazily kept book holds what one that applies everything at once holds."""
    lazy, plain = LazyBook(BTC), Book(BTC)
    for number, (is_snapshot, bids, asks, looks) in enumerate(events):
        kind = BookSnapshot if is_snapshot else BookUpdate
        if is_snapshot:
            bids, asks = (tuple((ticks, lots) for ticks, lots in side if lots) for side in (bids, asks))
        event = kind(venue_ns=number, local_ns=number, symbol="BTC/USD", bids=bids, asks=asks)
        lazy.apply(event)
        plain.apply(event)
        if looks:
            assert (dict(lazy.bids), dict(lazy.asks)) == (dict(plain.bids), dict(plain.asks))
            assert (lazy.best_bid, lazy.best_ask, lazy.spread) == (plain.best_bid, plain.best_ask, plain.spread)
    assert (lazy.venue_ns, lazy.is_complete) == (plain.venue_ns, plain.is_complete)
    assert list(lazy.copy().bids.items()) == list(plain.bids.items())


def test_an_invalid_book_is_empty() -> None:
    """After `clear` nothing of the old book is left, neither merged nor waiting."""
    book = LazyBook(BTC)
    book.apply(BookSnapshot(venue_ns=0, local_ns=0, symbol="BTC/USD", bids=((99, 5),), asks=((101, 2),)))
    book.apply(BookUpdate(venue_ns=1, local_ns=1, symbol="BTC/USD", bids=((98, 5),), asks=()))
    book.clear()
    assert (book.bid, book.ask, book.is_complete) == (None, None, False)


def trade(at_ns: int, ticks: int, lots: int = 1) -> Trade:
    return Trade(venue_ns=at_ns, local_ns=at_ns, symbol="BTC/USD", price_ticks=ticks, qty_lots=lots, taker=Side.BUY)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 99), st.integers(1, 9)), max_size=40))
def test_bars_are_what_their_trades_make(steps: list[tuple[int, int, int]]) -> None:
    """Against grouping by hand: every bar that is over has its trades' open, high, low, close and volume, in order, none twice."""
    builder, bars, at_ns, groups = BarBuilder(BTC, 50, start_ns=0), [], 0, dict[int, list[tuple[int, int]]]()
    for wait_ns, ticks, lots in steps:
        at_ns += wait_ns
        groups.setdefault(at_ns // 50 * 50, []).append((ticks, lots))
        bars.append(builder.on_trade(trade(at_ns, ticks, lots)))
    bars.append(builder.close(at_ns + 50))
    expected = [
        (open_ns, *(BTC.price(t) for t in (g[0][0], max(g)[0], min(g)[0], g[-1][0])), BTC.amount(sum(lots for _, lots in g)))
        for open_ns, g in groups.items()
    ]
    candles = [bar.candle for bar in bars if bar is not None]
    assert [(c.open_ns, c.open, c.high, c.low, c.close, c.volume) for c in candles] == expected


def test_a_bar_is_not_over_before_its_time() -> None:
    """The running bar is never handed out."""
    builder = BarBuilder(BTC, 50, start_ns=0)
    builder.on_trade(trade(10, 5))
    assert builder.close(49) is None
    assert builder.close(50) is not None


def test_a_bar_that_began_before_us_is_torn() -> None:
    """The first bar lacks what was traded before we listened; later ones do not, unless something was missed."""
    builder = BarBuilder(BTC, 50, start_ns=20)
    builder.on_trade(trade(30, 5))
    first, second = builder.on_trade(trade(60, 5)), builder.on_trade(trade(110, 5))
    assert first is not None
    assert second is not None
    assert (first.torn, second.torn) == (True, False)
    builder.tear()
    third = builder.close(150)
    assert third is not None
    assert third.torn


def test_a_trade_that_comes_after_its_bar_is_counted_and_left_out() -> None:
    """A bar that was handed out never changes."""
    builder = BarBuilder(BTC, 50, start_ns=0)
    builder.on_trade(trade(60, 5))
    assert builder.on_trade(trade(40, 9)) is None
    assert builder.late == 1


@pytest.mark.parametrize("text", ["", "m", "0m", "1w", "1.5m", "-1m"])
def test_a_timeframe_that_is_none_is_refused(text: str) -> None:
    """Unknown timeframes are named, not guessed."""
    with pytest.raises(BadRequest, match="timeframe"):
        span_of(text)
