"""What ccxt does not say of a venue: how an unknown outcome is resolved, what a client order id may look like, which options are right."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from papertape.model.errors import ExchangeError, InvalidOrder, OrderImmediatelyFillable, OrderNotFound
from papertape.model.units import MILLISECOND, SECOND, Nanos
from papertape.model.venue import Quota, Reconcile, VenueRules
from papertape.venues import VENUES

WINDOW_NS: Final = 10 * SECOND
"""ccxt knows a venue's limit as the time between two requests; ours is counted over so long."""

COUNT_MIN: Final = 10
"""What is reserved for cancels must fit into any quota."""

RUN_DIGITS: Final = 16


class Manners(msgspec.Struct, frozen=True, kw_only=True):
    """One venue's.

    Attributes:
        reconcile: `LOOKUP` only where ccxt's `fetch_order` was seen to find an order by `clientOrderId`; any venue can be scanned.
        id_max: how long a client order id may be, as text; 0 where it must be a UUID.
        id_key: what `create_order` of ccxt takes it by; its Coinbase sends one of its own making for the unified name.
        takes_uuid: whether one may be a UUID as well, whatever its length.
        takes_cost: whether a market buy may be asked for by what it costs; not where ccxt then takes the cost for an amount as it shows the
            order.
        limits: words of the venue's, whatever HTTP says, by which it turned a request away and did nothing, for asking too often or
            out of turn; and after how long to ask again, in nanoseconds, None for as long as its rules have it.
        words: what ccxt has no class for, by a part of the venue's words.
        options: ccxt's, over those that it comes with.
    """

    reconcile: Reconcile = Reconcile.SCAN_RECENT
    id_max: int = 36
    id_key: str = "clientOrderId"
    takes_uuid: bool = False
    takes_cost: bool = True
    limits: Mapping[str, Nanos | None] = {}
    words: Mapping[str, type[ExchangeError]] = {}
    options: Mapping[str, Any] = {}

    def written(self, client_order_id: str) -> str:
        """The id as the venue gets it; one of ours that is too long is written as a UUID where it takes those.

        Raises InvalidOrder for one that it would not take: a shortened id could be another order's.

        >>> Manners(id_max=18, takes_uuid=True).written("pt00000000000000ff-12")
        '00000000-0000-00ff-0000-00000000000c'
        """
        if len(client_order_id) <= self.id_max:
            return client_order_id
        run, dash, count = client_order_id.removeprefix("pt").partition("-")
        if self.takes_uuid and dash and client_order_id == f"pt{run}-{count}" and len(run) == RUN_DIGITS and count.isdecimal():
            try:
                packed = UUID(int=(int(run, 16) << 64) + int(count))
            except ValueError:
                packed = None
            if packed is not None and self.told(str(packed)) == client_order_id:
                return str(packed)
        wanted = f"at most {self.id_max} characters" if self.id_max else "UUIDs alone, as which ours are written"
        raise InvalidOrder(f"client order id {client_order_id}: this venue takes {wanted}")

    def told(self, client_order_id: str) -> str:
        """The other way: the id as we know it, of one as the venue tells it.

        >>> Manners(id_max=18, takes_uuid=True).told("00000000-0000-00ff-0000-00000000000c")
        'pt00000000000000ff-12'
        """
        if not self.takes_uuid or len(client_order_id) != len(str(UUID(int=0))):
            return client_order_id
        try:
            run, count = divmod(UUID(client_order_id).int, 1 << 64)
        except ValueError:
            return client_order_id
        return f"pt{run:0{RUN_DIGITS}x}-{count}"


MANNERS: Final[dict[str, Manners]] = {
    "binance": Manners(
        reconcile=Reconcile.LOOKUP,
        limits={"outside of the recvWindow": SECOND, "ahead of the server's time": SECOND},  # it came too late, or our clock is wrong
        options={
            "defaultType": "spot",
            "fetchMarkets": {"types": ["spot"]},
            "fetchCurrencies": False,
            "fetchMargins": False,
            "warnOnFetchOpenOrdersWithoutSymbol": False,
            "adjustForTimeDifference": False,
            "watchTickers": {"name": "ticker"},  # ccxt's own choice is the small one, without best prices
        },
    ),
    "coinbase": Manners(
        id_key="client_order_id",
        words={"NOT_FOUND": OrderNotFound, "POST_ONLY": OrderImmediatelyFillable},
        options={"fetchBalance": "v3PrivateGetBrokerageAccounts", "createMarketBuyOrderRequiresPrice": True},
    ),
    "coinbaseexchange": Manners(id_max=0, takes_uuid=True),
    "kraken": Manners(
        id_max=18,
        takes_uuid=True,
        takes_cost=False,
        limits={
            "EAPI:Rate limit exceeded": None,
            "EOrder:Rate limit exceeded": None,
            "EGeneral:Too many requests": None,
            "EGeneral:Temporary lockout": None,
            "EAPI:Invalid nonce": SECOND,  # of two requests that overtook each other the later one
        },
    ),
}
"""By ccxt's name; a venue that is not here has the default ones, which are safe."""


def rules_for(name: str, rate_limit_ms: float, maker_bps: Decimal = Decimal(0), taker_bps: Decimal = Decimal(0)) -> VenueRules:
    """What the shell goes by: the venue's own table where there is one, else ccxt's figures for its rate and its fees; 0 where it has none.

    A generic link numbers nothing, lists no orders as a subscription begins, and shows a sign of life every ten seconds. It offers limit
    and market orders alone: ccxt's words for stops and ends differ from venue to venue, and what was passed over would be a plain order.
    """
    manners = MANNERS.get(name, Manners())
    quota = Quota(count=max(COUNT_MIN, int(WINDOW_NS // max(1, int(rate_limit_ms * MILLISECOND)))), per_ns=WINDOW_NS)
    if rate_limit_ms * COUNT_MIN * MILLISECOND > WINDOW_NS:
        quota = Quota(count=COUNT_MIN, per_ns=int(rate_limit_ms * COUNT_MIN * MILLISECOND))
    known = VENUES.get(name) or VenueRules(
        name=name, reconcile=manners.reconcile, private_quota=quota, public_quota=quota, maker_bps=maker_bps, taker_bps=taker_bps
    )
    return msgspec.structs.replace(known, reconcile=manners.reconcile, lists_own_orders=False, heartbeat_ns=10 * SECOND, offers=())
