"""The Door's faults as bytes: what a plain ccxt program sees of them."""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt
import pytest

from papertape.faults import (
    Ban,
    Drop,
    Duplicate,
    EmptySnapshot,
    Fault,
    ForeignOrder,
    LateReply,
    LateVisibility,
    Outage,
    Reject,
    Reorder,
    StaleSnapshot,
)
from papertape.links.coinbase.link import CoinbaseLink
from papertape.links.coinbase.rest import CoinbaseRest
from papertape.links.permits import Ungated
from papertape.model.errors import ExchangeNotAvailable, RateLimitExceeded, never_sent, retry_after_ns
from papertape.model.event import BookSnapshot, Event
from papertape.model.order import OpenOrders, OrderUpdate
from papertape.model.request import Channel, Lane, Op, Request
from papertape.model.units import SECOND, parse_duration
from papertape.runtime.clock import OffClock, VirtualClock
from papertape.venues.coinbase.auth import Credentials, throwaway_credentials
from papertape.venues.coinbase.request import Call
from wire.booth import Booth, at_a_booth

BTC = "BTC/USD"


async def raw(booth: Booth, call: Any) -> tuple[Any, str]:
    """What `call` raises or returns, and the last body that came."""
    try:
        outcome = await call
    except ccxt.BaseError as error:
        outcome = error
    return outcome, booth.exchange.last_http_response


def test_a_late_reply_is_written_after_its_delay() -> None:
    """Whoever is patient gets it; ccxt's ten seconds are up before, and the order stands."""

    async def story(booth: Booth) -> None:
        exchange = booth.exchange
        with pytest.raises(ccxt.RequestTimeout):
            await exchange.create_order(BTC, "limit", "buy", 0.01, 60_000)
        assert booth.loop.now_ns >= 10 * SECOND
        (order,) = booth.venue.truth_orders()
        assert order.created_ns - booth.loop.epoch_ns < SECOND
        exchange.timeout = 60_000
        start_ns = booth.loop.now_ns
        await exchange.fetch_order(order.id)
        assert 25 * SECOND <= booth.loop.now_ns - start_ns < 26 * SECOND

    at_a_booth(story, LateReply(), LateReply(on=Op.ORDER_FETCH, delay="25s"))


@pytest.mark.parametrize(
    ("reason", "kind", "words"),
    [
        ("insufficient_funds", ccxt.InsufficientFunds, "Insufficient balance in source account"),
        ("post_only_would_take", ccxt.ExchangeError, "INVALID_LIMIT_PRICE_POST_ONLY"),
        ("amount_too_small", ccxt.ExchangeError, "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL"),
        ("unknown_symbol", ccxt.ExchangeError, "INVALID_PRODUCT_ID"),
        ("unavailable", ccxt.ExchangeNotAvailable, "Service Unavailable"),
    ],
)
def test_a_rejection_is_in_the_venues_own_words(reason: Any, kind: type[Exception], words: str) -> None:
    async def story(booth: Booth) -> None:
        error, body = await raw(booth, booth.exchange.create_order(BTC, "limit", "buy", 0.01, 60_000))
        assert isinstance(error, kind)
        assert words in body
        assert list(booth.venue.truth_orders()) == []
        await booth.exchange.create_order(BTC, "limit", "buy", 0.01, 60_000)

    at_a_booth(story, Reject(reason=reason))


class Ear:
    """The live adapter's own link, and what comes over it."""

    def __init__(self, booth: Booth) -> None:
        keys = Credentials(booth.exchange.apiKey, booth.exchange.secret)
        self.link = CoinbaseLink(keys, rules=booth.world.rules, clock=VirtualClock(booth.loop), permits=Ungated())
        self.link.bind(self)
        self.heard: list[tuple[Lane, int | None, Event | OrderUpdate]] = []
        self.closed: list[tuple[Lane, str]] = []

    def on_message(self, lane: Lane, sequence: int | None, message: Event | OrderUpdate) -> None:
        self.heard.append((lane, sequence, message))

    def on_closed(self, lane: Lane, reason: str) -> None:
        self.closed.append((lane, reason))

    async def close(self) -> None:
        for lane in Lane:
            await self.link.close(lane)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Duplicate(at="0s"), [(1, "open"), (2, "open"), (3, "canceled")]),
        (Duplicate(at="0s", number="kept"), [(1, "open"), (1, "open"), (2, "canceled")]),
        (Duplicate(at="0s", after="2s"), [(1, "open"), (2, "canceled"), (3, "open")]),
        (Reorder(at="0s"), [(1, "canceled"), (2, "open")]),
        (Reorder(at="0s", number="kept"), [(2, "canceled"), (1, "open")]),
        (Drop(at="0s"), [(1, "canceled")]),
    ],
    ids=str,
)
def test_what_happens_to_own_orders_on_the_way_is_heard_by_the_live_adapter(fault: Fault, told: list[tuple[int, str]]) -> None:
    """Numbers as Coinbase's own, less those that say nothing of orders; the first is the list of what is open, which here is nothing."""

    async def story(booth: Booth) -> None:
        ear = Ear(booth)
        await ear.link.open(Lane.REST)
        await ear.link.request(Request(op=Op.MARKETS_FETCH))
        await ear.link.open(Lane.USER)
        await ear.link.subscribe(Lane.USER, Channel.ORDERS, "")
        await asyncio.sleep(1)
        order = await booth.exchange.create_order(BTC, "limit", "buy", 0.01, 60_000)
        await booth.exchange.cancel_order(order["id"])
        await asyncio.sleep(4)
        (_, first, listed), *rest = ear.heard
        assert (first, isinstance(listed, OpenOrders)) == (0, True)
        assert [(number, str(message.order.status)) for _, number, message in rest if isinstance(message, OrderUpdate)] == told
        await ear.close()

    at_a_booth(story, fault)


@pytest.mark.parametrize("executes", [False, True])
def test_an_outage_of_rest_is_a_503_and_of_streams_a_refused_connection(executes: bool) -> None:
    async def story(booth: Booth) -> None:
        await booth.exchange.load_markets()
        await asyncio.sleep(2 - booth.loop.now_ns / SECOND)
        error, body = await raw(booth, booth.exchange.create_order(BTC, "limit", "buy", 0.01, 60_000))
        assert isinstance(error, ccxt.ExchangeNotAvailable)
        assert body == "Service Unavailable"
        assert len(list(booth.venue.truth_orders())) == executes
        await asyncio.sleep(5 - booth.loop.now_ns / SECOND)
        ear = Ear(booth)
        await ear.link.open(Lane.REST)
        for lane in (Lane.MARKET, Lane.USER):
            with pytest.raises(ccxt.ExchangeNotAvailable, match="no connection"):
                await ear.link.open(lane)
        await asyncio.sleep(5)
        for lane in (Lane.MARKET, Lane.USER):
            await ear.link.open(lane)
        await ear.close()

    rest = Outage(at="1s", lasts="3s", connections=(Lane.REST,), executes=executes)
    at_a_booth(story, rest, Outage(at="4s", lasts="5s", connections=(Lane.MARKET, Lane.USER)))


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        (Outage(at="2s", lasts="9s", connections=(Lane.REST,), page=True), 503, "down for maintenance"),
        (Ban(at="2s", lasts="9s"), 403, "Access denied"),
    ],
    ids=["maintenance", "ban"],
)
def test_what_stands_before_a_venue_answers_with_a_page_for_people(fault: Fault, status: int, words: str) -> None:
    """ccxt takes either for ExchangeNotAvailable; the live adapter's link knows that who is banned was not heard, and is to keep quiet."""

    async def story(booth: Booth) -> None:
        await booth.exchange.load_markets()
        await asyncio.sleep(3 - booth.loop.now_ns / SECOND)
        error, body = await raw(booth, booth.exchange.create_order(BTC, "limit", "buy", 0.01, 60_000))
        assert isinstance(error, ccxt.ExchangeNotAvailable)
        assert str(status) in str(error)
        assert "<!DOCTYPE html>" in body
        assert words in body
        assert booth.exchange.last_response_headers["Content-Type"].startswith("text/html")
        ear = Ear(booth)
        with pytest.raises(RateLimitExceeded if status == 403 else ExchangeNotAvailable, match=words) as raised:
            await ear.link.open(Lane.REST)
        assert retry_after_ns(raised.value) == (60 * SECOND if status == 403 else None)
        await ear.close()
        assert list(booth.venue.truth_orders()) == []

    at_a_booth(story, fault)


@pytest.mark.parametrize("fault", [EmptySnapshot(at="2s"), StaleSnapshot(at="2s")], ids=lambda fault: fault.kind)
def test_a_wrong_snapshot_is_a_frame_that_says_so(fault: Fault) -> None:
    async def story(booth: Booth) -> None:
        ear = Ear(booth)
        await ear.link.open(Lane.REST)
        await ear.link.request(Request(op=Op.MARKETS_FETCH))
        await asyncio.sleep(10 - booth.loop.now_ns / SECOND)
        await ear.link.open(Lane.MARKET)
        for _ in range(2):
            await ear.link.subscribe(Lane.MARKET, Channel.BOOK, BTC)
            await asyncio.sleep(2)
        wrong, right = (message for _, _, message in ear.heard if isinstance(message, BookSnapshot))
        levels = len(wrong.bids), len(wrong.asks)
        assert (levels == (0, 0)) if isinstance(fault, EmptySnapshot) else min(levels) > 10
        age_ns = right.venue_ns - 2 * SECOND - wrong.venue_ns
        assert abs(age_ns - (0 if isinstance(fault, EmptySnapshot) else 8 * SECOND)) < SECOND
        assert min(len(right.bids), len(right.asks)) > 10
        await ear.close()

    at_a_booth(story, fault)


def test_a_hidden_order_is_not_found_in_the_venues_own_words() -> None:
    """Lists come without it, and its id is answered with 404; later all is as if nothing had been."""

    async def story(booth: Booth) -> None:
        exchange = booth.exchange
        order = await exchange.create_order(BTC, "limit", "buy", 0.01, 60_000)
        assert await exchange.fetch_open_orders(BTC) == []
        error, body = await raw(booth, exchange.fetch_order(order["id"]))
        assert isinstance(error, ccxt.ExchangeError)
        assert "NOT_FOUND" in body
        await asyncio.sleep(6)
        assert [each["id"] for each in await exchange.fetch_open_orders(BTC)] == [order["id"]]
        assert (await exchange.fetch_order(order["id"]))["status"] == "open"

    at_a_booth(story, LateVisibility())


def test_a_foreign_order_is_on_the_user_channel_and_in_the_lists() -> None:
    async def story(booth: Booth) -> None:
        ear = Ear(booth)
        await ear.link.open(Lane.REST)
        await ear.link.request(Request(op=Op.MARKETS_FETCH))
        await ear.link.open(Lane.USER)
        await ear.link.subscribe(Lane.USER, Channel.ORDERS, "")
        await asyncio.sleep(5)
        assert [each.order.client_order_id for _, _, each in ear.heard if isinstance(each, OrderUpdate)][-1] == "foreign-1"
        assert [each["clientOrderId"] for each in await booth.exchange.fetch_open_orders(BTC)] == ["foreign-1"]
        await ear.close()

    at_a_booth(story, ForeignOrder(at="4s", away_bps=500))


@pytest.mark.parametrize(("by", "is_taken"), [("-4s", True), ("-6s", False), ("120s", True), ("126s", False)])
def test_a_token_of_another_time_is_turned_away(by: str, is_taken: bool) -> None:
    """Five seconds early and five seconds past its two minutes; a link that never asked for the time is told 401, and learns it by that."""
    off_ns = -parse_duration(by.removeprefix("-")) if by.startswith("-") else parse_duration(by)

    async def story(booth: Booth) -> None:
        clock = OffClock(VirtualClock(booth.loop), lambda: -off_ns)
        rest = CoinbaseRest(Credentials(booth.exchange.apiKey, booth.exchange.secret), clock, "https://api.coinbase.com", 10 * SECOND)
        rest._client = rest._make()  # without asking for the time
        call = Call("GET", "brokerage/accounts", {})
        if not is_taken:
            words = "clock is 6 s ahead of" if off_ns < 0 else "clock is 126 s behind"
            with pytest.raises(ccxt.NetworkError, match=words) as raised:
                await rest.call(call)
            assert never_sent(raised.value)
        assert (await rest.call(call)).status == 200
        await rest.close()

    at_a_booth(story)


def test_a_key_that_is_wrong_is_not_blamed_on_the_clock() -> None:
    async def story(booth: Booth) -> None:
        strange = throwaway_credentials("somebody else")
        rest = CoinbaseRest(strange, VirtualClock(booth.loop), "https://api.coinbase.com", 10 * SECOND)
        await rest.open()
        with pytest.raises(ccxt.AuthenticationError, match="clock agrees with the venue's, so look at the key"):
            await rest.call(Call("GET", "brokerage/accounts", {}))
        await rest.close()

    at_a_booth(story)
