"""A venue's rules as data; `venues/` holds one such table for each venue."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from papertape.model.instrument import Instrument
from papertape.model.order import Extra
from papertape.model.units import SECOND, Nanos


class Reconcile(StrEnum):
    """How a venue lets a client learn what became of an order whose answer was lost."""

    LOOKUP = "lookup"
    SCAN_RECENT = "scan_recent"
    IDENTICAL_REPOST = "identical_repost"


class Numbering(StrEnum):
    """What a venue counts on a market stream, so that a client can tell that something was lost.

    CONNECTION: everything that one connection is sent has one counter (Coinbase's `sequence_num`). It tells that something was lost, as
        soon as anything at all comes after it, but not of which market: whoever counts must doubt all of them.
    INSTRUMENT: each market has its own counter on a connection (Binance's update ids, `U` and `u`). It tells of which market something
        was lost, and nothing of the others; but only when that market speaks again, and never of heartbeats.
    """

    CONNECTION = "connection"
    INSTRUMENT = "instrument"


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """At most `count` requests, connections or messages in any window of `per_ns`."""

    count: int
    per_ns: Nanos = SECOND


class VenueRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue allows and how it behaves, as far as a client can tell.

    Attributes:
        reconcile: how an unknown outcome is resolved.
        numbering: what the numbers on its market stream count; those of a user stream count its connection.
        private_quota, public_quota: REST requests; private ones are those about the account.
        dial_quota: stream connections that may be tried, over both lanes; None where the venue names no number.
        message_quota: messages that a client may send on its streams, over both lanes; None likewise.
        heartbeat_ns: how often a stream shows a sign of life.
        reuses_client_ids: whether a client order id may name a new order once its old one is done. Where it may not, a repetition is
            refused, except with `IDENTICAL_REPOST`, where it answers the old order.
        lists_own_orders: whether a subscription to own orders begins with a list of those that are open, if only an empty one.
        status_every_ns: how often a stream tells how a market stands, to those who ask for it; 0 where none does.
        retry_after_ns: what a rate-limit answer asks for if a fault does not say.
        offers: what it can do with orders beyond limit and market; anything else is refused, by our client before it is sent.
        instruments: what is known of its markets when a tape does not say.
    """

    name: str
    reconcile: Reconcile
    private_quota: Quota
    public_quota: Quota
    maker_bps: Decimal
    taker_bps: Decimal
    reuses_client_ids: bool = False
    lists_own_orders: bool = False
    numbering: Numbering = Numbering.CONNECTION
    dial_quota: Quota | None = None
    message_quota: Quota | None = None
    heartbeat_ns: Nanos = SECOND
    status_every_ns: Nanos = 0
    retry_after_ns: Nanos = SECOND
    candle_spans_ns: tuple[Nanos, ...] = ()
    offers: tuple[Extra, ...] = ()
    instruments: tuple[Instrument, ...] = ()
