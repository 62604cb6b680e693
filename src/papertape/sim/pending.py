"""A request on its way, and how its client learns what became of it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from papertape.model.request import PUBLIC_OPS, Answer, Refusal, Request
from papertape.model.units import Nanos
from papertape.model.view import RequestSeen
from papertape.sim.client import Client
from papertape.sim.timeline import Handle


class Lost(Enum):
    """How a client learns that it will get no answer."""

    REPLY = "the venue did it, and nothing comes back"
    RESET = "the connection is gone"


Done = Callable[[Answer | Lost], None]


def ignore(outcome: Answer | Lost) -> None:
    """What is done with an outcome that nobody waits for."""


class Pending:
    """A request on its way: to the venue, or its answer back.

    Attributes:
        client: who asked, as far as anybody can tell.
        sent_ns: when the client sent it, which may be long before it came here.
        is_awaited: the client waits for an answer and has not heard, nor noticed, that there will be none.
        on_the_line: the answer has left, and it is not known to have arrived.
        is_orphan: whoever asked has died since.
        is_executed: the venue did not refuse it, whatever the client is told.
        life: which life of the client asked, from 1.
        refusal: what the venue's front end has answered already; the venue then never sees the request.
        noted: see `seen`; kept once the client has heard, after which nothing happens to it any more.
    """

    def __init__(
        self, number: int, request: Request, done: Done, sent_ns: Nanos, client: Client, life: int = 1, refusal: Refusal | None = None
    ) -> None:
        self.number = number
        self.request = request
        self.done = done
        self.sent_ns = sent_ns
        self.client = client
        self.life = life
        self.refusal = refusal
        self.is_awaited = True
        self.is_orphan = False
        self.is_executed = False
        self.on_the_line: Answer | None = None
        self.at_ns: Nanos | None = None
        self.told_ns: Nanos | None = None
        self.retry_after_ns: Nanos | None = None
        self.timer: Handle | None = None
        self.noted: RequestSeen | None = None


def seen(pending: Pending) -> RequestSeen:
    """The request as the observer notes it."""
    if pending.noted is not None:
        return pending.noted
    request = pending.request
    noted = RequestSeen(
        sent_ns=pending.sent_ns,
        at_ns=pending.at_ns or 0,
        told_ns=pending.told_ns,
        op=request.op,
        client_order_id=request.client_order_id,
        attempt=request.attempt,
        is_private=request.op not in PUBLIC_OPS,
        retry_after_ns=pending.retry_after_ns,
        line=pending.client.asked_at,
        order_id=request.order_id,
        is_executed=pending.is_executed,
        life=pending.life,
    )
    if pending.told_ns is not None:
        pending.noted = noted
    return noted
