"""Plans of faults from a seed: for each seed some kinds of fault and not others, at wildly different rates, as explicit tables.

A plan is drawn before anything runs, and the run knows only the plan; so whatever a seed finds is a file with the faults in it. Each fault
is drawn from a stream of its own, named after its kind and its number, so a kind that is added to the shelf later adds its own faults to a
seed's plan and leaves all others as they were.

The faults of a plan are over at `heal`, three quarters into the run: until then the bot must do nothing wrong, after it it must come back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec

from papertape.faults import FAULTS, Fault
from papertape.faults.drawing import Draw
from papertape.faults.network import NetworkFault
from papertape.model.errors import ConfigError
from papertape.model.units import SECOND, Nanos, format_duration
from papertape.runtime.chance import Chance, Stream
from papertape.scenario.make import make_fault
from papertape.scenario.network_menu import KINDS, network_menu
from papertape.session.spec import Depth, Heal, Scenario
from papertape.session.world import open_feeds

ODDS: Final = (1, 1, 2, 3)
"""In how many of four cases a kind is enabled; drawn once a seed, so that some seeds have nearly none and others nearly all."""

RATES: Final = (1, 1, 1, 2, 3, 5, 9)
"""How many faults of an enabled kind there are."""

SPAN_MIN_NS: Final = 4 * SECOND
"""The shortest run that a plan fits into."""

TRIES: Final = 64
"""Draws after which a kind that let none of them through is one that never does."""


def swarm(base: Scenario, seed: int, span_ns: Nanos | None = None) -> Scenario:
    """`base` with the faults that `seed` draws beside its own, and the seed itself.

    What the base says must happen is left out: of a sweep it is asked as a whole, as is whether faults hit.

    Args:
        span_ns: how long the base's feeds last; looked up on their tapes if left out.

    Raises:
        ConfigError: the base's feeds are too short, or it heals too early.
        TapeError: a tape is missing or damaged.
    """
    span_ns = span_of(base) if span_ns is None else span_ns
    heal = base.heal or Heal(at=format_duration(span_ns * 3 // 4 // SECOND * SECOND))
    if span_ns < SPAN_MIN_NS or heal.at_ns < SECOND:
        raise ConfigError(
            f"{base.name}: its feeds last {format_duration(span_ns)} and it heals at {heal.at}; a sweep needs "
            f"{format_duration(SPAN_MIN_NS)} and a second before it heals"
        )
    shelf = {kind: member for kind, member in FAULTS.items() if base.program is None or not member.needs_bot}
    until_ns, is_wire = min(heal.at_ns, span_ns), base.depth is Depth.WIRE
    faults = drawn_plan(seed, until_ns=until_ns, is_wire=is_wire, venues=tuple(base.venues), shelf=shelf)
    expect = msgspec.structs.replace(base.expect, must_happen=(), must_hit=False)
    return msgspec.structs.replace(
        base, title=f"{base.title} (seed {seed} of a sweep)", seed=seed, faults=(*base.faults, *faults), heal=heal, expect=expect, repro=""
    )


def drawn_plan(
    seed: int, *, until_ns: Nanos, is_wire: bool = False, venues: Sequence[str] = (), shelf: Mapping[str, type[Fault]] = FAULTS
) -> tuple[Fault, ...]:
    """The faults that `seed` draws, by kind in the shelf's order.

    >>> [(fault.kind, fault.nth_intent) for fault in drawn_plan(5, until_ns=60 * SECOND) if fault.kind in ("drop", "gap", "lost_reply")]
    [('drop', 21), ('lost_reply', 34)]

    Args:
        until_ns: run time by which all windows are over.
        is_wire: whether there is a network that can have faults too.
        venues: where there are several, each fault is at one of them or at all.
    """
    chance = Chance(seed)
    odds = chance.stream("swarm").choice(ODDS)
    faults: list[Fault] = []
    for kind, member in shelf.items():
        on_line = issubclass(member, NetworkFault)
        stream = chance.stream(f"swarm/{kind}")
        if stream.below(4) >= odds or (on_line and not (is_wire and kind in KINDS)):
            continue
        for number in range(stream.choice(RATES)):
            own = chance.stream(f"swarm/{kind}/{number}")
            fault = _line_fault(kind, own, until_ns) if on_line else _door_fault(member, kind, own, until_ns, venues)
            faults += [] if fault is None else [fault]
    return tuple(faults)


@cache
def kinds_drawn(*, is_wire: bool) -> tuple[str, ...]:
    """The kinds of fault that a sweep can draw at a depth, in the shelf's order; a kind that says never to be drawn is not among them.

    >>> "lost_reply" in kinds_drawn(is_wire=False), "half_open" in kinds_drawn(is_wire=False), "half_open" in kinds_drawn(is_wire=True)
    (True, False, True)
    """
    return tuple(
        kind
        for kind, member in FAULTS.items()
        if (is_wire and kind in KINDS if issubclass(member, NetworkFault) else _is_ever_drawn(kind, member))
    )


def _is_ever_drawn(kind: str, member: type[Fault]) -> bool:
    """Whether it lets itself be drawn at all; some do now and then only."""
    stream = Chance(0).stream(f"kinds/{kind}")
    return any(member.drawn(Draw(stream, SPAN_MIN_NS)) is not None for _ in range(TRIES))


def span_of(scenario: Scenario) -> Nanos:
    """How long its feeds last, all together."""
    feeds = [feed for name, spec in scenario.venues.items() for feed in open_feeds(scenario, spec, f"{scenario.name}: [venue.{name}]")]
    return max(feed.end_ns for feed in feeds) - min(feed.start_ns for feed in feeds)


def _line_fault(kind: str, stream: Stream, until_ns: Nanos) -> Fault:
    return stream.choice(network_menu(kinds=[kind], until=format_duration(until_ns // SECOND * SECOND))[kind])


def _door_fault(member: type[Fault], kind: str, stream: Stream, until_ns: Nanos, venues: Sequence[str]) -> Fault | None:
    settings = member.drawn(Draw(stream, until_ns))
    if settings is None:
        return None
    table: dict[str, Any] = {"kind": kind, **settings}
    venue = stream.choice(["", *venues]) if len(venues) > 1 else ""
    return make_fault(table | ({"venue": venue} if venue else {}), "a sweep", f"drawn fault {kind}")
