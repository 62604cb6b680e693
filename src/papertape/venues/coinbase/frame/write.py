"""Stream frames, written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from papertape.model.account import Candle
from papertape.model.event import BookSnapshot, BookUpdate, CandleEvent, ConnectionEvent, Event, Heartbeat, MarketStatus, Ticker, Trade
from papertape.model.order import Order, OrderUpdate
from papertape.model.units import SECOND, Nanos, plain
from papertape.venues.coinbase.frame.rows import CANDLE_SPAN_NS, CandleRow, LevelRow, TradeRow
from papertape.venues.coinbase.notation import Product, Products, format_heartbeat_time, format_side, format_time
from papertape.venues.coinbase.order import to_user_order
from papertape.venues.coinbase.product import change_of

_encode: Final = msgspec.json.Encoder().encode
_OF_BOOKS: Final = (BookSnapshot, BookUpdate)

HEARTBEAT: Final = (
    '{"channel":"heartbeats","client_id":"","timestamp":"%s","sequence_num":%d,"events":[{"current_time":"%s","heartbeat_counter":%d}]}'
)
"""Of a quiet market two frames in three, so as it leaves; of what is put in nothing needs an escape."""


def render(message: Event | OrderUpdate, sequence: int, products: Products, day: Candle | None = None) -> bytes:
    """The frame that carries one message; its `timestamp` is the message's own.

    Args:
        message: what is to be said.
        sequence: the connection's counter.
        products: under which names, in which steps.
        day: what was traded in the last day, for a ticker; None if nothing was, or nobody knows.

    Raises `TypeError` for what no frame can carry, `KeyError` for an instrument that the venue does not list.
    """
    if isinstance(message, OrderUpdate):
        return _frame("user", message.venue_ns, sequence, {"type": "update", "orders": [to_user_order(message.order)], "positions": {}})
    if isinstance(message, Heartbeat):
        time, heartbeat_time = format_time(message.venue_ns), format_heartbeat_time(message.venue_ns)
        return (HEARTBEAT % (time, sequence, heartbeat_time, message.counter)).encode()
    if isinstance(message, ConnectionEvent):
        return error(message.text)
    product = products.by_symbol[message.symbol]
    if isinstance(message, _OF_BOOKS):
        kind = "snapshot" if isinstance(message, BookSnapshot) else "update"
        event = {"type": kind, "product_id": product.stream_name, "updates": _render_levels(message, product)}
        return _frame("l2_data", message.venue_ns, sequence, event)
    if isinstance(message, Trade):
        return _frame("market_trades", message.venue_ns, sequence, {"type": "update", "trades": [_render_trade(message, product)]})
    if isinstance(message, Ticker):
        return _frame("ticker", message.venue_ns, sequence, {"type": "update", "tickers": [_render_ticker(message, product, day)]})
    if isinstance(message, MarketStatus):
        return status([(product, message)], message.venue_ns, sequence)
    if isinstance(message, CandleEvent) and message.span_ns == CANDLE_SPAN_NS:
        return _frame("candles", message.venue_ns, sequence, {"type": "update", "candles": [_render_candle(message, product)]})
    raise TypeError(f"coinbase has no frame for {message!r}")


def _render_levels(message: BookSnapshot | BookUpdate, product: Product) -> list[LevelRow]:
    time, ticks, lots = format_time(message.venue_ns), product.ticks.text, product.lots.text
    bids = [LevelRow("bid", time, ticks(price), lots(amount)) for price, amount in message.bids]
    return bids + [LevelRow("offer", time, ticks(price), lots(amount)) for price, amount in message.asks]


def _render_trade(trade: Trade, product: Product) -> TradeRow:
    return TradeRow(
        product_id=product.stream_name,
        trade_id=trade.trade_id,
        price=product.ticks.text(trade.price_ticks),
        size=product.lots.text(trade.qty_lots),
        time=format_time(trade.venue_ns),
        side=format_side(trade.taker.opposite),
    )


def _render_ticker(ticker: Ticker, product: Product, day: Candle | None) -> dict[str, str]:
    ticks, lots = product.ticks.text, product.lots.text
    low, high, volume = ("0", "0", "0") if day is None else (plain(day.low), plain(day.high), plain(day.volume))
    return {
        "type": "ticker",
        "product_id": product.stream_name,
        "price": "" if ticker.last_ticks is None else ticks(ticker.last_ticks),
        "volume_24_h": volume,
        "low_24_h": low,
        "high_24_h": high,
        "low_52_w": low,  # no tape goes back further
        "high_52_w": high,
        "price_percent_chg_24_h": change_of(day),
        "best_bid": "" if ticker.bid_ticks is None else ticks(ticker.bid_ticks),
        "best_ask": "" if ticker.ask_ticks is None else ticks(ticker.ask_ticks),
        "best_bid_quantity": lots(ticker.bid_lots),
        "best_ask_quantity": lots(ticker.ask_lots),
    }


def _render_candle(candle: CandleEvent, product: Product) -> CandleRow:
    ticks = product.ticks.text
    return CandleRow(
        start=str(candle.open_ns // SECOND),
        high=ticks(candle.high_ticks),
        low=ticks(candle.low_ticks),
        open=ticks(candle.open_ticks),
        close=ticks(candle.close_ticks),
        volume=product.lots.text(candle.volume_lots),
        product_id=product.stream_name,
    )


def trades(told: Sequence[Trade], product: Product, venue_ns: Nanos, sequence: int, *, is_history: bool) -> bytes:
    """Several trades of one product, given oldest first: what `market_trades` begins with, or what was printed since its last frame."""
    rows = [_render_trade(trade, product) for trade in reversed(told)]
    return _frame("market_trades", venue_ns, sequence, {"type": "snapshot" if is_history else "update", "trades": rows})


def candles(told: Sequence[CandleEvent], product: Product, venue_ns: Nanos, sequence: int, *, is_history: bool) -> bytes:
    """Several bars of one product, oldest first: what `candles` begins with, or those that have changed."""
    rows = [_render_candle(candle, product) for candle in told]
    return _frame("candles", venue_ns, sequence, {"type": "snapshot" if is_history else "update", "candles": rows})


def ticker_snapshot(ticker: Ticker, product: Product, day: Candle | None, sequence: int) -> bytes:
    """What `ticker` begins with."""
    return _frame("ticker", ticker.venue_ns, sequence, {"type": "snapshot", "tickers": [_render_ticker(ticker, product, day)]})


def ticker_batch(told: Sequence[tuple[Ticker, Candle | None]], products: Products, venue_ns: Nanos, sequence: int) -> bytes:
    """What `ticker_batch` tells every few seconds: all of its products, without best prices, as production leaves those out.

    Args:
        told: each ticker, and what was traded in its last day.
    """
    rows = [_render_ticker(ticker, products.by_symbol[ticker.symbol], day) for ticker, day in told]
    rows = [{name: text for name, text in row.items() if not name.startswith("best_")} for row in rows]
    return _frame("ticker_batch", venue_ns, sequence, {"type": "update", "tickers": rows})


def status(told: Sequence[tuple[Product, MarketStatus]], venue_ns: Nanos, sequence: int) -> bytes:
    """What `status` tells now and then: the products that it was asked for, and how their markets stand."""
    rows = [_render_status(product, its) for product, its in told]
    return _frame("status", venue_ns, sequence, {"type": "snapshot", "products": rows})


def _render_status(product: Product, its: MarketStatus) -> dict[str, str]:
    it = product.instrument
    steps = {"base_increment": plain(it.lot), "quote_increment": plain(it.tick), "min_market_funds": plain(it.cost_min)}
    names = {"product_type": "SPOT", "id": product.name, "base_currency": it.base, "quote_currency": it.quote}
    return names | steps | {"display_name": f"{it.base}/{it.quote}", "status": its.status, "status_message": its.text}


def open_orders(orders: Sequence[Order], venue_ns: Nanos, sequence: int) -> bytes:
    """One message of what `user` begins with; the caller cuts the list at `SNAPSHOT_ORDERS_MAX`."""
    rows = [to_user_order(order) for order in orders]
    return _frame("user", venue_ns, sequence, {"type": "snapshot", "orders": rows, "positions": {}})


def acknowledgement(subscriptions: dict[str, list[str]], venue_ns: Nanos, sequence: int) -> bytes:
    """What a subscribe or unsubscribe is answered with: everything that is subscribed to from now on."""
    return _frame("subscriptions", venue_ns, sequence, {"subscriptions": dict(sorted(subscriptions.items()))})


def error(text: str) -> bytes:
    """A complaint; it has no channel and no number."""
    return _encode({"type": "error", "message": text})


def _frame(channel: str, venue_ns: Nanos, sequence: int, event: dict[str, Any]) -> bytes:
    return _encode({"channel": channel, "client_id": "", "timestamp": format_time(venue_ns), "sequence_num": sequence, "events": [event]})
