"""What ccxt's REST client finds at a served Coinbase."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from typing import Any

import ccxt
from checks import Checks, name_of_order, until

SYMBOL = "BTC/USD"
V3 = {"v3": True}  # Coinbase's v2 accounts, which ccxt asks if not told otherwise, know no holds
check = Checks()


def options(ready: dict[str, Any]) -> dict[str, Any]:
    return {"apiKey": ready["api_key"], "secret": ready["api_secret"], "urls": {"api": {"rest": ready["http"], "ws": ready["ws"]}}}


@cache
def known(key: str, text: str) -> Any:
    return ccxt.coinbase({**options(json.loads(text)), "apiKey": key})


def client(ready: dict[str, Any], key: str | None = None) -> Any:
    """One client for each key, because its own limiter keeps it under the venue's limits."""
    return known(ready["api_key"] if key is None else key, json.dumps(ready))


def place(exchange: Any, word: str, side: str = "buy", qty: float = 0.01, price: float = 50_000, **more: Any) -> Any:
    return exchange.create_order(SYMBOL, "limit", side, qty, price, {"client_order_id": name_of_order(word), **more})


def total(numbers: Any) -> Decimal:
    return sum((Decimal(str(each)) for each in numbers), Decimal(0))


def refused(with_what: type[Exception], call: Any, *args: Any, **more: Any) -> str:
    """The words of a refusal, which has to be of this class and no narrower or wider one."""
    try:
        answer = call(*args, **more)
    except ccxt.BaseError as error:
        if type(error) is with_what:
            return str(error)
        raise
    raise AssertionError(f"not refused: {answer}")


@check("market data")
def load_markets(ready: Any) -> None:
    """The market is there, with the increments, least size and state of the product."""
    exchange = client(ready)
    market = exchange.load_markets()[SYMBOL]
    assert (market["id"], market["base"], market["quote"], market["type"], market["active"]) == ("BTC-USD", "BTC", "USD", "spot", True)
    assert market["precision"]["price"] == float(market["info"]["price_increment"]) == 0.01
    assert market["precision"]["amount"] == float(market["info"]["base_increment"]) == 1e-8
    assert market["limits"]["cost"]["min"] == float(market["info"]["quote_min_size"]) == 1
    assert market["maker"] <= market["taker"]
    assert list(exchange.markets) == [SYMBOL]


@check("market data")
def fetch_time(ready: Any) -> None:
    """With `--dates now` the venue's clock shows this machine's date, and goes on."""
    exchange = client(ready)
    first = exchange.fetch_time()
    assert abs(first - exchange.milliseconds()) < 60_000
    until(lambda: exchange.fetch_time() > first, "a later time")


@check("market data")
def fetch_order_book(ready: Any) -> None:
    """Best first, apart, on tick, and no deeper than asked for."""
    book = client(ready).fetch_order_book(SYMBOL, 5)
    bids, asks = ([price for price, _ in book[side]] for side in ("bids", "asks"))
    assert len(bids) == len(asks) == 5
    assert bids == sorted(set(bids), reverse=True)
    assert asks == sorted(set(asks))
    assert bids[0] < asks[0]
    assert all(size > 0 for side in ("bids", "asks") for _, size in book[side])
    assert all(Decimal(str(price)) % Decimal("0.01") == 0 for price in bids + asks)


@check("market data")
def fetch_ticker(ready: Any) -> None:
    """The ask is above the bid, and the last price is that of the last trade."""

    def agreed() -> Any:
        exchange = client(ready)
        before, ticker, after = exchange.fetch_trades(SYMBOL), exchange.fetch_ticker(SYMBOL), exchange.fetch_trades(SYMBOL)
        return before[-1]["id"] == after[-1]["id"] and (ticker, before[-1])  # else the market moved between

    ticker, trade = until(agreed, "a moment without a trade")
    assert ticker["bid"] < ticker["ask"]
    assert ticker["last"] == trade["price"]


@check("market data")
def fetch_trades(ready: Any) -> None:
    """Ids are each other's neighbours, oldest first, and the sides are both there in the end."""
    exchange = client(ready)
    trades = until(lambda: len(found := exchange.fetch_trades(SYMBOL, limit=100)) > 10 and found, "ten trades")
    ids = [int(each["id"]) for each in trades]
    assert sorted(ids) == list(range(min(ids), max(ids) + 1))
    stamps = [each["timestamp"] for each in trades]
    assert stamps == sorted(stamps)
    assert all(each["price"] > 0 and each["amount"] > 0 and each["side"] in ("buy", "sell") for each in trades)
    until(lambda: {each["side"] for each in exchange.fetch_trades(SYMBOL, limit=100)} == {"buy", "sell"}, "trades of both sides")


@check("market data")
def fetch_ohlcv(ready: Any) -> None:
    """A candle begins on its minute and spans the prices of the trades in it."""
    exchange = client(ready)
    until(lambda: exchange.fetch_trades(SYMBOL), "a trade")
    candles = exchange.fetch_ohlcv(SYMBOL, "1m")
    assert candles
    starts = [each[0] for each in candles]
    assert starts == sorted(set(starts))
    for start, opened, high, low, closed, volume in candles:
        assert start % 60_000 == 0
        assert low <= min(opened, closed) <= max(opened, closed) <= high
        assert volume > 0
    trades = [each for each in exchange.fetch_trades(SYMBOL, limit=100) if starts[-1] <= each["timestamp"] < starts[-1] + 60_000]
    last = exchange.fetch_ohlcv(SYMBOL, "1m")
    (candle,) = [each for each in last if each[0] == starts[-1]]
    assert all(candle[3] <= each["price"] <= candle[2] for each in trades)


@check("account")
def fetch_balance(ready: Any) -> None:
    """A resting buy holds its cost and fee, no more; a cancel gives all of it back; v2 tells the same totals."""
    exchange = client(ready)
    before = exchange.fetch_balance(V3)
    assert before["BTC"]["used"] == before["USD"]["used"] == 0
    assert before["USD"]["total"] > 50_000
    order = place(exchange, "holds", qty=0.1, price=40_000)
    while_open = exchange.fetch_balance(V3)
    assert 4_000 <= while_open["USD"]["used"] <= 4_000 * 1.02
    assert while_open["USD"]["total"] == before["USD"]["total"]
    assert total([while_open["USD"]["free"], while_open["USD"]["used"]]) == total([while_open["USD"]["total"]])
    exchange.cancel_order(order["id"])
    assert exchange.fetch_balance(V3)["USD"] == before["USD"]
    assert exchange.fetch_balance()["USD"]["total"] == before["USD"]["total"]


@check("orders")
def limit_order(ready: Any) -> None:
    """A resting order is found under its id and among the open, as it was sent; cancelled, it is among the cancelled alone."""
    exchange = client(ready)
    placed = place(exchange, "rests", qty=0.0125, price=50_000.01)
    found = exchange.fetch_order(placed["id"])
    (listed,) = [each for each in exchange.fetch_open_orders(SYMBOL) if each["id"] == placed["id"]]
    for order in (found, listed):
        told = [order[key] for key in ("id", "clientOrderId", "symbol", "type", "side", "price", "amount", "filled", "remaining", "status")]
        assert told == [placed["id"], name_of_order("rests"), SYMBOL, "limit", "buy", 50_000.01, 0.0125, 0, 0.0125, "open"]
    exchange.cancel_order(placed["id"])
    assert exchange.fetch_order(placed["id"])["status"] == "canceled"
    assert placed["id"] not in [each["id"] for each in exchange.fetch_open_orders(SYMBOL)]
    assert placed["id"] not in [each["id"] for each in exchange.fetch_closed_orders(SYMBOL)]
    (listed,) = [each for each in exchange.fetch_canceled_orders(SYMBOL) if each["id"] == placed["id"]]
    assert (listed["clientOrderId"], listed["filled"], listed["status"]) == (name_of_order("rests"), 0, "canceled")


@check("orders")
def market_order(ready: Any) -> None:
    """A market order is filled: the order, its trades and the balance say the same of amount, cost and fee."""
    exchange = client(ready)
    before = exchange.fetch_balance()
    placed = exchange.create_order(SYMBOL, "market", "sell", 0.02, None, {"client_order_id": name_of_order("market")})
    order = until(lambda: (each := exchange.fetch_order(placed["id"]))["status"] == "closed" and each, "the fill")
    assert (order["clientOrderId"], order["side"], order["type"], order["filled"], order["remaining"]) == (
        name_of_order("market"), "sell", "market", 0.02, 0,
    )  # fmt: skip
    fills = [each for each in exchange.fetch_my_trades(SYMBOL) if each["order"] == placed["id"]]
    assert total(each["amount"] for each in fills) == Decimal("0.02")
    assert len({each["id"] for each in fills}) == len(fills) > 0
    assert {(each["side"], each["symbol"], each["takerOrMaker"]) for each in fills} == {("sell", SYMBOL, "taker")}
    assert abs(order["cost"] - sum(each["price"] * each["amount"] for each in fills)) < 0.01
    assert abs(order["average"] - order["cost"] / 0.02) < 0.01
    fee = sum(each["fee"]["cost"] for each in fills)
    assert abs(float(order["fee"]["cost"]) - fee) < 1e-6
    assert fee > 0
    after = exchange.fetch_balance()
    assert total([before["BTC"]["total"], -after["BTC"]["total"]]) == Decimal("0.02")
    assert abs(after["USD"]["total"] - before["USD"]["total"] - (order["cost"] - fee)) < 0.01
    assert placed["id"] in [each["id"] for each in exchange.fetch_closed_orders(SYMBOL)]
    assert placed["id"] not in [each["id"] for each in exchange.fetch_open_orders(SYMBOL)]


@check("orders")
def crossing_limit_order(ready: Any) -> None:
    """A limit order over the book is filled at the book's prices, not at its own."""
    exchange = client(ready)
    placed = place(exchange, "crosses", qty=0.01, price=66_000)
    order = until(lambda: (each := exchange.fetch_order(placed["id"]))["status"] == "closed" and each, "the fill")
    assert (order["filled"], order["price"]) == (0.01, 66_000)
    assert 63_000 < order["average"] < 65_000


@check("orders")
def immediate_or_cancel(ready: Any) -> None:
    """What does not fill at once is cancelled, and holds nothing."""
    exchange = client(ready)
    placed = place(exchange, "at-once", timeInForce="IOC")
    order = until(lambda: (each := exchange.fetch_order(placed["id"]))["status"] == "canceled" and each, "the cancel")
    assert (order["filled"], order["timeInForce"]) == (0, "IOC")
    assert exchange.fetch_balance(V3)["USD"]["used"] == 0


@check("orders")
def edit_order(ready: Any) -> None:
    """An edited order keeps its id and has the new price and amount."""
    exchange = client(ready)
    placed = place(exchange, "edits")
    exchange.edit_order(placed["id"], SYMBOL, "limit", "buy", 0.02, 50_100)
    order = exchange.fetch_order(placed["id"])
    assert (order["price"], order["amount"], order["clientOrderId"], order["status"]) == (50_100, 0.02, name_of_order("edits"), "open")
    exchange.cancel_order(placed["id"])


@check("orders")
def cancel_orders(ready: Any) -> None:
    """Of three, the two that are named are cancelled, and the third is open."""
    exchange = client(ready)
    placed = [place(exchange, f"batch-{each}", price=50_000 + each)["id"] for each in range(3)]
    exchange.cancel_orders(placed[:2])
    assert [exchange.fetch_order(each)["status"] for each in placed] == ["canceled", "canceled", "open"]
    exchange.cancel_order(placed[2])


@check("orders")
def the_same_client_order_id(ready: Any) -> None:
    """Sent twice it is one order: the second answer names the first."""
    exchange = client(ready)
    first, second = place(exchange, "twice"), place(exchange, "twice")
    assert first["id"] == second["id"]
    found = [each for each in exchange.fetch_open_orders(SYMBOL) if each["clientOrderId"] == name_of_order("twice")]
    assert [each["id"] for each in found] == [first["id"]]
    exchange.cancel_order(first["id"])


@check("refusals")
def too_little_money(ready: Any) -> None:
    """InsufficientFunds, and no order."""
    exchange = client(ready)
    refused(ccxt.InsufficientFunds, place, exchange, "too-dear", qty=100)
    assert name_of_order("too-dear") not in [each["clientOrderId"] for each in exchange.fetch_open_orders(SYMBOL)]


@check("refusals")
def post_only_over_the_book(ready: Any) -> None:
    """Refused in Coinbase's words, and in no list of orders."""
    exchange = client(ready)
    words = refused(ccxt.ExchangeError, place, exchange, "post-only", price=66_000, postOnly=True)
    assert "INVALID_LIMIT_PRICE_POST_ONLY" in words
    for orders in (exchange.fetch_open_orders(SYMBOL), exchange.fetch_closed_orders(SYMBOL), exchange.fetch_canceled_orders(SYMBOL)):
        assert name_of_order("post-only") not in [each["clientOrderId"] for each in orders]


@check("refusals")
def unknown_order(ready: Any) -> None:
    """Coinbase's words for it; a cancel is refused as well."""
    exchange = client(ready)
    exchange.load_markets()
    # Not OrderNotFound: ccxt's Python looks for "order with self orderID", which no venue says.
    words = refused(ccxt.ExchangeError, exchange.fetch_order, "00000000-0000-4000-8000-000000000000", SYMBOL)
    assert "order with this orderID was not found" in words
    words = refused(ccxt.BadRequest, exchange.cancel_order, "00000000-0000-4000-8000-000000000000", SYMBOL)
    assert "cancel" in words.lower()


@check("refusals")
def somebody_elses_key(ready: Any) -> None:
    """AuthenticationError with a name that is not the key's; what is public is still told."""
    exchange = client(ready, ready["api_key"] + "0")
    refused(ccxt.AuthenticationError, exchange.fetch_balance)
    assert client(ready, "").fetch_order_book(SYMBOL)["bids"]


if __name__ == "__main__":
    check.run("ccxt")
