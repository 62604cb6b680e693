"""What an answer of REST is good for: the channel whose news it tells, at its own time."""

from __future__ import annotations

from decimal import Decimal

import pytest

from papertape.model.event import BookSnapshot
from papertape.model.instrument import Instrument
from papertape.model.lazy_book import LazyBook
from papertape.model.request import Answer, Channel, Op, Request
from papertape.model.units import SECOND
from papertape.session.by_rest import AS_GOOD_AS, ByRest, wanting_ns
from papertape.session.comparing import told_problem

SYMBOL = "BTC/USD"
INSTRUMENT = Instrument(symbol=SYMBOL, venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.001"))


def snapshot(at_s: int, bid_lots: int = 5, symbol: str = SYMBOL) -> BookSnapshot:
    return BookSnapshot(venue_ns=at_s * SECOND, local_ns=0, symbol=symbol, bids=((99, bid_lots),), asks=((101, 2),))


@pytest.mark.parametrize(
    ("op", "channels"),
    [
        (Op.BOOK_FETCH, {Channel.BOOK, Channel.TICKER}),
        (Op.TRADES_FETCH, {Channel.TRADES, Channel.TICKER, Channel.CANDLES}),
        (Op.OHLCV_FETCH, {Channel.TRADES, Channel.CANDLES}),
        (Op.TIME_FETCH, set()),
    ],
)
def test_an_answer_counts_for_the_channels_whose_news_it_tells(op: Op, channels: set[Channel]) -> None:
    """And for its own instrument."""
    by_rest = ByRest()
    by_rest.heard(Request(op=op, symbol=SYMBOL), Answer(), 7)
    assert {channel for channel in AS_GOOD_AS if by_rest.told_ns(SYMBOL, channel)} == channels
    assert not any(by_rest.told_ns("ETH/USD", channel) for channel in Channel)


def test_one_answer_may_be_about_several_instruments() -> None:
    by_rest = ByRest()
    by_rest.heard(Request(op=Op.BOOK_FETCH), Answer(books=(snapshot(1), snapshot(1, symbol="ETH/USD"))), 7)
    assert [by_rest.told_ns(symbol, Channel.BOOK) for symbol in (SYMBOL, "ETH/USD", "SOL/USD")] == [7, 7, 0]


def test_a_bot_must_have_what_it_lacks_and_a_program_something() -> None:
    told = {Channel.BOOK: 4, Channel.TRADES: 8}
    assert [wanting_ns(2, channel, told, is_bot=True) for channel in (None, Channel.BOOK, Channel.TRADES)] == [4, 4, 8]
    assert [wanting_ns(2, channel, told, is_bot=False) for channel in (None, Channel.BOOK, Channel.TRADES)] == [8, 8, 8]
    assert wanting_ns(9, None, told, is_bot=False) == 9
    assert wanting_ns(2, Channel.BOOK, {Channel.BOOK: 0}, is_bot=False) == 2


def test_a_book_by_rest_is_one_of_those_that_it_told_of_late() -> None:
    book = LazyBook(INSTRUMENT)
    book.apply(snapshot(3))
    assert told_problem(book, [snapshot(5, bid_lots=6), snapshot(3)], 13 * SECOND) == ""  # REST may have been asked for other ends since
    assert told_problem(book, [snapshot(5, bid_lots=6), snapshot(3)], 13 * SECOND + 1) == (
        "it is as REST told it, and not as REST told it last: 1 bid levels differ, the best 0.99 × 0.005 (venue: 0.006)"
    )
    assert told_problem(book, [snapshot(3)], 13 * SECOND + 1) == "it is as REST told it, and REST has told none of the last 10s"


def test_a_book_is_remembered_however_many_come_after_it() -> None:
    """A shell that doubts a snapshot asks again and again, and shows what it had."""
    by_rest = ByRest()
    for at_s in (1, *([11] * 50)):
        by_rest.heard(Request(op=Op.BOOK_FETCH, symbol=SYMBOL), Answer(books=(snapshot(at_s),)), at_s * SECOND)
    assert by_rest.books(SYMBOL)[-1] == snapshot(1)
    by_rest.heard(Request(op=Op.BOOK_FETCH, symbol=SYMBOL), Answer(books=(snapshot(17),)), 17 * SECOND)
    assert snapshot(1) not in by_rest.books(SYMBOL)
