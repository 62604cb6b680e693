"""What the client knows of every order it ever wanted; its word survives any order of events."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from typing import Final

from papertape.model.errors import IllegalMove
from papertape.model.event import Side
from papertape.model.order import NewOrder, Order
from papertape.model.units import EXACT, Nanos
from papertape.model.view import IntentView


class IntentState(Enum):  # the value is the sentence people read
    """Where an intent stands."""

    WANTED = "wanted; nothing was sent that could have had an effect"
    SENT = "sent; no answer yet"
    UNKNOWN = "sent; whether the venue has it is unknown"
    OPEN = "the venue has it"
    FINAL = "the venue has closed it"
    REFUSED = "the venue said no"
    NEVER_SENT = "given up before it was sent"
    NOT_FOUND = "sent and lost; the venue never had it"


class Happening(Enum):
    """What can happen to an intent."""

    SENDING = "a request leaves"
    HELD_BACK = "that request certainly had no effect"
    LOST = "that request may or may not have had an effect"
    REFUSED = "the venue said no"
    EXPIRED = "it waited too long, or nobody wants it any more"
    NOT_FOUND = "the venue was asked long enough and never had it"
    TOLD_OPEN = "the venue says it is open"
    TOLD_FINAL = "the venue says it is closed"


_S, _H = IntentState, Happening
NEXT: Final = {  # every legal move; any other is a bug and raises
    (_S.WANTED, _H.SENDING): _S.SENT,
    (_S.WANTED, _H.EXPIRED): _S.NEVER_SENT,
    (_S.SENT, _H.HELD_BACK): _S.WANTED,
    (_S.SENT, _H.LOST): _S.UNKNOWN,
    (_S.SENT, _H.REFUSED): _S.REFUSED,
    # An unknown intent stays unknown, whatever a second request meets, until the venue has spoken about the order itself.
    (_S.UNKNOWN, _H.SENDING): _S.UNKNOWN,
    (_S.UNKNOWN, _H.HELD_BACK): _S.UNKNOWN,
    (_S.UNKNOWN, _H.LOST): _S.UNKNOWN,
    (_S.UNKNOWN, _H.REFUSED): _S.REFUSED,
    (_S.UNKNOWN, _H.NOT_FOUND): _S.NOT_FOUND,
    # The user lane may be faster than the answer: then the answer's fate says nothing about the order.
    (_S.OPEN, _H.HELD_BACK): _S.OPEN,
    (_S.OPEN, _H.LOST): _S.OPEN,
    (_S.OPEN, _H.REFUSED): _S.OPEN,
    (_S.FINAL, _H.HELD_BACK): _S.FINAL,
    (_S.FINAL, _H.LOST): _S.FINAL,
    (_S.FINAL, _H.REFUSED): _S.FINAL,
    # The venue's word about an order beats everything we concluded without it.
    **{(state, _H.TOLD_OPEN): _S.OPEN for state in IntentState},
    **{(state, _H.TOLD_FINAL): _S.FINAL for state in IntentState},
}

SETTLED: Final = (IntentState.FINAL, IntentState.REFUSED, IntentState.NEVER_SENT, IntentState.NOT_FOUND)


class Intent:
    """One order the bot wanted, and what became of it so far.

    Attributes:
        attempts: requests sent for it.
        order: the furthest the venue has told; None before it told anything.
        shown: what the bot's callback was last told.
        heard_ns: when the venue last spoke of it, run time.
        lost_at_ns: when a request for it was first lost, nanoseconds since 1970-01-01 UTC: a later life must understand it.
    """

    __slots__ = ("attempts", "client_order_id", "heard_ns", "lost_at_ns", "order", "shown", "state", "wanted")

    def __init__(self, client_order_id: str, wanted: NewOrder) -> None:
        self.client_order_id = client_order_id
        self.wanted = wanted
        self.state = IntentState.WANTED
        self.attempts = 0
        self.order: Order | None = None
        self.shown: Order | None = None
        self.heard_ns: Nanos = 0
        self.lost_at_ns: Nanos | None = None

    @property
    def is_settled(self) -> bool:
        return self.state in SETTLED

    @property
    def is_unknown(self) -> bool:
        return self.state is IntentState.UNKNOWN

    @property
    def filled(self) -> Decimal:
        return self.order.filled if self.order is not None else Decimal(0)

    def on(self, happening: Happening, at_ns: Nanos) -> IntentState:
        """The state after `happening`; raises IllegalMove for one that the table lacks."""
        after = NEXT.get((self.state, happening))
        if after is None:
            raise IllegalMove(f"order {self.client_order_id}: {happening.name} while {self.state.name}, after {self.attempts} attempts")
        if happening is Happening.SENDING:
            self.attempts += 1
        if happening is Happening.LOST and self.lost_at_ns is None:
            self.lost_at_ns = at_ns
        self.state = after
        return after

    def view(self) -> IntentView:
        return IntentView(
            client_order_id=self.client_order_id,
            wanted=self.wanted,
            state=self.state.name.lower(),
            is_settled=self.is_settled,
            is_unknown=self.is_unknown,
            order=self.order,
        )


def is_news(told: Order, known: Order | None) -> bool:
    """Whether `told` is further on than what is known: what was executed never shrinks, and closed beats open at the same amount.

    Venues tell the same facts over two lanes that overtake each other, and a REST list may lag behind the stream.
    """
    if known is None:
        return True
    if told.filled != known.filled:
        return told.filled > known.filled
    if told.status.is_final != known.status.is_final:
        return told.status.is_final
    return told.updated_ns > known.updated_ns


def is_further(told: Order, known: Order | None) -> bool:
    """Whether `told` has a fill or an end that is not known yet; how the venue's stamps differ from lane to lane is no matter."""
    return known is None or told.filled > known.filled or (told.status.is_final and not known.status.is_final)


class Tracker:
    """Every intent by its client order id, oldest first, and the positions that their fills make."""

    def __init__(self) -> None:
        self._intents: dict[str, Intent] = {}
        self._unsettled: dict[str, Intent] = {}
        self._unknown: dict[str, Intent] = {}
        self._by_order_id: dict[str, Intent] = {}
        self.positions: dict[str, Decimal] = {}
        self.costs: dict[str, Decimal] = {}

    def __iter__(self) -> Iterator[Intent]:
        return iter(self._intents.values())

    def __len__(self) -> int:
        return len(self._intents)

    def __contains__(self, client_order_id: str) -> bool:
        return client_order_id in self._intents

    def __getitem__(self, client_order_id: str) -> Intent:
        return self._intents[client_order_id]

    def find(self, some_id: str) -> Intent | None:
        """An intent by the venue's id or by ours."""
        return self._by_order_id.get(some_id) or self._intents.get(some_id)

    def unsettled(self) -> tuple[Intent, ...]:
        """What may still change, oldest first."""
        return tuple(self._unsettled.values())

    def unknown(self, symbol: str = "") -> tuple[Intent, ...]:
        """Sent, with unknown outcome; of one symbol, or all."""
        return tuple(intent for intent in self._unknown.values() if not symbol or intent.wanted.symbol == symbol)

    def want(self, client_order_id: str, wanted: NewOrder) -> Intent:
        """The bot wants a new order."""
        if client_order_id in self._intents:
            raise IllegalMove(f"order {client_order_id}: wanted twice")
        intent = self._intents[client_order_id] = self._unsettled[client_order_id] = Intent(client_order_id, wanted)
        return intent

    def on(self, intent: Intent, happening: Happening, at_ns: Nanos) -> None:
        """Something happened to an intent other than the venue telling about it."""
        intent.on(happening, at_ns)
        self._file(intent)

    def told(self, order: Order, at_ns: Nanos) -> Intent | None:
        """The venue tells where an order stands, over whichever lane; returns the intent, or None if the order is not ours.

        Old news and repetitions change nothing.
        """
        intent = self._intents.get(order.client_order_id) or self._by_order_id.get(order.id)
        if intent is None:
            return None
        known = intent.order
        if not is_news(order, known):
            return intent
        self._count(known, order)
        intent.order = order
        if order.id:
            self._by_order_id[order.id] = intent
        intent.on(Happening.TOLD_FINAL if order.status.is_final else Happening.TOLD_OPEN, at_ns)
        self._file(intent)
        return intent

    def restore(self, intent: Intent, state: IntentState) -> None:
        """Take over how an intent ended from the log of an earlier life."""
        intent.state = state
        self._file(intent)

    def _count(self, known: Order | None, order: Order) -> None:
        more = EXACT.subtract(order.filled, known.filled if known is not None else Decimal(0))
        cost = EXACT.subtract(order.cost, known.cost if known is not None else Decimal(0))
        if order.side is Side.SELL:
            more, cost = -more, -cost
        symbol = order.symbol
        self.positions[symbol] = EXACT.add(self.positions.get(symbol, Decimal(0)), more)
        self.costs[symbol] = EXACT.add(self.costs.get(symbol, Decimal(0)), cost)

    def _file(self, intent: Intent) -> None:
        key = intent.client_order_id
        if intent.is_settled:
            self._unsettled.pop(key, None)
        else:
            self._unsettled[key] = intent
        if intent.is_unknown:
            self._unknown[key] = intent
        else:
            self._unknown.pop(key, None)
