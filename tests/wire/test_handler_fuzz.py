"""Whatever is sent gets an answer of Coinbase's: requests drawn from our own description of its API, right, wrong and mad."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from papertape.model.units import SECOND
from papertape.venues.coinbase.api import ENDPOINTS, Endpoint, Kind, Param, Shape
from papertape.venues.coinbase.configuration import KNOWN_CONFIGURATIONS
from papertape.venues.coinbase.errors import Body
from wire.counter import API, KEY, LOOKER, Counter

COMPLAINT = {"error", "error_details", "message"}
REASONS = ("success", "results", "errs", "errors")

numbers = st.sampled_from(["0", "1", "0.5", "98", "100.01", "1e-8", "-1", "1e999", "NaN", "0x1", "", "9" * 50, "１"])
mad: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | numbers,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
configurations = st.dictionaries(
    st.sampled_from(list(KNOWN_CONFIGURATIONS)) | st.text(max_size=5),
    st.dictionaries(
        st.sampled_from(["base_size", "quote_size", "limit_price", "post_only", "end_time", "stop_price"]), numbers | mad, max_size=4
    )
    | mad,
    max_size=2,
)


def sane(param: Param) -> st.SearchStrategy[Any]:
    """A value as the description promises it."""
    match param.kind:
        case Kind.WORD:
            return st.sampled_from(param.words)
        case Kind.COUNT:
            return st.integers(0, 2000).map(str)
        case Kind.SECONDS:
            return st.integers(0, 2_000_000_000).map(str)
        case Kind.MOMENT:
            return st.sampled_from(["2026-08-09T21:05:48Z", "2026-08-09T21:05:48.5+02:00", "2026-02-30T00:00:00Z"])
        case Kind.SIZE:
            return numbers
        case Kind.FLAG:
            return st.sampled_from(["true", "False"])
        case Kind.OBJECT:
            return configurations
    return st.sampled_from(["BTC-USD", "ETH-USD", "TEA-USD", "o-000001", "BTC", "USD", "BTC-USD,ETH-USD", "5.x"]) | st.text(max_size=12)


@st.composite
def requests(draw: st.DrawFn) -> tuple[Endpoint, str, list[tuple[str, str]], bytes]:
    """An endpoint, and something to ask it with."""
    endpoint = draw(st.sampled_from(ENDPOINTS))
    path = endpoint.path
    given_: dict[str, Any] = {}
    for param in endpoint.params:
        value = draw(sane(param) if draw(st.integers(0, 4)) else mad)
        if f"{{{param.name}}}" in path:
            path = path.replace(f"{{{param.name}}}", str(value).replace("/", "") or "x")
        elif draw(st.integers(0, 4)):
            given_[draw(st.sampled_from((param.name, *param.also)))] = [value] if param.many and draw(st.booleans()) else value
    if endpoint.method == "POST":
        body = draw(st.binary(max_size=30)) if not draw(st.integers(0, 9)) else json.dumps(given_).encode()
        return endpoint, path, [], body
    query = [(name, str(each)) for name, value in given_.items() for each in (value if isinstance(value, list) else [value])]
    return endpoint, path, query, draw(st.sampled_from([b"", b"{}", b"tea"]))


def is_coinbases(endpoint: Endpoint, found: Body) -> bool:
    """Whether an answer is one that Coinbase gives."""
    if found.status == 200:
        return isinstance(found.content, dict)
    if found.status in (400, 404):
        return set(found.content) == COMPLAINT or (endpoint.path.startswith("/v2/") and set(found.content) == {"errors"})
    return False


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(asked=st.lists(requests(), min_size=1, max_size=6))
def test_whatever_is_sent_gets_an_answer_of_coinbases(asked: list[tuple[Endpoint, str, list[tuple[str, str]], bytes]]) -> None:
    """Never an error of ours: 200, or 400 or 404 in Coinbase's shape; and the venue's sums are right after all of it."""
    counter = Counter()
    for endpoint, path, query, body in asked:
        found = counter.ask(endpoint.method, path, body, query=query, wait_ns=SECOND)
        assert is_coinbases(endpoint, found), (endpoint.path, found)
    truth = counter.venue.truth()
    for currency, balance in truth.balances.currencies.items():
        assert balance.free >= 0, currency
        assert balance.used >= 0, currency


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(endpoint=st.sampled_from(ENDPOINTS), body=st.binary(max_size=20), token=st.text(max_size=20) | st.none())
def test_who_has_no_key_gets_the_market_and_nothing_else(endpoint: Endpoint, body: bytes, token: str | None) -> None:
    """Where a right is needed there is one word, whatever was sent with it, and the venue never hears of it."""
    counter = Counter()
    path = endpoint.path.replace("{", "").replace("}", "")
    found = counter.ask(endpoint.method, path, body, key=None, token=token)
    assert (found.status == 401) is (endpoint.right is not None)
    if endpoint.right is not None:
        assert counter.requests == []


def test_every_endpoint_has_an_answer_that_goes_well() -> None:
    """Asked as the manual says, each of them, with a key that may; no shape is left out."""
    counter = Counter()
    made = counter.order({"limit_limit_gtc": {"base_size": "1", "limit_price": "90"}})["success_response"]["order_id"]
    account = counter.get(f"{API}/accounts")["accounts"][0]["uuid"]
    named = {"product_id": "BTC-USD", "account_uuid": account, "account_id": account, "order_id": made, "pair": "BTC-USD", "side": "spot"}
    bars = {"start": "1786309200", "end": "1786309560", "granularity": "ONE_MINUTE"}
    order = {"product_id": "BTC-USD", "side": "BUY", "order_configuration": {"market_market_ioc": {"quote_size": "10"}}}
    bodies = {
        Shape.CREATED: order | {"client_order_id": "another"},
        Shape.PREVIEWED: order,
        Shape.EDITED: {"order_id": made, "price": "91", "size": "1"},
        Shape.EDIT_PREVIEWED: {"order_id": made, "price": "92", "size": "1"},
        Shape.CANCELLED: {"order_ids": [made]},
    }
    for endpoint in ENDPOINTS:
        path = endpoint.path.format(**named)
        query = list({Shape.CANDLES: bars, Shape.BOOK: {"product_id": "BTC-USD"}}.get(endpoint.shape, {}).items())
        content = bodies[endpoint.shape] if endpoint.method == "POST" else None
        found = counter.ask(endpoint.method, path, content, query=query)
        assert found.status == 200, (path, found)
        assert not any(found.content.get(each) in (False, []) for each in REASONS if each == "success"), (path, found)
    assert {endpoint.shape for endpoint in ENDPOINTS} == set(Shape)
    assert KEY.name != LOOKER.name
