"""Stream frames, read."""

from __future__ import annotations

from typing import Final

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
    MarketStatus,
    Ticker,
    Trade,
)
from papertape.model.order import OpenOrders, OrderUpdate
from papertape.model.units import SECOND, Nanos
from papertape.venues.coinbase.frame.rows import (
    CANDLE_SPAN_NS,
    Beat,
    CandlesEvent,
    Envelope,
    LevelsEvent,
    OrdersEvent,
    StatusEvent,
    SubscriptionsEvent,
    TickersEvent,
    TradesEvent,
)
from papertape.venues.coinbase.notation import Products, parse_side, parse_time
from papertape.venues.coinbase.order import from_user_order


class Frame(msgspec.Struct, frozen=True):
    """One message of a stream.

    Attributes:
        sequence: the connection's counter; None where the frame has none.
        messages: what it says, in the order it happened; empty for an acknowledgement and for history.
        history: trades from before the subscription, oldest first.
        subscriptions: for an acknowledgement, everything now subscribed to, by channel.
        error: the venue's complaint, empty if none.
    """

    sequence: int | None
    messages: tuple[Event | OrderUpdate, ...] = ()
    history: tuple[Trade, ...] = ()
    subscriptions: dict[str, list[str]] | None = None
    error: str = ""


_envelope: Final = msgspec.json.Decoder(Envelope)
_levels: Final = msgspec.json.Decoder(list[LevelsEvent])
_trades: Final = msgspec.json.Decoder(list[TradesEvent])
_tickers: Final = msgspec.json.Decoder(list[TickersEvent])
_candles: Final = msgspec.json.Decoder(list[CandlesEvent])
_statuses: Final = msgspec.json.Decoder(list[StatusEvent])
_beats: Final = msgspec.json.Decoder(list[Beat])
_orders: Final = msgspec.json.Decoder(list[OrdersEvent])
_subscriptions: Final = msgspec.json.Decoder(list[SubscriptionsEvent])


def decode(data: bytes | str, products: Products, local_ns: Nanos) -> Frame:
    """What a frame says. Products that we do not know are left out; `-USDC` books come under their `-USD` names.

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
            news, history = _decode_trades(events, products, local_ns)
            return Frame(sequence, news, history)
        case "ticker" | "ticker_batch":
            return Frame(sequence, _decode_tickers(events, products, parse_time(envelope.timestamp), local_ns))
        case "candles":
            return Frame(sequence, _decode_candles(events, products, parse_time(envelope.timestamp), local_ns))
        case "heartbeats":
            venue_ns = parse_time(envelope.timestamp)
            counters = [int(beat.heartbeat_counter) for beat in _beats.decode(events)]
            return Frame(
                sequence, tuple([Heartbeat(venue_ns=venue_ns, local_ns=local_ns, symbol="", counter=counter) for counter in counters])
            )
        case "user":
            venue_ns = parse_time(envelope.timestamp)
            return Frame(sequence, _decode_orders(events, venue_ns, local_ns))
        case "subscriptions":
            return Frame(sequence, subscriptions={k: v for event in _subscriptions.decode(events) for k, v in event.subscriptions.items()})
        case "status":
            return Frame(sequence, _decode_statuses(events, products, parse_time(envelope.timestamp), local_ns))
        case channel:
            raise ValueError(f'no frame of this dialect: channel "{channel}"')


def _decode_levels(events: msgspec.Raw, products: Products, timestamp: str, local_ns: Nanos) -> tuple[Event, ...]:
    found: list[Event] = []
    for item in _levels.decode(events):
        # The year 1, or 1970, is Coinbase's for no time: its manual's snapshots have it, and they are as old as their frame.
        venue_ns = parse_time(item.updates[0].event_time) if item.updates else 0
        for product in products.streamed.get(item.product_id, ()):
            ticks, lots = product.ticks.count, product.lots.count
            bids: list[Level] = []
            asks: list[Level] = []
            for level in item.updates:
                (bids if level.side == "bid" else asks).append((ticks(level.price_level), lots(level.new_quantity)))
            kind = BookSnapshot if item.type == "snapshot" else BookUpdate
            found.append(
                kind(
                    venue_ns=venue_ns if venue_ns > 0 else parse_time(timestamp),
                    local_ns=local_ns,
                    symbol=product.symbol,
                    bids=tuple(bids),
                    asks=tuple(asks),
                )
            )
    return tuple(found)


def _decode_trades(events: msgspec.Raw, products: Products, local_ns: Nanos) -> tuple[tuple[Trade, ...], tuple[Trade, ...]]:
    """What was printed now, and what was before."""
    news: list[Trade] = []
    history: list[Trade] = []
    for item in _trades.decode(events):
        found = history if item.type == "snapshot" else news
        for row in reversed(item.trades):
            found += [
                Trade(
                    venue_ns=parse_time(row.time),
                    local_ns=local_ns,
                    symbol=product.symbol,
                    price_ticks=product.ticks.count(row.price),
                    qty_lots=product.lots.count(row.size),
                    taker=parse_side(row.side).opposite,
                    trade_id=row.trade_id,
                )
                for product in products.streamed.get(row.product_id, ())
            ]
    return tuple(news), tuple(history)


def _decode_tickers(events: msgspec.Raw, products: Products, venue_ns: Nanos, local_ns: Nanos) -> tuple[Event, ...]:
    found: list[Event] = []
    for item in _tickers.decode(events):
        for row in item.tickers:
            for product in products.streamed.get(row.product_id, ()):
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


def _decode_statuses(events: msgspec.Raw, products: Products, venue_ns: Nanos, local_ns: Nanos) -> tuple[Event, ...]:
    """The channel tells of each product under its own name, whosever book it shares."""
    return tuple(
        MarketStatus(
            venue_ns=venue_ns, local_ns=local_ns, symbol=products.by_name[row.id].symbol, status=row.status, text=row.status_message
        )
        for item in _statuses.decode(events)
        for row in item.products
        if row.id in products.by_name
    )


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
            for product in products.streamed.get(row.product_id, ()):
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
