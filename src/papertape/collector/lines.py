"""What a collector tells, as plain dicts of strings and integers: what is sent to other processes, and what screens are drawn from.

    {"kind": "trade", "symbol", "ns", "price", "amount", "side"}
    {"kind": "book", "symbol", "ns", "bids": [[price, amount], …], "asks": …}
    {"kind": "ticker", "symbol", "ns", "bid", "ask", "last"}
    {"kind": "candle", "symbol", "ns", "open", "high", "low", "close", "volume"}
    {"kind": "state", "symbol", "ns", "id", "client_order_id", "type", "side", "price", "amount", "filled", "cost", "status", "reason"}
    {"kind": "pulse", "health": …, "lag_ns": {symbol: …}, "heard": {kind: …}, "failures"}
    {"kind": "missed", "trades", "orders", "candles"}

Prices and amounts are decimals as text; `ns` is the venue's clock, since 1970-01-01 UTC, of a candle its first nanosecond.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from papertape.collector.collector import BookShot, Pulse
from papertape.collector.mailbox import Batch
from papertape.model.account import Candle
from papertape.model.order import Order
from papertape.model.public import PublicTicker, PublicTrade

Line = dict[str, Any]


def lines_of(batch: Batch) -> Iterator[Line]:
    """Everything in a batch, trades first, so that a screen that draws as it goes has the newest last."""
    missed = {"trades": batch.missed_trades, "orders": batch.missed_orders, "candles": batch.missed_candles}
    if any(missed.values()):
        yield {"kind": "missed", **missed}
    yield from map(_trade, batch.trades)
    for symbol, candle in batch.candles:
        yield _candle(symbol, candle)
    yield from map(_ticker, batch.tickers.values())
    yield from map(_book, batch.books.values())
    yield from map(_order, batch.orders.values())
    if batch.pulse is not None:
        yield _pulse(batch.pulse)


def _trade(trade: PublicTrade) -> Line:
    return {
        "kind": "trade", "symbol": trade.symbol, "ns": trade.venue_ns, "price": str(trade.price), "amount": str(trade.amount),
        "side": str(trade.side),
    }  # fmt: skip


def _book(book: BookShot) -> Line:
    return {
        "kind": "book", "symbol": book.symbol, "ns": book.venue_ns,
        "bids": [[str(price), str(amount)] for price, amount in book.bids],
        "asks": [[str(price), str(amount)] for price, amount in book.asks],
    }  # fmt: skip


def _ticker(ticker: PublicTicker) -> Line:
    prices = {"bid": ticker.bid, "ask": ticker.ask, "last": ticker.last}
    words = {name: None if price is None else str(price) for name, price in prices.items()}
    return {"kind": "ticker", "symbol": ticker.symbol, "ns": ticker.venue_ns, **words}


def _candle(symbol: str, candle: Candle) -> Line:
    return {
        "kind": "candle", "symbol": symbol, "ns": candle.open_ns, "open": str(candle.open), "high": str(candle.high),
        "low": str(candle.low), "close": str(candle.close), "volume": str(candle.volume),
    }  # fmt: skip


def _order(order: Order) -> Line:
    return {
        "kind": "state", "symbol": order.symbol, "ns": order.updated_ns, "id": order.id, "client_order_id": order.client_order_id,
        "type": str(order.type), "side": str(order.side), "price": None if order.price is None else str(order.price),
        "amount": str(order.amount), "filled": str(order.filled), "cost": str(order.cost), "status": str(order.status),
        "reason": order.reason,
    }  # fmt: skip


def _pulse(pulse: Pulse) -> Line:
    return {"kind": "pulse", **msgspec.to_builtins(pulse)}
