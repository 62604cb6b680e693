"""The few requests that led to a verdict, for people: one line each, made from what happened at the Door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from papertape.model.order import Order
from papertape.model.request import Op, RefusalCode
from papertape.model.units import Nanos, plain
from papertape.model.view import Truth
from papertape.session.result import Moment
from papertape.session.suspicion import in_words, moment
from papertape.sim.fact import Fact, GaveUp, Gone, Heard, Reached, Sent, Told

MOMENTS_MAX: Final = 12

ORDERS: Final = (Op.ORDER_CREATE, Op.ORDER_EDIT, Op.ORDER_CANCEL)


class _Story:
    """One request from its leaving to its end."""

    def __init__(self, sent: Sent) -> None:
        self.sent = sent
        self.reached: Reached | None = None
        self.heard: Heard | None = None
        self.gone: Gone | None = None
        self.gave_up: GaveUp | None = None
        self.told_ns: Nanos | None = None

    @property
    def went_wrong(self) -> bool:
        return self.heard is None or self.heard.refusal is not None


def timeline(
    facts: Sequence[Fact],
    venue: str,
    truth: Truth,
    suspects: Sequence[int] = (),
    most: int = MOMENTS_MAX,
    by_id: bool = False,
) -> tuple[Moment, ...]:
    """What the client asked of one venue, oldest first, at most `most` moments; `facts` are in the order in which they happened.

    `suspects` are the Door's numbers of requests that must be among them. Around these stands what was asked between the first of them and
    the last; where there are none, the last orders, and whatever went wrong. `by_id` names orders by their client order ids, and tells of
    nothing but the suspects: of a client whose books can be compared it is known which orders matter.
    """
    stories = _stories(facts)
    numbers = list(stories)
    must = dict.fromkeys(number for number in suspects if number in stories)
    between = numbers
    if must:
        places = [numbers.index(number) for number in must]
        between = numbers[min(places) : max(places) + 1]
    rest = [number for number in between if not by_id and number not in must and _matters(stories[number], among_suspects=bool(must))]
    room = most - len(must)
    shown = sorted([*list(must)[:most], *(rest[-room:] if room > 0 else [])], key=numbers.index)
    orders = {order.client_order_id: order for order in truth.orders}
    return tuple(_moment(stories[number], venue, orders, by_id=by_id) for number in shown)


def _stories(facts: Sequence[Fact]) -> dict[int, _Story]:
    stories: dict[int, _Story] = {}
    creates: dict[str, _Story] = {}
    for fact in facts:
        if isinstance(fact, Told):
            story = creates.get(fact.client_order_id)
            if story is not None and story.told_ns is None:
                story.told_ns = fact.at_ns
        elif isinstance(fact, Sent):
            stories[fact.number] = _Story(fact)
            if fact.request.op is Op.ORDER_CREATE and fact.request.client_order_id:
                creates.setdefault(fact.request.client_order_id, stories[fact.number])
        elif fact.number in stories:
            story = stories[fact.number]
            match fact:
                case Reached():
                    story.reached = fact
                case Heard():
                    story.heard = fact
                case Gone():
                    story.gone = fact
                case GaveUp():
                    story.gave_up = fact
    return stories


def _matters(story: _Story, *, among_suspects: bool) -> bool:
    op = story.sent.request.op
    if op in ORDERS or story.went_wrong:
        return True
    return among_suspects and op in (Op.ORDER_FETCH, Op.ORDERS_OPEN, Op.ORDERS_FETCH, Op.FILLS_FETCH, Op.BALANCE_FETCH)


def _moment(story: _Story, venue: str, orders: Mapping[str, Order], *, by_id: bool) -> Moment:
    sent = story.sent
    return Moment(
        at_ns=sent.at_ns, venue=venue, line=sent.line, what=_asked(sent, by_id=by_id), outcome=f"{_done(story, orders)}; {_told(story)}"
    )


def _asked(sent: Sent, *, by_id: bool) -> str:
    request = sent.request
    who = f" {request.client_order_id}" if by_id and request.client_order_id else ""
    if request.order is not None and request.op is Op.ORDER_CREATE:
        return f"{request.op}{who} {in_words(request.order)}"
    about = who.strip() or request.order_id or request.symbol
    return f"{request.op} {about}" if about else str(request.op)


def _done(story: _Story, orders: Mapping[str, Order]) -> str:
    """What the venue did."""
    reached = story.reached
    if reached is None:
        return "never reached the venue" if story.gone is not None else "still on its way to the venue"
    if reached.refusal is not None:
        return f"refused: {_spoken(reached.refusal)}"
    if story.sent.request.op is not Op.ORDER_CREATE:
        return "done"
    order = orders.get(reached.accepted)
    if order is None or not order.filled:
        return "accepted"
    return "filled" if order.filled == order.amount else f"accepted, filled {plain(order.filled)}"


def _told(story: _Story) -> str:
    """What the client heard of it."""
    heard, gone, gave_up = story.heard, story.gone, story.gave_up
    if heard is not None:
        untrue = story.reached is None or heard.refusal is not story.reached.refusal
        answer = f'"{_spoken(heard.refusal)}"' if untrue and heard.refusal is not None else "answer"
        return f"{answer} heard at {moment(heard.at_ns)}"
    if gone is not None:
        lost = f"its connection was cut at {moment(gone.at_ns)}" if gone.is_cut else "its answer was lost"
    elif gave_up is not None:
        lost = f"given up at {moment(gave_up.at_ns)}"
    else:
        lost = "no answer heard"
    if gone is not None and gave_up is not None and gave_up.at_ns > gone.at_ns:
        lost += f", given up at {moment(gave_up.at_ns)}"
    return lost if story.told_ns is None else f"{lost}, told by stream at {moment(story.told_ns)}"


def _spoken(code: RefusalCode) -> str:
    return str(code).replace("_", " ")
