"""What every fault has: when it acts, and the points at the Door where it may.

A fault is a frozen table, read from `[[fault]]` or given in Python. It holds no counter and no clock: the Door counts and tells it.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from papertape.faults.drawing import Draw
from papertape.model.errors import ConfigError
from papertape.model.event import BookSnapshot, Event, Side
from papertape.model.interference import Again, Crash, Cut, Lifetime, Outsider, Postponed, Swap, Thwarted, Trigger, Window
from papertape.model.order import OrderType, OrderUpdate
from papertape.model.phase import Phase
from papertape.model.request import Answer, Channel, Lane, Op, Refusal, Request
from papertape.model.units import Nanos, parse_duration

WHERE_KEYS = ("side", "symbol", "type")


class Fault(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True, repr_omit_defaults=True):
    """When a fault acts. Times are durations since the run's start, as text ("90s").

    Attributes:
        on: the op that it waits for, such as "order.create".
        nth: which of the matching requests at the Door, counted from 1.
        nth_intent: which of the distinct client order ids among them, counted from 1; hits every attempt for that intent.
        times: how many matching requests it hits from the nth on.
        where: narrows `on`: side, symbol or type of the order.
        at, lasts: a window by start and length.
        from_, until: a window by start and end (`from` in TOML).
        venue: which venue, where a scenario has several.
    """

    on: Op | None = None
    nth: int | None = None
    nth_intent: int | None = None
    times: int = 1
    where: dict[str, str] = {}
    at: str | None = None
    lasts: str | None = None
    from_: str | None = msgspec.field(name="from", default=None)
    until: str | None = None
    venue: str | None = None

    default_on: ClassVar[Op | None] = None
    """For faults that act on a request: what they wait for if nothing else is said."""
    needs_start: ClassVar[bool] = False
    """For faults that act over time: they must be told when."""
    needs_length: ClassVar[bool] = True
    """False for faults that do something at their window's very start, or end by themselves."""
    spends_number: ClassVar[bool] = True
    """Whether a stream message that it drops had its sequence number."""
    needs_books: ClassVar[bool] = False
    """For faults that must be told how the books were when their window opened."""
    needs_bot: ClassVar[bool] = False
    """For faults of the client itself: a program that papertape did not make cannot have them."""

    @property
    def kind(self) -> str:
        return str(type(self).__struct_config__.tag)

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the settings, as (key, complaint); empty if nothing."""
        found: list[tuple[str, str]] = []
        for key, text in (("at", self.at), ("lasts", self.lasts), ("from", self.from_), ("until", self.until), *self.durations()):
            if text is not None:
                try:
                    parse_duration(text)
                except ValueError as error:
                    found.append((key, str(error)))
        if found:
            return found
        if self.nth is not None and self.nth < 1:
            found.append(("nth", f"holds {self.nth}; the first matching request is 1"))
        if self.nth_intent is not None and self.nth_intent < 1:
            found.append(("nth_intent", f"holds {self.nth_intent}; the first intent is 1"))
        if self.nth is not None and self.nth_intent is not None:
            found.append(("nth_intent", "stands beside `nth`; a fault counts requests or intents, not both"))
        if self.times < 1:
            found.append(("times", f"holds {self.times}; expected 1 or more"))
        found += [("where", complaint) for key, value in self.where.items() if (complaint := _about_where(key, value))]
        if self.at is not None and self.from_ is not None:
            found.append(("from", "stands beside `at`; give a window as `at` + `lasts` or as `from` + `until`"))
        if self.until is not None and self.from_ is None:
            found.append(("until", "needs `from`; or use `at` + `lasts`"))
        if self.until is not None and self.lasts is not None:
            found.append(("lasts", "stands beside `until`; give a window as `at` + `lasts` or as `from` + `until`"))
        if self.from_ is not None and self.until is not None and parse_duration(self.until) <= parse_duration(self.from_):
            found.append(("until", f"holds {self.until}, which is not after `from` = {self.from_}"))
        starts_by_request = self.on is not None or self.nth is not None or self.nth_intent is not None
        window = self.window()
        if self.needs_length and window is not None and window.lasts_ns == 0:
            found.append(("lasts", f'is missing or 0; say how long it acts, such as lasts = "30s" (fault "{self.kind}")'))
        if self.needs_start and self.at is None and self.from_ is None and not starts_by_request:
            found.append(("at", f'is missing; say when it starts, such as at = "30s", or on = "order.create" (fault "{self.kind}")'))
        return found

    def durations(self) -> list[tuple[str, str | None]]:
        """The member's own keys that hold durations, for checking."""
        return []

    def trigger(self) -> Trigger | None:
        """Which requests it waits for; None if it goes by time alone."""
        on = self.on
        if on is None and self.nth is None and self.nth_intent is None and (self.default_on is None or self._has_window):
            return None
        nth, times = self.nth, self.times
        if nth is None and self.nth_intent is None and not self._has_window:
            nth = 1
        return Trigger(on=on or self.default_on, nth=nth, nth_intent=self.nth_intent, times=times, where=tuple(sorted(self.where.items())))

    def window(self) -> Window | None:
        """When it may act; None if it is about single requests, whenever they come."""
        if self._has_window:
            start_ns = parse_duration(self.at or self.from_ or "0s")
            if self.until is not None:
                return Window(start_ns=start_ns, lasts_ns=parse_duration(self.until) - start_ns)
            return Window(start_ns=start_ns, lasts_ns=parse_duration(self.lasts or "0s"))
        if self.needs_start:
            return Window(start_ns=None, lasts_ns=parse_duration(self.lasts or "0s"))
        return None

    @property
    def _has_window(self) -> bool:
        return self.at is not None or self.from_ is not None

    def lanes(self) -> tuple[Lane, ...]:
        return (Lane.REST,)

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any] | None:
        """The settings of one such fault at random, for a sweep; None where it is never drawn. A member adds its own keys."""
        if cls.default_on is not None:
            return draw.request()
        return draw.moment() if cls.needs_start else draw.window()

    # The points. A member overrides those it needs; the others say "nothing".

    def before_venue(self, request: Request) -> Refusal | None:
        return None

    def after_venue(self, request: Request, answer: Answer) -> Answer | None:
        return answer

    def answer_delay_ns(self, request: Request) -> Nanos:
        return 0

    def delay_ns(self, lane: Lane, since_start_ns: Nanos) -> Nanos:
        return 0

    def holds(self, lane: Lane) -> bool:
        return False

    def drops(self, lane: Lane, message: Event | OrderUpdate, dropped: int) -> bool:
        return False

    def repeats(self, lane: Lane, message: Event | OrderUpdate, done: int) -> Again | None:
        return None

    def swaps(self, lane: Lane, message: Event | OrderUpdate, done: int) -> Swap | None:
        return None

    def falsified(self, right: BookSnapshot, at_start: BookSnapshot | None, done: int) -> BookSnapshot | None:
        return None

    def cuts(self) -> tuple[Cut, ...]:
        return ()

    def crash(self) -> Crash | None:
        return None

    def hides_ns(self, request: Request) -> Nanos:
        return 0

    def withholds_ns(self, request: Request) -> Nanos:
        return 0

    def outsider(self) -> Outsider | None:
        return None

    def sets_phase(self) -> tuple[str, Phase] | None:
        return None

    def skew_ns(self, since_start_ns: Nanos) -> Nanos:
        return 0

    def lifetime(self, lane: Lane) -> Lifetime | None:
        return None

    def mutes(self, channel: Channel, symbol: str) -> bool:
        return False

    def thwarts(self, channel: Channel, symbol: str, done: int) -> Thwarted | None:
        return None

    def postpones(self, snapshot: BookSnapshot, done: int) -> Postponed | None:
        return None


def checked(fault: Fault, where: str = "fault") -> Fault:
    """`fault` itself if its settings make sense, else `ConfigError` naming the first key that does not."""
    problems = fault.problems()
    if problems:
        key, complaint = problems[0]
        raise ConfigError(f"{where}, key `{key}`: {complaint}")
    return fault


def _about_where(key: str, value: str) -> str:
    """What is wrong with a line of `where`; empty if nothing."""
    if key not in WHERE_KEYS:
        return f'has the key "{key}"; expected {", ".join(WHERE_KEYS)}'
    if key == "symbol":
        return "" if "/" in value else f'holds symbol = "{value}"; expected an instrument as ccxt writes it, such as "BTC/USD"'
    words = [str(word) for word in (Side if key == "side" else OrderType)]
    return "" if value in words else f'holds {key} = "{value}"; expected {" or ".join(words)}'


def as_table(fault: Fault) -> dict[str, Any]:
    """The fault as it would stand in TOML, without what is default."""
    builtins: dict[str, Any] = msgspec.to_builtins(fault)
    defaults = msgspec.to_builtins(type(fault)())
    return {key: value for key, value in builtins.items() if key == "kind" or value != defaults.get(key)}
