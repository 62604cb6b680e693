"""What there is to see at one instant: markets, own orders and fills, lanes, and what happened. A pure machine fed with lines.

The lines are those of `collector.lines`, of `trading.status` (its health, its journal's lines) and of `monitor.playing`. A line of a kind
that is not known is an entry of the log and no more, so that an older window can watch a newer bot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from papertape.model.units import MINUTE, Nanos

CANDLES_MAX: Final = 600
TRADES_MAX: Final = 2_000
FILLS_MAX: Final = 2_000
ORDERS_MAX: Final = 1_000
LOG_MAX: Final = 5_000
FAULTS_MAX: Final = 100

FINAL: Final = ("closed", "canceled", "expired", "rejected")


@dataclass(slots=True)
class Bar:
    """One candle: `open_ns` is its first nanosecond; prices in quote, volume in base."""

    open_ns: Nanos
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True)
class Print:
    """One public trade; `side` is the taker's."""

    ns: Nanos
    price: float
    amount: float
    side: str


@dataclass(frozen=True, slots=True)
class Fill:
    """What one of our own orders gained, as far as we were told at `ns`."""

    ns: Nanos
    key: str
    symbol: str
    side: str
    price: float
    amount: Decimal


@dataclass(slots=True)
class OrderRow:
    """One of our own orders as it was told last.

    Attributes:
        key: its client order id, else the venue's.
        since_ns: when it was first told of.
        limits: since when it has had which limit.
    """

    key: str
    symbol: str
    side: str
    type: str
    price: str | None
    amount: str
    filled: Decimal
    cost: Decimal
    status: str
    since_ns: Nanos
    ns: Nanos
    reason: str = ""
    limits: list[tuple[Nanos, float]] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.status not in FINAL


@dataclass(frozen=True, slots=True)
class LaneRow:
    """One lane: how it stands in a word, what is done meanwhile, how long it has been quiet, how often it came back."""

    name: str
    state: str
    feed: str
    quiet_s: float | None
    reconnects: int | None
    reason: str


@dataclass(slots=True)
class FaultSpan:
    """A time in which a fault could act; `end_ns` is None while it still can."""

    kind: str
    begin_ns: Nanos
    end_ns: Nanos | None


@dataclass(frozen=True, slots=True)
class LogRow:
    """One thing that happened; `weight` is 0 for what always happens, 1 for what is worth a look, 2 for what went wrong."""

    ns: Nanos
    kind: str
    words: str
    weight: int


@dataclass(slots=True)
class Market:
    """One symbol.

    Attributes:
        bids, asks: (price, amount), best first; empty where no book is told of.
        book_ns, last_ns: venue clock of the last book and the last price.
    """

    candles: deque[Bar] = field(default_factory=lambda: deque(maxlen=CANDLES_MAX))
    prints: deque[Print] = field(default_factory=lambda: deque(maxlen=TRADES_MAX))
    bids: list[tuple[str, str]] = field(default_factory=list)
    asks: list[tuple[str, str]] = field(default_factory=list)
    bid: str | None = None
    ask: str | None = None
    last: float | None = None
    book_ns: Nanos | None = None
    last_ns: Nanos | None = None
    lag_ns: Nanos | None = None


class Screen:
    """Takes lines, and holds what a window shows of them.

    Args:
        span_ns: of one candle.

    Attributes:
        version: moves whenever something to be seen changed.
        mode: "replay", "paper", "live" or "served"; empty until it is told.
        now_ns: the newest time that anything told.
        why: what keeps the exchange from being healthy, in its own words; None until anything is told of it.
        faults: when which fault could act, oldest first.
        missed: lines that came too fast to be kept.
        away: why what is looked at cannot be seen just now; empty while it can.
    """

    def __init__(self, span_ns: Nanos = MINUTE) -> None:
        self.span_ns = span_ns
        self.version = 0
        self.mode = ""
        self.exchange = ""
        self.bot = ""
        self.halted = ""
        self.now_ns: Nanos = 0
        self.markets: dict[str, Market] = {}
        self.orders: dict[str, OrderRow] = {}
        self.fills: deque[Fill] = deque(maxlen=FILLS_MAX)
        self.lanes: list[LaneRow] = []
        self.log: deque[LogRow] = deque(maxlen=LOG_MAX)
        self.logged = 0
        self.why: str | None = None
        self.queue_depth: int | None = None
        self.unknown_orders: int | None = None
        self.rate_left: int | None = None
        self.stale_books: tuple[str, ...] = ()
        self.marks: dict[str, int] = {}
        self.faults: list[FaultSpan] = []
        self.missed = 0
        self.away = ""
        self._take = {
            "trade": self._trade, "book": self._book, "ticker": self._ticker, "candle": self._candle, "price": self._price,
            "state": self._state, "pulse": self._pulse, "standing": self._standing, "lanes": self._lanes_told, "missed": self._missed,
            "attached": self._attached,
        }  # fmt: skip

    def take(self, line: Mapping[str, Any]) -> None:
        """One line; what cannot be read of it is a line of the log that says so."""
        self.version += 1
        kind = str(line.get("kind", ""))
        try:
            if not isinstance(line.get("ns", 0), int) or not isinstance(line.get("symbol", ""), str):
                raise TypeError("a time or a symbol of the wrong kind")
            reader = self._take.get(kind)
            if reader is not None:
                reader(line)
            else:
                self._event(kind, line)
        except (KeyError, TypeError, ValueError, ArithmeticError):
            self._say(self.now_ns, kind or "line", f"cannot be read: {str(dict(line))[:200]}", 1)

    def market(self, symbol: str) -> Market:
        """The market of a symbol, an empty one if nothing was told of it."""
        market = self.markets.get(symbol)
        if market is None:
            market = self.markets[symbol] = Market()
        return market

    def own(self, symbol: str) -> list[OrderRow]:
        """Our own orders of a symbol, oldest first."""
        return [order for order in self.orders.values() if order.symbol == symbol]

    def position(self, symbol: str) -> Decimal:
        """What the fills that were told add up to, base."""
        return sum((fill.amount if fill.side == "buy" else -fill.amount for fill in self.fills if fill.symbol == symbol), Decimal(0))

    # Markets

    def _trade(self, line: Mapping[str, Any]) -> None:
        market, ns, price, amount = self.market(line["symbol"]), line["ns"], float(line["price"]), float(line["amount"])
        self._at(ns)
        market.prints.append(Print(ns, price, amount, line["side"]))
        self._to_candle(market, ns, price, price, price, amount)

    def _price(self, line: Mapping[str, Any]) -> None:
        """What a price did in a stretch of time, of which single trades are not told."""
        self._at(line["ns"])
        self._to_candle(self.market(line["symbol"]), line["ns"], line["low"], line["high"], line["last"], 0.0)

    def _to_candle(self, market: Market, ns: Nanos, low: float, high: float, last: float, amount: float) -> None:
        market.last, market.last_ns = last, ns
        open_ns = ns - ns % self.span_ns
        candles = market.candles
        bar = candles[-1] if candles else None
        if bar is not None and open_ns < bar.open_ns:
            bar = next((each for each in reversed(candles) if each.open_ns == open_ns), None)
            if bar is None:
                return  # older than anything shown
        if bar is None or open_ns > bar.open_ns:
            first = last if bar is None else bar.close
            candles.append(Bar(open_ns, first, max(first, high), min(first, low), last, amount))
            return
        bar.high, bar.low, bar.close = max(bar.high, high), min(bar.low, low), last
        bar.volume += amount

    def _candle(self, line: Mapping[str, Any]) -> None:
        """A finished bar, which knows better than what trades have made of it."""
        candles = self.market(line["symbol"]).candles
        told = Bar(line["ns"], *(float(line[key]) for key in ("open", "high", "low", "close", "volume")))
        for place in range(len(candles) - 1, -1, -1):
            if candles[place].open_ns == told.open_ns:
                candles[place] = told
                return
            if candles[place].open_ns < told.open_ns:
                candles.insert(place + 1, told) if len(candles) < CANDLES_MAX else None
                return
        if len(candles) < CANDLES_MAX:
            candles.appendleft(told)

    def _book(self, line: Mapping[str, Any]) -> None:
        market = self.market(line["symbol"])
        self._at(line["ns"])
        market.bids = [(price, amount) for price, amount in line["bids"]]
        market.asks = [(price, amount) for price, amount in line["asks"]]
        market.book_ns = line["ns"]
        market.bid = market.bids[0][0] if market.bids else None
        market.ask = market.asks[0][0] if market.asks else None

    def _ticker(self, line: Mapping[str, Any]) -> None:
        market = self.market(line["symbol"])
        self._at(line["ns"])
        if market.book_ns is None:
            market.bid, market.ask = line["bid"], line["ask"]
        if line["last"] is not None and market.last_ns is None:
            market.last, market.last_ns = float(line["last"]), line["ns"]

    # Our own

    def _state(self, line: Mapping[str, Any]) -> None:
        ns, key = line["ns"], line["client_order_id"] or line["id"]
        self._at(ns)
        filled, cost = Decimal(line["filled"]), Decimal(line["cost"])
        row = self.orders.get(key)
        known, paid = (Decimal(0), Decimal(0)) if row is None else (row.filled, row.cost)
        if row is None:
            row = self.orders[key] = OrderRow(
                key, line["symbol"], line["side"], line["type"], line["price"], line["amount"], filled, cost, line["status"], ns, ns
            )
            self._forget_orders()
        if line["price"] is not None and (not row.limits or row.price != line["price"]):
            row.limits.append((ns, float(line["price"])))
        row.price, row.amount, row.status, row.ns, row.reason = line["price"], line["amount"], line["status"], ns, line.get("reason", "")
        row.filled, row.cost = filled, cost
        if filled > known:
            self.fills.append(Fill(ns, key, row.symbol, row.side, float((cost - paid) / (filled - known)), filled - known))
        words = f"{row.side} {row.amount} {row.symbol} {'at ' + row.price if row.price else row.type}: {row.status}, filled {filled}"
        self._say(ns, "order", f"{key}: {words}{' · ' + row.reason if row.reason else ''}", 2 if row.status == "rejected" else 0)

    def _forget_orders(self) -> None:
        if len(self.orders) > ORDERS_MAX:
            done = next((key for key, row in self.orders.items() if not row.is_open), next(iter(self.orders)))
            del self.orders[done]

    # How it stands

    def _pulse(self, line: Mapping[str, Any]) -> None:
        self._health(line["health"])
        for symbol, lag_ns in line["lag_ns"].items():
            self.market(symbol).lag_ns = lag_ns

    def _standing(self, line: Mapping[str, Any]) -> None:
        self.mode, self.exchange, self.bot = line["mode"], line.get("exchange", ""), line.get("bot", "")
        self.halted = line.get("halted", "")
        self.marks = dict(line.get("marks", {}))
        if "lanes" in line:
            self._health(line)

    def _health(self, health: Mapping[str, Any]) -> None:
        before = self.why
        self.why = health["why"]
        self.queue_depth, self.unknown_orders = health["queue_depth"], health["unknown_orders"]
        self.rate_left, self.stale_books = health["rate_left"], tuple(health["stale_books"])
        self.lanes = [
            LaneRow(
                lane["lane"], lane["state"], lane["feed"] or "", None if lane["quiet_ns"] is None else lane["quiet_ns"] / 1e9,
                lane["reconnects"], lane["reason"],
            )
            for lane in health["lanes"]
        ]  # fmt: skip
        if before is not None and before != self.why:
            self._say(self.now_ns, "health", self.why or "all is well", 1 if self.why else 0)

    def _lanes_told(self, line: Mapping[str, Any]) -> None:
        """How lanes stood at an instant of a journal."""
        self._at(line["ns"])
        self.why = line["why"]
        self.lanes = [LaneRow(name, state, meanwhile, None, None, "") for name, (state, meanwhile) in line["lanes"].items()]

    def _missed(self, line: Mapping[str, Any]) -> None:
        self.missed += sum(count for count in line.values() if isinstance(count, int))

    def _attached(self, line: Mapping[str, Any]) -> None:
        self.away = "" if line["is_there"] else line["why"]
        self._say(self.now_ns, "attached", self.away or "there", 2 if self.away else 0)

    # What happened

    def _event(self, kind: str, line: Mapping[str, Any]) -> None:
        ns = line.get("ns", line.get("t"))
        ns = ns if isinstance(ns, int) else self.now_ns
        if kind in ("delivered", "told"):
            return  # what the bot hears is seen elsewhere
        if kind == "fault":
            self._fault(ns, str(line.get("fault", "")), line.get("what"))
        elif kind == "mark" and isinstance(line.get("mark"), str):
            self.marks[line["mark"]] = self.marks.get(line["mark"], 0) + 1
        words = " ".join(f"{key}={_short(value)}" for key, value in line.items() if key not in _LEFT_OUT and value not in ("", None))
        self._say(ns, kind, words, 2 if kind in _BAD else 1 if kind in _NOTABLE else 0)

    def _fault(self, ns: Nanos, kind: str, what: object) -> None:
        if what == "begins":
            self.faults.append(FaultSpan(kind, ns, None))
            del self.faults[:-FAULTS_MAX]
        elif what == "ends":
            running = next((fault for fault in self.faults if fault.kind == kind and fault.end_ns is None), None)
            if running is not None:
                running.end_ns = ns

    def _say(self, ns: Nanos, kind: str, words: str, weight: int) -> None:
        self.log.append(LogRow(ns, kind, words, weight))
        self.logged += 1

    def _at(self, ns: Nanos) -> None:
        self.now_ns = max(self.now_ns, ns)


_LEFT_OUT: Final = ("kind", "n", "t", "ns", "mode", "venue")
_NOTABLE: Final = ("fault", "mark", "health", "recovered", "gate", "stream", "header", "end", "note")
_BAD: Final = ("request_lost", "halted", "refused", "failed", "violation", "bot_error")


def _short(value: object) -> str:
    text = " ".join(f"{key}={each}" for key, each in value.items()) if isinstance(value, Mapping) else str(value)
    return text if len(text) <= 160 else f"{text[:159]}…"
