"""The generic adapter's market at two more venues: ccxt.pro's streams over the in-memory network, and what REST tells of the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from links.small_markets import STAMP, Streaming, StreamingBinance, StreamingKraken
from links.test_ccxt_venues import SHAPES, tell
from papertape.exchanges.ccxt import CcxtExchange
from papertape.links.ccxt import link as ccxt_link
from papertape.links.ccxt.rest import CcxtRest
from papertape.model.event import Side
from papertape.model.order import Liquidity
from papertape.model.request import Lane, Op, Request
from papertape.model.units import SECOND
from papertape.resilience.feed import FeedState

VENUES: dict[str, tuple[str, type[Streaming]]] = {
    "binance": ("https://api.binance.com/api/v3", StreamingBinance),
    "kraken": ("https://api.kraken.com/0", StreamingKraken),
}
SYMBOL = "LTC/USDT"
each_venue = pytest.mark.parametrize("name", VENUES)


class Heard:
    """What a bot was told: numbers of trades with their side, the best prices of each book, and each ticker's last price."""

    def __init__(self) -> None:
        self.trades: list[tuple[str, Side]] = []
        self.books: list[tuple[Any, Any]] = []
        self.tickers: list[Any] = []

    async def follow(self, exchange: CcxtExchange) -> None:
        await exchange.subscribe_trades(SYMBOL, lambda trade: self.trades.append((trade.event.trade_id, trade.event.taker)))
        await exchange.subscribe_order_book(SYMBOL, self.on_book)
        await exchange.subscribe_ticker(SYMBOL, self.tickers.append)
        await asyncio.sleep(5)

    def on_book(self, book: Any) -> None:
        bid, ask = book.best_bid, book.best_ask
        self.books.append(tuple(None if level is None else book.instrument.price(level[0]) for level in (bid, ask)))


def at(name: str, story: Callable[[CcxtExchange, Any, Heard], Awaitable[None]]) -> Any:
    """Tell the story of an exchange whose bot follows all of a market; returns the venue."""
    url, kind = VENUES[name]
    venue: Any = kind()

    async def follow(exchange: CcxtExchange) -> None:
        heard = Heard()
        await heard.follow(exchange)
        await story(exchange, venue, heard)

    tell(name, {url: venue, **dict.fromkeys(venue.urls, venue.stream)}, follow)
    return venue


@each_venue
def test_what_happens_is_told_as_it_happens(name: str) -> None:
    """A trade by the taker's side, a level of the book, a ticker; by streams, so that REST is asked for the first book at most."""

    async def story(exchange: CcxtExchange, venue: Any, heard: Heard) -> None:
        assert heard.trades == []  # Kraken's channel began with three of an hour ago
        await venue.trade("50.10", "0.3", "buy")
        await venue.trade("50.00", "0.2", "sell")
        await venue.level("bid", "50.05", "7")
        await venue.level("ask", "50.10", "0")
        await venue.ticker()
        await asyncio.sleep(2)
        assert heard.trades == [("4", Side.BUY), ("5", Side.SELL)]
        assert heard.books[-1] == (Decimal("50.05"), Decimal("50.20"))
        last = heard.tickers[-1]
        assert (last.bid, last.ask, last.last) == (Decimal("50.05"), Decimal("50.20"), Decimal("50.00"))
        assert not exchange.health.stale_books

    venue = at(name, story)
    assert venue.dials >= 1


@each_venue
def test_after_a_broken_line_the_book_is_new_and_no_trade_comes_twice(name: str) -> None:
    """Although Kraken begins its channel with trades that were told; and what happened meanwhile is told too."""

    async def story(exchange: CcxtExchange, venue: Any, heard: Heard) -> None:
        await venue.trade("50.10", "0.3", "buy")
        await asyncio.sleep(1)
        dials = venue.dials
        await venue.hang_up()
        venue.add("50.20", "0.1", "buy")
        venue.change("ask", "50.10", "0")
        await asyncio.sleep(20)
        assert venue.dials > dials
        await venue.trade("50.20", "0.4", "sell")
        await asyncio.sleep(2)
        assert [number for number, _ in heard.trades] == ["4", "5", "6"]
        assert heard.books[-1] == (Decimal("50.00"), Decimal("50.20"))

    at(name, story)


def test_a_change_of_the_book_that_is_missing_ends_the_lane_and_a_new_book_comes() -> None:
    """Binance numbers its changes, and ccxt holds them against each other."""

    async def story(exchange: CcxtExchange, venue: Any, heard: Heard) -> None:
        await venue.level("bid", "50.02", "7")
        await asyncio.sleep(1)
        dials = venue.dials
        venue.change("bid", "50.03", "1")
        await venue.level("ask", "50.09", "1")
        await asyncio.sleep(20)
        assert venue.dials > dials
        assert heard.books[-1] == (Decimal("50.03"), Decimal("50.09"))

    at("binance", story)


@each_venue
def test_rest_tells_the_same_market_and_our_own_trades(name: str) -> None:
    """Bars, trades, book and fills, each number as the venue wrote it."""

    async def story(exchange: CcxtExchange, venue: Any, heard: Heard) -> None:
        (bar,) = await exchange.fetch_ohlcv(SYMBOL, "1m")
        assert bar.open_ns == STAMP // 60_000 * 60_000 * 1_000_000
        assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == tuple(map(Decimal, ("50.00", "50.30", "49.90", "50.20", "7.5")))
        link: Any = exchange._line._link
        found = await link.request(Request(op=Op.TRADES_FETCH, symbol=SYMBOL))
        assert [(each.trade_id, each.price_ticks, each.taker) for each in found.trades] == [(str(n), 5000, Side.BUY) for n in (1, 2, 3)]
        (book,) = (await link.request(Request(op=Op.BOOK_FETCH, symbol=SYMBOL))).books
        assert [ticks for ticks, _ in book.bids] == [5000, 4990]
        assert [ticks for ticks, _ in book.asks] == [5010, 5020]
        (fill,) = (await link.request(Request(op=Op.FILLS_FETCH, symbol=SYMBOL))).fills
        assert (fill.side, fill.price, fill.amount, fill.fee) == (Side.BUY, Decimal("50.01"), Decimal("0.2"), Decimal("0.0100"))
        assert (fill.fee_currency, fill.liquidity, fill.venue_ns) == ("USDT", Liquidity.TAKER, STAMP * 1_000_000)

    at(name, story)


def test_the_market_is_asked_for_and_told_in_the_shapes_that_ccxt_keeps() -> None:
    """Of requests all names, but for how much is wanted and since when; of answers all keys, and as many columns."""

    async def story(exchange: CcxtExchange, venue: Any, heard: Heard) -> None:
        link: Any = exchange._line._link
        await exchange.fetch_ohlcv(SYMBOL, "1m")
        for op in (Op.TRADES_FETCH, Op.BOOK_FETCH):
            await link.request(Request(op=op, symbol=SYMBOL))
        await link.request(Request(op=Op.FILLS_FETCH, symbol=SYMBOL, since_ns=STAMP * 1_000_000))

    binance, kraken = at("binance", story), at("kraken", story)
    for name, kept, venue in (
        ("GET myTrades", "binance fetchMyTrades", binance), ("POST TradesHistory", "kraken fetchMyTrades", kraken),
        ("GET OHLC", "kraken fetchOHLCV", kraken), ("GET Trades", "kraken fetchTrades", kraken),
        ("GET Depth", "kraken fetchOrderBook", kraken),
    ):  # fmt: skip
        asked = set(venue.of(name)[-1]) - {"count", "limit", "startTime"}
        assert asked == set(SHAPES["requests"][kept]), kept
    assert set(binance.answer("GET aggTrades", {})[0]) == set(SHAPES["responses"]["binance fetchTrades"])
    assert set(binance.answer("GET depth", {})) == set(SHAPES["responses"]["binance fetchOrderBook"])
    told = {name: kraken.result(name, {})["LTCUSDT"][0] for name in ("GET OHLC", "GET Trades")}
    columns = len(binance.answer("GET klines", {})[0]), len(told["GET OHLC"]), len(told["GET Trades"])
    assert columns == tuple(SHAPES["columns"][name] for name in ("binance fetchOHLCV", "kraken fetchOHLCV", "kraken fetchTrades"))


def lacking(patch: pytest.MonkeyPatch, *methods: str) -> list[Any]:
    """A ccxt.pro that has not got these; returns its clients, as they are made."""
    make, made = CcxtRest.make, list[Any]()

    def poorer(self: CcxtRest, *, is_stream: bool = False) -> Any:
        client = make(self, is_stream=is_stream)
        client.has = {**client.has, **dict.fromkeys(methods, False)}
        made.extend([client] if is_stream else [])
        return client

    patch.setattr(CcxtRest, "make", poorer)
    return made


def feed_of(exchange: CcxtExchange) -> FeedState | None:
    return exchange.health.lane(Lane.MARKET).feed


@pytest.mark.parametrize(("name", "is_wanted"), [("binance", False), ("kraken", True)])
def test_a_market_that_was_polled_for_want_of_a_stream_is_tried_again(name: str, is_wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while: streamed if the bot wants no more of what is missing, else polled on, and tried again ever less often.

    Either way the bot hears of each trade once, and has the book.
    """
    monkeypatch.setattr(ccxt_link, "LACKS_FIRST_NS", 60 * SECOND)
    made = lacking(monkeypatch, "watchTicker")
    heard = Heard()

    async def story(exchange: CcxtExchange) -> None:
        await exchange.subscribe_trades(SYMBOL, lambda trade: heard.trades.append((trade.event.trade_id, trade.event.taker)))
        await exchange.subscribe_order_book(SYMBOL, heard.on_book)
        ticker = await exchange.subscribe_ticker(SYMBOL, heard.tickers.append)
        await asyncio.sleep(30)
        assert feed_of(exchange) is FeedState.POLLED
        if not is_wanted:
            await ticker.unsubscribe()
        venue.add("50.10", "0.3", "buy")
        dials = venue.dials
        await asyncio.sleep(20)
        assert (feed_of(exchange), venue.dials) == (FeedState.POLLED, dials)  # nothing was tried yet
        await asyncio.sleep(40)
        assert feed_of(exchange) is (FeedState.POLLED if is_wanted else FeedState.STREAMED)
        venue.change("bid", "50.05", "7")
        await venue.trade("50.05", "0.1", "sell")
        await asyncio.sleep(0.5 if not is_wanted else 30)
        assert heard.trades == [("4", Side.BUY), ("5", Side.SELL)]
        await asyncio.sleep(60)
        assert heard.trades == [("4", Side.BUY), ("5", Side.SELL)]
        assert heard.books[-1] == (Decimal("50.05"), Decimal("50.10"))
        assert len(made) == 2 or not is_wanted  # the next time is two minutes later
        assert not exchange.health.stale_books

    url, kind = VENUES[name]
    venue: Any = kind()
    tell(name, {url: venue, **dict.fromkeys(venue.urls, venue.stream)}, story)


@each_venue
@pytest.mark.parametrize("lacks", [("watchTicker",), ("watchTrades", "watchOrderBook", "watchTicker")], ids=["one", "all"])
def test_what_is_not_streamed_is_polled(name: str, lacks: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """If ccxt.pro lacks one stream that a bot wants, or all, it hears of the market all the same, by REST."""
    lacking(monkeypatch, *lacks)

    async def story(exchange: CcxtExchange, venue: Any, heard: Heard) -> None:
        await asyncio.sleep(20)
        venue.add("50.10", "0.3", "buy")
        venue.change("bid", "50.05", "7")
        await asyncio.sleep(20)
        assert heard.trades == [("4", Side.BUY)]
        assert heard.books[-1] == (Decimal("50.05"), Decimal("50.10"))
        assert (heard.tickers[-1].bid, heard.tickers[-1].last) == (Decimal("50.05"), Decimal("50.10"))
        (market,) = [lane for lane in exchange.health.lanes if lane.lane is Lane.MARKET]
        assert market.feed is FeedState.POLLED

    at(name, story)
