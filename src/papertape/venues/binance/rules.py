"""What Binance spot allows.

Quotas are its order count (100 in 10 seconds; it may also answer 429 or a ban by weight) and its request weight (6000 a minute, at five a
request as most public ones cost or less); its streams take 300 connections in five minutes from one address and 5 messages a second. Fees
are those without discount; steps and minimums are those of its `exchangeInfo`. It has no heartbeat channel: it pings every 20 seconds.
Each of its market streams counts for itself: `U` and `u` of a book's changes, the ids of trades. Here an instrument has one counter for all
of them, so that a lost trade makes its book doubtful as well, which is more careful than Binance asks for. Candles shorter than a minute or
longer than a day are not simulated.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from papertape.model.instrument import Instrument
from papertape.model.units import DAY, HOUR, MINUTE, SECOND
from papertape.model.venue import Numbering, Quota, Reconcile, VenueRules


def _symbol(base: str, quote: str, tick: str, lot: str) -> Instrument:
    return Instrument(
        symbol=f"{base}/{quote}",
        venue_symbol=f"{base}{quote}",
        tick=Decimal(tick),
        lot=Decimal(lot),
        amount_min=Decimal(lot),
        cost_min=Decimal(5),
    )


RULES: Final = VenueRules(
    name="binance",
    reconcile=Reconcile.LOOKUP,
    reuses_client_ids=True,
    numbering=Numbering.INSTRUMENT,
    private_quota=Quota(count=100, per_ns=10 * SECOND),
    public_quota=Quota(count=1200, per_ns=MINUTE),
    maker_bps=Decimal(10),
    taker_bps=Decimal(10),
    dial_quota=Quota(count=300, per_ns=5 * MINUTE),
    message_quota=Quota(count=5, per_ns=SECOND),
    heartbeat_ns=20 * SECOND,
    retry_after_ns=10 * SECOND,
    candle_spans_ns=(
        *(minutes * MINUTE for minutes in (1, 3, 5, 15, 30)),
        *(hours * HOUR for hours in (1, 2, 4, 6, 8, 12)),
        DAY,
    ),
    instruments=(
        _symbol("BTC", "USDT", "0.01", "0.00001"),
        _symbol("ETH", "USDT", "0.01", "0.0001"),
        _symbol("SOL", "USDT", "0.01", "0.001"),
    ),
)
