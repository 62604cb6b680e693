"""The public market over REST: recent trades, books, best prices; written by the venue and read by a client.

A trade's `side` is taken to be the maker's, as on the stream, where real captures show it; no public source says so of REST. Times of day,
sizes and prices have no more decimals than they need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

import msgspec

from papertape.model.account import Candle
from papertape.model.event import BookSnapshot, Level, Trade
from papertape.model.units import EXACT, Nanos, plain
from papertape.venues.coinbase.notation import Product, Products, format_side, format_time, parse_side, parse_time

Rows = list[dict[str, Any]]


def render_trades(trades: Sequence[Trade], best: BookSnapshot, products: Products) -> dict[str, Any]:
    """The answer of `…/ticker`: trades, newest first, and the best prices beside them."""
    product = products.by_symbol[best.symbol]
    rows = [_render_trade(each, product) for each in reversed(trades)]
    ticks = product.ticks.text
    prices = {name: ticks(levels[0][0]) if levels else "" for name, levels in (("best_bid", best.bids), ("best_ask", best.asks))}
    return {"trades": rows, **prices}


def render_book(book: BookSnapshot, products: Products, days: Mapping[str, Candle], step: str = "") -> dict[str, Any]:
    """The answer of `product_book`.

    Args:
        book: one instrument's, as deep as was asked for.
        products: under which name, in which steps.
        days: by symbol, what was traded in the last day.
        step: levels within the same step of price are put together, bids under its lower end and asks under its upper; "" for none.
    """
    last = days[book.symbol].close if book.symbol in days else None
    levels = _render_levels(aggregated(book, products, Decimal(step)) if step else book, products)
    return {"pricebook": levels, "last": "" if last is None else plain(last), **_middle(book, products)}


def aggregated(book: BookSnapshot, products: Products, step: Decimal) -> BookSnapshot:
    """The book in coarser steps; one that is no multiple of the tick counts as the next above that is."""
    tick = products.by_symbol[book.symbol].instrument.tick
    ticks = int(EXACT.divide(step, tick).to_integral_value(ROUND_CEILING, EXACT))
    sides: list[dict[int, int]] = [{}, {}]
    for levels, found, is_bid in ((book.bids, sides[0], True), (book.asks, sides[1], False)):
        for price, amount in levels:
            end = price // ticks * ticks if is_bid else -(-price // ticks) * ticks
            found[end] = found.get(end, 0) + amount
    return msgspec.structs.replace(book, bids=tuple(sides[0].items()), asks=tuple(sides[1].items()))


def render_books(books: Sequence[BookSnapshot], products: Products) -> dict[str, Any]:
    """The answer of `best_bid_ask`."""
    return {"pricebooks": [_render_levels(book, products) for book in books]}


def decode_trades(body: Mapping[str, Any], symbol: str, products: Products) -> tuple[tuple[Trade, ...], BookSnapshot]:
    """The trades, oldest first, and the best prices without their amounts, which this answer does not tell.

    Raises `KeyError` for a product that is not known, or a body that is another answer's.
    """
    product = products.by_symbol[symbol]
    trades = tuple(_decode_trade(row, product) for row in reversed(body["trades"]))
    at_ns = trades[-1].venue_ns if trades else 0
    bids, asks = ((((product.ticks.count(text), 0),) if (text := body[name]) else ()) for name in ("best_bid", "best_ask"))
    return trades, BookSnapshot(venue_ns=at_ns, local_ns=at_ns, symbol=symbol, bids=bids, asks=asks)


def decode_books(body: Mapping[str, Any], products: Products, symbol: str = "") -> tuple[BookSnapshot, ...]:
    """The books of either answer; products that are not known are left out.

    Args:
        symbol: which one was asked for; its book may come under another's name, with which it shares it.
    """
    if symbol in products.by_symbol and "pricebook" in body:
        return (_decode_levels(body["pricebook"], products.by_symbol[symbol]),)
    rows: Rows = body["pricebooks"] if "pricebooks" in body else [body["pricebook"]]
    return tuple(_decode_levels(row, products.by_name[row["product_id"]]) for row in rows if row["product_id"] in products.by_name)


def _render_trade(trade: Trade, product: Product) -> dict[str, Any]:
    return {
        "trade_id": trade.trade_id,
        "product_id": product.name,
        "price": product.ticks.text(trade.price_ticks),
        "size": product.lots.text(trade.qty_lots),
        "time": format_time(trade.venue_ns),
        "side": format_side(trade.taker.opposite),
        "bid": "",
        "ask": "",
        "exchange": "coinbase",
    }


def _decode_trade(row: Mapping[str, Any], product: Product) -> Trade:
    at_ns = parse_time(row["time"])
    return Trade(
        venue_ns=at_ns,
        local_ns=at_ns,
        symbol=product.symbol,
        price_ticks=product.ticks.count(row["price"]),
        qty_lots=product.lots.count(row["size"]),
        taker=parse_side(row["side"]).opposite,
        trade_id=row["trade_id"],
    )


def _render_levels(book: BookSnapshot, products: Products) -> dict[str, Any]:
    product = products.by_symbol[book.symbol]
    ticks, lots = product.ticks.text, product.lots.text

    def rows(levels: Sequence[Level]) -> Rows:
        return [{"price": ticks(price), "size": lots(amount)} for price, amount in levels]

    return {"product_id": product.name, "bids": rows(book.bids), "asks": rows(book.asks), "time": format_time(book.venue_ns)}


def _decode_levels(row: Mapping[str, Any], product: Product) -> BookSnapshot:
    at_ns: Nanos = parse_time(row["time"])
    ticks, lots = product.ticks.count, product.lots.count
    bids, asks = (tuple([(ticks(each["price"]), lots(each["size"])) for each in row[side]]) for side in ("bids", "asks"))
    return BookSnapshot(venue_ns=at_ns, local_ns=at_ns, symbol=product.symbol, bids=bids, asks=asks)


def _middle(book: BookSnapshot, products: Products) -> dict[str, str]:
    """What lies between the best prices; nothing where a side is empty."""
    if not book.bids or not book.asks:
        return dict.fromkeys(("mid_market", "spread_bps", "spread_absolute"), "")
    it = products.by_symbol[book.symbol].instrument
    bid, ask = it.price(book.bids[0][0]), it.price(book.asks[0][0])
    spread, mid = EXACT.subtract(ask, bid), EXACT.divide(EXACT.add(bid, ask), Decimal(2))
    bps = EXACT.quantize(EXACT.divide(EXACT.multiply(spread, Decimal(10_000)), mid), Decimal("1e-8"))
    return {"mid_market": plain(mid), "spread_bps": plain(bps), "spread_absolute": plain(spread)}
