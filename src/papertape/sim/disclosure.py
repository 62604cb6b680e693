"""What a client that declares no intents was told about its orders, and which of them it sent again before it could know.

The venue's truth says whether two orders stand; it cannot say whether the program meant two. What can be said is what the program knew when
it sent the second. An order's outcome is *disclosed* once the client has

- heard the answer to each of its sendings, and no "no" among them is untrue (a 500 for an order that stands discloses nothing);
- heard of the order in any other way: a message of its order stream, a lookup, a listing of orders or fills, a cancel;
- looked for it (a listing of orders, fills or balances, or a lookup by its client order id) when it was not at the venue and could no
  longer come there, and heard the answer. While the request may still arrive, "not found" discloses nothing; nor does a listing of open
  orders that leaves out an order because it has filled, nor a balance that the order has moved.

A cancel or an edit whose own outcome is undisclosed makes that of its order undisclosed again, until the client hears of that order anew.

A later order is a *repeat* of an earlier one if it has another client order id, the same symbol and side, and was sent when the earlier
one's outcome was undisclosed and nobody waited for it any more: its answer or its connection was lost, or the client had given up, or had
waited for `PAIR_WITHIN_NS` already. Type, price and size may differ: who tries again often takes the price of the day, the rest, or the
market; and whoever adds to a side of which they do not know what they hold repeats the mistake, whatever the size. Two orders sent one
soon after the other, whose answers are both on their way, are a pair that the program may have meant, and a repetition under the same id
is no new order.
"""

from __future__ import annotations

from typing import Final

import msgspec

from papertape.model.order import NewOrder
from papertape.model.request import Op, RefusalCode, Request
from papertape.model.units import SECOND, Nanos
from papertape.sim.fact import Fact, GaveUp, Gone, Heard, Reached, Sent, Told

PAIR_WITHIN_NS: Final = 3 * SECOND
"""How long a first order may have gone unanswered and a second still be meant beside it; answers take a fraction of a second."""

CHANGES: Final = (Op.ORDER_CANCEL, Op.ORDER_EDIT)

LOOKS: Final = (Op.ORDERS_OPEN, Op.ORDERS_FETCH, Op.FILLS_FETCH, Op.BALANCE_FETCH)


class Create:
    """One order that the client asked for, sent once or several times under one client order id.

    Attributes:
        ids: client order ids under which the venue may have it: the client's own, or the one that the venue gave.
        numbers: the Door's numbers of its sendings.
        sent_ns, line: of the first of these.
        at_venue: the venue has accepted it.
        is_known: the client was told of it.
        flying: sendings that may still reach the venue.
        awaited: sendings whose answer the client still waits for.
        owed: sendings of which the client does not know what came.
        changes: cancels and edits of it of which the client does not know what came, and whether it waits for their answers.
        last_sent_ns: when the client last sent anything about it.
    """

    def __init__(self, client_order_id: str, wanted: NewOrder, sent_ns: Nanos, line: str) -> None:
        self.ids = [client_order_id] if client_order_id else []
        self.wanted = wanted
        self.sent_ns = sent_ns
        self.line = line
        self.numbers: list[int] = []
        self.at_venue = False
        self.is_known = False
        self.flying: dict[int, None] = {}
        self.awaited: dict[int, None] = {}
        self.owed: dict[int, None] = {}
        self.changes: dict[int, bool] = {}
        self.last_sent_ns = sent_ns

    @property
    def is_disclosed(self) -> bool:
        return (self.is_known or not self.owed) and not self.changes

    def is_given_up(self, now_ns: Nanos) -> bool:
        """Undisclosed, and nobody waits for an answer that would disclose it, or for too long already."""
        is_awaited = bool(self.awaited) or any(self.changes.values())
        return not self.is_disclosed and not (is_awaited and now_ns < self.last_sent_ns + PAIR_WITHIN_NS)

    @property
    def is_dead(self) -> bool:
        """Not at the venue, and it can no longer come there."""
        return not self.at_venue and not self.flying


class Repeat(msgspec.Struct, frozen=True):
    """An order that was sent again while its outcome was undisclosed.

    Attributes:
        change: the op that had made it undisclosed, where that was not its own creation.
    """

    first: Create
    again: Create
    change: Op | None = None


class Disclosure:
    """Follow what one client was told, fact by fact.

    Attributes:
        creates: every order it asked for, oldest first.
        repeats: those among them that repeat an earlier one, oldest first.
    """

    def __init__(self) -> None:
        self.creates: list[Create] = []
        self.repeats: list[Repeat] = []
        self._by_id: dict[str, Create] = {}
        self._by_order_id: dict[str, Create] = {}
        self._by_number: dict[int, Create] = {}
        self._changed: dict[int, Create] = {}  # by the number of a cancel or an edit
        self._requests: dict[int, Request] = {}  # that are no creates, and under way
        self._dead: dict[int, list[tuple[Create, list[int]]]] = {}  # sendings of which a look under way shows that nothing came
        self._doubtful: list[Create] = []  # among them all that are undisclosed

    def on(self, fact: Fact) -> None:
        """The next thing happened."""
        match fact:
            case Sent():
                self._sent(fact)
            case Reached():
                self._reached(fact)
            case Heard():
                self._heard(fact)
            case Gone() | GaveUp():
                create = self._by_number.get(fact.number)
                changed = self._changed.get(fact.number)
                if changed is not None and fact.number in changed.changes:
                    changed.changes[fact.number] = False
                if create is not None:
                    create.awaited.pop(fact.number, None)
                    if isinstance(fact, Gone):
                        create.flying.pop(fact.number, None)
            case Told():
                self._known(fact.client_order_id)

    @property
    def undisclosed(self) -> list[Create]:
        """Orders whose outcome the client does not know, oldest first."""
        return sorted(
            (create for create in self._doubtful if not create.is_disclosed), key=lambda create: (create.sent_ns, create.numbers[0])
        )

    def _sent(self, fact: Sent) -> None:
        request = fact.request
        if request.op is not Op.ORDER_CREATE or request.order is None:
            self._requests[fact.number] = request
            if request.op in CHANGES:
                self._change_sent(fact, request)
            return
        create = self._by_id.get(request.client_order_id) if request.client_order_id else None
        if create is None:
            create = Create(request.client_order_id, request.order, fact.at_ns, fact.line)
            self._doubtful = self.undisclosed
            first = next((each for each in self._doubtful if each.is_given_up(fact.at_ns) and _adds_to(each.wanted, create.wanted)), None)
            if first is not None:
                self.repeats.append(Repeat(first, create, self._doubt(first)))
            self.creates.append(create)
            self._doubtful.append(create)
            if request.client_order_id:
                self._by_id[request.client_order_id] = create
        elif create not in self._doubtful:
            self._doubtful.append(create)
        self._by_number[fact.number] = create
        create.last_sent_ns = fact.at_ns
        create.numbers.append(fact.number)
        for state in (create.flying, create.awaited, create.owed):
            state[fact.number] = None

    def _change_sent(self, fact: Sent, request: Request) -> None:
        create = self._by_order_id.get(request.order_id) or self._by_id.get(request.client_order_id)
        if create is None:
            return
        self._changed[fact.number] = create
        create.changes[fact.number] = True
        create.last_sent_ns = fact.at_ns
        if create not in self._doubtful:
            self._doubtful.append(create)

    def _doubt(self, create: Create) -> Op | None:
        """Which change made an order undisclosed; None if it never was disclosed at all."""
        if not create.is_known and create.owed:
            return None
        request = self._requests.get(next(iter(create.changes), 0))
        return None if request is None else request.op

    def _reached(self, fact: Reached) -> None:
        create = self._by_number.get(fact.number)
        if create is not None:
            create.flying.pop(fact.number, None)
            if fact.accepted:
                create.at_venue = True
                if fact.accepted not in create.ids:  # the venue gives an id where the client gave none
                    create.ids.append(fact.accepted)
                    self._by_id[fact.accepted] = create
                if fact.order_id:
                    self._by_order_id[fact.order_id] = create
            return
        request = self._requests.get(fact.number)
        if request is not None:
            gone = [each for each in self.undisclosed if each.is_dead and _looks_for(request, each)]
            self._dead[fact.number] = [(each, list(each.owed)) for each in gone]

    def _heard(self, fact: Heard) -> None:
        number = fact.number
        create = self._by_number.get(number)
        if create is not None:
            create.awaited.pop(number, None)
            if fact.refusal is None or (create.at_venue and fact.refusal is RefusalCode.DUPLICATE_ID):
                create.is_known = True
            elif not create.at_venue:
                create.owed.pop(number, None)
        changed = self._changed.get(number)
        if changed is not None:  # what it says of this change it says of every earlier one
            changed.changes = {each: waits for each, waits in changed.changes.items() if each > number}
        for client_order_id in fact.named:
            self._known(client_order_id)
        dead = self._dead.pop(number, ())
        if fact.refusal in (None, RefusalCode.ORDER_NOT_FOUND):
            for each, numbers in dead:
                for sending in numbers:
                    each.owed.pop(sending, None)
        self._requests.pop(number, None)

    def _known(self, client_order_id: str) -> None:
        create = self._by_id.get(client_order_id)
        if create is not None:
            create.is_known = True
            create.changes = {each: waits for each, waits in create.changes.items() if waits}


def _adds_to(one: NewOrder, other: NewOrder) -> bool:
    """Whether `other` adds to what `one` may have done."""
    return (one.symbol, one.side) == (other.symbol, other.side)


def _looks_for(request: Request, create: Create) -> bool:
    """Whether an answer to `request` would show that order, were it there."""
    if request.op is Op.ORDER_FETCH:
        return request.client_order_id in create.ids
    return request.op in LOOKS and request.symbol in ("", create.wanted.symbol) and not request.order_id
