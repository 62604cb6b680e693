"""What Coinbase's own SDK finds at a served Coinbase: REST over TLS, and streams."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import requests
from checks import Checks, name_of_order, until
from coinbase.rest import RESTClient
from coinbase.websocket import WSClient, WSUserClient

PRODUCT = "BTC-USD"
check = Checks()


@cache
def made(key: str, secret: str, host: str) -> RESTClient:
    return RESTClient(api_key=key, api_secret=secret, base_url=host, timeout=20)


def rest(ready: dict[str, Any], key: str = "") -> RESTClient:
    return made(key or ready["api_key"], ready["api_secret"], ready["https"].removeprefix("https://"))


class Stream:
    """What a stream has brought, message by message."""

    def __init__(self, kind: Any, ready: dict[str, Any]) -> None:
        self.messages: list[dict[str, Any]] = []
        keys = {"api_key": ready["api_key"], "api_secret": ready["api_secret"]}
        self.client = kind(**keys, base_url=ready["wss"], on_message=lambda text: self.messages.append(json.loads(text)), retry=False)

    def of(self, channel: str) -> list[dict[str, Any]]:
        return [each for each in list(self.messages) if each["channel"] == channel]

    def events(self, channel: str) -> list[dict[str, Any]]:
        return [event for each in self.of(channel) for event in each["events"]]

    def check_numbers(self) -> None:
        numbers = [each["sequence_num"] for each in list(self.messages)]
        assert numbers == list(range(len(numbers))), numbers[:50]


@contextmanager
def streaming(kind: Any, ready: dict[str, Any], *channels: str) -> Iterator[Stream]:
    stream = Stream(kind, ready)
    stream.client.open()
    try:
        stream.client.subscribe([PRODUCT], list(channels))
        yield stream
        stream.client.raise_background_exception()
        stream.check_numbers()
    finally:
        stream.client.close()


def total(numbers: Any) -> Decimal:
    return sum((Decimal(each) for each in numbers), Decimal(0))


def dollars(client: RESTClient) -> tuple[Decimal, Decimal]:
    """What is free, and what is held."""
    (account,) = [each for each in client.get_accounts().accounts if each.currency == "USD"]
    return Decimal(account.available_balance["value"]), Decimal(account.hold["value"])


def now_s(client: RESTClient) -> float:
    """The venue's clock, in seconds since 1970."""
    told = client.get_unix_time()
    assert int(told.epoch_seconds) * 1_000 <= int(told.epoch_millis) < (int(told.epoch_seconds) + 1) * 1_000
    return int(told.epoch_millis) / 1_000


def best_of(book: Any) -> list[tuple[str, str]]:
    return [(side[0].price, side[0].size) for side in (book.bids, book.asks)]


def order_of(client: RESTClient, answer: Any, *states: str) -> Any:
    """The order, once it is in one of these states."""
    assert answer.success, answer.to_dict()
    id = answer.success_response["order_id"]
    return until(lambda: (order := client.get_order(id).order).status in states and order, " or ".join(states))


@check("market data")
def certificate(ready: Any) -> None:
    """A client that does not know the server's authority does not connect; one that does, does."""
    known = os.environ.pop("REQUESTS_CA_BUNDLE")
    try:
        requests.get(ready["https"] + "/api/v3/brokerage/time", timeout=20)
    except requests.exceptions.SSLError:
        pass
    else:
        raise AssertionError("connected without the authority")
    finally:
        os.environ["REQUESTS_CA_BUNDLE"] = known
    assert abs(now_s(rest(ready)) - time.time()) < 60


@check("market data")
def products(ready: Any) -> None:
    """The one product, the same in the list and by its id, signed and public."""
    client = rest(ready)
    (listed,) = client.get_products().products
    for other in (client.get_product(PRODUCT), client.get_public_product(PRODUCT)):
        for key in ("product_id", "base_increment", "quote_increment", "quote_min_size", "status", "base_currency_id", "product_type"):
            assert getattr(listed, key) == getattr(other, key)
    assert (listed.product_id, listed.quote_increment, listed.status) == (PRODUCT, "0.01", "online")


@check("market data")
def product_book(ready: Any) -> None:
    """Best first, apart, as deep as asked for; the best of it is what best_bid_ask says."""
    client = rest(ready)

    def agreed() -> Any:
        book, best = client.get_product_book(PRODUCT, limit=5).pricebook, client.get_best_bid_ask([PRODUCT]).pricebooks[0]
        return best_of(book) == best_of(best) and book  # else the market moved between

    book = until(agreed, "a moment without a change")
    bids, asks = [Decimal(each.price) for each in book.bids], [Decimal(each.price) for each in book.asks]
    assert len(bids) == len(asks) == 5
    assert bids == sorted(set(bids), reverse=True)
    assert asks == sorted(set(asks))
    assert bids[0] < asks[0]


@check("market data")
def candles_and_trades(ready: Any) -> None:
    """The minute's candle spans the trades of that minute."""
    client = rest(ready)
    until(lambda: client.get_market_trades(PRODUCT, 10).trades, "a trade")
    now = int(now_s(client))
    trades = client.get_market_trades(PRODUCT, 100).trades
    found = {int(each.start): each for each in client.get_candles(PRODUCT, str(now - 3_600), str(now + 60), "ONE_MINUTE").candles}
    assert found
    assert all(start % 60 == 0 and Decimal(each.volume) > 0 for start, each in found.items())
    for each in trades:  # they were asked for before the candles: each is in one
        minute = found[int(datetime.fromisoformat(each.time).timestamp()) // 60 * 60]
        assert Decimal(minute.low) <= Decimal(each.price) <= Decimal(minute.high)


@check("account")
def accounts(ready: Any) -> None:
    """A resting buy holds its cost and fee; a cancel gives all of it back."""
    client = rest(ready)
    free, held = dollars(client)
    assert held == 0
    assert free > 50_000
    order = order_of(client, client.limit_order_gtc_buy(name_of_order("holds"), PRODUCT, "0.1", "40000"), "OPEN")
    less, held = dollars(client)
    assert less + held == free
    assert 4_000 <= held <= 4_080
    (result,) = client.cancel_orders([order.order_id]).results
    assert (result.success, result.order_id) == (True, order.order_id)
    assert dollars(client) == (free, 0)


@check("account")
def key_permissions(ready: Any) -> None:
    """The key may look and trade, and not send money away; a fee tier is told."""
    client = rest(ready)
    may = client.get_api_key_permissions()
    assert (may.can_view, may.can_trade, may.can_transfer) == (True, True, False)
    assert Decimal(client.get_transaction_summary().fee_tier["taker_fee_rate"]) > 0


@check("orders")
def limit_order(ready: Any) -> None:
    """A resting order is found by its id and in the list, as it was sent; cancelled, it is cancelled in both."""
    client = rest(ready)
    name = name_of_order("rests")
    order = order_of(client, client.limit_order_gtc_buy(name, PRODUCT, "0.0125", "50000.01", post_only=True), "OPEN")
    (listed,) = [each for each in client.list_orders(order_status=["OPEN"]).orders if each.client_order_id == name]
    for each in (order, listed):
        told = each.order_configuration.to_dict()["limit_limit_gtc"]
        assert (told["base_size"], told["limit_price"], told["post_only"]) == ("0.0125", "50000.01", True)
        assert (each.order_id, each.client_order_id, each.product_id, each.side) == (order.order_id, name, PRODUCT, "BUY")
        assert Decimal(each.filled_size) == 0
    client.cancel_orders([order.order_id])
    assert client.get_order(order.order_id).order.status == "CANCELLED"
    assert name not in [each.client_order_id for each in client.list_orders(order_status=["OPEN"]).orders]
    assert name in [each.client_order_id for each in client.list_orders(order_status=["CANCELLED"]).orders]


@check("orders")
def market_order(ready: Any) -> None:
    """A market order by quote is filled; the order, its fills and the balance say the same of amount, value and fee."""
    client = rest(ready)
    before = dollars(client)[0]
    order = order_of(client, client.market_order_buy(name_of_order("market"), PRODUCT, quote_size="1000"), "FILLED")
    fills = client.get_fills(order_ids=[order.order_id]).fills
    assert fills
    assert {(each.order_id, each.side, each.liquidity_indicator) for each in fills} == {(order.order_id, "BUY", "TAKER")}
    assert total(each.size for each in fills) == Decimal(order.filled_size)
    value = sum(Decimal(each.size) * Decimal(each.price) for each in fills)
    assert abs(value - Decimal(order.filled_value)) < Decimal("0.01")
    assert abs(total(each.commission for each in fills) - Decimal(order.total_fees)) < Decimal("0.01")
    assert Decimal(order.total_fees) > 0
    assert abs(before - dollars(client)[0] - Decimal(order.total_value_after_fees)) < Decimal("0.01")
    assert order.client_order_id == name_of_order("market")


@check("orders")
def preview_and_edit(ready: Any) -> None:
    """A preview places nothing; an edit changes price and size of the order under its id."""
    client = rest(ready)
    before = [each.order_id for each in client.list_orders().orders]
    preview = client.preview_limit_order_gtc_buy(PRODUCT, "0.01", "50000")
    assert not preview.errs
    assert Decimal(preview.order_total) >= 500
    assert [each.order_id for each in client.list_orders().orders] == before
    order = order_of(client, client.limit_order_gtc_buy(name_of_order("edits"), PRODUCT, "0.01", "50000"), "OPEN")
    assert client.edit_order(order.order_id, size="0.02", price="50100").success
    told = client.get_order(order.order_id).order.order_configuration.to_dict()["limit_limit_gtc"]
    assert (Decimal(told["base_size"]), Decimal(told["limit_price"])) == (Decimal("0.02"), 50_100)
    client.cancel_orders([order.order_id])


@check("orders")
def the_same_client_order_id(ready: Any) -> None:
    """Sent twice it is one order."""
    client = rest(ready)
    name = name_of_order("twice")
    ids = [client.limit_order_gtc_buy(name, PRODUCT, "0.01", "50000").success_response["order_id"] for _ in range(2)]
    assert ids[0] == ids[1]
    assert [each.client_order_id for each in client.list_orders(order_status=["OPEN"]).orders].count(name) == 1
    client.cancel_orders(ids[:1])


@check("orders")
def stops_and_dates(ready: Any) -> None:
    """A stop and a bracket are pending as they were sent; an order with an end is open until then, and has expired after it."""
    client = rest(ready)
    until(lambda: client.get_market_trades(PRODUCT, 1).trades, "a trade")
    down = "STOP_DIRECTION_STOP_DOWN"
    asked = {
        "stop_limit_stop_limit_gtc": client.stop_limit_order_gtc_sell(name_of_order("stop"), PRODUCT, "0.01", "39000", "40000", down),
        "trigger_bracket_gtc": client.trigger_bracket_order_gtc_sell(name_of_order("bracket"), PRODUCT, "0.01", "90000", "40000"),
    }
    for kind, answer in asked.items():
        order = order_of(client, answer, "OPEN")
        told = order.order_configuration.to_dict()[kind]
        assert (told["base_size"], told.get("stop_price") or told["stop_trigger_price"]) == ("0.01", "40000")
        assert (order.trigger_status, Decimal(order.filled_size)) == ("STOP_PENDING", 0)
        client.cancel_orders([order.order_id])
        assert client.get_order(order.order_id).order.status == "CANCELLED"
    end = datetime.fromtimestamp(now_s(client) + 2, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    order = order_of(client, client.limit_order_gtd_buy(name_of_order("ends"), PRODUCT, "0.01", "40000", end), "OPEN")
    assert order.time_in_force == "GOOD_UNTIL_DATE_TIME"
    until(lambda: client.get_order(order.order_id).order.status == "EXPIRED", "the end")
    assert dollars(client)[1] == 0


@check("refusals")
def a_stop_that_is_reached_already(ready: Any) -> None:
    """A sell stop over the last trade is refused by Coinbase's own word for it."""
    client = rest(ready)
    until(lambda: client.get_market_trades(PRODUCT, 1).trades, "a trade")
    answer = client.stop_limit_order_gtc_sell(
        name_of_order("late-stop"), PRODUCT, "0.01", "89000", "90000", "STOP_DIRECTION_STOP_DOWN"
    )  # fmt: skip
    assert not answer.success
    assert answer.error_response["preview_failure_reason"] == "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE"


@check("refusals")
def too_little_money(ready: Any) -> None:
    """Answered with success false and Coinbase's own reason; no order stands."""
    client = rest(ready)
    answer = client.limit_order_gtc_buy(name_of_order("too-dear"), PRODUCT, "100", "50000")
    assert not answer.success
    assert answer.error_response["error"] == "INSUFFICIENT_FUND"
    assert name_of_order("too-dear") not in [each.client_order_id for each in client.list_orders().orders]


@check("refusals")
def unknown_order(ready: Any) -> None:
    """A cancel tells that the order is unknown; asking for it is 404."""
    client = rest(ready)
    id = "00000000-0000-4000-8000-000000000000"
    (result,) = client.cancel_orders([id]).results
    assert (result.success, result.failure_reason) == (False, "UNKNOWN_CANCEL_ORDER")
    assert status_of(client.get_order, id) == 404


@check("refusals")
def somebody_elses_key(ready: Any) -> None:
    """401 with a name that is not the key's."""
    assert status_of(rest(ready, ready["api_key"] + "0").get_accounts) == 401


def status_of(call: Any, *args: Any) -> int:
    try:
        call(*args)
    except requests.exceptions.HTTPError as error:
        return error.response.status_code
    raise AssertionError("not refused")


@check("streams")
def heartbeats(ready: Any) -> None:
    """One each second of the venue, counted without a gap, among the numbers of the connection."""
    with streaming(WSClient, ready, "heartbeats") as stream:
        until(lambda: len(stream.events("heartbeats")) >= 4, "four heartbeats")
        counts = [int(each["heartbeat_counter"]) for each in stream.events("heartbeats")]
        assert counts == list(range(counts[0], counts[0] + len(counts)))


@check("streams")
def level2(ready: Any) -> None:
    """First a snapshot; kept up from it, one of the states is the book that REST tells of."""
    with streaming(WSClient, ready, "level2", "heartbeats") as stream:
        until(lambda: len(stream.of("l2_data")) > 20, "twenty messages")
        assert stream.events("l2_data")[0]["type"] == "snapshot"
        client = rest(ready)

        def agreed() -> bool:
            book = client.get_product_book(PRODUCT, limit=10).pricebook
            fetched = [[(Decimal(each.price), Decimal(each.size)) for each in side] for side in (book.bids, book.asks)]
            until(lambda: stream.of("l2_data")[-1]["timestamp"] > book.time, "a message after the book")
            return fetched in states(stream.events("l2_data"))

        until(agreed, "the book that REST tells of")


def states(events: list[dict[str, Any]]) -> list[Any]:
    """The ten best levels after each event."""
    sides: dict[str, dict[Decimal, Decimal]] = {"bid": {}, "offer": {}}
    found = []
    for event in events:
        if event["type"] == "snapshot":
            sides = {"bid": {}, "offer": {}}
        for update in event["updates"]:
            price, size = Decimal(update["price_level"]), Decimal(update["new_quantity"])
            sides[update["side"]].pop(price, None)
            if size:
                sides[update["side"]][price] = size
        found.append([sorted(sides["bid"].items(), reverse=True)[:10], sorted(sides["offer"].items())[:10]])
    return found


@check("streams")
def market_trades_and_ticker(ready: Any) -> None:
    """No trade is missing after the snapshot, and a ticker's ask is above its bid."""
    with streaming(WSClient, ready, "market_trades", "ticker", "heartbeats") as stream:
        until(lambda: len(stream.of("market_trades")) > 5 and len(stream.of("ticker")) > 5, "trades and tickers")
        seen = [each for event in stream.events("market_trades") for each in event["trades"]]
        ids = sorted({int(each["trade_id"]) for each in seen})
        assert ids == list(range(ids[0], ids[-1] + 1))
        fetched = {each.trade_id: each for each in rest(ready).get_market_trades(PRODUCT, 100).trades}
        common = [(each, fetched[each["trade_id"]]) for each in seen if each["trade_id"] in fetched]
        assert common
        assert all((one["price"], one["size"], one["side"]) == (other.price, other.size, other.side) for one, other in common)
        for ticker in [each for event in stream.events("ticker") for each in event["tickers"]]:
            assert Decimal(ticker["best_bid"]) < Decimal(ticker["best_ask"])


@check("streams")
def user(ready: Any) -> None:
    """First a snapshot; then an order is open, then cancelled, and another is filled, each under its client order id and as REST tells."""
    client = rest(ready)
    with streaming(WSUserClient, ready, "user", "heartbeats") as stream:
        until(lambda: stream.events("user"), "the snapshot")
        assert stream.events("user")[0]["type"] == "snapshot"

        def told(name: str) -> list[dict[str, Any]]:
            return [each for event in stream.events("user") for each in event.get("orders", []) if each["client_order_id"] == name]

        rests, fills = name_of_order("user-rests"), name_of_order("user-fills")
        order = order_of(client, client.limit_order_gtc_buy(rests, PRODUCT, "0.01", "50000"), "OPEN")
        until(lambda: "OPEN" in [each["status"] for each in told(rests)], "the news that it is open")
        client.cancel_orders([order.order_id])
        until(lambda: "CANCELLED" in [each["status"] for each in told(rests)], "the news that it is cancelled")
        assert {(each["order_id"], each["limit_price"]) for each in told(rests)} == {(order.order_id, "50000")}
        order = order_of(client, client.limit_order_ioc_buy(fills, PRODUCT, "0.01", "66000"), "FILLED")
        (last,) = until(lambda: [each for each in told(fills) if each["status"] == "FILLED"], "the news of the fill")
        assert (last["order_id"], Decimal(last["cumulative_quantity"])) == (order.order_id, Decimal("0.01"))
        assert Decimal(last["avg_price"]) == Decimal(order.average_filled_price)


@check("streams")
def unsubscribe(ready: Any) -> None:
    """Answered, and from the next heartbeat on nothing more of that channel comes; what was on its way until then may."""
    with streaming(WSClient, ready, "ticker", "heartbeats") as stream:
        until(lambda: stream.of("ticker"), "a ticker")
        stream.client.unsubscribe([PRODUCT], ["ticker"])
        until(lambda: stream.of("subscriptions") and "ticker" not in stream.events("subscriptions")[-1]["subscriptions"], "the answer")
        beats = len(stream.of("heartbeats"))
        until(lambda: len(stream.of("heartbeats")) > beats, "a heartbeat")
        before = len(stream.of("ticker"))
        until(lambda: len(stream.of("heartbeats")) > beats + 2, "heartbeats")
        assert len(stream.of("ticker")) == before


if __name__ == "__main__":
    check.run("coinbase-advanced-py")
