"""Kraken's first WebSocket protocol (https://docs.kraken.com/api/docs/guides/spot-ws-intro, version 1): a file for each connection and one
of REST answers, lines `<recv s>: <frame>`.

What its frames do that one might not expect:
- A book is subscribed to with a depth. A level that is pushed out beyond it is not deleted in words, it is simply no longer part of the
  book; the tape says so, as a deletion in the message that pushed it out.
- Most changes carry a CRC32 over the ten best levels of each side, as digits without points and leading zeros. It is checked; one that does
  not fit is a gap on the tape, since something was missed.
- One message may hold changes of both sides in two objects. A level has the time of its change, a snapshot none.
- Bitcoin is XBT and Dogecoin XDG there.
"""

from __future__ import annotations

import heapq
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import msgspec
from sortedcontainers import SortedDict

from papertape.importers.capture import Kind, Record, raw_lines
from papertape.importers.importer import UNTIMED, Tally
from papertape.importers.place import Place
from papertape.importers.reading import Reading, best_first
from papertape.model.event import BookSnapshot, BookUpdate, ConnectionEvent, ConnectionKind, Level, MarketEvent, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.units import SECOND, Nanos

_LINE: Final = re.compile(rb"(?:(https?://\S+|wss?://\S+) (<->|<-|->) )?(\d+(?:\.\d+)?)(?:: ?(.*))?", re.DOTALL)
_KINDS: Final = {b"<->": Kind.OPENED, b"<-": Kind.OTHER, b"->": Kind.ANSWER}
_SUMMED: Final = 10
"""Levels of each side under the checksum."""
_CURRENCIES: Final = {"XBT": "BTC", "XDG": "DOGE"}
_OURS: Final = {ours: theirs for theirs, ours in _CURRENCIES.items()}
_SIDES: Final = {"b": Side.BUY, "s": Side.SELL}


class _Pair(msgspec.Struct):
    price_digits: int = msgspec.field(name="pair_decimals")
    amount_digits: int = msgspec.field(name="lot_decimals")
    name: str = msgspec.field(name="wsname", default="")
    amount_min: str = msgspec.field(name="ordermin", default="0")


class _Pairs(msgspec.Struct):
    """The answer to GET /0/public/AssetPairs."""

    result: dict[str, _Pair]


class _Half:
    """One side of a book as deep as it was subscribed to: by ticks, the texts that the checksum goes over."""

    def __init__(self, side: Side) -> None:
        self.levels: SortedDict[int, tuple[str, str]] = SortedDict()
        self.worst = 0 if side is Side.BUY else -1

    def best(self) -> Iterator[int]:
        return reversed(self.levels) if self.worst == 0 else iter(self.levels)


class _Ladder:
    """One instrument's book."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.halves = {Side.BUY: _Half(Side.BUY), Side.SELL: _Half(Side.SELL)}
        self.is_right = True

    def checksum(self) -> int:
        """As Kraken makes it: the asks first, each side from its best."""
        digits = []
        for side in (Side.SELL, Side.BUY):
            half = self.halves[side]
            for ticks in islice(half.best(), _SUMMED):
                digits += [text.replace(".", "").lstrip("0") for text in half.levels[ticks]]
        return zlib.crc32("".join(digits).encode())


class KrakenImporter:
    """Reads captures of ws.kraken.com, version 1."""

    venue = "kraken"

    def __init__(self) -> None:
        self.skipped = Tally()
        self._ladders: dict[str, _Ladder] = {}

    def records(self, paths: Sequence[Place]) -> Iterator[Record]:
        """All files at once, in the order of their times: each has a connection."""
        yield from heapq.merge(*(_records(path) for path in paths), key=lambda record: record.local_ns)

    def venue_symbol(self, symbol: str) -> str:
        return "/".join(_OURS.get(part, part) for part in symbol.split("/"))

    def mentions(self, record: Record) -> Iterable[str]:
        frame = msgspec.json.decode(record.payload)
        return (frame[-1],) if isinstance(frame, list) and len(frame) > 3 and isinstance(frame[-1], str) else ()

    def listed(self, record: Record) -> Iterable[Instrument]:
        if b"pair_decimals" not in record.payload:
            return
        for pair in msgspec.json.decode(record.payload, type=_Pairs).result.values():
            base, slash, quote = pair.name.partition("/")
            if slash:
                symbol = f"{_CURRENCIES.get(base, base)}/{_CURRENCIES.get(quote, quote)}"
                tick, lot = (Decimal(1).scaleb(-digits) for digits in (pair.price_digits, pair.amount_digits))
                yield Instrument(symbol=symbol, venue_symbol=pair.name, tick=tick, lot=lot, amount_min=Decimal(pair.amount_min))

    def events(self, record: Record, readings: Mapping[str, Reading]) -> Iterable[MarketEvent]:
        if record.kind is not Kind.FRAME:
            return
        frame = msgspec.json.decode(record.payload)
        if isinstance(frame, dict):
            event = str(frame.get("event", "?"))
            if frame.get("errorMessage"):
                yield _told(record, ConnectionKind.ERROR, str(frame["errorMessage"]))
            elif event == "heartbeat":
                yield _told(record, ConnectionKind.LATENCY, "heartbeat")
            else:
                self.skipped.add(f'event "{event}"')
            return
        if not isinstance(frame, list) or len(frame) < 4 or not isinstance(frame[-2], str) or frame[-1] not in readings:
            raise ValueError("is neither an event nor [channel, …, name, pair]")
        name, reading, bodies = frame[-2], readings[frame[-1]], frame[1:-2]
        try:
            if name == "trade":
                yield from _trades(record, bodies[0], reading)
            elif name == "ticker":
                yield _ticker(record, bodies[0], reading)
            elif name.startswith("book-"):
                yield from self._book(record, int(name.removeprefix("book-")), bodies, reading)
            else:
                self.skipped.add(f'channel "{name}"')
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise ValueError(f"is no message of {name}: {error!r}") from None

    def _book(self, record: Record, depth: int, bodies: Sequence[Mapping[str, Any]], reading: Reading) -> Iterator[MarketEvent]:
        if "as" in bodies[0] or "bs" in bodies[0]:
            ladder = self._ladders[reading.symbol] = _Ladder(depth)
            sides = [_changes(bodies[0].get(key, ()), reading) for key in ("bs", "as")]
            for half, (_, changes) in zip(ladder.halves.values(), sides, strict=True):
                half.levels.update({ticks: texts for ticks, _, texts in changes})
            bids, asks = ([(ticks, lots) for ticks, lots, _ in changes] for _, changes in sides)
            yield BookSnapshot(
                venue_ns=UNTIMED, local_ns=record.local_ns, symbol=reading.symbol, bids=best_first(Side.BUY, bids),
                asks=best_first(Side.SELL, asks),
            )  # fmt: skip
            return
        known = self._ladders.get(reading.symbol)
        if known is None:
            self.skipped.add("changes of a book before its snapshot")
            return
        told: dict[Side, list[Level]] = {Side.BUY: [], Side.SELL: []}
        venue_ns: Nanos = 0
        for body in bodies:
            for key, side in (("b", Side.BUY), ("a", Side.SELL)):
                at_ns, changes = _changes(body.get(key, ()), reading)
                venue_ns = max(venue_ns, at_ns)
                told[side] += [(ticks, lots) for ticks, lots, _ in changes] + _applied(known.halves[side], changes, known.depth)
        yield BookUpdate(
            venue_ns=venue_ns, local_ns=record.local_ns, symbol=reading.symbol, bids=tuple(told[Side.BUY]), asks=tuple(told[Side.SELL])
        )
        due = next((body["c"] for body in reversed(bodies) if "c" in body), None)
        if due is not None:
            was_right, known.is_right = known.is_right, int(due) == known.checksum()
            if was_right and not known.is_right:
                yield _told(record, ConnectionKind.GAP, f"{reading.symbol}: checksum {known.checksum()} where {due} was due")


def _records(path: Place) -> Iterator[Record]:
    latest_ns: Nanos = 0
    for file, number, text in raw_lines([path]):
        found = _LINE.fullmatch(text)
        if found is None:
            if text.startswith(b"configuration:"):
                continue
            yield Record(Kind.BROKEN, file, number, latest_ns, path.name, b"expected `<recv s>: <frame>`")
            continue
        url, way, stamp, payload = found.groups()
        kind = Kind.FRAME if url is None else _KINDS[way]
        latest_ns = int(Decimal(stamp.decode()) * SECOND)
        if kind is not Kind.OPENED or url.startswith(b"ws"):
            yield Record(kind, file, number, latest_ns, path.name, payload or b"")


def _changes(levels: Iterable[Sequence[str]], reading: Reading) -> tuple[Nanos, list[tuple[int, int, tuple[str, str]]]]:
    """The latest time of some levels, and each in ticks, lots, and as it was written."""
    changes, latest_ns = [], 0
    for price, amount, stamp, *_ in levels:
        latest_ns = max(latest_ns, _ns(stamp))
        changes.append((reading.ticks(price), reading.lots(amount), (price, amount)))
    return latest_ns, changes


def _applied(half: _Half, changes: Iterable[tuple[int, int, tuple[str, str]]], depth: int) -> list[Level]:
    """Change one side; the levels that were pushed out, as deletions."""
    for ticks, lots, texts in changes:
        if lots:
            half.levels[ticks] = texts
        else:
            half.levels.pop(ticks, None)
    pushed = []
    while len(half.levels) > depth:
        pushed.append((half.levels.popitem(half.worst)[0], 0))
    return pushed


def _trades(record: Record, trades: Iterable[Sequence[str]], reading: Reading) -> Iterator[Trade]:
    for price, amount, stamp, side, *_ in trades:
        yield Trade(
            venue_ns=_ns(stamp), local_ns=record.local_ns, symbol=reading.symbol, price_ticks=reading.ticks(price),
            qty_lots=reading.lots(amount), taker=_SIDES[side],
        )  # fmt: skip


def _ticker(record: Record, body: Mapping[str, Sequence[str]], reading: Reading) -> Ticker:
    return Ticker(
        venue_ns=UNTIMED, local_ns=record.local_ns, symbol=reading.symbol, last_ticks=reading.ticks(body["c"][0]),
        bid_ticks=reading.ticks(body["b"][0]), bid_lots=reading.lots(body["b"][2]),
        ask_ticks=reading.ticks(body["a"][0]), ask_lots=reading.lots(body["a"][2]),
    )  # fmt: skip


def _told(record: Record, what: ConnectionKind, text: str) -> ConnectionEvent:
    return ConnectionEvent(venue_ns=UNTIMED, local_ns=record.local_ns, symbol="", connection=record.connection, what=what, text=text)


def _ns(stamp: str) -> Nanos:
    return int(Decimal(stamp) * SECOND)
