"""Coinbase's older Exchange feed: level2 and matches, captured as lines `<recv_ns> <frame>`.

Snapshots and errors carry no time of the venue. `last_match`, sent on subscription, is history. `side` is the maker's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from papertape.importers.capture import Kind, Record, stamped_lines
from papertape.importers.coinbase import taker_against
from papertape.importers.importer import UNTIMED, Tally
from papertape.importers.place import Place
from papertape.importers.reading import Reading, best_first, nanoseconds
from papertape.model.event import BookSnapshot, BookUpdate, ConnectionEvent, ConnectionKind, Level, MarketEvent, Side, Trade
from papertape.model.instrument import Instrument


class Message(msgspec.Struct):
    """Any frame of the feed."""

    type: str
    product_id: str = ""
    time: str = ""
    bids: tuple[tuple[str, str], ...] = ()
    asks: tuple[tuple[str, str], ...] = ()
    changes: tuple[tuple[str, str, str], ...] = ()
    price: str = ""
    size: str = ""
    side: str = ""
    trade_id: int = 0
    message: str = ""
    reason: str = ""


class Mention(msgspec.Struct):
    """As much of a frame as tells its product."""

    product_id: str = ""


_SILENT: Final = ("subscriptions", "heartbeat")


class CoinbaseExchangeImporter:
    """Reads captures of ws-feed.exchange.coinbase.com."""

    venue = "coinbase"

    def __init__(self) -> None:
        self.skipped = Tally()
        self._decoder = msgspec.json.Decoder(Message)
        self._mentions = msgspec.json.Decoder(Mention)

    def records(self, paths: Sequence[Place]) -> Iterator[Record]:
        return stamped_lines(paths)

    def venue_symbol(self, symbol: str) -> str:
        return symbol.replace("/", "-")

    def mentions(self, record: Record) -> Iterable[str]:
        return (self._mentions.decode(record.payload).product_id,)

    def listed(self, record: Record) -> Iterable[Instrument]:
        return ()

    def events(self, record: Record, readings: Mapping[str, Reading]) -> Iterable[MarketEvent]:
        if record.kind is not Kind.FRAME:
            return
        message = self._decoder.decode(record.payload)
        match message.type:
            case "l2update":
                yield _update(record, message, readings[message.product_id])
            case "snapshot":
                yield _snapshot(record, message, readings[message.product_id])
            case "match":
                yield _trade(record, message, readings[message.product_id])
            case "last_match":
                self.skipped.add("trades before the recording began")
            case "error":
                text = f"{message.message}: {message.reason}" if message.reason else message.message
                yield ConnectionEvent(
                    venue_ns=UNTIMED,
                    local_ns=record.local_ns,
                    symbol="",
                    connection=record.connection,
                    what=ConnectionKind.ERROR,
                    text=text,
                )
            case kind if kind in _SILENT:
                self.skipped.add(kind)
            case kind:
                self.skipped.add(f'type "{kind}"')


def _update(record: Record, message: Message, reading: Reading) -> BookUpdate:
    bids: list[Level] = []
    asks: list[Level] = []
    for side, price, amount in message.changes:
        if side not in ("buy", "sell"):
            raise ValueError(f'a level\'s side is "{side}", neither "buy" nor "sell"')
        (bids if side == "buy" else asks).append((reading.ticks(price), reading.lots(amount)))
    venue_ns = nanoseconds(message.time) if message.time else UNTIMED  # before 2018-02 the venue sent none
    return BookUpdate(venue_ns=venue_ns, local_ns=record.local_ns, symbol=reading.symbol, bids=tuple(bids), asks=tuple(asks))


def _snapshot(record: Record, message: Message, reading: Reading) -> BookSnapshot:
    bids = best_first(Side.BUY, ((reading.ticks(price), reading.lots(amount)) for price, amount in message.bids))
    asks = best_first(Side.SELL, ((reading.ticks(price), reading.lots(amount)) for price, amount in message.asks))
    return BookSnapshot(venue_ns=UNTIMED, local_ns=record.local_ns, symbol=reading.symbol, bids=bids, asks=asks)


def _trade(record: Record, message: Message, reading: Reading) -> Trade:
    return Trade(
        venue_ns=nanoseconds(message.time), local_ns=record.local_ns, symbol=reading.symbol, price_ticks=reading.ticks(message.price),
        qty_lots=reading.lots(message.size), taker=taker_against(message.side), trade_id=str(message.trade_id),
    )  # fmt: skip
