"""Stream frames, read and written: for every event `e` that a frame can carry, `decode(render(e)) == [e]`.

A frame is `{channel, client_id, timestamp, sequence_num, events: [...]}`; `sequence_num` counts per connection from 0 over all channels.
What differs from what one would expect: the book's channel is asked for as `level2` and comes as `l2_data`; its asks are called "offer";
a trade's `side` is the maker's; trades inside one message come newest first, and the first message of that channel is history, not prints;
a user order is told as its cumulative state, without its fills. An error frame has neither channel nor number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from papertape.model.event import (
    BookSnapshot,
    BookUpdate,
    CandleEvent,
    ConnectionEvent,
    ConnectionKind,
    Event,
    Heartbeat,
    Level,
    Ticker,
    Trade,
)
from papertape.model.order import OpenOrders, Order, OrderUpdate
from papertape.model.units import MINUTE, SECOND, Nanos
from papertape.venues.coinbase.notation import Product, Products, format_heartbeat_time, format_side, format_time, parse_side, parse_time
from papertape.venues.coinbase.order import UserOrder, from_user_order, to_user_order

CANDLE_SPAN_NS: Final = 5 * MINUTE
"""The stream knows bars of five minutes only."""

SNAPSHOT_ORDERS_MAX: Final = 50
"""A message of the user channel's snapshot holds no more orders than this."""


class _Envelope(msgspec.Struct, frozen=True):
    channel: str = ""
    timestamp: str = ""
    sequence_num: int | None = None
    events: msgspec.Raw = msgspec.Raw(b"[]")
    type: str = ""
    message: str = ""


class _Level(msgspec.Struct, frozen=True, gc=False):
    side: str
    event_time: str
    price_level: str
    new_quantity: str


class _Levels(msgspec.Struct, frozen=True):
    type: str
    product_id: str
    updates: list[_Level]


class _Trade(msgspec.Struct, frozen=True, gc=False):
    product_id: str
    trade_id: str
    price: str
    size: str
    time: str
    side: str


class _Trades(msgspec.Struct, frozen=True):
    type: str
    trades: list[_Trade]


class _Ticker(msgspec.Struct, frozen=True, gc=False):
    product_id: str
    price: str = ""
    best_bid: str = ""
    best_bid_quantity: str = ""
    best_ask: str = ""
    best_ask_quantity: str = ""


class _Tickers(msgspec.Struct, frozen=True):
    type: str
    tickers: list[_Ticker]


class _Candle(msgspec.Struct, frozen=True, gc=False):
    start: str
    high: str
    low: str
    open: str
    close: str
    volume: str
    product_id: str


class _Candles(msgspec.Struct, frozen=True):
    type: str
    candles: list[_Candle]


class _Beat(msgspec.Struct, frozen=True, gc=False):
    heartbeat_counter: int | str  # a number in production, text in old manuals
    current_time: str = ""


class _Orders(msgspec.Struct, frozen=True):
    type: str
    orders: list[UserOrder]


class _Subscriptions(msgspec.Struct, frozen=True):
    subscriptions: dict[str, list[str]]


class Frame(msgspec.Struct, frozen=True):
    """One message of a stream.

    Attributes:
        sequence: the connection's counter; None where the frame has none.
        messages: what it says, in the order it happened; empty for an acknowledgement and for history.
        subscriptions: for an acknowledgement, everything now subscribed to, by channel.
        error: the venue's complaint, empty if none.
    """

    sequence: int | None
    messages: tuple[Event | OrderUpdate, ...] = ()
    subscriptions: dict[str, list[str]] | None = None
    error: str = ""


_envelope: Final = msgspec.json.Decoder(_Envelope)
_levels: Final = msgspec.json.Decoder(list[_Levels])
_trades: Final = msgspec.json.Decoder(list[_Trades])
_tickers: Final = msgspec.json.Decoder(list[_Tickers])
_candles: Final = msgspec.json.Decoder(list[_Candles])
_beats: Final = msgspec.json.Decoder(list[_Beat])
_orders: Final = msgspec.json.Decoder(list[_Orders])
_subscriptions: Final = msgspec.json.Decoder(list[_Subscriptions])
_encode: Final = msgspec.json.Encoder().encode


def decode(data: bytes | str, products: Products, local_ns: Nanos) -> Frame:
    """What a frame says. Products that we do not know are left out: the `-USDC` books come under their `-USD` names.

    Raises `ValueError` (of which `msgspec.DecodeError` is one) for what is no frame of this dialect.
    """
    try:
        return _decode(data, products, local_ns)
    except ArithmeticError as error:  # what `Decimal` raises for text that is no number
        raise ValueError(f"no frame of this dialect: {error!r}") from error


def _decode(data: bytes | str, products: Products, local_ns: Nanos) -> Frame:
    envelope = _envelope.decode(data)
    if envelope.type == "error":
        event = ConnectionEvent(
            venue_ns=local_ns, local_ns=local_ns, symbol="", connection="", what=ConnectionKind.ERROR, text=envelope.message
        )
        return Frame(None, (event,), error=envelope.message or "error without words")
    sequence, events = envelope.sequence_num, envelope.events
    match envelope.channel:
        case "l2_data":
            return Frame(sequence, _decode_levels(events, products, envelope.timestamp, local_ns))
        case "market_trades":
            return Frame(sequence, _decode_trades(events, products, local_ns))
        case "ticker" | "ticker_batch":
            return Frame(sequence, _decode_tickers(events, products, parse_time(envelope.timestamp), local_ns))
        case "candles":
            return Frame(sequence, _decode_candles(events, products, parse_time(envelope.timestamp), local_ns))
        case "heartbeats":
            venue_ns = parse_time(envelope.timestamp)
            beats = _beats.decode(events)
            return Frame(
                sequence,
                tuple(Heartbeat(venue_ns=venue_ns, local_ns=local_ns, symbol="", counter=int(beat.heartbeat_counter)) for beat in beats),
            )
        case "user":
            venue_ns = parse_time(envelope.timestamp)
            return Frame(sequence, _decode_orders(events, venue_ns, local_ns))
        case "subscriptions":
            return Frame(sequence, subscriptions={k: v for event in _subscriptions.decode(events) for k, v in event.subscriptions.items()})
        case channel:
            raise ValueError(f'no frame of this dialect: channel "{channel}"')


def _decode_levels(events: msgspec.Raw, products: Products, timestamp: str, local_ns: Nanos) -> tuple[Event, ...]:
    found: list[Event] = []
    for item in _levels.decode(events):
        product = products.by_name.get(item.product_id)
        if product is None:
            continue
        ticks, lots = product.ticks.count, product.lots.count
        bids: list[Level] = []
        asks: list[Level] = []
        for level in item.updates:
            (bids if level.side == "bid" else asks).append((ticks(level.price_level), lots(level.new_quantity)))
        kind = BookSnapshot if item.type == "snapshot" else BookUpdate
        found.append(
            kind(
                venue_ns=parse_time(item.updates[0].event_time if item.updates else timestamp),
                local_ns=local_ns,
                symbol=product.symbol,
                bids=tuple(bids),
                asks=tuple(asks),
            )
        )
    return tuple(found)


def _decode_trades(events: msgspec.Raw, products: Products, local_ns: Nanos) -> tuple[Event, ...]:
    found: list[Event] = []
    for item in _trades.decode(events):
        if item.type == "snapshot":
            continue
        for row in reversed(item.trades):
            product = products.by_name.get(row.product_id)
            if product is not None:
                found.append(
                    Trade(
                        venue_ns=parse_time(row.time),
                        local_ns=local_ns,
                        symbol=product.symbol,
                        price_ticks=product.ticks.count(row.price),
                        qty_lots=product.lots.count(row.size),
                        taker=parse_side(row.side).opposite,
                        trade_id=row.trade_id,
                    )
                )
    return tuple(found)


def _decode_tickers(events: msgspec.Raw, products: Products, venue_ns: Nanos, local_ns: Nanos) -> tuple[Event, ...]:
    found: list[Event] = []
    for item in _tickers.decode(events):
        for row in item.tickers:
            product = products.by_name.get(row.product_id)
            if product is None:
                continue
            ticks, lots = product.ticks.count, product.lots.count
            found.append(
                Ticker(
                    venue_ns=venue_ns,
                    local_ns=local_ns,
                    symbol=product.symbol,
                    last_ticks=ticks(row.price) if row.price else None,
                    bid_ticks=ticks(row.best_bid) if row.best_bid else None,
                    bid_lots=lots(row.best_bid_quantity) if row.best_bid_quantity else 0,
                    ask_ticks=ticks(row.best_ask) if row.best_ask else None,
                    ask_lots=lots(row.best_ask_quantity) if row.best_ask_quantity else 0,
                )
            )
    return tuple(found)


def _decode_orders(events: msgspec.Raw, venue_ns: Nanos, local_ns: Nanos) -> tuple[Event | OrderUpdate, ...]:
    found: list[Event | OrderUpdate] = []
    for item in _orders.decode(events):
        orders = tuple(from_user_order(order, venue_ns) for order in item.orders)
        if item.type == "snapshot":
            found.append(OpenOrders(venue_ns=venue_ns, local_ns=local_ns, symbol="", orders=orders))
        else:
            found += [OrderUpdate(venue_ns=venue_ns, order=order) for order in orders]
    return tuple(found)


def _decode_candles(events: msgspec.Raw, products: Products, venue_ns: Nanos, local_ns: Nanos) -> tuple[Event, ...]:
    found: list[Event] = []
    for item in _candles.decode(events):
        for row in item.candles:
            product = products.by_name.get(row.product_id)
            if product is None:
                continue
            ticks = product.ticks.count
            found.append(
                CandleEvent(
                    venue_ns=venue_ns,
                    local_ns=local_ns,
                    symbol=product.symbol,
                    open_ns=int(row.start) * SECOND,
                    span_ns=CANDLE_SPAN_NS,
                    open_ticks=ticks(row.open),
                    high_ticks=ticks(row.high),
                    low_ticks=ticks(row.low),
                    close_ticks=ticks(row.close),
                    volume_lots=product.lots.count(row.volume),
                )
            )
    return tuple(found)


def render(message: Event | OrderUpdate, sequence: int, products: Products) -> bytes:
    """The frame that carries one message; its `timestamp` is the message's own.

    Raises `TypeError` for what no frame can carry, `KeyError` for an instrument that the venue does not list.
    """
    if isinstance(message, OrderUpdate):
        return _frame("user", message.venue_ns, sequence, {"type": "update", "orders": [to_user_order(message.order)], "positions": {}})
    if isinstance(message, Heartbeat):
        beat = {"current_time": format_heartbeat_time(message.venue_ns), "heartbeat_counter": message.counter}
        return _frame("heartbeats", message.venue_ns, sequence, beat)
    if isinstance(message, ConnectionEvent):
        return error(message.text)
    product = products.by_symbol[message.symbol]
    if isinstance(message, BookSnapshot | BookUpdate):
        kind = "snapshot" if isinstance(message, BookSnapshot) else "update"
        event = {"type": kind, "product_id": product.name, "updates": _render_levels(message, product)}
        return _frame("l2_data", message.venue_ns, sequence, event)
    if isinstance(message, Trade):
        return _frame("market_trades", message.venue_ns, sequence, {"type": "update", "trades": [_render_trade(message, product)]})
    if isinstance(message, Ticker):
        return _frame("ticker", message.venue_ns, sequence, {"type": "update", "tickers": [_render_ticker(message, product)]})
    if isinstance(message, CandleEvent) and message.span_ns == CANDLE_SPAN_NS:
        return _frame("candles", message.venue_ns, sequence, {"type": "update", "candles": [_render_candle(message, product)]})
    raise TypeError(f"coinbase has no frame for {message!r}")


def _render_levels(message: BookSnapshot | BookUpdate, product: Product) -> list[_Level]:
    time, ticks, lots = format_time(message.venue_ns), product.ticks.text, product.lots.text
    bids = [_Level("bid", time, ticks(price), lots(amount)) for price, amount in message.bids]
    return bids + [_Level("offer", time, ticks(price), lots(amount)) for price, amount in message.asks]


def _render_trade(trade: Trade, product: Product) -> _Trade:
    return _Trade(
        product_id=product.name,
        trade_id=trade.trade_id,
        price=product.ticks.text(trade.price_ticks),
        size=product.lots.text(trade.qty_lots),
        time=format_time(trade.venue_ns),
        side=format_side(trade.taker.opposite),
    )


def _render_ticker(ticker: Ticker, product: Product) -> dict[str, str]:
    ticks, lots = product.ticks.text, product.lots.text
    figures = ("volume_24_h", "low_24_h", "high_24_h", "low_52_w", "high_52_w", "price_percent_chg_24_h")
    row = {"type": "ticker", "product_id": product.name, "price": "" if ticker.last_ticks is None else ticks(ticker.last_ticks)}
    row |= dict.fromkeys(figures, "0")  # clients expect them; tapes do not hold them
    row |= {"best_bid": "" if ticker.bid_ticks is None else ticks(ticker.bid_ticks), "best_bid_quantity": lots(ticker.bid_lots)}
    return row | {"best_ask": "" if ticker.ask_ticks is None else ticks(ticker.ask_ticks), "best_ask_quantity": lots(ticker.ask_lots)}


def _render_candle(candle: CandleEvent, product: Product) -> _Candle:
    ticks = product.ticks.text
    return _Candle(
        start=str(candle.open_ns // SECOND),
        high=ticks(candle.high_ticks),
        low=ticks(candle.low_ticks),
        open=ticks(candle.open_ticks),
        close=ticks(candle.close_ticks),
        volume=product.lots.text(candle.volume_lots),
        product_id=product.name,
    )


def trade_history(trades: Sequence[Trade], product: Product, venue_ns: Nanos, sequence: int) -> bytes:
    """What `market_trades` begins with: the last trades, newest first."""
    rows = [_render_trade(trade, product) for trade in reversed(trades)]
    return _frame("market_trades", venue_ns, sequence, {"type": "snapshot", "trades": rows})


def ticker_snapshot(ticker: Ticker, product: Product, sequence: int) -> bytes:
    """What `ticker` begins with."""
    return _frame("ticker", ticker.venue_ns, sequence, {"type": "snapshot", "tickers": [_render_ticker(ticker, product)]})


def ticker_batch(tickers: Sequence[Ticker], products: Products, venue_ns: Nanos, sequence: int) -> bytes:
    """What `ticker_batch` tells every few seconds: all of its products, without best prices, as production leaves those out."""
    rows = [_render_ticker(ticker, products.by_symbol[ticker.symbol]) for ticker in tickers]
    rows = [{name: text for name, text in row.items() if not name.startswith("best_")} for row in rows]
    return _frame("ticker_batch", venue_ns, sequence, {"type": "update", "tickers": rows})


def open_orders(orders: Sequence[Order], venue_ns: Nanos, sequence: int) -> bytes:
    """One message of what `user` begins with; the caller cuts the list at `SNAPSHOT_ORDERS_MAX`."""
    rows = [to_user_order(order) for order in orders]
    return _frame("user", venue_ns, sequence, {"type": "snapshot", "orders": rows, "positions": {}})


def acknowledgement(subscriptions: dict[str, list[str]], venue_ns: Nanos, sequence: int) -> bytes:
    """What a subscribe or unsubscribe is answered with: everything that is subscribed to from now on."""
    return _frame("subscriptions", venue_ns, sequence, {"subscriptions": subscriptions})


def error(text: str) -> bytes:
    """A complaint; it has no channel and no number."""
    return _encode({"type": "error", "message": text})


def _frame(channel: str, venue_ns: Nanos, sequence: int, event: dict[str, Any]) -> bytes:
    return _encode({"channel": channel, "client_id": "", "timestamp": format_time(venue_ns), "sequence_num": sequence, "events": [event]})
