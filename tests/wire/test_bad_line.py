"""A line or a venue that misbehaves: what the link then says about whether a request can have had an effect."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
import yarl
from aiohttp import web

from papertape.links.coinbase.link import CoinbaseLink
from papertape.links.coinbase.memory import Memory
from papertape.links.permits import Ungated
from papertape.model.errors import (
    AuthenticationError,
    BaseError,
    ExchangeNotAvailable,
    NetworkError,
    PermissionDenied,
    RequestTimeout,
    never_sent,
)
from papertape.model.event import Side
from papertape.model.order import NewOrder, Order, OrderStatus, OrderType
from papertape.model.request import Channel, Lane, Op, Request
from papertape.model.units import MILLISECOND, SECOND
from papertape.runtime.clock import VirtualClock
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.world import run_virtual
from papertape.venues.coinbase.auth import sign
from papertape.venues.coinbase.rules import RULES
from papertape.wire.coinbase.server import MARKET_HOST, REST_HOST, USER_HOST
from wire.scripted import EPOCH_NS, KEY, Heard, Wire, in_memory, on_loopback

BUY = NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal("0.5"), price=Decimal("99.01"))
CREATE = Request(op=Op.ORDER_CREATE, client_order_id="run-1", symbol="BTC/USD", order=BUY)


async def disconnect(http: web.Request) -> web.StreamResponse:
    assert http.transport is not None
    http.transport.abort()
    return web.Response()


async def half_an_answer(http: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100", "Content-Type": "application/json"})
    await response.prepare(http)
    await response.write(b'{"success":')
    assert http.transport is not None
    await asyncio.sleep(0.01)
    http.transport.abort()
    return response


async def no_answer(http: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3600)
    return web.Response()


def says(status: int, text: str, content_type: str = "application/json") -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(http: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, content_type=content_type)

    return answer


def with_rogue(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]], story: Callable[[CoinbaseLink, Heard], Awaitable[None]]
) -> None:
    """A link to a server that tells the time and then answers everything in one way."""

    async def main(loop: VirtualLoop) -> None:
        loop.network = Network(loop)

        async def handle(http: web.Request) -> web.StreamResponse:
            if http.path.endswith("/time"):
                return web.json_response({"epochSeconds": "0"})
            return await answer(http)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        for host in (REST_HOST, MARKET_HOST, USER_HOST):
            await web.TCPSite(runner, host, 443).start()
        link = CoinbaseLink(KEY, rules=RULES, clock=VirtualClock(loop), timeout_ns=500 * MILLISECOND, permits=Ungated())
        heard = Heard()
        link.bind(heard)
        await link.open(Lane.REST)
        try:
            await story(link, heard)
        finally:
            for lane in Lane:
                await link.close(lane)
            await runner.cleanup()

    run_virtual(main, epoch_ns=EPOCH_NS, limit_ns=7200 * SECOND)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (disconnect, ExchangeNotAvailable),
        (half_an_answer, ExchangeNotAvailable),
        (no_answer, RequestTimeout),
        (says(500, '{"error":"INTERNAL","message":"oops"}'), ExchangeNotAvailable),
        (says(502, "<html>Bad Gateway</html>", "text/html"), ExchangeNotAvailable),
        (says(504, "", "text/plain"), RequestTimeout),
        (says(200, "<html>maintenance</html>", "text/html"), ExchangeNotAvailable),
        (says(200, "{"), ExchangeNotAvailable),
        (says(200, "[]"), ExchangeNotAvailable),
        (says(200, "{}"), ExchangeNotAvailable),
        (says(200, '{"success":true}'), ExchangeNotAvailable),
        (says(200, '{"success":true,"success_response":"yes"}'), ExchangeNotAvailable),
    ],
)
def test_whatever_breaks_after_sending_leaves_the_outcome_open(answer: Any, error: type[BaseError]) -> None:
    """A create that may have been carried out is a NetworkError that does not claim never to have been sent."""

    async def story(link: CoinbaseLink, heard: Heard) -> None:
        with pytest.raises(NetworkError) as caught:
            await link.request(CREATE)
        assert type(caught.value) is error
        assert not never_sent(caught.value)

    with_rogue(answer, story)


@pytest.mark.parametrize("answer", [says(500, '{"success":true,"errors":[]}'), says(200, "{}"), says(200, '{"success":"maybe"}')])
def test_only_a_yes_is_a_yes(answer: Any) -> None:
    """An edit is acknowledged by a plain yes with a good status, and by nothing that merely resembles it."""

    async def story(link: CoinbaseLink, heard: Heard) -> None:
        with pytest.raises(NetworkError):
            await link.request(Request(op=Op.ORDER_EDIT, order_id="o-1", order=BUY))

    with_rogue(answer, story)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (says(401, "Unauthorized\n", "text/plain"), AuthenticationError),
        (says(403, '{"error":"PERMISSION_DENIED","error_details":"Missing required scopes"}'), PermissionDenied),
    ],
)
def test_a_key_that_may_not_is_a_refusal(answer: Any, error: type[BaseError]) -> None:
    """What is wrong with the key is said as such; nothing was done."""

    async def story(link: CoinbaseLink, heard: Heard) -> None:
        with pytest.raises(error) as caught:
            await link.request(CREATE)
        assert type(caught.value) is error

    with_rogue(answer, story)


def test_a_stream_of_rubbish_is_a_lost_lane() -> None:
    """A frame that cannot be read ends the lane with the reason; nothing that follows it could be trusted."""

    async def rubbish(http: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(http)
        await socket.send_str('{"channel":"l2_data","events":[{"type":"update"}]}')
        await socket.receive()
        return socket

    async def story(link: CoinbaseLink, heard: Heard) -> None:
        await link.open(Lane.MARKET)
        await heard.until(lambda: bool(heard.closed))
        ((lane, reason),) = heard.closed
        assert lane is Lane.MARKET
        assert "cannot be read" in reason
        with pytest.raises(NetworkError):
            await link.subscribe(Lane.MARKET, Channel.HEARTBEATS, "")

    with_rogue(rubbish, story)


@pytest.mark.parametrize("tell", [on_loopback, in_memory], ids=["loopback", "memory"])
def test_not_a_byte_of_a_lost_answer_arrives(tell: Any) -> None:
    """The client of a lost reply sees the connection end, and nothing before that: no status line either."""

    async def story(wire: Wire) -> None:
        await wire.connect()
        wire.venue.lose[Op.BALANCE_FETCH] = 1
        url = yarl.URL(wire.urls.rest)
        reader, writer = await asyncio.open_connection(url.host, url.port, ssl=True if url.scheme == "https" else None)
        token = sign(KEY, wire.clock.wall_ns(), uri=f"GET {url.host}{PATH}", nonce="1")
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: {url.host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        received = b""
        with contextlib.suppress(ConnectionResetError):
            received = await reader.read()
        writer.close()
        assert received == b""
        assert [request.op for request in wire.venue.requests] == [Op.BALANCE_FETCH]

    tell(story)


PATH = "/api/v3/brokerage/accounts"


def test_a_reset_while_asking_leaves_the_outcome_open() -> None:
    """The line is cut while the venue works on it: the order exists, and the link does not deny it."""

    async def story(wire: Wire) -> None:
        await wire.connect()
        network = asyncio.get_running_loop().network  # type: ignore[attr-defined]  # a run's loop has one
        wire.venue.before_answer = lambda: network.reset_all(REST_HOST)
        with pytest.raises(NetworkError) as caught:
            await wire.link.request(CREATE)
        assert not never_sent(caught.value)
        assert list(wire.venue.orders) == ["o-1"]

    in_memory(story)


def make(status: OrderStatus, amount: str, filled: str = "0", client_order_id: str = "c") -> Order:
    return Order(
        id="o-1",
        client_order_id=client_order_id,
        symbol="BTC/USD",
        type=OrderType.LIMIT,
        side=Side.BUY,
        amount=Decimal(amount),
        price=Decimal(1),
        time_in_force=BUY.time_in_force,
        post_only=False,
        status=status,
        created_ns=0,
        updated_ns=0,
        filled=Decimal(filled),
    )


def test_a_final_update_gets_its_amount_back() -> None:
    """From what was heard before, or from what was asked for; an order of a stranger keeps what it says."""
    memory = Memory()
    memory.complete(make(OrderStatus.OPEN, "2"))
    assert memory.complete(make(OrderStatus.CANCELED, "0.5", "0.5")).amount == Decimal(2)
    other = Memory()
    other.wanted("c", BUY)
    assert other.complete(make(OrderStatus.CANCELED, "0")).amount == Decimal("0.5")
    assert Memory().complete(make(OrderStatus.CANCELED, "0.1", "0.1")).amount == Decimal("0.1")


def test_late_news_does_not_undo_what_is_known() -> None:
    """What was executed never shrinks, whichever lane is faster."""
    memory = Memory()
    memory.complete(make(OrderStatus.OPEN, "2", "1"))
    memory.complete(make(OrderStatus.OPEN, "2", "0.5"))
    known = memory.order("o-1")
    assert known is not None
    assert known.filled == Decimal(1)
    assert memory.id_of("c") == "o-1"
    assert memory.id_of("stranger") == ""
