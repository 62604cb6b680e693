"""Money and positions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from papertape.model.instrument import Instrument
from papertape.model.phase import Phase
from papertape.model.units import EXACT, MILLISECOND, Nanos


class Balance(msgspec.Struct, frozen=True):
    """One currency of an account: `free` may be spent, `used` is held by open orders."""

    free: Decimal = Decimal(0)
    used: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        return EXACT.add(self.free, self.used)


class Balances(msgspec.Struct, frozen=True):
    """An account's currencies, in the order the venue lists them.

    >>> balances = Balances({"USD": Balance(Decimal("90"), Decimal("10"))})
    >>> balances["USD"].total, balances["BTC"].total
    (Decimal('100'), Decimal('0'))
    """

    currencies: dict[str, Balance]

    def __getitem__(self, currency: str) -> Balance:
        return self.currencies.get(currency, Balance())

    def to_ccxt(self) -> dict[str, Any]:
        each = {c: {"free": float(b.free), "used": float(b.used), "total": float(b.total)} for c, b in self.currencies.items()}
        split = {part: {c: amounts[part] for c, amounts in each.items()} for part in ("free", "used", "total")}
        return {"info": {}, "timestamp": None, "datetime": None, **split, **each}


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """What we hold of an instrument because of our own fills; base, below zero when more was sold than bought."""

    symbol: str
    amount: Decimal
    cost: Decimal

    def to_ccxt(self) -> dict[str, Any]:
        side = "long" if self.amount >= 0 else "short"
        return {"symbol": self.symbol, "contracts": float(abs(self.amount)), "side": side, "notional": float(self.cost), "info": {}}


class Candle(msgspec.Struct, frozen=True, kw_only=True):
    """One finished or running bar.

    Attributes:
        open_ns: its first nanosecond, since 1970-01-01 UTC.
        volume: base traded.
    """

    open_ns: Nanos
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    def to_ccxt(self) -> list[float]:
        numbers = [float(number) for number in (self.open, self.high, self.low, self.close, self.volume)]
        return [self.open_ns // MILLISECOND, *numbers]


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """A tradable instrument, what trading it costs, and what its venue takes there now."""

    instrument: Instrument
    maker_bps: Decimal
    taker_bps: Decimal
    phase: Phase = Phase.ONLINE

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    @property
    def active(self) -> bool:
        """Whether any new order is taken, as ccxt has it; `phase` says which."""
        return self.phase.takes_orders

    def to_ccxt(self) -> dict[str, Any]:
        it = self.instrument
        return {
            "id": it.venue_symbol, "symbol": it.symbol, "base": it.base, "quote": it.quote, "type": "spot", "spot": True,
            "active": self.active, "maker": float(self.maker_bps / 10_000), "taker": float(self.taker_bps / 10_000),
            "precision": {"price": float(it.tick), "amount": float(it.lot)},
            "limits": {"amount": {"min": float(it.amount_min), "max": None}, "cost": {"min": float(it.cost_min), "max": None}},
            "info": {},
        }  # fmt: skip


class KeyRights(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue lets a key do.

    Attributes:
        account: the venue's own name for what it opens, such as a portfolio's id.
    """

    account: str
    can_view: bool
    can_trade: bool
    can_transfer: bool
