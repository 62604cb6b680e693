"""The two sides that an invariant compares: what the client believes, and what the venue knows."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from papertape.model.account import Balances
from papertape.model.order import Fill, NewOrder, Order
from papertape.model.request import Op
from papertape.model.units import Nanos


class IntentView(msgspec.Struct, frozen=True, kw_only=True):
    """An order the bot wanted, as the client's own log has it.

    Attributes:
        state: the tracker's word for it.
        is_settled: the client knows its outcome and it can no longer change.
        order: the last the client heard of it.
    """

    client_order_id: str
    wanted: NewOrder
    state: str
    is_settled: bool
    is_unknown: bool
    order: Order | None


class BotView(msgspec.Struct, frozen=True, kw_only=True):
    """What the client believes at one instant.

    Attributes:
        intents: everything it ever wanted, oldest first.
        positions: base per symbol, by its own count of fills.
        balances: as last fetched.
        costs: quote per symbol that its fills moved out, by its own count, fees apart.
        asked: what the bot asked for and was not told "no" to, call by call, as noted outside the client's own books.
    """

    intents: tuple[IntentView, ...]
    positions: dict[str, Decimal]
    balances: Balances | None
    asked: tuple[NewOrder, ...] = ()
    costs: dict[str, Decimal] = {}


class RequestSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the Door saw it; run time in nanoseconds.

    Attributes:
        sent_ns: when it left the client.
        at_ns: when it reached the venue.
        told_ns: when the client heard the answer; None if it never did.
        order_id: the venue's id of the order that it is about, where it names one.
        is_executed: it came to the venue, and the venue did not refuse it, whatever the client was told.
        retry_after_ns: how long the venue then asked the client to wait, if it refused for coming too fast.
        line: which line of a program asked, such as "bot.py:31"; empty where nobody knows.
        life: which life of the client asked, from 1.
    """

    sent_ns: Nanos
    at_ns: Nanos
    told_ns: Nanos | None
    op: Op
    client_order_id: str
    attempt: int
    is_private: bool
    retry_after_ns: Nanos | None = None
    line: str = ""
    order_id: str = ""
    is_executed: bool = True
    life: int = 1


class LineSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A connection of the own-order lane as the Door saw it; run time in nanoseconds.

    Attributes:
        ended_ns: when the first of the two sides closed it; None if it stood at the end.
    """

    opened_ns: Nanos
    ended_ns: Nanos | None


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """An edit that gave an order another limit, or the stop of a bracket that did.

    Attributes:
        after_fills: how many fills there had been of all orders by then.
        before: the limit that it had until then, quote per base.
        since: the limit that it has since, where the order does not show it: a bracket goes on showing the price it was asked for with.
    """

    order_id: str
    after_fills: int
    before: Decimal
    since: Decimal | None = None


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue knows at one instant.

    Attributes:
        orders: every order it accepted, oldest first.
        opening: the account as the run began.
        moves: edits of limits, oldest first; an order shows the last one only.
        foreign: client order ids of the orders that somebody else on the account placed.
        own_lines: connections of the own-order lane, oldest first.
    """

    orders: tuple[Order, ...]
    fills: tuple[Fill, ...]
    opening: Balances
    balances: Balances
    requests: tuple[RequestSeen, ...]
    moves: tuple[Moved, ...] = ()
    foreign: tuple[str, ...] = ()
    own_lines: tuple[LineSeen, ...] = ()
