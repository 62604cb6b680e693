"""What a venue tells the public: one noun for each kind of message.

Events carry integers only. `venue_ns` and `local_ns` are nanoseconds since 1970-01-01 UTC, as recorded; a run counts its own time from its
first feed's start.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from papertape.model.units import EXACT, Nanos


class Side(StrEnum):
    """A side, in ccxt's words. In a book, bids are BUY and asks are SELL."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


Level = tuple[int, int]
"""A price level: (price in ticks, amount in lots); in an update an amount of 0 deletes the level."""


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="kind"):
    """One message of a venue.

    Attributes:
        venue_ns: venue clock when it happened.
        local_ns: recorder's clock on receipt; may be behind the venue's.
        symbol: ccxt's unified symbol; empty where a message concerns no instrument.
    """

    venue_ns: Nanos
    local_ns: Nanos
    symbol: str


class Trade(Event, frozen=True, gc=False, kw_only=True, tag="trade"):
    """One public trade, as the venue printed it.

    Attributes:
        price_ticks: price in ticks of the instrument (quote per 1 base).
        qty_lots: amount in lots of the instrument (base), above zero.
        taker: the side that crossed the book.
        trade_id: the venue's own id, empty if it gives none.

    >>> trade = Trade(venue_ns=0, local_ns=9, symbol="BTC/USD", price_ticks=6_400_010, qty_lots=5, taker=Side.BUY)
    >>> trade.price(tick=Decimal("0.01"))
    Decimal('64000.10')
    """

    price_ticks: int
    qty_lots: int
    taker: Side
    trade_id: str = ""

    def price(self, tick: Decimal) -> Decimal:
        return EXACT.multiply(tick, Decimal(self.price_ticks))


class BookSnapshot(Event, frozen=True, gc=False, kw_only=True, tag="snapshot"):
    """The whole book of one instrument; whatever was known of it before is void.

    Attributes:
        bids: levels, best first.
        asks: levels, best first.
    """

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class BookUpdate(Event, frozen=True, gc=False, kw_only=True, tag="delta"):
    """The levels that changed, all at once: between its first and last level a book may look crossed, after the last it does not.

    Attributes:
        bids: changed bid levels, absolute amounts, 0 deletes.
        asks: changed ask levels, likewise.
    """

    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()


class Ticker(Event, frozen=True, gc=False, kw_only=True, tag="ticker"):
    """Best prices and the last trade. Amounts are 0 and prices None where the venue left them out."""

    last_ticks: int | None = None
    bid_ticks: int | None = None
    bid_lots: int = 0
    ask_ticks: int | None = None
    ask_lots: int = 0


class CandleEvent(Event, frozen=True, gc=False, kw_only=True, tag="candle"):
    """A bar as the venue sent it; until `open_ns + span_ns` has passed it is unfinished and will be sent again.

    Attributes:
        open_ns: first nanosecond of the bar, since 1970-01-01 UTC.
        span_ns: its length.
        volume_lots: base traded in it, in lots.
    """

    open_ns: Nanos
    span_ns: Nanos
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int


class ConnectionKind(StrEnum):
    """What a recorder's connection went through.

    A latency is a sign of life that carries nothing else (a heartbeat, the answer to a question), kept for how long it took.
    """

    OPENED = "opened"
    DROPPED = "dropped"
    GAP = "gap"
    ERROR = "error"
    LATENCY = "latency"
    RATE_LIMITED = "rate_limited"


NO_MARKET: Final = ("rest", "user")
"""What a recorder calls connections that bring no market data; any other name is a market stream's."""


class ConnectionEvent(Event, frozen=True, gc=False, kw_only=True, tag="connection"):
    """What happened to the recorder's own connection.

    Attributes:
        connection: the recorder's name for it.
        what: see `ConnectionKind`.
        text: the venue's words, if it said any. Where it was RATE_LIMITED they begin with how long to wait, such as "7s".
    """

    connection: str
    what: ConnectionKind
    text: str = ""

    @property
    def loses_market(self) -> bool:
        """Whether news of the market were lost: a stream's connection ended, or did not bring something."""
        return self.what in (ConnectionKind.DROPPED, ConnectionKind.GAP) and brings_market(self.connection)


def brings_market(connection: str) -> bool:
    """Whether a recorder's connection of that name brings market data; on tapes that were merged a number may follow it.

    >>> [name for name in ("market", "ws-1", "", "rest", "rest (2)", "user") if brings_market(name)]
    ['market', 'ws-1', '']
    """
    return connection.partition(" ")[0] not in NO_MARKET


class Heartbeat(Event, frozen=True, gc=False, kw_only=True, tag="heartbeat"):
    """A sign of life that carries nothing else. Made by the venue, never recorded."""

    counter: int


class MarketStatus(Event, frozen=True, gc=False, kw_only=True, tag="status"):
    """What a venue says of a market as such. Made by the venue, never recorded.

    Attributes:
        status: the venue's own word, `ONLINE` where the market is open.
        text: what else it says, for people; empty if nothing.
    """

    status: str
    text: str = ""


ONLINE: Final = "online"
"""What a venue calls a market that is not shut altogether; which orders it takes is another matter, and `Phase` says so."""

MarketEvent = Trade | BookSnapshot | BookUpdate | Ticker | CandleEvent | ConnectionEvent
"""Whatever a tape can hold."""
