"""The REST handler over the real venue: who may ask, how often, and what comes of it; no sockets."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from papertape.model.request import Op
from papertape.model.units import SECOND
from papertape.venues.coinbase.auth import LEEWAY_S, LIFETIME_S, sign, throwaway_credentials
from papertape.venues.coinbase.rules import RULES
from wire.counter import API, KEY, LOOKER, Counter, limit

TOO_MANY = {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}
DENIED = {"error": "PERMISSION_DENIED", "error_details": "Missing required scopes", "message": "Missing required scopes"}


# Who asks


def test_a_token_that_is_not_right_is_one_word() -> None:
    """Expired, too early, another request's, another key's, no token at all: 401, and the venue is not asked."""
    counter = Counter()
    uri = f"GET api.coinbase.com{API}/accounts"
    now_ns = counter.wall_ns() + 40_000_000
    wrong = {
        "expired": sign(KEY, now_ns - (LIFETIME_S + LEEWAY_S + 1) * SECOND, uri=uri, nonce="n"),
        "too early": sign(KEY, now_ns + (LEEWAY_S + 2) * SECOND, uri=uri, nonce="n"),
        "of another request": sign(KEY, now_ns, uri=uri.replace("accounts", "orders"), nonce="n"),
        "of another key": sign(throwaway_credentials("stranger"), now_ns, uri=uri, nonce="n"),
        "turned over": sign(KEY, now_ns, uri=uri, nonce="n")[:-6] + "AAAAAA",
        "none": "x",
        "deep": ".".join(["W1tb" * 30_000] * 3),
    }
    for why, token in wrong.items():
        found = counter.ask("GET", f"{API}/accounts", token=token, wait_ns=0)
        assert (found.status, found.content) == (401, "Unauthorized\n"), why
    assert counter.ask("GET", f"{API}/accounts", key=None).status == 401
    assert counter.requests == []
    assert counter.ask("GET", f"{API}/accounts").status == 200


def test_a_key_without_the_right_is_told_so() -> None:
    """It may look, and may not trade; the venue is not asked; its permissions say the same."""
    counter = Counter()
    assert counter.ask("GET", f"{API}/accounts", key=LOOKER).status == 200
    counter.requests.clear()
    for path, body in (("orders", {}), ("orders/edit", {"order_id": "o"}), ("orders/batch_cancel", {"order_ids": ["o"]})):
        found = counter.ask("POST", f"{API}/{path}", body, key=LOOKER)
        assert (found.status, found.content) == (403, DENIED)
    assert counter.requests == []
    may = counter.ask("GET", f"{API}/key_permissions", key=LOOKER).content
    assert (may["can_view"], may["can_trade"], may["can_transfer"]) == (True, False, False)


def test_a_key_has_its_quota_and_an_address_its_own() -> None:
    """So many in a second, then 429 with the venue's own body and no wait; who waits is served again; nobody pays for others."""
    counter = Counter()
    private, public = RULES.private_quota.count, RULES.public_quota.count
    for left in reversed(range(private)):
        found = counter.ask("GET", f"{API}/accounts", wait_ns=0)
        assert found.headers["x-ratelimit-limit"] == str(private)
        assert found.headers["x-ratelimit-remaining"] == str(left)
    found = counter.ask("GET", f"{API}/accounts", wait_ns=0)
    assert (found.status, found.content, "Retry-After" in found.headers) == (429, TOO_MANY, False)
    assert int(found.headers["x-ratelimit-reset"]) == counter.wall_ns() // SECOND + 1
    assert len(counter.requests) == private + 1  # it is seen as one that was sent, and the market did not hear of it
    assert counter.ask("GET", f"{API}/accounts", key=LOOKER, wait_ns=0).status == 200
    for _ in range(public):
        assert counter.ask("GET", f"{API}/market/products", key=None, wait_ns=0).status == 200
    assert counter.ask("GET", f"{API}/market/products", key=None, wait_ns=0).status == 429
    assert counter.ask("GET", f"{API}/market/products", key=None, wait_ns=0, peer="10.0.0.2").status == 200
    assert counter.ask("GET", f"{API}/accounts", wait_ns=SECOND).status == 200


def test_an_order_too_many_is_not_made() -> None:
    """429, whatever is asked, and the account is as it was."""
    counter = Counter()
    for _ in range(RULES.private_quota.count):
        counter.ask("GET", f"{API}/accounts", wait_ns=0)
    assert counter.order(limit("1", "98"), wait_ns=0) == TOO_MANY
    assert counter.ask("POST", f"{API}/orders/batch_cancel", {"order_ids": ["a", "b"]}, wait_ns=0).content == TOO_MANY
    assert counter.ask("POST", f"{API}/orders/preview", b"tea", wait_ns=0).content == TOO_MANY
    assert counter.venue.truth_orders() == ()


# Orders


def test_a_repeated_client_order_id_is_the_old_order() -> None:
    """Whatever it asks for the second time; there is one order, and both answers name it."""
    counter = Counter()
    first = counter.order(limit("1", "98"))
    again = counter.order(limit("2", "97"))
    assert first["success_response"]["order_id"] == again["success_response"]["order_id"]
    (order,) = counter.venue.truth_orders()
    assert order.amount == 1


@pytest.mark.parametrize(
    "config",
    [
        {"market_market_fok": {"quote_size": "10"}},
        {"twap_limit_gtd": {"base_size": "1", "limit_price": "98", "end_time": "2026-08-10T00:00:00Z"}},
        {"scaled_limit_gtc": {"base_size": "1"}},
    ],
)
def test_what_the_venue_does_not_offer_is_refused_as_coinbase_would(config: dict[str, dict[str, str]]) -> None:
    """With its own reason, at status 200, the configuration sent back; the preview knows it before."""
    counter = Counter()
    refused = counter.order(config)
    assert (refused["success"], refused["order_configuration"]) == (False, config)
    reasons = {"error": "UNSUPPORTED_ORDER_CONFIGURATION", "preview_failure_reason": "PREVIEW_INVALID_ORDER_CONFIG"}
    assert {key: refused["error_response"][key] for key in reasons} == reasons
    assert counter.preview(config)["errs"] == ["PREVIEW_INVALID_ORDER_CONFIG"]
    assert counter.venue.truth_orders() == ()


STOP = {"base_size": "1", "limit_price": "98", "stop_price": "99", "stop_direction": "STOP_DIRECTION_STOP_DOWN"}
BRACKET = {"base_size": "1", "limit_price": "120", "stop_trigger_price": "90"}
END, PAST = "2286-11-20T17:46:40Z", "2001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("config", "shown"),
    [
        ({"limit_limit_gtd": {"base_size": "1", "limit_price": "98", "end_time": END, "post_only": True}}, "LIMIT"),
        ({"stop_limit_stop_limit_gtc": STOP}, "STOP_LIMIT"),
        ({"stop_limit_stop_limit_gtd": STOP | {"end_time": END}}, "STOP_LIMIT"),
        ({"trigger_bracket_gtc": BRACKET}, "BRACKET"),
        ({"trigger_bracket_gtd": BRACKET | {"end_time": END}}, "BRACKET"),
    ],
)
def test_an_end_and_a_stop_come_back_as_they_were_asked_for(config: dict[str, dict[str, str]], shown: str) -> None:
    """In the order that is shown, and by its kind in a list; a stop is pending until the market reaches it."""
    counter = Counter()
    side = "BUY" if shown == "LIMIT" else "SELL"
    made = counter.order(config, side=side)["success_response"]["order_id"]
    (row,) = counter.get(f"{API}/orders/historical/batch", order_types=shown)["orders"]
    assert (row["order_id"], row["order_configuration"], row["order_type"]) == (made, config, shown)
    assert row["trigger_status"] == ("INVALID_ORDER_TYPE" if shown == "LIMIT" else "STOP_PENDING")
    assert row["time_in_force"] == ("GOOD_UNTIL_DATE_TIME" if "gtd" in next(iter(config)) else "GOOD_UNTIL_CANCELLED")


@pytest.mark.parametrize(
    ("config", "side", "reason"),
    [
        (
            {"limit_limit_gtd": {"base_size": "1", "limit_price": "98", "end_time": "2001-01-01T00:00:00Z"}},
            "BUY",
            "END_TIME_IS_IN_THE_PAST",
        ),
        ({"stop_limit_stop_limit_gtc": STOP | {"limit_price": "99.5"}}, "SELL", "STOP_PRICE_BELOW_LIMIT_PRICE"),
        ({"stop_limit_stop_limit_gtc": STOP}, "BUY", "STOP_PRICE_ABOVE_LIMIT_PRICE"),
        ({"trigger_bracket_gtc": BRACKET}, "BUY", "INVALID_BRACKET_ORDER_SIDE"),
        ({"trigger_bracket_gtc": BRACKET | {"stop_trigger_price": "120"}}, "SELL", "INVALID_BRACKET_PRICES"),
    ],
)
def test_an_end_or_a_stop_that_makes_no_sense_is_refused_by_coinbases_word(config: dict[str, Any], side: str, reason: str) -> None:
    """A preview knows it before."""
    counter = Counter()
    refused = counter.order(config, side=side)
    assert (refused["success"], refused["error_response"]["preview_failure_reason"]) == (False, f"PREVIEW_{reason}")
    assert counter.venue.truth_orders() == ()


@pytest.mark.parametrize(
    "config",
    [
        {"limit_limit_gtd": {"base_size": "1", "limit_price": "98"}},
        {"limit_limit_gtd": {"base_size": "1", "limit_price": "98", "end_time": "tomorrow"}},
        {"stop_limit_stop_limit_gtc": {"base_size": "1", "limit_price": "98", "stop_price": "99"}},
        {"stop_limit_stop_limit_gtc": STOP | {"stop_direction": "DOWN"}},
        {"stop_limit_stop_limit_gtc": STOP | {"stop_direction": ["STOP_DIRECTION_STOP_DOWN"]}},
        {"trigger_bracket_gtc": {"base_size": "1", "limit_price": "98"}},
        {"trigger_bracket_gtd": BRACKET},
    ],
)
def test_half_a_stop_is_a_bad_argument(config: dict[str, dict[str, Any]]) -> None:
    """Never an order without it."""
    counter = Counter()
    assert counter.order(config, side="SELL")["error"] == "INVALID_ARGUMENT"
    assert counter.venue.truth_orders() == ()


def test_a_market_sell_by_quote_is_refused_in_coinbases_own_sentence() -> None:
    """As people have met it."""
    refused = Counter().order({"market_market_ioc": {"quote_size": "10"}}, side="SELL")["error_response"]
    assert refused["message"] == "rpc error: code = InvalidArgument desc = Market sells must be parameterized in base currency"
    assert (refused["error"], refused["preview_failure_reason"]) == ("UNSUPPORTED_ORDER_CONFIGURATION", "PREVIEW_INVALID_ORDER_CONFIG")


def test_a_market_buy_by_quote_shows_what_it_was_asked_for_with() -> None:
    """Its configuration is the quote, and it says so; an order by amount is not touched."""
    counter = Counter()
    config = {"market_market_ioc": {"quote_size": "50"}}
    made = counter.order(config)["success_response"]["order_id"]
    by_amount = counter.order({"market_market_ioc": {"base_size": "0.1"}}, name="other", side="SELL")["success_response"]["order_id"]
    order = counter.get(f"{API}/orders/historical/{made}")["order"]
    assert (order["order_configuration"], order["size_in_quote"], order["status"]) == (config, True, "FILLED")
    assert Decimal(order["total_value_after_fees"]) == Decimal(order["filled_value"]) + Decimal(order["total_fees"])
    sold = counter.get(f"{API}/orders/historical/{by_amount}")["order"]
    assert (sold["order_configuration"], sold["size_in_quote"]) == ({"market_market_ioc": {"base_size": "0.1"}}, False)
    assert Decimal(sold["total_value_after_fees"]) == Decimal(sold["filled_value"]) - Decimal(sold["total_fees"])  # what it brought


def test_a_preview_says_what_the_order_then_does() -> None:
    """Cost, fee and slippage are those of the fills that follow; nothing happens before."""
    counter = Counter()
    before = counter.venue.truth()
    config = {"sor_limit_ioc": {"base_size": "2", "limit_price": "101"}}
    told = counter.preview(config)
    assert counter.venue.truth() == before
    assert (told["errs"], told["best_bid"], told["best_ask"], told["slippage"]) == ([], "99", "101", "0")
    assert (told["base_size"], told["quote_size"], told["commission_total"], told["order_total"]) == ("2", "202", "2.424", "204.424")
    counter.order(config)
    (order,) = counter.venue.truth_orders()
    assert (order.filled, order.cost, order.fee) == (2, 202, Decimal("2.424"))


def test_a_preview_of_what_would_be_refused_says_why() -> None:
    """Funds, steps, an unknown product: in Coinbase's words, at status 200, without an id to go on with."""
    counter = Counter()
    for config, product, reason in (
        (limit("1000", "100"), "BTC-USD", "PREVIEW_INSUFFICIENT_FUND"),
        (limit("1", "98.001"), "BTC-USD", "PREVIEW_INVALID_PRICE_PRECISION"),
        (limit("1", "98"), "TEA-USD", "PREVIEW_INVALID_PRODUCT_ID"),
        (limit("1", "102", post_only=True), "BTC-USD", "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY"),
    ):
        told = counter.preview(config, product=product)
        assert (told["errs"], "preview_id" in told) == ([reason], False)


def test_an_edit_can_be_previewed() -> None:
    """What the edit would come to, or why it would come to nothing; the order stays as it is."""
    counter = Counter()
    made = counter.order(limit("1", "98"))["success_response"]["order_id"]
    told = counter.ask("POST", f"{API}/orders/edit_preview", {"order_id": made, "price": "97", "size": "2"}).content
    assert (told["errors"], told["base_size"], told["quote_size"], told["average_filled_price"]) == ([], "2", "194", "97")
    told = counter.ask("POST", f"{API}/orders/edit_preview", {"order_id": made, "price": "97.001", "size": "2"}).content
    assert told["errors"][0]["edit_failure_reason"] == "INVALID_EDITED_PRICE"
    told = counter.ask("POST", f"{API}/orders/edit_preview", {"order_id": "none", "price": "97", "size": "2"}).content
    assert told["errors"][0]["edit_failure_reason"] == "ORDER_NOT_FOUND"
    (order,) = counter.venue.truth_orders()
    assert (order.amount, order.price) == (1, 98)


def test_history_can_be_narrowed_and_paged() -> None:
    """By product, side, kind, state, id and date; pages hold on to their rows although new orders come in between."""
    counter = Counter()
    for n in range(4):
        counter.order(limit("1", "90"), name=f"b-{n}")
    counter.order(limit("1", "20"), name="e", side="SELL", product="ETH-USD")
    counter.order({"market_market_ioc": {"base_size": "1"}}, name="m")
    path = f"{API}/orders/historical/batch"

    def names(**query: object) -> list[str]:
        return [row["client_order_id"] for row in counter.get(path, **query)["orders"]]

    assert names() == ["m", "e", "b-3", "b-2", "b-1", "b-0"]
    assert names(product_ids="ETH-USD") == ["e"]
    assert names(order_side="SELL") == ["e"]
    assert names(order_types="MARKET") == names(order_status="FILLED") == names(time_in_forces="IMMEDIATE_OR_CANCEL") == ["m"]
    assert names(order_status="OPEN", product_ids="BTC-USD") == ["b-3", "b-2", "b-1", "b-0"]
    assert names(product_ids="ETH-USD,BTC-USD", order_side="SELL") == ["e"]
    assert names(product_type="FUTURE") == names(order_placement_source="RETAIL_SIMPLE") == []
    first = counter.get(path, limit=4)
    counter.order(limit("1", "90"), name="late")
    rest = counter.get(path, limit=4, cursor=first["cursor"])
    assert [row["client_order_id"] for row in first["orders"] + rest["orders"]] == ["m", "e", "b-3", "b-2", "b-1", "b-0"]
    assert (first["has_next"], rest["has_next"], rest["cursor"]) == (True, False, "")
    assert first["orders"][-1]["cursor"] == first["cursor"]
    since = first["orders"][1]["created_time"]
    assert names(start_date=since) == ["late", "m", "e"]
    assert names(end_date=since) == ["b-3", "b-2", "b-1", "b-0"]


def test_a_page_of_open_orders_goes_on_although_its_last_row_is_gone() -> None:
    """Cancelled between two pages; no other order is left out."""
    counter = Counter()
    made = [counter.order(limit("1", "90"), name=f"b-{n}")["success_response"]["order_id"] for n in range(4)]
    path = f"{API}/orders/historical/batch"
    first = counter.get(path, order_status="OPEN", limit=2)
    counter.ask("POST", f"{API}/orders/batch_cancel", {"order_ids": [made[2]]})
    rest = counter.get(path, order_status="OPEN", limit=2, cursor=first["cursor"])
    assert [row["client_order_id"] for row in rest["orders"]] == ["b-1", "b-0"]


def test_fills_can_be_narrowed_and_paged() -> None:
    """By order, product, side, trade and time, newest first."""
    counter = Counter()
    buys = [counter.order({"market_market_ioc": {"base_size": "1"}}, name=f"b-{n}")["success_response"]["order_id"] for n in range(3)]
    counter.order({"market_market_ioc": {"base_size": "1"}}, name="s", side="SELL", product="ETH-USD")
    path = f"{API}/orders/historical/fills"
    whole = counter.get(path)["fills"]
    assert [row["order_id"] for row in whole[1:]] == buys[::-1]
    assert counter.get(path, order_ids=buys[0])["fills"] == counter.get(path, trade_ids=whole[3]["trade_id"])["fills"] == [whole[3]]
    assert counter.get(path, product_ids="ETH-USD")["fills"] == counter.get(path, order_side="SELL")["fills"] == [whole[0]]
    assert counter.get(path, start_sequence_timestamp=whole[1]["trade_time"])["fills"] == whole[:2]
    assert counter.get(path, end_sequence_timestamp=whole[1]["trade_time"])["fills"] == whole[1:]
    told, cursor = [], ""
    for _ in range(4):
        page = counter.get(path, limit=1, cursor=cursor)
        told, cursor = told + page["fills"], page["cursor"]
    assert (told, cursor) == (whole, "")


# The account and the market


def test_accounts_come_page_by_page_and_show_what_is_held() -> None:
    """Old and new kind; each can be had by its id."""
    counter = Counter()
    counter.order(limit("2", "90"))
    first = counter.get(f"{API}/accounts", limit=3)
    rest = counter.get(f"{API}/accounts", limit=3, cursor=first["cursor"])
    rows = first["accounts"] + rest["accounts"]
    assert [row["currency"] for row in rows] == ["USD", "BTC", "ETH", "SOL"]
    assert (first["has_next"], first["size"], rest["has_next"], rest["cursor"]) == (True, 3, False, "")
    assert (rows[0]["hold"]["value"], rows[0]["available_balance"]["value"]) == ("182.16", "9817.84")
    assert counter.get(f"{API}/accounts/{rows[1]['uuid']}")["account"] == rows[1]
    old = counter.get("/v2/accounts", limit=3)
    more = counter.get("/v2/accounts", limit=3, starting_after=old["pagination"]["next_starting_after"])
    assert [row["currency"]["code"] for row in old["data"] + more["data"]] == ["USD", "BTC", "ETH", "SOL"]
    assert more["pagination"]["next_uri"] is None
    assert counter.get("/v2/accounts/BTC")["data"]["balance"] == {"amount": "10", "currency": "BTC"}
    assert counter.ask("GET", "/v2/accounts/TEA").content == {"errors": [{"id": "not_found", "message": "Not found"}]}


def test_products_can_be_narrowed_and_paged() -> None:
    """By kind, by id, by place; figures of the day are those of the tape."""
    counter = Counter()
    listed = counter.get(f"{API}/products")
    assert (listed["num_products"], listed["pagination"]["has_next"]) == (3, False)
    assert counter.get(f"{API}/products", product_ids="ETH-USD,SOL-USD", limit=1)["products"] == [listed["products"][1]]
    assert counter.get(f"{API}/products", offset=2)["products"] == [listed["products"][2]]
    assert counter.get(f"{API}/products", product_type="FUTURE")["products"] == []
    bitcoin, _, solana = listed["products"]
    assert (bitcoin["price"], bitcoin["volume_24h"], bitcoin["high_24h"], bitcoin["approximate_quote_24h_volume"]) == (
        "101",
        "5",
        "101",
        "505",
    )
    assert (solana["price"], solana["volume_24h"]) == ("", "0")
    assert counter.get(f"{API}/market/products/BTC-USD") == bitcoin
    missing = counter.ask("GET", f"{API}/products/TEA-USD")
    assert (missing.status, missing.content["message"]) == (404, "Product TEA-USD not supported")


def test_a_product_that_is_none_is_invalid_where_its_market_is_asked_for() -> None:
    """400 in Coinbase's words, whichever way it is asked for."""
    counter = Counter()
    bars = [("start", "0"), ("end", "60"), ("granularity", "ONE_MINUTE")]
    for path, query in (
        ("market/products/TEA-USD/candles", bars),
        ("market/products/TEA-USD/ticker", []),
        ("market/product_book", [("product_id", "TEA-USD")]),
    ):
        found = counter.ask("GET", f"{API}/{path}", query=query)
        assert (found.status, found.content["error_details"]) == (400, "ProductID is invalid")


def test_350_bars_come_and_not_one_more() -> None:
    """As people have measured, whatever the manual says; the sentence is Coinbase's."""
    counter = Counter()
    path = f"{API}/market/products/BTC-USD/candles"

    def asked(count: int) -> int:
        query = [("granularity", "ONE_MINUTE"), ("start", "0"), ("end", str((count - 1) * 60))]
        found = counter.ask("GET", path, query=query)
        if found.status == 400:
            sentence = "start and end argument is invalid - number of candles requested should be less than 350"
            assert found.content["error_details"] == sentence
        return found.status

    assert (asked(350), asked(351)) == (200, 400)


def test_a_book_can_be_had_in_coarser_steps() -> None:
    """Bids under the lower end of a step, asks under the upper; nothing is lost."""
    counter = Counter()
    book = counter.get(f"{API}/product_book", product_id="BTC-USD", aggregation_price_increment="10")
    assert book["pricebook"]["bids"] == [{"price": "90", "size": "5"}]
    assert book["pricebook"]["asks"] == [{"price": "110", "size": "5"}]
    assert (book["last"], book["mid_market"], book["spread_absolute"]) == ("101", "100", "2")
    assert counter.ask("GET", f"{API}/product_book", query=[("product_id", "BTC-USD"), ("aggregation_price_increment", "0")]).status == 400


def test_the_old_prices_and_rates_are_those_of_the_market() -> None:
    """What a buyer pays, what a seller gets, what was paid last; and what a dollar buys."""
    counter = Counter()
    prices = [counter.get(f"/v2/prices/BTC-USD/{side}")["data"]["amount"] for side in ("buy", "sell", "spot")]
    assert prices == ["101", "99", "101"]
    rates = counter.get("/v2/exchange-rates")["data"]
    assert (rates["currency"], rates["rates"]["USD"], list(rates["rates"])) == ("USD", "1", ["USD", "BTC", "ETH"])
    assert Decimal(rates["rates"]["ETH"]) * 11 == pytest.approx(Decimal(1))
    assert counter.get("/v2/exchange-rates", currency="BTC")["data"]["rates"] == {"BTC": "1", "USD": "101"}
    assert counter.ask("GET", "/v2/prices/SOL-USD/spot").status == 404


def test_every_cancel_of_a_batch_has_its_own_row() -> None:
    """The first cancel of an order goes well, the second has its reason; each is a request of its own to the venue."""
    counter = Counter()
    made = counter.order(limit("1", "90"))["success_response"]["order_id"]
    rows = counter.ask("POST", f"{API}/orders/batch_cancel", {"order_ids": [made, "o-none", made]}).content["results"]
    assert [(row["order_id"], row["success"], row["failure_reason"]) for row in rows] == [
        (made, True, "UNKNOWN_CANCEL_FAILURE_REASON"),
        ("o-none", False, "UNKNOWN_CANCEL_ORDER"),
        (made, False, "ORDER_IS_FULLY_FILLED"),
    ]
    assert [request.op for request in counter.requests[1:]] == [Op.ORDER_CANCEL] * 3
