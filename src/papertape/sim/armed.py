"""A fault together with what it has done so far: the counting that the fault itself, a mere table, does not do."""

from __future__ import annotations

from typing import Literal

from papertape.model.event import BookSnapshot
from papertape.model.interference import Interference, Trigger, Window
from papertape.model.request import Request
from papertape.model.units import Nanos


class Armed:
    """One fault of a run.

    Attributes:
        fired: how many requests, messages, connections and attempts to connect it hit.
        done: how many stream messages it hit.
        books: every book as it was when the window opened, where that matters.
        is_open: its window is running.
        is_recorded: it is the tape's own, and nobody's plan.
        hit_ns: when it last did anything, run time.
        harms_until_ns: when the last of what it has delayed or doubled so far is due, run time.
        quiet_until_ns: until when one of its answers asked the client for quiet, run time.
    """

    def __init__(self, fault: Interference) -> None:
        self.fault = fault
        self.trigger: Trigger | None = fault.trigger()
        self.window: Window | None = fault.window()
        self.fired = 0
        self.done = 0
        self.books: dict[str, BookSnapshot] = {}
        self.is_open = False
        self.is_recorded = False
        self.is_healed = False
        self.started_ns: Nanos = 0
        self.hit_ns: Nanos = 0
        self.harms_until_ns: Nanos = 0
        self.quiet_until_ns: Nanos = 0
        self._seen = 0
        self._intents: dict[str, int] = {}  # and the how-manieth each is

    @property
    def kind(self) -> str:
        return self.fault.kind

    @property
    def starts_by_request(self) -> bool:
        return self.window is not None and self.window.start_ns is None

    @property
    def ends_by_itself(self) -> bool:
        """Whether its window has an end in time."""
        return self.window is not None and self.window.lasts_ns is not None

    def hit_by(self, request: Request) -> bool:
        """Count `request`, and say whether the fault is about it."""
        if self.is_healed:
            return False
        if self.window is not None and self.window.start_ns is not None and not self.is_open:
            return False
        trigger = self.trigger
        if trigger is None:
            return self.is_open
        if self.starts_by_request and self.is_open:
            return True  # what it started is about every request, as a window that started by itself would be
        if not trigger.concerns(request):
            return False
        self._seen += 1
        if trigger.nth_intent is not None:
            return self._intents.setdefault(request.client_order_id, len(self._intents) + 1) == trigger.nth_intent
        if trigger.nth is not None:
            return trigger.nth <= self._seen < trigger.nth + trigger.times
        return True

    def open(self, now_ns: Nanos) -> None:
        self.is_open = True
        self.started_ns = now_ns

    def harms_until(self, at_ns: Nanos) -> None:
        """Something that it did comes to the client then."""
        self.harms_until_ns = max(self.harms_until_ns, at_ns)

    def end(self) -> None:
        self.is_open = False


def longest(hit: list[Armed], request: Request, point: Literal["hides_ns", "withholds_ns"]) -> tuple[Nanos, Armed] | None:
    """How long a request's consequences are kept from the client at that point, and by whose doing; None if they are not."""
    found = [(ns, armed) for armed in hit if (ns := getattr(armed.fault, point)(request))]
    return max(found, key=lambda each: each[0], default=None)
