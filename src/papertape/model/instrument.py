"""What is traded, and in which steps."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import msgspec

from papertape.model.errors import InvalidOrder
from papertape.model.units import EXACT, Nanos, plain


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One market of a venue and its steps; ticks and lots elsewhere are counts of these.

    Attributes:
        symbol: ccxt's unified name, "BASE/QUOTE".
        venue_symbol: the venue's own name, such as "BTC-USD".
        tick: smallest price step, quote per 1 base, above zero.
        lot: smallest amount step, base, above zero.
        amount_min: smallest order amount, base.
        cost_min: smallest order value, quote.
        valid_from_ns: from when these steps hold, nanoseconds since 1970-01-01 UTC.
        valid_to_ns: until when, exclusive; None means until further notice.

    >>> btc = Instrument(symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.00000001"))
    >>> btc.to_ticks(Decimal("64000.10")), btc.to_lots(Decimal("0.5"))
    (6400010, 50000000)
    >>> btc.price(6_400_010), btc.cost(6_400_010, 50_000_000)
    (Decimal('64000.10'), Decimal('32000.0500000000'))
    """

    symbol: str
    venue_symbol: str
    tick: Decimal
    lot: Decimal
    amount_min: Decimal = Decimal(0)
    cost_min: Decimal = Decimal(0)
    valid_from_ns: Nanos = 0
    valid_to_ns: Nanos | None = None

    @property
    def base(self) -> str:
        return self.symbol.split("/")[0]

    @property
    def quote(self) -> str:
        return self.symbol.split("/")[1].split(":")[0]

    def to_ticks(self, price: Decimal) -> int:
        """Ticks of a price; a price between two ticks is `InvalidOrder`, never rounded."""
        ticks = _steps(price, self.tick)
        if ticks is None or ticks <= 0:
            raise InvalidOrder(f"{self.symbol}: price {plain(price)} is not a positive multiple of the tick {plain(self.tick)}")
        return ticks

    def to_lots(self, amount: Decimal) -> int:
        """Lots of an amount; an amount between two lots is `InvalidOrder`, never rounded."""
        lots = _steps(amount, self.lot)
        if lots is None or lots <= 0:
            raise InvalidOrder(f"{self.symbol}: amount {plain(amount)} is not a positive multiple of the lot {plain(self.lot)}")
        return lots

    def price(self, ticks: int) -> Decimal:
        return EXACT.multiply(self.tick, Decimal(ticks))

    def amount(self, lots: int) -> Decimal:
        return EXACT.multiply(self.lot, Decimal(lots))

    def cost(self, ticks: int, lots: int) -> Decimal:
        """Quote value of `lots` at `ticks`, exact."""
        return EXACT.multiply(EXACT.multiply(self.tick, self.lot), Decimal(ticks * lots))


def _steps(number: Decimal, step: Decimal) -> int | None:
    """How many steps make up `number`; None if it lies between two, or beyond all that can be counted exactly."""
    try:
        steps, rest = EXACT.divmod(number, step)
    except InvalidOperation:
        return None
    return None if rest else int(steps)
