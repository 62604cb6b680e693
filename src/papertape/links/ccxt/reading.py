"""ccxt's unified shapes as our nouns.

It imports no ccxt. What it cannot read raises ValueError, KeyError, TypeError or ArithmeticError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from papertape.model.account import Balance, Balances, Candle, Market
from papertape.model.event import BookSnapshot, Level, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.order import Fill, Liquidity, NewOrder, Order, OrderStatus, OrderType, TimeInForce
from papertape.model.phase import Phase
from papertape.model.units import EXACT, MILLISECOND, Nanos

DECIMAL_PLACES: Final = 2
TICK_SIZE: Final = 4
"""ccxt's numbers for what a market's `precision` counts; the third, significant digits, is a step that moves with the price."""

ZERO: Final = Decimal(0)


def number(value: Any) -> Decimal:
    """A number as it prints: ccxt's are texts where the client asked for that, and floats elsewhere.

    >>> number("0.10"), number(0.1)
    (Decimal('0.10'), Decimal('0.1'))
    """
    found = Decimal(value if isinstance(value, str) else repr(value))
    if not found.is_finite():
        raise ValueError(f"{value!r} is no number")
    return found


def read_market(told: Mapping[str, Any], mode: int) -> Market | None:
    """A spot market; None for what is none, and for one whose steps ccxt does not know: no order there could be checked.

    Args:
        told: a market of ccxt's `load_markets`.
        mode: ccxt's `precisionMode`.
    """
    tick, lot = (_step(told["precision"].get(of), mode) for of in ("price", "amount"))
    if not told.get("spot") or not tick or not lot:
        return None
    limits = told["limits"]
    instrument = Instrument(
        symbol=told["symbol"],
        venue_symbol=told["id"],
        tick=tick,
        lot=lot,
        amount_min=_or_zero(limits["amount"].get("min")),
        cost_min=_or_zero((limits.get("cost") or {}).get("min")),
    )
    maker_bps, taker_bps = (EXACT.multiply(_or_zero(told.get(of)), Decimal(10_000)) for of in ("maker", "taker"))
    return Market(
        instrument=instrument,
        maker_bps=maker_bps,
        taker_bps=taker_bps,
        phase=Phase.OFFLINE if told.get("active") is False else Phase.ONLINE,
    )


def _step(precision: Any, mode: int) -> Decimal | None:
    if precision is None:
        return None
    if mode == TICK_SIZE:
        return number(precision)
    return Decimal(1).scaleb(-int(number(precision))) if mode == DECIMAL_PLACES else None


def _or_zero(value: Any) -> Decimal:
    return ZERO if value is None else number(value)


def read_order(told: Mapping[str, Any], now_ns: Nanos, wanted: NewOrder | None = None) -> Order:
    """An order.

    Args:
        told: a venue that acknowledges by an id alone leaves all else None.
        now_ns: wall clock, for a venue that gives no time.
        wanted: what was asked for, where that is known; it fills in what the venue leaves out, and nothing else.

    >>> asked = NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal("1"), price=Decimal("9"))
    >>> read_order({"id": "7", "status": None}, 5, asked).status
    <OrderStatus.OPEN: 'open'>
    """
    side = told.get("side") or (wanted and wanted.side)
    price = told.get("price") if wanted is None or wanted.price is None else wanted.price
    kind = OrderType(str(told.get("type") or (wanted and wanted.type)))
    created_ns = _ns(told.get("timestamp")) or now_ns
    post_only = bool(told.get("postOnly")) or (wanted is not None and wanted.post_only)
    filled, amount = _or_zero(told.get("filled")), told.get("amount")
    cost = told.get("cost")
    if cost is None:
        cost = EXACT.multiply(filled, number(told["average"])) if filled else ZERO
    return Order(
        id=_text(told["id"]),
        client_order_id=str(told.get("clientOrderId") or ""),
        symbol=told.get("symbol") or _of(wanted).symbol,
        type=kind,
        side=Side(str(side)),
        amount=number(amount) if amount is not None else (_of(wanted).amount or ZERO),
        price=None if price is None or kind is OrderType.MARKET else Decimal(price) if isinstance(price, Decimal) else number(price),
        time_in_force=_in_force(told.get("timeInForce"), wanted),
        post_only=post_only,
        status=OrderStatus(told.get("status") or "open"),
        created_ns=created_ns,
        updated_ns=_ns(told.get("lastUpdateTimestamp")) or _ns(told.get("lastTradeTimestamp")) or created_ns,
        filled=filled,
        cost=cost if isinstance(cost, Decimal) else number(cost),
        fee=_fees(told),
        fills_count=len(told.get("trades") or ()),
    )


def _of(wanted: NewOrder | None) -> NewOrder:
    if wanted is None:
        raise ValueError("the order is told by its id alone")
    return wanted


def _text(id: Any) -> str:
    if not id:
        raise ValueError("an order without an id")
    return str(id)


def _in_force(told: Any, wanted: NewOrder | None) -> TimeInForce:
    if wanted is not None:
        return wanted.time_in_force
    return TimeInForce(told) if told in tuple(TimeInForce) else TimeInForce.GTC  # post-only, a day, and what else there is, rest


def _fees(told: Mapping[str, Any]) -> Decimal:
    """What was paid in quote; fees in another currency are in the balance, and nowhere in `Order`."""
    quote = str(told.get("symbol") or "/").split("/")[1].split(":")[0]
    fees = told.get("fees") or ([told["fee"]] if told.get("fee") else [])
    return sum((_or_zero(fee.get("cost")) for fee in fees if fee.get("currency") == quote), ZERO)


def _ns(milliseconds: Any) -> Nanos:
    return 0 if milliseconds is None else int(milliseconds) * MILLISECOND


def read_fill(told: Mapping[str, Any]) -> Fill:
    """One of our own trades; ccxt does not say under which id of ours."""
    price, amount = number(told["price"]), number(told["amount"])
    fee = told.get("fee") or {}
    return Fill(
        trade_id=str(told["id"]),
        order_id=str(told["order"]),
        client_order_id=str(told.get("clientOrderId") or ""),
        symbol=told["symbol"],
        side=Side(told["side"]),
        price=price,
        amount=amount,
        cost=EXACT.multiply(price, amount),
        fee=_or_zero(fee.get("cost")),
        fee_currency=str(fee.get("currency") or ""),
        liquidity=Liquidity(told.get("takerOrMaker") or "taker"),
        venue_ns=_ns(told["timestamp"]),
    )


def read_balances(told: Mapping[str, Any]) -> Balances:
    """An account; what ccxt does not say of a currency's holds is what its total leaves over."""
    found = {}
    for currency, total in told["total"].items():
        free, used = told["free"].get(currency), told["used"].get(currency)
        whole = _or_zero(total)
        spendable = number(free) if free is not None else EXACT.subtract(whole, _or_zero(used))
        found[currency] = Balance(free=spendable, used=number(used) if used is not None else EXACT.subtract(whole, spendable))
    return Balances(found)


def read_candle(row: Sequence[Any]) -> Candle:
    """One row of `fetch_ohlcv`."""
    open, high, low, close, volume = (number(each) for each in row[1:6])
    return Candle(open_ns=_ns(row[0]), open=open, high=high, low=low, close=close, volume=volume)


def read_trade(told: Mapping[str, Any], instrument: Instrument, now_ns: Nanos) -> Trade:
    """A public trade; one off the market's steps raises InvalidOrder, as no count of ticks is true of it."""
    return Trade(
        venue_ns=_ns(told["timestamp"]),
        local_ns=now_ns,
        symbol=instrument.symbol,
        price_ticks=instrument.to_ticks(number(told["price"])),
        qty_lots=instrument.to_lots(number(told["amount"])),
        taker=Side(told["side"]),
        trade_id=str(told.get("id") or ""),
    )


def read_book(told: Mapping[str, Any], instrument: Instrument, now_ns: Nanos) -> BookSnapshot:
    """A book, best first; without a time where the venue gives none."""
    bids, asks = (_levels(told[of], instrument) for of in ("bids", "asks"))
    return BookSnapshot(venue_ns=_ns(told.get("timestamp")), local_ns=now_ns, symbol=instrument.symbol, bids=bids, asks=asks)


def _levels(rows: Sequence[Sequence[Any]], instrument: Instrument) -> tuple[Level, ...]:
    return tuple((instrument.to_ticks(number(row[0])), instrument.to_lots(number(row[1]))) for row in rows)


def read_ticker(told: Mapping[str, Any], instrument: Instrument, now_ns: Nanos) -> Ticker:
    """Best prices and the last one; amounts that the venue leaves out are 0."""
    last, bid, ask = (None if told.get(of) is None else instrument.to_ticks(number(told[of])) for of in ("last", "bid", "ask"))
    bid_lots, ask_lots = (instrument.to_lots(size) if (size := _or_zero(told.get(of))) else 0 for of in ("bidVolume", "askVolume"))
    return Ticker(
        venue_ns=_ns(told.get("timestamp")), local_ns=now_ns, symbol=instrument.symbol,
        last_ticks=last, bid_ticks=bid, bid_lots=bid_lots, ask_ticks=ask, ask_lots=ask_lots,
    )  # fmt: skip
