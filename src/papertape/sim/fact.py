"""What happened at a Door, in the order in which it came to be known: the ground on which a program is judged by what it was told.

`in_order` puts it into the order in which it happened: a network may bring a request long after it was sent, when its client has long gone.
What no network ever brings is not known here.

Run time in nanoseconds throughout; `number` is the Door's number of the request. Of answers there is only what matters here, as a program
that polls gets many.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from papertape.model.request import Answer, RefusalCode, Request
from papertape.model.units import Nanos


class Sent(msgspec.Struct, frozen=True, gc=False):
    """A request has left the client.

    Attributes:
        line: which line of the program asked, such as "bot.py:31"; empty where nobody knows.
    """

    at_ns: Nanos
    number: int
    request: Request
    line: str = ""


class Reached(msgspec.Struct, frozen=True, gc=False):
    """The venue has dealt with a request, or a fault has refused it in the venue's name.

    Attributes:
        refusal: its true answer, whatever becomes of that on the way back; None for a yes.
        accepted: the client order id under which the venue has the order that was to be created; "" for everything else.
        order_id: the venue's own id of that order.
    """

    at_ns: Nanos
    number: int
    refusal: RefusalCode | None = None
    accepted: str = ""
    order_id: str = ""


class Heard(msgspec.Struct, frozen=True, gc=False):
    """The client has got an answer that it still waited for.

    Attributes:
        refusal: what it says; None for a yes.
        named: client order ids of the orders and fills in it, each once.
    """

    at_ns: Nanos
    number: int
    refusal: RefusalCode | None = None
    named: tuple[str, ...] = ()


class Unheard(msgspec.Struct, frozen=True, gc=False):
    """An answer came when the client had stopped waiting."""

    at_ns: Nanos
    number: int


class Gone(msgspec.Struct, frozen=True, gc=False):
    """No answer will come, and a request that has not reached the venue never will.

    Attributes:
        is_cut: its connection was cut, so that the client notices.
    """

    at_ns: Nanos
    number: int
    is_cut: bool


class GaveUp(msgspec.Struct, frozen=True, gc=False):
    """The client stopped waiting for an answer; the request itself goes on."""

    at_ns: Nanos
    number: int


class Told(msgspec.Struct, frozen=True, gc=False):
    """The client has got a message about an order of ours on a stream."""

    at_ns: Nanos
    client_order_id: str


Fact = Sent | Reached | Heard | Unheard | Gone | GaveUp | Told


def in_order(facts: Sequence[Fact]) -> list[Fact]:
    """By the instants at which they happened; giving up comes before what the client did next, at the same instant."""
    sent = {fact.number: fact.at_ns for fact in facts if isinstance(fact, Sent)}

    def place(fact: Fact) -> tuple[Nanos, bool]:
        return fact.at_ns, not isinstance(fact, GaveUp) or sent.get(fact.number, fact.at_ns) == fact.at_ns

    return sorted(facts, key=place)


def named(answer: Answer) -> tuple[str, ...]:
    """Whose outcome an answer tells of."""
    ids = [order.client_order_id for order in (answer.order, *answer.orders) if order is not None]
    return tuple(dict.fromkeys(ids + [fill.client_order_id for fill in answer.fills]))
