"""Whether a client came back from its faults in time, and what it lacks where it did not."""

from __future__ import annotations

import msgspec

from papertape.model.request import Lane
from papertape.model.units import Nanos, format_duration
from papertape.runtime.network.trouble import Armed as ArmedOnLine
from papertape.session.observer import UP
from papertape.session.spec import Scenario
from papertape.session.world import VenueWorld
from papertape.sim.armed import Armed


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said of one venue's faults.

    Attributes:
        late: sentences on those that were recovered from too late or never.
        unjudged: on those that nobody could judge.
        notes: on those from which no recovery is demanded.
    """

    late: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def judge_recovery(scenario: Scenario, world: VenueWorld) -> Recovery:
    """Hold each fault's recovery against `recovers_within`.

    Where the scenario heals some lanes only, no more is demanded than what can come back: what was still broken or not recovered from when
    the bot ended is late only if one of the healed lanes was not up then.
    """
    limit_ns = scenario.expect.recovers_within_ns
    if limit_ns is None:
        return Recovery()
    observer = world.observer
    late = [
        f"{world.name}: {observer.kind_at(place)} took {format_duration(took_ns)} to recover from; {format_duration(limit_ns)} are allowed"
        for place, took_ns in sorted(observer.recoveries.items())
        if took_ns > limit_ns
    ]
    waiting = [(armed, ended_ns) for armed, ended_ns in observer.waiting if not observer.is_on(armed)]
    still_on: list[tuple[int, Armed | ArmedOnLine]] = [
        (place, armed)
        for place, armed in enumerate(world.door.plan.faults)
        if armed.fired and place not in observer.recoveries and armed not in [each for each, _ in waiting]
    ]
    still_on += [(observer.place_of(armed), armed) for armed, _ in observer.waiting if observer.is_on(armed)]
    if scenario.heal is not None and scenario.heal.only:
        return _partly_healed(world, scenario.heal.only, late, [armed for armed, _ in waiting] + [armed for _, armed in still_on])
    late += [
        f"{world.name}: {armed.kind}, over at {format_duration(ended_ns)}, was never recovered from; {observer.lacks or observer.why}"
        for armed, ended_ns in waiting
        if _had_time(world, ended_ns, limit_ns)
    ]
    unjudged = [
        f"{armed.kind}, over at {format_duration(ended_ns)}, had not been recovered from when the bot ended, "
        "and its time was not up, so `recovers_within` was not judged"
        for armed, ended_ns in waiting
        if not _had_time(world, ended_ns, limit_ns)
    ]
    unjudged += [
        f"fault {place + 1} ({armed.kind}) was still on when the bot ended, so `recovers_within` was not judged"
        for place, armed in still_on
    ]
    return Recovery(late=tuple(late), unjudged=tuple(unjudged))


def _partly_healed(world: VenueWorld, only: tuple[Lane, ...], late: list[str], broken: list[Armed | ArmedOnLine]) -> Recovery:
    lanes = world.observer.lanes
    down = [f"{lane} lane: {lanes[lane]}" for lane in only if lanes.get(lane, UP) != UP]
    if down and broken:
        kinds = ", ".join(dict.fromkeys(armed.kind for armed in broken))
        late = [*late, f"{world.name}: {' and '.join(only)} healed, and did not come back from {kinds}; {'; '.join(down)}"]
    others = [armed.kind for armed in broken if not down]
    words = ", ".join(dict.fromkeys(others))
    notes = (f"{world.name}: recovery from {words} was not demanded: only {' and '.join(only)} healed",) if others else ()
    return Recovery(late=tuple(late), notes=notes)


def _had_time(world: VenueWorld, ended_ns: Nanos, limit_ns: Nanos) -> bool:
    over_ns = world.observer.over_ns
    return over_ns is not None and over_ns - world.observer.since_ns(ended_ns) > limit_ns
