"""What an invariant is: a sentence about belief and truth with a judge, and a watch where the end shows too little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, Protocol, TypeVar

import msgspec

from papertape.model.account import Balances
from papertape.model.event import Trade
from papertape.model.order import NewOrder, Order
from papertape.model.request import Lane, Op, Request
from papertape.model.units import Nanos, format_duration
from papertape.model.venue import VenueRules
from papertape.model.view import BotView, RequestSeen, Truth

PROBLEMS_MAX: Final = 3
"""How many violations a watch remembers; the first says most, and a bot that goes wrong goes wrong often."""


class NotJudged(Exception):
    """The case cannot be judged; a pass would claim something nobody looked at."""


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """How good what a client has of one instrument's market is at an instant.

    Attributes:
        since_ns: run time since when it lacks what the venue has; None while it lacks nothing, however quiet the market is.
        why: what it lacks, and why.
        mid: where the market stands, by the venue's own book; None where that has no middle.
    """

    since_ns: Nanos | None = None
    why: str = ""
    mid: Decimal | None = None

    def age_ns(self, now_ns: Nanos) -> Nanos:
        return 0 if self.since_ns is None else now_ns - self.since_ns


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """How many there are of something, and how many there may be."""

    count: int
    most: int


class Watch:
    """The half of an invariant that looks on while the run goes on: hooks, each told at the instant at which it happens (run time).

    Attributes:
        problems: a sentence for each violation, with its time; the first few.
        looks: how often there was something to judge.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.looks = 0

    def found(self, at_ns: Nanos, problem: str) -> None:
        """Note a violation."""
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(f"{format_duration(at_ns)}: {problem}")

    def order_asked(self, at_ns: Nanos, wanted: NewOrder, fresh: Freshness | None) -> None:
        """The bot calls `place_order`; `fresh` is None where the client follows nothing of that market."""

    def asking_undone(self, wanted: NewOrder) -> None:
        """The call told the bot that there is no order."""

    def order_left(self, at_ns: Nanos, request: Request, fresh: Freshness | None) -> None:
        """A request for a new order leaves the client, and can make one: the venue has none of its client order id by now."""

    def order_refused(self, at_ns: Nanos, request: Request) -> None:
        """The client hears that a request for a new order had no effect."""

    def book_compared(self, at_ns: Nanos, symbol: str, problem: str) -> None:
        """A book that the client holds valid was held against the venue's as delivered; `problem` is empty where they agree."""

    def order_shown(self, at_ns: Nanos, subscription: int, order: Order) -> None:
        """A callback of the bot is told where an order stands."""

    def trade_shown(self, at_ns: Nanos, subscription: int, trade: Trade) -> None:
        """A callback of the bot is told of a public trade."""

    def trades_shown(self, shown: Sequence[tuple[Nanos, int, Trade]]) -> None:
        """The same of many, before anything else is told that comes after them."""
        for at_ns, subscription, trade in shown:
            self.trade_shown(at_ns, subscription, trade)

    def counted(self, at_ns: Nanos, figures: Mapping[str, Figure]) -> None:
        """What was counted now, by its name."""

    def stream_opened(self, at_ns: Nanos, lane: Lane) -> None:
        """The client has connected a stream."""

    def balances_told(self, at_ns: Nanos, balances: Balances) -> None:
        """The client has got an answer with its balances."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to judge by, at quiescence.

    Attributes:
        view: what the client believes; None for a program that does not use our interface.
        end_ns: run time of the judging, nanoseconds.
        watches: what looked on, by the invariant's name.
        left_behind: what client and bot left behind when all was over, in words; None where nobody looked.
        pending: why an order is still open to question, by client order id, where the client says so.
    """

    venue: str
    rules: VenueRules
    truth: Truth
    view: BotView | None
    end_ns: Nanos
    watches: Mapping[str, Watch] = {}
    left_behind: tuple[str, ...] | None = None
    pending: Mapping[str, str] = {}


class Invariant(Protocol):
    """One invariant. `name` is what scenarios call it; the class docstring is what `papertape explain` prints."""

    name: str

    @property
    def watch(self) -> type[Watch] | None:
        """Makes what looks on while the run goes on; None where the end tells all."""
        ...

    def judge(self, case: Case) -> list[str]:
        """One sentence for each violation, none if it holds; raises `NotJudged` where it cannot say."""
        ...


def view_of(case: Case) -> BotView:
    """The client's side, or `NotJudged`."""
    if case.view is None:
        raise NotJudged("the program keeps its own books")
    return case.view


def that_could_make(requests: Sequence[RequestSeen]) -> list[RequestSeen]:
    """Requests for a new order, in the order in which they left, but for those that left when the venue had the order already."""
    creates = sorted((seen for seen in requests if seen.op is Op.ORDER_CREATE), key=lambda seen: seen.sent_ns)
    taken_ns: dict[str, Nanos] = {}
    for seen in creates:
        if seen.client_order_id and seen.is_executed:
            taken_ns[seen.client_order_id] = min(seen.at_ns, taken_ns.get(seen.client_order_id, seen.at_ns))
    return [seen for seen in creates if seen.sent_ns <= taken_ns.get(seen.client_order_id, seen.sent_ns)]


W = TypeVar("W", bound=Watch)


def watch_of(case: Case, name: str, kind: type[W], nothing: str) -> W:
    """What looked on, or `NotJudged`: nobody did, or there was nothing to see, which `nothing` words."""
    watch = case.watches.get(name)
    if not isinstance(watch, kind):
        raise NotJudged("nobody looked on while it ran")
    if not watch.looks:
        raise NotJudged(nothing)
    return watch


def told(case: Case, watch: Watch) -> list[str]:
    """A watch's violations as a judge tells them."""
    return [f"{case.venue}: at {problem}" for problem in watch.problems]
