"""What Coinbase Advanced Trade allows.

Quotas are those of Coinbase's own documentation of Advanced Trade (of its streams: 8 connections and 8 messages a second from one address,
the latter where nobody is logged in; we count every message); fees are the first tier of its fee table (`transaction_summary` tells an
account its own); steps are those of its product list. It closes most streams after 60 to 90 seconds without news unless `heartbeats`, one a
second, is subscribed. It names no wait in its rate-limit answer, and calls how often `status` comes a preset interval; ours is 5 s.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from papertape.model.instrument import Instrument
from papertape.model.order import Extra
from papertape.model.units import DAY, HOUR, MINUTE, SECOND
from papertape.model.venue import Quota, Reconcile, VenueRules


def _product(base: str, quote: str, tick: str, lot: str) -> Instrument:
    return Instrument(
        symbol=f"{base}/{quote}",
        venue_symbol=f"{base}-{quote}",
        tick=Decimal(tick),
        lot=Decimal(lot),
        amount_min=Decimal(lot),
        cost_min=Decimal(1),
    )


RULES: Final = VenueRules(
    name="coinbase",
    reconcile=Reconcile.IDENTICAL_REPOST,
    lists_own_orders=True,
    private_quota=Quota(count=30, per_ns=SECOND),
    public_quota=Quota(count=10, per_ns=SECOND),
    maker_bps=Decimal(60),
    taker_bps=Decimal(120),
    dial_quota=Quota(count=8, per_ns=SECOND),
    message_quota=Quota(count=8, per_ns=SECOND),
    heartbeat_ns=SECOND,
    status_every_ns=5 * SECOND,
    retry_after_ns=SECOND,
    candle_spans_ns=(MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR, DAY),
    offers=(Extra.GTD, Extra.STOP_LIMIT, Extra.BRACKET),
    instruments=(
        _product("BTC", "USD", "0.01", "0.00000001"),
        _product("ETH", "USD", "0.01", "0.00000001"),
        _product("SOL", "USD", "0.01", "0.00000001"),
    ),
)
