"""Binance, spot and USD-M futures: depth, trade and bookTicker streams with the REST snapshot among them, as lines `<recv_ns> <frame>`.

What its frames do that one might not expect:
- A depth stream begins before the snapshot it belongs to. Changes that the snapshot already has (`u` up to its `lastUpdateId`) are left
  out; the others, though they came before it, can only be applied after it, so they stand after it on the tape.
- The snapshot has neither time nor symbol, bookTicker has no time, and `m` true says that the buyer was the maker: the taker sold.
- Futures number changes with holes: `pu` says which one came before. Their bookTicker has a time, and a trade may be an insurer's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from papertape.importers.capture import Kind, Record, stamped_lines
from papertape.importers.importer import UNTIMED, Tally
from papertape.importers.place import Place
from papertape.importers.reading import Reading, best_first
from papertape.model.event import BookSnapshot, BookUpdate, ConnectionEvent, ConnectionKind, MarketEvent, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.units import MILLISECOND

Levels = tuple[tuple[str, str], ...]

_STALE: Final = "depth updates older than the snapshot"
_MARKET: Final = "MARKET"
_KEPT_MAX: Final = 10_000  # depth changes remembered per symbol, for a snapshot that is still on its way


class Envelope(msgspec.Struct):
    """A frame of a combined stream; of a raw stream only the fields that tell what it is."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw()
    event: str = msgspec.field(name="e", default="")
    symbol: str = msgspec.field(name="s", default="")
    update: int | None = msgspec.field(name="u", default=None)
    last_update: int | None = msgspec.field(name="lastUpdateId", default=None)
    error: Any = None


class Depth(msgspec.Struct):
    """What changed in the book from update `first` to update `last`."""

    sent_ms: int = msgspec.field(name="E")
    symbol: str = msgspec.field(name="s")
    first: int = msgspec.field(name="U")
    last: int = msgspec.field(name="u")
    bids: Levels = msgspec.field(name="b")
    asks: Levels = msgspec.field(name="a")
    before: int = msgspec.field(name="pu", default=0)


class Snapshot(msgspec.Struct):
    """The answer to GET /api/v3/depth."""

    last: int = msgspec.field(name="lastUpdateId")
    bids: Levels
    asks: Levels


class PublicTrade(msgspec.Struct):
    """A trade."""

    symbol: str = msgspec.field(name="s")
    trade_id: int = msgspec.field(name="t")
    price: str = msgspec.field(name="p")
    amount: str = msgspec.field(name="q")
    traded_ms: int = msgspec.field(name="T")
    is_buyer_maker: bool = msgspec.field(name="m")
    by: str = msgspec.field(name="X", default=_MARKET)


class BestPrices(msgspec.Struct):
    """A bookTicker."""

    symbol: str = msgspec.field(name="s")
    bid: str = msgspec.field(name="b")
    bid_amount: str = msgspec.field(name="B")
    ask: str = msgspec.field(name="a")
    ask_amount: str = msgspec.field(name="A")
    traded_ms: int | None = msgspec.field(name="T", default=None)


class _Ladder:
    """How far the book of one symbol is known."""

    def __init__(self) -> None:
        self.kept: deque[Depth] = deque(maxlen=_KEPT_MAX)
        self.last: int | None = None  # update id the tape's book is at; None before the first snapshot
        self.is_fresh = False  # nothing has come since the snapshot


class BinanceImporter:
    """Reads captures of stream.binance.com."""

    venue = "binance"

    def __init__(self) -> None:
        self.skipped = Tally()
        self._ladders: dict[str, _Ladder] = {}
        self._envelope = msgspec.json.Decoder(Envelope)

    def records(self, paths: Sequence[Place]) -> Iterator[Record]:
        return stamped_lines(paths)

    def venue_symbol(self, symbol: str) -> str:
        return symbol.replace("/", "")

    def mentions(self, record: Record) -> Iterable[str]:
        frame, _ = self._unwrap(record.payload)
        return (frame.symbol,)

    def listed(self, record: Record) -> Iterable[Instrument]:
        return ()

    def events(self, record: Record, readings: Mapping[str, Reading]) -> Iterable[MarketEvent]:
        if record.kind is not Kind.FRAME:
            return
        frame, payload = self._unwrap(record.payload)
        if frame.last_update is not None:
            yield from self._snapshot(record, msgspec.json.decode(payload, type=Snapshot), readings)
        elif frame.event == "depthUpdate":
            yield from self._depth(record, msgspec.json.decode(payload, type=Depth), readings)
        elif frame.event == "trade":
            trade = msgspec.json.decode(payload, type=PublicTrade)
            if trade.by == _MARKET:
                yield _trade(record, trade, readings[trade.symbol])
            else:
                self.skipped.add(f"trades by {trade.by}, which no order in the book has met")
        elif frame.update is not None and frame.event in ("", "bookTicker"):
            best = msgspec.json.decode(payload, type=BestPrices)
            yield _ticker(record, best, readings[best.symbol])
        elif frame.error is not None:
            text = msgspec.json.encode(frame.error).decode()
            yield _told(record, ConnectionKind.ERROR, text)
        else:
            self.skipped.add(f'event "{frame.event}"' if frame.event else "answers to subscriptions")

    def _unwrap(self, payload: bytes) -> tuple[Envelope, bytes]:
        frame = self._envelope.decode(payload)
        if not frame.stream:
            return frame, payload
        inner = bytes(frame.data)
        return self._envelope.decode(inner), inner

    def _depth(self, record: Record, depth: Depth, readings: Mapping[str, Reading]) -> Iterator[MarketEvent]:
        ladder = self._ladders.setdefault(depth.symbol, _Ladder())
        ladder.kept.append(depth)
        if ladder.last is not None:
            yield from self._apply(record, ladder, depth, readings[depth.symbol])

    def _apply(self, record: Record, ladder: _Ladder, depth: Depth, reading: Reading) -> Iterator[MarketEvent]:
        if ladder.last is None or depth.last <= ladder.last:
            self.skipped.add(_STALE)
            return
        bids = tuple((reading.ticks(price), reading.lots(amount)) for price, amount in depth.bids)
        asks = tuple((reading.ticks(price), reading.lots(amount)) for price, amount in depth.asks)
        due = self._due(ladder.last, depth, ladder.is_fresh)
        if due is not None:  # also after an update that did not parse
            yield _told(record, ConnectionKind.GAP, f"{depth.symbol}: depth update {depth.first} came where {due} was due")
        ladder.last, ladder.is_fresh = depth.last, False
        yield BookUpdate(venue_ns=depth.sent_ms * MILLISECOND, local_ns=record.local_ns, symbol=reading.symbol, bids=bids, asks=asks)

    def _due(self, last: int, depth: Depth, is_fresh: bool) -> int | None:
        """The number that ought to have come, if this one does not follow `last`; `is_fresh` where that is a snapshot's."""
        return last + 1 if depth.first > last + 1 else None

    def _snapshot(self, record: Record, snapshot: Snapshot, readings: Mapping[str, Reading]) -> Iterator[MarketEvent]:
        symbol = self._whose(snapshot, readings)
        ladder, reading = self._ladders.setdefault(symbol, _Ladder()), readings[symbol]
        is_first, ladder.last, ladder.is_fresh = ladder.last is None, snapshot.last, True
        bids = best_first(Side.BUY, ((reading.ticks(price), reading.lots(amount)) for price, amount in snapshot.bids))
        asks = best_first(Side.SELL, ((reading.ticks(price), reading.lots(amount)) for price, amount in snapshot.asks))
        yield BookSnapshot(venue_ns=UNTIMED, local_ns=record.local_ns, symbol=reading.symbol, bids=bids, asks=asks)
        for depth in ladder.kept:
            if depth.last > snapshot.last:
                yield from self._apply(record, ladder, depth, reading)
            elif is_first:  # after a later one these are on the tape already
                self.skipped.add(_STALE)

    def _whose(self, snapshot: Snapshot, readings: Mapping[str, Reading]) -> str:
        """The symbol of a snapshot that does not name it: the only one, or the one whose updates it falls into."""
        if len(readings) == 1:
            return next(iter(readings))
        found = [
            symbol for symbol, ladder in self._ladders.items() if any(it.first <= snapshot.last + 1 <= it.last + 1 for it in ladder.kept)
        ]
        if len(found) != 1:
            raise ValueError(f"a snapshot at update {snapshot.last} belongs to no or several of the depth streams before it")
        return found[0]


class BinanceUsdmImporter(BinanceImporter):
    """Reads captures of fstream.binance.com, whose symbols ccxt writes as BTC/USDT:USDT."""

    venue = "binanceusdm"

    def venue_symbol(self, symbol: str) -> str:
        return symbol.partition(":")[0].replace("/", "")

    def _due(self, last: int, depth: Depth, is_fresh: bool) -> int | None:
        if depth.before == last or (is_fresh and depth.first <= last + 1):
            return None
        return last + 1


def _told(record: Record, what: ConnectionKind, text: str) -> ConnectionEvent:
    return ConnectionEvent(venue_ns=UNTIMED, local_ns=record.local_ns, symbol="", connection=record.connection, what=what, text=text)


def _trade(record: Record, trade: PublicTrade, reading: Reading) -> Trade:
    return Trade(
        venue_ns=trade.traded_ms * MILLISECOND, local_ns=record.local_ns, symbol=reading.symbol, price_ticks=reading.ticks(trade.price),
        qty_lots=reading.lots(trade.amount), taker=Side.SELL if trade.is_buyer_maker else Side.BUY, trade_id=str(trade.trade_id),
    )  # fmt: skip


def _ticker(record: Record, best: BestPrices, reading: Reading) -> Ticker:
    return Ticker(
        venue_ns=UNTIMED if best.traded_ms is None else best.traded_ms * MILLISECOND, local_ns=record.local_ns, symbol=reading.symbol,
        bid_ticks=reading.ticks(best.bid), bid_lots=reading.lots(best.bid_amount),
        ask_ticks=reading.ticks(best.ask), ask_lots=reading.lots(best.ask_amount),
    )  # fmt: skip
