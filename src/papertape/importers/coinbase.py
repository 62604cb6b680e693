"""Coinbase Advanced Trade: level2, market_trades, ticker and candles, captured as JSON lines with the product list.

What its frames do that one might not expect:
- `market_trades` opens with a hundred old trades per product. They are history, not prints, and are left out.
- Trades inside one message come newest first, and their `side` is the maker's.
- The ask side is called "offer". `sequence_num` counts over all channels of a connection.
- A book change's `event_time` is when it happened; the envelope's `timestamp`, some 30 ms later, is when it was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from papertape.importers.capture import Kind, Record, json_lines
from papertape.importers.importer import UNTIMED, Tally
from papertape.importers.place import Place
from papertape.importers.reading import Reading, best_first, nanoseconds
from papertape.model.event import (
    BookSnapshot,
    BookUpdate,
    CandleEvent,
    ConnectionEvent,
    ConnectionKind,
    Level,
    MarketEvent,
    Side,
    Ticker,
    Trade,
)
from papertape.model.instrument import Instrument
from papertape.model.units import MINUTE, SECOND

CANDLE_NS: Final = 5 * MINUTE
"""The channel has one span only."""


class Update(msgspec.Struct):
    """A level."""

    side: str
    event_time: str
    price_level: str
    new_quantity: str


class PublicTrade(msgspec.Struct):
    """A trade."""

    product_id: str
    trade_id: str
    price: str
    size: str
    time: str
    side: str


class PublicTicker(msgspec.Struct):
    """A ticker; what the venue leaves out is empty."""

    product_id: str
    price: str = ""
    best_bid: str = ""
    best_bid_quantity: str = ""
    best_ask: str = ""
    best_ask_quantity: str = ""


class PublicCandle(msgspec.Struct):
    """A bar."""

    product_id: str
    start: str
    open: str
    high: str
    low: str
    close: str
    volume: str


class Part(msgspec.Struct):
    """One of a message's `events`, of whichever channel."""

    type: str = ""
    product_id: str = ""
    updates: tuple[Update, ...] = ()
    trades: tuple[PublicTrade, ...] = ()
    tickers: tuple[PublicTicker, ...] = ()
    candles: tuple[PublicCandle, ...] = ()


class Message(msgspec.Struct):
    """A frame. An error has a type and a message instead of a channel."""

    channel: str = ""
    timestamp: str = ""
    sequence_num: int | None = None
    events: tuple[Part, ...] = ()
    type: str = ""
    message: str = ""


class Named(msgspec.Struct):
    """As much of a trade, ticker or candle as tells its product."""

    product_id: str = ""


class Mention(msgspec.Struct):
    """As much of a part as tells its products."""

    product_id: str = ""
    trades: tuple[Named, ...] = ()
    tickers: tuple[Named, ...] = ()
    candles: tuple[Named, ...] = ()


class Mentions(msgspec.Struct):
    """As much of a frame as tells its products."""

    events: tuple[Mention, ...] = ()


class Product(msgspec.Struct):
    """One entry of the product list."""

    product_id: str
    base_currency_id: str
    quote_currency_id: str
    base_increment: str
    quote_increment: str
    product_type: str = "SPOT"
    price_increment: str = ""
    base_min_size: str = "0"
    quote_min_size: str = "0"


class Products(msgspec.Struct):
    """The answer to GET /api/v3/brokerage/market/products."""

    products: tuple[Product, ...] = ()


class CoinbaseImporter:
    """Reads captures of the Advanced Trade WebSocket."""

    venue = "coinbase"

    def __init__(self) -> None:
        self.skipped = Tally()
        self._next_sequence: dict[str, int] = {}
        self._decoder = msgspec.json.Decoder(Message)
        self._mentions = msgspec.json.Decoder(Mentions)

    def records(self, paths: Sequence[Place]) -> Iterator[Record]:
        return json_lines(paths)

    def venue_symbol(self, symbol: str) -> str:
        return symbol.replace("/", "-")

    def mentions(self, record: Record) -> Iterable[str]:
        for part in self._mentions.decode(record.payload).events:
            if part.product_id:
                yield part.product_id
            for named in (*part.trades, *part.tickers, *part.candles):
                yield named.product_id

    def listed(self, record: Record) -> Iterable[Instrument]:
        for product in msgspec.json.decode(record.payload, type=Products).products:
            if product.product_type == "SPOT":
                yield Instrument(
                    symbol=f"{product.base_currency_id}/{product.quote_currency_id}",
                    venue_symbol=product.product_id,
                    tick=Decimal(product.price_increment or product.quote_increment),
                    lot=Decimal(product.base_increment),
                    amount_min=Decimal(product.base_min_size or 0),
                    cost_min=Decimal(product.quote_min_size or 0),
                )

    def events(self, record: Record, readings: Mapping[str, Reading]) -> Iterable[MarketEvent]:
        if record.kind is not Kind.FRAME:
            if record.kind is Kind.OPENED:
                self._next_sequence.pop(record.connection, None)
            return
        message = self._decoder.decode(record.payload)
        if message.type == "error":
            yield _told(record, ConnectionKind.ERROR, message.message)
            return
        yield from self._gap(record, message.sequence_num)
        for part in message.events:
            yield from self._part(record, message, part, readings)

    def _gap(self, record: Record, sequence: int | None) -> Iterator[MarketEvent]:
        if sequence is None:
            return
        expected = self._next_sequence.get(record.connection)
        self._next_sequence[record.connection] = sequence + 1
        if expected is not None and sequence != expected:
            yield _told(record, ConnectionKind.GAP, f"sequence_num {sequence} came where {expected} was due")

    def _part(self, record: Record, message: Message, part: Part, readings: Mapping[str, Reading]) -> Iterator[MarketEvent]:
        match message.channel:
            case "l2_data":
                yield _book(record, part, readings[part.product_id])
            case "market_trades" if part.type == "snapshot":
                self.skipped.add("trades before the recording began", len(part.trades))
            case "market_trades":
                for trade in sorted(part.trades, key=lambda trade: int(trade.trade_id)):
                    yield _trade(record, trade, readings[trade.product_id])
            case "ticker" | "ticker_batch":
                for ticker in part.tickers:
                    yield _ticker(record, nanoseconds(message.timestamp), ticker, readings[ticker.product_id])
            case "candles":
                for candle in part.candles:
                    yield _candle(record, nanoseconds(message.timestamp), candle, readings[candle.product_id])
            case "heartbeats" | "subscriptions" as channel:
                self.skipped.add(channel)
            case channel:
                self.skipped.add(f'channel "{channel}"')


def _told(record: Record, what: ConnectionKind, text: str) -> ConnectionEvent:
    return ConnectionEvent(venue_ns=UNTIMED, local_ns=record.local_ns, symbol="", connection=record.connection, what=what, text=text)


def _book(record: Record, part: Part, reading: Reading) -> BookSnapshot | BookUpdate:
    bids: list[Level] = []
    asks: list[Level] = []
    venue_ns = UNTIMED
    for update in part.updates:
        level = (reading.ticks(update.price_level), reading.lots(update.new_quantity))
        if update.side == "bid":
            bids.append(level)
        elif update.side == "offer":
            asks.append(level)
        else:
            raise ValueError(f'a level\'s side is "{update.side}", neither "bid" nor "offer"')
        venue_ns = max(venue_ns, nanoseconds(update.event_time))
    if part.type == "snapshot":
        best_bids, best_asks = best_first(Side.BUY, bids), best_first(Side.SELL, asks)
        return BookSnapshot(venue_ns=venue_ns, local_ns=record.local_ns, symbol=reading.symbol, bids=best_bids, asks=best_asks)
    if part.type != "update":
        raise ValueError(f'a book message is of type "{part.type}", neither "snapshot" nor "update"')
    return BookUpdate(venue_ns=venue_ns, local_ns=record.local_ns, symbol=reading.symbol, bids=tuple(bids), asks=tuple(asks))


def _trade(record: Record, trade: PublicTrade, reading: Reading) -> Trade:
    return Trade(
        venue_ns=nanoseconds(trade.time), local_ns=record.local_ns, symbol=reading.symbol, price_ticks=reading.ticks(trade.price),
        qty_lots=reading.lots(trade.size), taker=taker_against(trade.side.lower()), trade_id=trade.trade_id,
    )  # fmt: skip


def taker_against(maker: str) -> Side:
    """The taker's side of a trade, given the maker's, which is what Coinbase says."""
    return Side(maker).opposite


def _ticker(record: Record, venue_ns: int, ticker: PublicTicker, reading: Reading) -> Ticker:
    def ticks(text: str) -> int | None:
        return (reading.ticks(text) or None) if text else None

    return Ticker(
        venue_ns=venue_ns, local_ns=record.local_ns, symbol=reading.symbol, last_ticks=ticks(ticker.price),
        bid_ticks=ticks(ticker.best_bid), bid_lots=reading.lots(ticker.best_bid_quantity or "0"),
        ask_ticks=ticks(ticker.best_ask), ask_lots=reading.lots(ticker.best_ask_quantity or "0"),
    )  # fmt: skip


def _candle(record: Record, venue_ns: int, candle: PublicCandle, reading: Reading) -> CandleEvent:
    return CandleEvent(
        venue_ns=venue_ns, local_ns=record.local_ns, symbol=reading.symbol, open_ns=int(candle.start) * SECOND, span_ns=CANDLE_NS,
        open_ticks=reading.ticks(candle.open), high_ticks=reading.ticks(candle.high), low_ticks=reading.ticks(candle.low),
        close_ticks=reading.ticks(candle.close), volume_lots=reading.lots(candle.volume),
    )  # fmt: skip
