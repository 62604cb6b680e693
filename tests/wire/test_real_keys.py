"""Our answers have at least the keys of real ones: their names are committed, and where they were read; the bodies are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wire.counter import API, Counter

REAL = json.loads((Path(__file__).parents[1] / "venues_coinbase/real_keys.json").read_text(encoding="utf-8"))


def keys(content: Any, under: str = "") -> set[str]:
    """Every key of a body, inner ones too; rows of a list count as one."""
    if isinstance(content, list):
        return {key for each in content for key in keys(each, f"{under}[]")} | {under}
    if not isinstance(content, dict):
        return {under}
    return {key for name, each in content.items() for key in keys(each, f"{under}.{name}" if under else name)} | {under}


@pytest.fixture(scope="module")
def counter() -> Counter:
    """A bought bitcoin, so that lists have rows, and an order that rests."""
    counter = Counter()
    counter.order({"market_market_ioc": {"quote_size": "100"}}, name="bought")
    counter.order({"limit_limit_gtc": {"base_size": "1", "limit_price": "90"}}, name="rests")
    return counter


@pytest.mark.parametrize("real", REAL["bodies"], ids=[f"{each['of']} {each['method']}" for each in REAL["bodies"]])
def test_an_answer_has_every_key_of_the_real_one(counter: Counter, real: dict[str, Any]) -> None:
    """Down to the fields of its rows."""
    resting = counter.venue.truth_orders()[-1].id
    path = real["path"].format(order=resting)
    order = {"product_id": "BTC-USD", "side": "BUY", "order_configuration": {"market_market_ioc": {"quote_size": "10"}}}
    bodies = {
        f"{API}/orders": order | {"client_order_id": "another"},
        f"{API}/orders/preview": order,
        f"{API}/orders/edit_preview": {"order_id": resting, "price": "91", "size": "1"},
    }
    content = bodies.get(path)
    found = counter.ask("GET" if content is None else "POST", path, content)
    assert found.status == 200
    assert set(real["keys"]) - keys(found.content) == set()


def test_the_sources_are_named_to_the_commit() -> None:
    """Whoever wants to read them again can."""
    assert {each["of"] for each in REAL["bodies"]} == set(REAL["read_from"])
    assert all(len(url.split("/blob/")[1].split("/")[0]) == 40 for url in REAL["read_from"].values())
