"""What a plain ccxt program reads is what the venue knows, and the Door's faults meet it wherever it asks."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from papertape.faults import Disconnect, LostReply, RateLimit, Stall
from papertape.model.event import Side
from papertape.model.order import Liquidity, OrderStatus
from papertape.model.request import Lane, Op
from papertape.model.units import MILLISECOND, SECOND
from wire.booth import Booth, at_a_booth

BTC = "BTC/USD"


def test_what_the_market_shows_is_the_venues_truth() -> None:
    """Ticker, trades, book, best prices and bars of ccxt are the venue's last trades, its book, and what was traded."""

    async def story(booth: Booth) -> None:
        exchange, it = booth.exchange, booth.venue.instruments[BTC]
        await booth.until_the_tape_ends()
        book, trades = booth.venue.books[BTC], list(booth.venue.trades[BTC])
        assert len(trades) > 200
        assert book.best_bid is not None
        assert book.best_ask is not None
        ticker = await exchange.fetch_ticker(BTC)
        assert (ticker["last"], ticker["bid"], ticker["ask"]) == (float(it.price(trades[-1].price_ticks)), float(book.bid), float(book.ask))
        assert ticker["timestamp"] == trades[-1].venue_ns // 1_000_000
        found = await exchange.fetch_trades(BTC, limit=50)
        assert [(each["id"], each["price"], each["amount"]) for each in found] == [
            (each.trade_id, float(it.price(each.price_ticks)), float(it.amount(each.qty_lots))) for each in trades[-50:]
        ]
        shown = await exchange.fetch_order_book(BTC, 10)
        for rows, side in ((shown["bids"], Side.BUY), (shown["asks"], Side.SELL)):
            assert rows == [[float(it.price(t)), float(it.amount(q))] for t, q in book.levels(side, 10)]
        assert len((await exchange.fetch_order_book(BTC))["bids"]) == len(book.bids)
        best = (await exchange.fetch_bids_asks([BTC]))[BTC]
        assert (best["bid"], best["bidVolume"]) == (float(book.bid), float(it.amount(book.best_bid[1])))
        bars = await exchange.fetch_ohlcv(BTC, "1m", limit=5)
        assert sum(Decimal(str(bar[5])) for bar in bars) == sum(it.amount(each.qty_lots) for each in trades)
        assert (await exchange.fetch_tickers([BTC]))[BTC]["last"] == ticker["last"]

    at_a_booth(story)


def test_what_became_of_orders_is_the_venues_truth() -> None:
    """Open, closed and cancelled ones, by kind; own trades; what is free and held."""

    async def story(booth: Booth) -> None:
        exchange = booth.exchange
        await asyncio.sleep(1)
        taken = await exchange.create_order(BTC, "market", "sell", 0.02)
        spent = await exchange.create_order(BTC, "market", "buy", 1, None, {"cost": 500})
        resting = await exchange.create_order(BTC, "limit", "buy", 0.01, 60_000)
        edited = await exchange.create_order(BTC, "limit", "sell", 0.01, 70_000, {"postOnly": True})
        gone = await exchange.create_order(BTC, "limit", "sell", 0.01, 71_000)
        await exchange.edit_order(edited["id"], BTC, "limit", "sell", 0.02, 70_500)
        await exchange.cancel_order(gone["id"], BTC)
        truth = {order.id: order for order in booth.venue.truth_orders()}
        assert [order.status for order in truth.values()] == [
            OrderStatus.CLOSED,
            OrderStatus.CLOSED,
            OrderStatus.OPEN,
            OrderStatus.OPEN,
            OrderStatus.CANCELED,
        ]

        def as_the_venue_has_it(found: list[dict[str, Any]], *made: dict[str, Any]) -> bool:
            told = [(o["id"], o["clientOrderId"], o["side"], o["filled"], o["cost"]) for o in found]
            known = [truth[each["id"]] for each in made]
            return told == [(o.id, o.client_order_id, str(o.side), float(o.filled), float(o.cost)) for o in known]

        assert as_the_venue_has_it(await exchange.fetch_closed_orders(BTC), taken, spent)
        assert as_the_venue_has_it(await exchange.fetch_open_orders(BTC), resting, edited)
        assert as_the_venue_has_it(await exchange.fetch_canceled_orders(BTC), gone)
        assert as_the_venue_has_it(await exchange.fetch_orders(BTC), taken, spent, resting, edited, gone)
        assert as_the_venue_has_it(await exchange.fetch_closed_orders(BTC, limit=1), spent)
        assert [each["id"] for each in await exchange.fetch_orders(BTC, since=exchange.milliseconds() + 1, params={"until": 1})] == []
        now = await exchange.fetch_order(edited["id"])
        assert (now["price"], now["amount"], now["status"]) == (70_500.0, 0.02, "open")
        fills = booth.venue.truth_fills()
        assert [(t["id"], t["order"], t["price"], t["amount"], t["fee"]["cost"]) for t in await exchange.fetch_my_trades(BTC)] == [
            (fill.trade_id, fill.order_id, float(fill.price), float(fill.amount), float(fill.fee)) for fill in fills
        ]
        assert {fill.liquidity for fill in fills} == {Liquidity.TAKER}
        balance, balances = await exchange.fetch_balance({"v3": True}), booth.venue.truth_balances()
        for currency in ("USD", "BTC"):
            assert (balance[currency]["free"], balance[currency]["used"]) == (
                float(balances[currency].free),
                float(balances[currency].used),
            )

    at_a_booth(story)


def test_one_connection_tells_market_and_own_orders() -> None:
    """ccxt asks for its orders on the market's host: it hears of each, in order, and what it hears is what happened."""

    async def story(booth: Booth) -> None:
        exchange = booth.exchange
        exchange.newUpdates = True
        watching = asyncio.ensure_future(exchange.watch_orders(BTC))
        book = await exchange.watch_order_book(BTC)
        assert book["bids"]
        made = await exchange.create_order(BTC, "limit", "buy", 0.01, 60_000)
        (told,) = await watching
        assert (told["id"], told["status"], told["price"]) == (made["id"], "open", 60_000.0)
        watching = asyncio.ensure_future(exchange.watch_orders(BTC))
        await asyncio.sleep(0)
        await exchange.cancel_order(made["id"])
        (told,) = await watching
        assert (told["id"], told["status"]) == (made["id"], "canceled")
        assert len({each.number for each in booth.world.door.broadcast._streams[Lane.MARKET]}) == 1
        assert booth.world.door.broadcast._streams[Lane.USER] == []

    at_a_booth(story)


def test_trades_begin_with_history_and_go_on_without_a_gap() -> None:
    """Each trade since the first of the history is told, once, and none was in between."""

    async def story(booth: Booth) -> None:
        await asyncio.sleep(10)
        heard: dict[str, None] = {}
        while booth.loop.now_ns < 20 * SECOND:
            heard |= dict.fromkeys(trade["id"] for trade in await booth.exchange.watch_trades(BTC))
        every = [trade.trade_id for trade in booth.venue.trades[BTC]]
        first, last = every.index(min(heard, key=every.index)), every.index(max(heard, key=every.index))
        assert list(heard) == every[first : last + 1]
        assert len(heard) > 120

    at_a_booth(story)


def test_tickers_begin_at_once_and_batches_come_every_few_seconds() -> None:
    """The first ticker is the market as it is; a batch has the last price, and comes whether or not it changed."""

    async def story(booth: Booth) -> None:
        await asyncio.sleep(5)
        ticker = await booth.exchange.watch_ticker(BTC)
        assert abs(ticker["last"] - 64_000) < 100
        assert ticker["bid"] < ticker["ask"]
        await booth.until_the_tape_ends()
        first = await booth.exchange.watch_tickers([BTC])
        began_ns = booth.loop.now_ns
        again = await booth.exchange.watch_tickers([BTC])
        assert booth.loop.now_ns - began_ns == 5 * SECOND
        assert first[BTC]["last"] == again[BTC]["last"]

    at_a_booth(story)


def test_a_client_id_that_comes_again_is_the_order_that_is_there() -> None:
    """The answer was lost; the same request under the same id gets the order, and there is one."""

    async def story(booth: Booth) -> None:
        name = {"client_order_id": "mine"}
        with pytest.raises(ccxt.NetworkError):
            await booth.exchange.create_order(BTC, "limit", "buy", 0.01, 60_000, name)
        made = await booth.exchange.create_order(BTC, "limit", "buy", 0.01, 60_000, name)
        (order,) = booth.venue.truth_orders()
        assert (made["id"], order.client_order_id) == (order.id, "mine")

    at_a_booth(story, LostReply())


def test_a_fault_of_the_user_lane_takes_the_connection_that_carries_it() -> None:
    """And while it lasts nobody gets own orders, on whichever host they ask; after it they do."""

    async def story(booth: Booth) -> None:
        exchange = booth.exchange
        assert await exchange.watch_orders() == []  # ccxt takes the list of open orders, here an empty one, for news
        with pytest.raises(ccxt.NetworkError):
            await exchange.watch_orders()
        assert booth.loop.now_ns // SECOND == 5
        with pytest.raises(ccxt.NetworkError):
            await exchange.watch_orders()
        assert (await exchange.watch_order_book(BTC))["asks"]  # the market's own lane is well
        assert booth.loop.now_ns // SECOND == 5
        await asyncio.sleep(5)
        assert await exchange.watch_orders() == []
        watching = asyncio.ensure_future(exchange.watch_orders())
        made = await exchange.create_order(BTC, "limit", "buy", 0.01, 60_000)
        assert [each["id"] for each in await watching] == [made["id"]]

    at_a_booth(story, Disconnect(connection=Lane.USER, at="5s", lasts="3s"))


@pytest.mark.parametrize(
    "ask", ["fetch_time", "fetch_ticker", "fetch_order_book", "fetch_trades", "fetch_closed_orders", "fetch_bids_asks"]
)
def test_a_stalled_venue_holds_every_look_up(ask: str) -> None:
    """Whatever a program looks up passes the Door."""

    async def story(booth: Booth) -> None:
        await booth.exchange.load_markets()
        await asyncio.sleep(6 - booth.loop.now_ns / SECOND)
        words = [] if ask == "fetch_time" else [[BTC]] if ask == "fetch_bids_asks" else [BTC]
        await getattr(booth.exchange, ask)(*words)
        assert booth.loop.now_ns // MILLISECOND == 8_000

    at_a_booth(story, Stall(connection=Lane.REST, at="5s", lasts="3s"))


@pytest.mark.parametrize(
    ("op", "ask"), [(Op.TRADES_FETCH, "fetch_ticker"), (Op.BOOK_FETCH, "fetch_order_book"), (Op.ORDERS_FETCH, "fetch_orders")]
)
def test_a_quota_meets_a_look_up_by_its_name(op: Op, ask: str) -> None:
    """Too many of these, and ccxt says so in its own words; the next is answered."""

    async def story(booth: Booth) -> None:
        with pytest.raises(ccxt.RateLimitExceeded):
            await getattr(booth.exchange, ask)(BTC)
        assert await getattr(booth.exchange, ask)(BTC) is not None

    at_a_booth(story, RateLimit(on=op))
