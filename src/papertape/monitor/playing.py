"""A journal to scrub through: its lines, and those of the chronicle behind them, as a window's lines in the order of their time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.collector.lines import Line
from papertape.journal.reading import WRITES, journal_entries
from papertape.model.errors import ConfigError
from papertape.model.units import Nanos
from papertape.monitor.lived import states_of
from papertape.session.chronicle import Chronicle

TAIL: Final = "tail"

SHOWS: Final = ("fault", "mark", "health", "recovered", "request_lost", "stream", "gate", "end", "note", "answered", "command", "halted")


class Journal:
    """A journal as lines in order, those of the market among them where the run left a chronicle.

    Attributes:
        title: the story, in a sentence.
        symbols: whose orders or prices are told.
        has_prices: a chronicle stands behind it; otherwise own fills are the only prices.
        begin_ns, end_ns: since 1970-01-01 UTC where the journal tells when its feed began, else from the run's own zero.
    """

    def __init__(self, lines: list[Line], *, title: str, mode: str, begin_ns: Nanos, has_prices: bool, is_cut: bool) -> None:
        self.lines = sorted(lines, key=lambda line: line["ns"])
        self.title = title
        self.mode = mode
        self.begin_ns = begin_ns
        self.has_prices = has_prices
        self.is_cut = is_cut
        self.symbols = list(dict.fromkeys(line["symbol"] for line in self.lines if line.get("symbol")))
        self._times = [line["ns"] for line in self.lines]
        self.end_ns: Nanos = max([begin_ns, *self._times[-1:]])

    def count_until(self, at_ns: Nanos) -> int:
        """How many lines there are up to then, that instant's included."""
        return bisect_right(self._times, at_ns)


def read_journal(path: Path) -> Journal:
    """A journal's file.

    Raises:
        ConfigError: it is missing, damaged, or no journal.
    """
    entries = journal_entries(path)
    header = next(entries, None)
    if header is None:
        raise ConfigError(f"{path.as_posix()}: is empty; {WRITES}")
    if header["kind"] != "header":
        raise ConfigError(f"{path.as_posix()}: does not begin as a journal does; {WRITES}")
    begin_ns = _begin_ns(header)
    reader = _Reader(begin_ns)
    tail: dict[str, Any] = {}
    is_ended = False
    for number, entry in enumerate(entries, start=2):
        if entry["kind"] == TAIL:
            tail = entry
            continue
        try:
            reader.read(entry)
        except (KeyError, TypeError, AttributeError, InvalidOperation):
            raise ConfigError(f'{path.as_posix()}: line {number} is no line of kind "{entry["kind"]}"; {WRITES}') from None
        is_ended = is_ended or entry["kind"] == "end"
    chronicle = _chronicle(tail, path)
    prices = [] if chronicle is None else list(_prices(chronicle, begin_ns))
    lines = reader.lines
    if chronicle is not None:
        lines = [*(line for line in lines if line["kind"] != "state"), *states_of(chronicle, begin_ns)]
    mode = str(header.get("mode", "replay"))
    exchange = ", ".join(header.get("venues") or [str(header.get("exchange", ""))])
    standing = {"kind": "standing", "ns": begin_ns, "mode": mode, "exchange": exchange, "bot": str(header.get("bot", ""))}
    return Journal(
        [standing, *lines, *(prices or reader.fills)], title=str(header.get("title") or path.name), mode=mode, begin_ns=begin_ns,
        has_prices=bool(prices), is_cut=not is_ended,
    )  # fmt: skip


def _begin_ns(header: dict[str, Any]) -> Nanos:
    """When run time began; 0 where nobody says."""
    venues = header.get("venues")
    feeds = [feed for venue in (venues.values() if isinstance(venues, dict) else ()) for feed in venue.get("feed", ())]
    return min((feed["start"] for feed in feeds if isinstance(feed.get("start"), int)), default=0)


class _Reader:
    """Takes up a journal line by line; orders are told as they stood at the venue."""

    def __init__(self, begin_ns: Nanos) -> None:
        self.lines: list[Line] = []
        self.fills: list[Line] = []  # as prices, for where nothing else tells any
        self._begin_ns = begin_ns
        self._orders: dict[str, Line] = {}  # by client order id, else the venue's
        self._early: dict[str, list[dict[str, Any]]] = {}  # what the venue did with orders whose command is written after it

    def read(self, entry: dict[str, Any]) -> None:
        ns, kind = self._begin_ns + entry["t"], entry["kind"]
        if kind == "command" and entry["op"] in ("order.create", "order.edit") and isinstance(entry.get("order"), dict):
            self._wanted(ns, entry)
        elif kind == "order":
            self._told(ns, entry)
        elif kind == "health":
            self.lines.append({"kind": "lanes", "ns": ns, "why": entry["why"], "lanes": lanes_of(entry["why"])})
        if kind in SHOWS and not (kind in ("command", "answered") and not _is_of_note(entry)):
            self.lines.append({**entry, "ns": ns})

    def _wanted(self, ns: Nanos, entry: dict[str, Any]) -> None:
        order, key = entry["order"], entry.get("client_order_id") or entry.get("id", "")
        line = self._orders.setdefault(
            key,
            {
                "kind": "state", "symbol": order.get("symbol", ""), "id": entry.get("id", ""), "client_order_id": key,
                "type": order.get("type", ""), "side": order.get("side", ""), "filled": "0", "cost": "0", "reason": "",
            },
        )  # fmt: skip
        line |= {"ns": ns, "price": order.get("price"), "amount": order.get("amount") or f"for {order.get('cost', '?')}"}
        if entry.get("refusal"):
            line |= {"status": "rejected", "reason": entry["refusal"]}
        else:
            line |= {"status": entry.get("status", "open")}
        early = self._early.pop(key, [])
        if not early:
            self.lines.append(dict(line))
        for each in early:
            self._told(ns, each)

    def _told(self, ns: Nanos, entry: dict[str, Any]) -> None:
        key = entry.get("client_order_id") or entry["id"]
        line = self._orders.get(key)
        if line is None:  # what an order does as it comes stands before its command; what never gets one is somebody else's
            self._early.setdefault(key, []).append(entry)
            return
        cost = Decimal(line["cost"])
        if "trade_id" in entry:
            price = float(entry["price"])
            cost += Decimal(entry["price"]) * Decimal(entry["amount"])
            self.fills.append({"kind": "price", "symbol": line["symbol"], "ns": ns, "low": price, "high": price, "last": price})
        line |= {"ns": ns, "id": entry["id"], "status": entry["status"], "filled": entry["filled"], "cost": str(cost)}
        self.lines.append(dict(line))


def _is_of_note(entry: dict[str, Any]) -> bool:
    """Commands and answers about orders, and refusals of anything."""
    return bool(entry.get("refusal")) or (entry["kind"] == "command" and entry["op"] in ("order.cancel", "order.edit"))


def lanes_of(why: str) -> dict[str, tuple[str, str]]:
    """How each lane stood, from what keeps the exchange from being healthy.

    >>> lanes_of("user lane: no connection; waiting to dial (polling by REST); book BTC/USD: waiting for its snapshot")
    {'rest': ('up', ''), 'market': ('up', ''), 'user': ('no connection; waiting to dial', 'polling by REST')}
    """
    closed = why == "disconnected"
    found = dict.fromkeys(("rest", "market", "user"), ("closed" if closed else "up", ""))
    starts = sorted((place, lane) for lane in found if (place := why.find(f"{lane} lane: ")) >= 0)
    for number, (place, lane) in enumerate(starts):
        until = starts[number + 1][0] if number + 1 < len(starts) else len(why)
        words = why[place + len(lane) + len(" lane: ") : until].split("; book ")[0].rstrip("; ")
        state, _, meanwhile = words.partition(" (")
        found[lane] = state, meanwhile.rstrip(")")
    return found


def _chronicle(tail: dict[str, Any], path: Path) -> Chronicle | None:
    """What the run left behind its journal; None where it left nothing."""
    if not tail.get("chronicle"):
        return None
    try:
        return msgspec.convert(tail["chronicle"], Chronicle)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path.as_posix()}: its last line was written by another version of papertape: {error}") from None


def _prices(chronicle: Chronicle, begin_ns: Nanos) -> Iterator[Line]:
    for venue in chronicle.venues:
        for symbol, bars in venue.prices.items():
            for bar in bars:
                yield {"kind": "price", "symbol": symbol, "ns": begin_ns + bar.at_ns, "low": bar.low, "high": bar.high, "last": bar.last}
