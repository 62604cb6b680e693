"""Client order ids that force an outcome, for whoever tests an adapter: `pt-lose-reply-17` is an order whose reply is lost.

The rest of the id is the client's own affair. The market stays honest: nothing here makes an order fill that would not have filled.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import ClassVar, Final

import msgspec

from papertape.faults.base import Fault
from papertape.faults.reject import REASONS, Reject
from papertape.model.event import Event
from papertape.model.interference import Again, Trigger, Window
from papertape.model.order import OrderUpdate
from papertape.model.request import Answer, Lane, Op, Refusal, RefusalCode, Request
from papertape.model.units import SECOND, Nanos

PREFIX: Final = "pt-"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of an order, by its id.

    Attributes:
        name: what stands after `pt-`, and before a hyphen or the end.
        story: in a sentence, for people.
        on: which requests about the order it is about.
        is_always: every such request; else the first alone, so that a client that tries again gets through.
        refusal: what the venue says instead of doing it.
        says: what the venue says although it did it.
        is_lost: the connection is reset before a byte of the answer.
        late_ns: how much later the answer comes.
        hides_ns: how long no question shows the order.
        drops_news: nothing of it is told on streams.
        repeats_news: everything of it is told twice.
        cancels_after_ns: when the venue cancels it of its own accord.
    """

    name: str
    story: str
    on: Op = Op.ORDER_CREATE
    is_always: bool = False
    refusal: Refusal | None = None
    says: Refusal | None = None
    is_lost: bool = False
    late_ns: Nanos = 0
    hides_ns: Nanos = 0
    drops_news: bool = False
    repeats_news: bool = False
    cancels_after_ns: Nanos | None = None

    def concerns(self, request: Request) -> bool:
        return request.op is self.on and (self.is_always or request.attempt == 1)


_AWAY: Final = Refusal(code=RefusalCode.UNAVAILABLE, message="the venue cannot answer now")
_SLOWER: Final = Refusal(code=RefusalCode.RATE_LIMITED, message="Too many requests", retry_after_ns=SECOND)
_NO_CANCEL: Final = Refusal(code=RefusalCode.INVALID, message="the request is invalid")


def _rejections() -> list[Outcome]:
    """Every reason that a venue can give to a new order; the first is meant where none is named."""
    found = []
    for reason in dict.fromkeys(str(code) for code in REASONS[Op.ORDER_CREATE] if code is not RefusalCode.UNAVAILABLE):
        refusal = Reject(reason=reason).before_venue(Request(op=Op.ORDER_CREATE))  # type: ignore[arg-type]  # its literals are these codes
        name, words = f"reject-{reason.replace('_', '-')}", reason.replace("_", " ")
        found.append(Outcome(name=name, story=f"refused, each time: {words}", is_always=True, refusal=refusal))
    return [msgspec.structs.replace(found[0], name="reject"), *found]


OUTCOMES: Final = {
    outcome.name: outcome
    for outcome in (
        *_rejections(),
        Outcome(name="rate-limit", story="429 with Retry-After: 1, not done; the second try gets through", refusal=_SLOWER),
        Outcome(name="unavailable", story="503, not done; the second try gets through", refusal=_AWAY),
        Outcome(name="unavailable-done", story="503 although it was done; a second try with the same id gets the order", says=_AWAY),
        Outcome(
            name="lose-request",
            story="never reached the venue: a reset, and no order; the second try gets through",
            refusal=_AWAY,
            is_lost=True,
        ),
        Outcome(name="lose-reply", story="done, and then a reset: the order is there; a second try with the same id gets it", is_lost=True),
        Outcome(name="late-reply", story="done at once, answered 30 s later", late_ns=30 * SECOND),
        Outcome(name="late-visible", story="done, and for 5 s in no list and under no id", is_always=True, hides_ns=5 * SECOND),
        Outcome(name="lose-news", story="done, and never told of on the user stream: its numbers are missing", drops_news=True),
        Outcome(name="repeat-news", story="done, and told of twice each time on the user stream", repeats_news=True),
        Outcome(name="cancel", story="done, and cancelled by the venue 1 s later, if it is still open", cancels_after_ns=SECOND),
        Outcome(name="refuse-cancel", story="its first cancel is refused, and it goes on", on=Op.ORDER_CANCEL, refusal=_NO_CANCEL),
        Outcome(name="lose-cancel-reply", story="its first cancel is done, and then a reset", on=Op.ORDER_CANCEL, is_lost=True),
    )
}  # fmt: skip
"""By name. Where one name begins another, the longer is meant."""


def outcome_of(client_order_id: str) -> Outcome | None:
    """What an id asks for.

    >>> outcome_of("pt-reject-post-only-would-take-7").name, outcome_of("pt-reject-7").name, outcome_of("mine")
    ('reject-post-only-would-take', 'reject', None)
    """
    rest = client_order_id.removeprefix(PREFIX) if client_order_id.startswith(PREFIX) else ""
    words = rest.split("-")
    for count in range(len(words), 0, -1):
        outcome = OUTCOMES.get("-".join(words[:count]))
        if outcome is not None:
            return outcome
    return None


def unknown_outcome(client_order_id: str) -> str:
    """What to tell a person about an id that asks for what there is not."""
    rest = client_order_id.removeprefix(PREFIX)
    near = difflib.get_close_matches(rest.rstrip("0123456789").rstrip("-"), OUTCOMES, n=1)
    hint = f'; did you mean "{PREFIX}{near[0]}-…"?' if near else f". There are: {', '.join(PREFIX + name for name in OUTCOMES)}."
    return f'client order id "{client_order_id}": no outcome is called that{hint} The order was refused.'


class Magic(Fault, frozen=True, kw_only=True, tag="magic"):
    """The outcomes as the Door sees them: one fault that acts for as long as the venue stands, on the orders that ask for it.

    An id that begins with `pt-` and names no outcome is refused: whoever mistyped it must not believe that something was tested.

    Attributes:
        cancel: has the venue cancel the order of an id, so much later.
        on_unknown: told what there is to tell of an id that names no outcome.
    """

    cancel: Callable[[str, Nanos], object]
    on_unknown: Callable[[str], object]

    spends_number: ClassVar[bool] = True

    def trigger(self) -> Trigger | None:
        return None

    def window(self) -> Window:
        return Window(start_ns=0, lasts_ns=None)

    def lanes(self) -> tuple[Lane, ...]:
        return Lane.REST, Lane.USER

    def before_venue(self, request: Request) -> Refusal | None:
        outcome = outcome_of(request.client_order_id)
        if outcome is None and request.op is Op.ORDER_CREATE and request.client_order_id.startswith(PREFIX):
            told = unknown_outcome(request.client_order_id)
            self.on_unknown(told)
            return Refusal(code=RefusalCode.INVALID, message=told)
        return outcome.refusal if outcome is not None and outcome.concerns(request) else None

    def after_venue(self, request: Request, answer: Answer) -> Answer | None:
        outcome = outcome_of(request.client_order_id)
        if outcome is None or not outcome.concerns(request):
            return answer
        if outcome.cancels_after_ns is not None and answer.order is not None:
            self.cancel(answer.order.id, outcome.cancels_after_ns)
        if outcome.is_lost:
            return None
        return answer if outcome.says is None else Answer(refusal=outcome.says)

    def answer_delay_ns(self, request: Request) -> Nanos:
        outcome = outcome_of(request.client_order_id)
        return outcome.late_ns if outcome is not None and outcome.concerns(request) else 0

    def hides_ns(self, request: Request) -> Nanos:
        outcome = outcome_of(request.client_order_id)
        return outcome.hides_ns if outcome is not None and outcome.concerns(request) else 0

    def drops(self, lane: Lane, message: Event | OrderUpdate, dropped: int) -> bool:
        outcome = _told_of(message)
        return outcome is not None and outcome.drops_news

    def repeats(self, lane: Lane, message: Event | OrderUpdate, done: int) -> Again | None:
        outcome = _told_of(message)
        return Again(after_ns=0, is_renumbered=True) if outcome is not None and outcome.repeats_news else None


def _told_of(message: Event | OrderUpdate) -> Outcome | None:
    return outcome_of(message.order.client_order_id) if isinstance(message, OrderUpdate) else None
