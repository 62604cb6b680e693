"""The dialect against real frames: 24 seconds of Coinbase Advanced Trade, BTC-USD and ETH-USD, five channels on one connection."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from papertape.model.account import Market
from papertape.model.book import Book
from papertape.model.event import BookSnapshot, BookUpdate, CandleEvent, Ticker, Trade
from papertape.model.order import OrderUpdate
from papertape.model.request import Answer, Op, Request
from papertape.venues.coinbase import answer as answers
from papertape.venues.coinbase import frame
from papertape.venues.coinbase.asked import Asked, parse
from papertape.venues.coinbase.notation import Products


class Capture:
    """The capture, read once."""

    def __init__(self, path: Path) -> None:
        import zstandard

        with path.open("rb") as file:
            lines = [json.loads(line) for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file))]
        self.products = next(json.loads(line["data"]) for line in lines if line["t"] == "http")
        self.frames: list[str] = [line["data"] for line in lines if line["t"] == "recv"]

    def markets(self) -> tuple[Market, ...]:
        return answers.decode(Request(op=Op.MARKETS_FETCH), 200, self.products, {})[0].markets

    def known(self) -> Products:
        return Products(market.instrument for market in self.markets())

    def decoded(self) -> Iterator[tuple[dict[str, Any], frame.Frame]]:
        products = self.known()
        for data in self.frames:
            yield json.loads(data), frame.decode(data, products, 0)


@pytest.fixture(scope="module")
def capture(realdata: Callable[[str], Path]) -> Capture:
    return Capture(realdata("cryptofeed/v3_2026-08-09/COINBASE.jsonl.zst"))


def test_every_real_frame_is_understood(capture: Capture) -> None:
    """1,030 frames numbered without a gap over all channels; each says what its channel says, and nothing is left out."""
    found = list(capture.decoded())
    assert [each.sequence for _, each in found] == list(range(1030))
    counts: dict[str, int] = {}
    for raw, each in found:
        counts[raw["channel"]] = counts.get(raw["channel"], 0) + 1
        assert bool(each.messages) is (raw["channel"] != "subscriptions" and _is_news(raw))
    assert counts == {"candles": 6, "heartbeats": 25, "l2_data": 775, "market_trades": 59, "subscriptions": 5, "ticker": 160}


def _is_news(raw: dict[str, Any]) -> bool:
    return raw["channel"] != "market_trades" or raw["events"][0]["type"] == "update"


def test_the_real_book_is_never_crossed_and_trades_are_contiguous(capture: Capture) -> None:
    """Best first in the snapshot, uncrossed after every message; trade ids go up by one for each product."""
    books = {market.symbol: Book(market.instrument) for market in capture.markets()}
    last: dict[str, int] = {}
    for _, each in capture.decoded():
        for event in each.messages:
            if isinstance(event, BookSnapshot):
                assert list(event.bids) == sorted(event.bids, reverse=True)
                assert list(event.asks) == sorted(event.asks)
            if isinstance(event, BookSnapshot | BookUpdate):
                books[event.symbol].apply(event)
                assert not books[event.symbol].is_crossed
            elif isinstance(event, Trade):
                assert int(event.trade_id) == last.get(event.symbol, int(event.trade_id) - 1) + 1
                last[event.symbol] = int(event.trade_id)


FIGURES = ("volume_24_h", "low_24_h", "high_24_h", "low_52_w", "high_52_w", "price_percent_chg_24_h")
"""Of a ticker: what no tape holds."""


def test_every_real_frame_can_be_said_again(capture: Capture) -> None:
    """Decoded and rendered by us it is the real frame, as parsed JSON: all but the moment at which the server wrote it, a ticker's figures
    of the year, how a heartbeat writes its time, and the order of a book's sides.
    """
    products = capture.known()
    for raw, each in capture.decoded():
        ours = json.loads(again(raw, each, products))
        assert ours.pop("client_id") == ""  # production leaves it out, Coinbase's own SDK cannot live without
        for said in (ours, raw):
            del said["timestamp"]
            for event in said["events"]:
                event.get("updates", []).sort(key=str)
                event.pop("current_time", None)
                for row in event.get("tickers", []):
                    assert set(row) >= set(FIGURES)
                    for name in FIGURES:
                        del row[name]
        assert ours == raw


def again(raw: dict[str, Any], each: frame.Frame, products: Products) -> bytes:
    """The frame that says the same, by ours."""
    sequence, venue_ns, is_first = raw["sequence_num"], 0, raw["events"][0].get("type") == "snapshot"
    told = each.messages or each.history
    if each.subscriptions is not None:
        return frame.acknowledgement(each.subscriptions, venue_ns, sequence)
    product = products.by_symbol.get(told[0].symbol) if not isinstance(told[0], OrderUpdate) else None
    match raw["channel"]:
        case "market_trades":
            assert product is not None
            return frame.trades([trade for trade in told if isinstance(trade, Trade)], product, venue_ns, sequence, is_history=is_first)
        case "candles":
            assert product is not None
            return frame.candles([bar for bar in told if isinstance(bar, CandleEvent)], product, venue_ns, sequence, is_history=is_first)
        case "ticker" if is_first and isinstance(told[0], Ticker) and product is not None:
            return frame.ticker_snapshot(told[0], product, None, sequence)
    (message,) = told
    return frame.render(message, sequence, products)


def test_our_product_rows_have_the_real_ones_fields(capture: Capture) -> None:
    """Ours are the real ones, each and no other, of the same kind; steps and minimums come back as they were."""
    asked = parse("GET", "/api/v3/brokerage/market/products", [], b"")
    assert isinstance(asked, Asked)
    real = {row["product_id"]: row for row in capture.products["products"]}
    content = answers.render(asked, [Answer(markets=capture.markets())], 0).content
    assert set(content) == set(capture.products)
    assert set(content["pagination"]) == set(capture.products["pagination"])
    for ours in content["products"]:
        theirs = real[ours["product_id"]]
        assert {key: type(value) for key, value in theirs.items()} == {key: type(value) for key, value in ours.items()}
        for key in ("base_increment", "quote_increment", "price_increment", "base_min_size", "quote_min_size", "base_currency_id"):
            assert ours[key] == theirs[key]
