"""What a fault may do, in the Door's terms: four points, a trigger and a window. The Door knows these words and no fault by name."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal, Protocol

import msgspec

from papertape.model.event import BookSnapshot, Event, Side
from papertape.model.order import OrderType, OrderUpdate
from papertape.model.phase import Phase
from papertape.model.request import Answer, Channel, Lane, Op, Refusal, Request
from papertape.model.units import Nanos

GOODBYES: Final = {
    1000: "normal closure", 1001: "going away", 1008: "policy violation", 1009: "message too big", 1011: "internal error",
    1012: "service restart", 1013: "try again later",
}  # fmt: skip
"""With which codes a venue ends a WebSocket, and what they mean. 1006 is never said: it is a connection that ended without a word."""


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests a fault is about, by meaning.

    Attributes:
        on: the op; None means any.
        nth: counts matching requests at the Door, from 1.
        nth_intent: counts distinct client order ids among them instead, from 1; every attempt for that intent matches.
        times: how many matching requests from the nth on are hit; ignored with `nth_intent`.
        where: what else must hold: side, symbol or type of the order.
    """

    on: Op | None
    nth: int | None = None
    nth_intent: int | None = None
    times: int = 1
    where: tuple[tuple[str, str], ...] = ()

    def concerns(self, request: Request) -> bool:
        if self.on is not None and request.op is not self.on:
            return False
        for key, wanted in self.where:
            found = request.symbol if key == "symbol" and request.order is None else str(getattr(request.order, key, ""))
            if found != wanted:
                return False
        return True


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """When a fault may act: from `start_ns` (run time, nanoseconds) for `lasts_ns`, the last instant excluded.

    A window with a trigger starts at the first request that the trigger hits; `start_ns` is then None and `lasts_ns` its length.
    Without `lasts_ns` it stays open until the fault has done what it came for.
    """

    start_ns: Nanos | None
    lasts_ns: Nanos | None


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """Every connection of a lane ends, with a goodbye (one of `GOODBYES`) or a reset (0), and none can be opened while the window lasts."""

    lane: Lane
    goodbye: int


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """A stream message comes a second time, `after_ns` later, with a number of its own if `is_renumbered`, else with the first one's."""

    after_ns: Nanos
    is_renumbered: bool


class Swap(msgspec.Struct, frozen=True, kw_only=True):
    """A stream message waits at most `within_ns` for the next, which goes first; numbered as they go out if `is_renumbered`."""

    within_ns: Nanos
    is_renumbered: bool


class Moment(StrEnum):
    """How far a request has come when its client dies."""

    LEAVING = "leaving"
    SENT = "sent"
    EXECUTED = "executed"
    ANSWERED = "answered"


class Disk(StrEnum):
    """What is left of what a client wrote down, once it has died."""

    KEPT = "kept"
    LOSES_UNSYNCED = "loses_unsynced"
    TORN = "torn"


class Crash(msgspec.Struct, frozen=True, kw_only=True):
    """The client dies as the window starts; a fresh one starts as it ends.

    Attributes:
        moment: for one that waits for a request, how far that has come.
        step: after which step of its loop it dies, from 1 and over all its lives; None if by time or by request.
    """

    moment: Moment
    disk: Disk
    step: int | None = None


RefusedBecause = Literal["too_many_streams", "unauthenticated", "rate_limited"]
"""Why a venue refuses a subscription; each dialect has its own words."""


class Thwarted(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription that brings nothing.

    Attributes:
        is_acknowledged: the venue says all the same that it stands.
        refusal: or it says no, and this is why.
    """

    is_acknowledged: bool
    refusal: RefusedBecause | None = None


class Postponed(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot comes `after_ns` later, and shows the book as it was when it was asked for (`is_old`), or as it is when it comes."""

    after_ns: Nanos
    is_old: bool


class Lifetime(msgspec.Struct, frozen=True, kw_only=True):
    """A connection ends when it is `after_ns` old, with a goodbye or a reset (0)."""

    after_ns: Nanos
    goodbye: int


class Outsider(msgspec.Struct, frozen=True, kw_only=True):
    """An order of somebody else on the account, placed as the window starts.

    Attributes:
        symbol: of what; None for the venue's first instrument.
        amount: base.
        away_bps: how far a limit order stands behind the best price of its side, in basis points.
    """

    symbol: str | None
    side: Side
    type: OrderType
    amount: Decimal
    away_bps: int


class Interference(Protocol):
    """A fault as the Door sees it; what it has nothing to say about, it answers with "nothing"."""

    @property
    def kind(self) -> str: ...

    @property
    def spends_number(self) -> bool:
        """Whether a stream message that it drops had its sequence number."""
        ...

    @property
    def needs_books(self) -> bool:
        """Whether it must be told how the books were when its window opened."""
        ...

    def trigger(self) -> Trigger | None: ...

    def window(self) -> Window | None: ...

    def lanes(self) -> tuple[Lane, ...]:
        """Which lanes it disturbs; `heal` goes by these."""
        ...

    def before_venue(self, request: Request) -> Refusal | None:
        """Answer in the venue's stead; the venue never sees the request."""
        ...

    def after_venue(self, request: Request, answer: Answer) -> Answer | None:
        """What becomes of the answer; None loses it."""
        ...

    def answer_delay_ns(self, request: Request) -> Nanos:
        """How much later the answer to this request sets out."""
        ...

    def delay_ns(self, lane: Lane, since_start_ns: Nanos) -> Nanos:
        """How much longer a message or request of `lane` takes now."""
        ...

    def holds(self, lane: Lane) -> bool:
        """Whether what goes to the client on `lane` waits until the window ends."""
        ...

    def drops(self, lane: Lane, message: Event | OrderUpdate, dropped: int) -> bool:
        """Whether this stream message is lost on its way out; `dropped` counts what it already lost."""
        ...

    def repeats(self, lane: Lane, message: Event | OrderUpdate, done: int) -> Again | None:
        """Whether this stream message comes again; `done` counts those that already did."""
        ...

    def swaps(self, lane: Lane, message: Event | OrderUpdate, done: int) -> Swap | None:
        """Whether this stream message lets the next go first; `done` counts those that already did."""
        ...

    def falsified(self, right: BookSnapshot, at_start: BookSnapshot | None, done: int) -> BookSnapshot | None:
        """What is sent for the `right` snapshot of a book; `at_start` is how it was when the window opened, for a fault that
        `needs_books`, and `done` counts those sent before. None leaves it as it is.
        """
        ...

    def cuts(self) -> tuple[Cut, ...]:
        """What ends as the window starts."""
        ...

    def crash(self) -> Crash | None:
        """How the client dies as the window starts; None if it does not."""
        ...

    def lifetime(self, lane: Lane) -> Lifetime | None:
        """How old a connection of `lane` may get; None for any age."""
        ...

    def mutes(self, channel: Channel, symbol: str) -> bool:
        """Whether a subscription that stands as the window starts brings nothing from then on."""
        ...

    def thwarts(self, channel: Channel, symbol: str, done: int) -> Thwarted | None:
        """Whether a subscription that is asked for now brings nothing; `done` counts those before."""
        ...

    def postpones(self, snapshot: BookSnapshot, done: int) -> Postponed | None:
        """Whether this snapshot of a book is late; `done` counts those before."""
        ...

    def hides_ns(self, request: Request) -> Nanos:
        """How long the order that this request makes is shown by no question."""
        ...

    def withholds_ns(self, request: Request) -> Nanos:
        """How long what the order that this request cancels has held is not free."""
        ...

    def outsider(self) -> Outsider | None:
        """What somebody else on the account asks for as the window starts."""
        ...

    def sets_phase(self) -> tuple[str, Phase] | None:
        """In which phase a market is meanwhile, or all of them where no symbol is named; None if it is in no other than usual."""
        ...

    def skew_ns(self, since_start_ns: Nanos) -> Nanos:
        """How far the date on the client's machine is ahead of the venue's."""
        ...
