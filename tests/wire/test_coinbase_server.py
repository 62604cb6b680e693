"""The served venue as raw clients see it: frames and bodies to the letter, and manners towards those who get it wrong."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from papertape.model.event import Side, Trade
from papertape.model.request import Channel, Lane, Op
from papertape.model.units import SECOND
from papertape.venues.coinbase.auth import sign, throwaway_credentials
from wire.scripted import KEY, Wire, in_memory, on_loopback

API = "/api/v3/brokerage"


class Raw:
    """A client with no library of the venue's."""

    def __init__(self, wire: Wire, session: aiohttp.ClientSession) -> None:
        self.wire, self.session, self.key = wire, session, KEY

    def token(self, uri: str | None = None) -> str:
        return sign(self.key, self.wire.clock.wall_ns(), uri=uri, nonce="1")

    async def ask(self, method: str, path: str, body: Any = None, *, signed: bool = True) -> tuple[int, Any]:
        host = self.wire.urls.rest.partition("://")[2]
        token = self.token(f"{method} {host}{path.partition('?')[0]}")
        headers = {"Authorization": f"Bearer {token}"} if signed else {}
        async with self.session.request(method, self.wire.urls.rest + path, json=body, headers=headers) as response:
            text = await response.text()
            return response.status, json.loads(text) if response.content_type == "application/json" else text

    async def listen(self, *wishes: dict[str, Any], url: str = "", count: int = 1) -> list[dict[str, Any]]:
        """Say these on a stream, and return the first messages that come."""
        async with self.session.ws_connect(url or self.wire.urls.market) as socket:
            for wish in wishes:
                await socket.send_str(wish if isinstance(wish, str) else json.dumps(wish))
            return [json.loads((await socket.receive(20)).data) for _ in range(count)]


def raw(story: Callable[[Wire, Raw], Awaitable[None]]) -> Callable[[Wire], Awaitable[None]]:
    async def told(wire: Wire) -> None:
        async with aiohttp.ClientSession() as session:
            await story(wire, Raw(wire, session))

    return told


@pytest.fixture(params=[on_loopback, in_memory], ids=["loopback", "memory"])
def tell(request: pytest.FixtureRequest):
    return request.param


def test_a_get_may_carry_a_body(tell) -> None:
    """Coinbase's own SDK sends `{}` with every GET."""

    async def story(wire: Wire, client: Raw) -> None:
        status, body = await client.ask("GET", f"{API}/accounts?limit=250", {})
        assert (status, [row["currency"] for row in body["accounts"]], body["has_next"]) == (200, ["USD", "BTC"], False)

    tell(raw(story))


def test_a_client_may_ask_before_it_sends_a_body(tell) -> None:
    """curl does with a large one; whatever else it may expect, it is told that it cannot be."""

    async def story(wire: Wire, client: Raw) -> None:
        url = f"{wire.urls.rest}{API}/market/products"
        async with client.session.get(url, data=b"x" * 2_000, expect100=True) as response:
            assert response.status == 200
        async with client.session.get(url, headers={"Expect": "a miracle"}) as response:
            assert response.status == 417

    tell(raw(story))


def test_without_a_signature_there_is_one_word(tell) -> None:
    """401 and plain text, and the venue is not asked."""

    async def story(wire: Wire, client: Raw) -> None:
        assert await client.ask("GET", f"{API}/accounts", signed=False) == (401, "Unauthorized\n")
        assert (await client.ask("GET", f"{API}/market/products", signed=False))[0] == 200
        assert [request.op for request in wire.venue.requests] == [Op.MARKETS_FETCH]

    tell(raw(story))


def test_what_is_not_there_is_not_found(tell) -> None:
    """An unknown path, order or product: 404 in Coinbase's shape."""

    async def story(wire: Wire, client: Raw) -> None:
        for path in ("/tea", f"{API}/orders/historical/o-9", f"{API}/market/products/TEA-USD"):
            status, body = await client.ask("GET", path)
            assert (status, body["error"]) == (404, "NOT_FOUND")

    tell(raw(story))


def test_the_market_can_be_looked_up_without_a_library(tell) -> None:
    """Ticker, book and best prices in Coinbase's shapes; numbers are text, trades come newest first."""

    async def story(wire: Wire, client: Raw) -> None:
        at = {"venue_ns": wire.clock.wall_ns() // SECOND * SECOND, "local_ns": 0, "symbol": "BTC/USD"}
        wire.venue.trades = [Trade(**at, price_ticks=n, qty_lots=5, taker=Side.BUY, trade_id=str(n)) for n in (1, 2)]
        status, body = await client.ask("GET", f"{API}/market/products/BTC-USD/ticker?limit=2", signed=False)
        assert (status, body["best_bid"], body["best_ask"]) == (200, "99", "101")
        assert [(row["trade_id"], row["price"], row["size"], row["side"]) for row in body["trades"]] == [
            ("2", "0.02", "0.00000005", "SELL"),
            ("1", "0.01", "0.00000005", "SELL"),
        ]
        book = {"bids": [{"price": "99", "size": "0.00000005"}], "asks": [{"price": "101", "size": "0.00000007"}]}
        status, body = await client.ask("GET", f"{API}/market/product_book?product_id=BTC-USD&limit=1", signed=False)
        assert {side: body["pricebook"][side] for side in book} == book
        assert (body["last"], body["mid_market"], body["spread_absolute"], body["spread_bps"]) == ("0.02", "100", "2", "200")
        status, body = await client.ask("GET", f"{API}/best_bid_ask?product_ids=BTC-USD")
        assert [row["product_id"] for row in body["pricebooks"]] == ["BTC-USD"]
        assert (await client.ask("GET", f"{API}/best_bid_ask?product_ids=TEA-USD"))[1] == {"pricebooks": []}
        assert (await client.ask("GET", f"{API}/market/product_book", signed=False))[0] == 400

    tell(raw(story))


def test_an_account_and_a_key_can_be_looked_up(tell) -> None:
    """One account by its id, and what the key may do."""

    async def story(wire: Wire, client: Raw) -> None:
        _, listed = await client.ask("GET", f"{API}/accounts")
        for account in listed["accounts"]:
            assert await client.ask("GET", f"{API}/accounts/{account['uuid']}") == (200, {"account": account})
        assert (await client.ask("GET", f"{API}/accounts/none"))[0] == 404
        status, body = await client.ask("GET", f"{API}/key_permissions")
        assert (status, body["can_view"], body["can_trade"], body["can_transfer"]) == (200, True, True, False)

    tell(raw(story))


def test_who_signs_with_another_key_is_turned_away_and_counted(tell) -> None:
    """With a token, with the old kind of signature, and on a stream; the server knows how often, and under which name."""

    async def story(wire: Wire, client: Raw) -> None:
        client.key = throwaway_credentials("of somebody else")
        assert await client.ask("GET", f"{API}/accounts") == (401, "Unauthorized\n")
        found = await client.listen({"type": "subscribe", "channel": "user", "jwt": client.token()})
        assert found == [{"type": "error", "message": "authentication failure"}]
        async with client.session.get(f"{wire.urls.rest}{API}/accounts", headers={"CB-ACCESS-KEY": "old"}) as response:
            assert response.status == 401
        assert wire.server.strangers == {client.key.name: 2, "old": 1}
        assert wire.venue.requests == []

    tell(raw(story))


def test_requests_share_a_connection(tell) -> None:
    """It is kept between requests, also after a refusal."""

    async def story(wire: Wire, client: Raw) -> None:
        made = []
        trace = aiohttp.TraceConfig()

        async def on_dialled(*_: Any) -> None:
            made.append(1)

        trace.on_connection_create_end.append(on_dialled)
        async with aiohttp.ClientSession(trace_configs=[trace]) as client.session:
            for path in (f"{API}/time", "/tea", f"{API}/accounts", f"{API}/market/products"):
                await client.ask("GET", path, signed=False)
        assert len(made) == 1

    tell(raw(story))


def test_a_batch_cancel_answers_for_each_order(tell) -> None:
    """One HTTP request is one request at the port for each id, and one row for each."""

    async def story(wire: Wire, client: Raw) -> None:
        config = {"limit_limit_gtc": {"base_size": "0.5", "limit_price": "99.01", "post_only": False}}
        order = {"client_order_id": "mine", "product_id": "BTC-USD", "side": "BUY", "order_configuration": config}
        status, body = await client.ask("POST", f"{API}/orders", order)
        assert (status, body["success"], body["success_response"]["client_order_id"]) == (200, True, "mine")
        assert body["order_configuration"] == config
        status, body = await client.ask("POST", f"{API}/orders/batch_cancel", {"order_ids": ["o-1", "o-9"]})
        assert [(row["order_id"], row["success"]) for row in body["results"]] == [("o-1", True), ("o-9", False)]
        assert [request.order_id for request in wire.venue.requests if request.op is Op.ORDER_CANCEL] == ["o-1", "o-9"]
        assert wire.venue.orders["o-1"].amount == Decimal("0.5")

    tell(raw(story))


def test_numbers_count_everything_on_a_connection(tell) -> None:
    """One counter from 0 over data and acknowledgements of all channels; the channel's first message comes before its acknowledgement."""

    async def story(wire: Wire, client: Raw) -> None:
        at = {"venue_ns": wire.clock.wall_ns(), "local_ns": 0, "symbol": "BTC/USD"}
        wire.venue.trades = [Trade(**at, price_ticks=n, qty_lots=1, taker=Side.BUY, trade_id=str(n)) for n in (1, 2)]
        found = await client.listen(
            {"type": "subscribe", "channel": "market_trades", "product_ids": ["BTC-USD"]},
            {"type": "subscribe", "channel": "level2", "product_ids": ["BTC-USD"]},
            {"type": "unsubscribe", "channel": "market_trades", "product_ids": ["BTC-USD"]},
            {"type": "unsubscribe", "channel": "level2", "product_ids": ["BTC-USD"]},
            count=6,
        )
        assert [each["sequence_num"] for each in found] == [0, 1, 2, 3, 4, 5]
        assert [each["channel"] for each in found] == ["market_trades", "subscriptions", "l2_data", *["subscriptions"] * 3]
        assert [trade["trade_id"] for trade in found[0]["events"][0]["trades"]] == ["2", "1"]
        assert found[3]["events"] == [{"subscriptions": {"market_trades": ["BTC-USD"], "level2": ["BTC-USD"]}}]
        assert found[5]["events"] == [{"subscriptions": {}}]
        assert all(each["client_id"] == "" for each in found)

    tell(raw(story))


def test_own_orders_can_be_had_on_the_market_host_too(tell) -> None:
    """With a token in the message, as ccxt does it; nothing open is an empty snapshot."""

    async def story(wire: Wire, client: Raw) -> None:
        found = await client.listen({"type": "subscribe", "channel": "user", "product_ids": [], "jwt": client.token()}, count=2)
        assert found[0]["events"] == [{"type": "snapshot", "orders": [], "positions": {}}]
        assert wire.venue.streams == [] or wire.venue.streams[0].lane is Lane.MARKET
        assert found[1]["channel"] == "subscriptions"

    tell(raw(story))


@pytest.mark.parametrize(
    ("wish", "complaint"),
    [
        ("tea", "failure to parse message"),
        ({"type": "subscribe", "channel": "tea"}, "channel tea is not supported"),
        ({"type": "drink", "channel": "level2"}, "type drink is not supported"),
        ({"type": "subscribe", "channel": "user"}, "authentication failure"),
        ({"type": "subscribe", "channel": "user", "jwt": "x.y.z"}, "authentication failure"),
        ({"type": "subscribe", "channel": "level2", "product_ids": ["TEA-USD"]}, "ErrMsg: no valid product_ids: TEA-USD"),
        ({"type": "subscribe", "channel": "level2"}, "ErrMsg: no valid product_ids: "),
    ],
)
def test_a_wrong_wish_is_told_and_the_stream_goes_on(wish: Any, complaint: str) -> None:
    """An error frame without a number; the next wish is heard as if nothing had been."""

    async def story(wire: Wire, client: Raw) -> None:
        found = await client.listen(wish, {"type": "subscribe", "channel": "heartbeats"}, count=2)
        assert found[0] == {"type": "error", "message": complaint}
        assert found[1]["sequence_num"] == 0

    in_memory(raw(story))


def test_a_subscription_made_again_begins_again(tell) -> None:
    """That is how a client gets a new snapshot of a book."""

    async def story(wire: Wire, client: Raw) -> None:
        wish = {"type": "subscribe", "channel": "level2", "product_ids": ["BTC-USD"]}
        found = await client.listen(wish, wish, count=4)
        assert [each["channel"] for each in found] == ["l2_data", "subscriptions"] * 2
        assert found[3]["events"] == [{"subscriptions": {"level2": ["BTC-USD"]}}]

    tell(raw(story))


def test_the_venue_learns_when_a_client_goes_away(tell) -> None:
    """Nothing more is sent to a connection that is gone."""

    async def story(wire: Wire, client: Raw) -> None:
        await client.listen({"type": "subscribe", "channel": "heartbeats"})
        await wire.until(lambda: wire.venue.streams == [])
        wire.venue.broadcast(Channel.HEARTBEATS, "", wire.venue.snapshot)

    tell(raw(story))
