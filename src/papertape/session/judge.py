"""From a run that is over to a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from papertape.invariants import INVARIANTS, Case, NotJudged
from papertape.model.notes import Mark
from papertape.model.units import EXACT, Nanos, format_duration, plain
from papertape.model.view import Truth
from papertape.session.result import FaultResult, Moment, Status
from papertape.session.spec import ExpectVenue, Scenario
from papertape.session.suspicion import suspicions, untold
from papertape.session.timeline import MOMENTS_MAX, timeline
from papertape.session.world import VenueWorld
from papertape.sim.audit import audit
from papertape.sim.disclosure import Disclosure
from papertape.sim.fact import in_order


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the judges found.

    Attributes:
        failures: what was not as it must be.
        broken: what kind of failure these are, each kind once: an invariant's name, a key of [expect], or `kind_of` a sentence.
        suspicions: what a program cannot have known to be right when it did it.
        hollow: why the run proves nothing, where it does not.
        not_judged: invariants nobody could judge, with the reason.
        notes: what is worth knowing and decides nothing.
    """

    failures: tuple[str, ...]
    broken: tuple[str, ...] = ()
    suspicions: tuple[str, ...] = ()
    hollow: tuple[str, ...] = ()
    not_judged: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the run did not pass, the gravest first."""
        return self.failures + self.suspicions + self.hollow

    @property
    def status(self) -> Status:
        if self.failures:
            return Status.FAILED
        if self.suspicions:
            return Status.SUSPECT
        return Status.VACUOUS if self.hollow else Status.PASSED


def judge(
    scenario: Scenario, worlds: Sequence[VenueWorld], failures: Sequence[str], end_ns: Nanos, line_faults: Sequence[tuple[str, int]] = ()
) -> Verdict:
    """Invariants, recoveries, must-happens and limits.

    Args:
        failures: those that the run already has.
        line_faults: the kind of each fault of the network, and how often it acted.
    """
    found, suspected, hollow, not_judged, notes = list(failures), list[str](), list[str](), list[str](), list[str]()
    broken = [kind_of(failure) for failure in failures]
    names = scenario.expect.invariants or tuple(INVARIANTS)
    judged = 0
    for world in worlds:
        case = case_of(world, end_ns)
        for name in names:
            try:
                problems = INVARIANTS[name].judge(case)
                found += problems
                broken += [name for _ in problems]
                judged += 1
            except NotJudged as reason:
                not_judged.append(f"{name} ({world.name}): {reason}")
                if scenario.expect.invariants:
                    hollow.append(f"invariant {name} was not judged: {reason}")
        if world.exchange is None:
            disclosure = disclosed(world)
            suspected += suspicions(disclosure, world.name, case.truth)
            broken += ["suspect" for _ in suspected]
            notes += untold(disclosure, world.name, case.truth)
            judged += bool(disclosure.creates)
        late, beyond = _recoveries(scenario, world), _limits(scenario.expect.venue, world.name, case.truth)
        found += [*late, *beyond]
        broken += ["recovers_within" for _ in late] + ["max_position" for _ in beyond]
        hollow += _unjudged_recoveries(scenario, world)
        hollow += [
            f"fault {place + 1} ({armed.fault.kind}) hit nothing"
            for place, armed in enumerate(world.door.plan.faults)
            if not armed.fired and scenario.expect.must_hit
        ]
    for kind, fired in line_faults:
        if not fired:
            hollow += [f"fault {kind} hit nothing"] if scenario.expect.must_hit else []
        elif scenario.expect.recovers_within is not None:
            hollow.append(f"fault {kind} is the network's, and what comes after it is not timed, so `recovers_within` was not judged")
    seen = {mark for world in worlds for mark in world.observer.marks}
    hollow += [f'"{mark}" had to happen and did not' for mark in scenario.expect.must_happen if Mark(mark) not in seen]
    if not any(world.exchange is not None or world.door.was_reached for world in worlds):
        hollow.append("the program never reached the venue")
    elif not judged:
        hollow.append("nothing was judged")
    return Verdict(
        failures=tuple(found), broken=tuple(dict.fromkeys(broken)), suspicions=tuple(suspected), hollow=tuple(hollow),
        not_judged=tuple(not_judged), notes=tuple(notes),
    )  # fmt: skip


def kind_of(failure: str) -> str:
    """What kind of failure a sentence tells of: its head, without what differs from run to run.

    >>> kind_of("the bot raised KeyError: 'pt7-12' (bot.py:31, in on_book)"), kind_of("2 tasks of the bot were left")
    ('the bot raised KeyError', '# tasks of the bot were left')
    """
    return " ".join("#" if any(each.isdigit() for each in word) else word for word in failure.partition(": ")[0].split())


def disclosed(world: VenueWorld) -> Disclosure:
    """What a program was told of its orders at one venue."""
    disclosure = Disclosure()
    for fact in in_order(world.door.facts):
        disclosure.on(fact)
    return disclosure


def led_there(worlds: Sequence[VenueWorld]) -> tuple[Moment, ...]:
    """The few requests that led to a verdict, at all venues; those that are suspect are among them."""
    moments: list[Moment] = []
    for world in worlds:
        repeats = disclosed(world).repeats if world.exchange is None else []
        suspects = [number for repeat in repeats for create in (repeat.first, repeat.again) for number in create.numbers]
        moments += timeline(in_order(world.door.facts), world.name, world.door.truth(), suspects, most=MOMENTS_MAX // len(worlds))
    return tuple(sorted(moments, key=lambda each: each.at_ns))


def case_of(world: VenueWorld, end_ns: Nanos) -> Case:
    """Both sides of one venue, for the invariants."""
    view = None
    if world.exchange is not None:
        view = msgspec.structs.replace(world.exchange.view(), asked=tuple(world.asked))
    return Case(venue=world.name, rules=world.rules, truth=world.door.truth(), view=view, end_ns=end_ns)


def audits(worlds: Sequence[VenueWorld]) -> tuple[str, ...]:
    """What is wrong with our own simulated venues' books: any of it means that the run cannot be believed."""
    return tuple(f"{world.name}: {problem}" for world in worlds for problem in audit(world.door.truth(), world.fees))


def fault_results(worlds: Sequence[VenueWorld]) -> tuple[FaultResult, ...]:
    """What each fault did, in the order of the plan."""
    return tuple(
        FaultResult(kind=armed.fault.kind, fired=armed.fired, recovery_ns=world.observer.recoveries.get(place))
        for world in worlds
        for place, armed in enumerate(world.door.plan.faults)
    )


def fees_paid(truths: Sequence[Truth]) -> dict[str, Decimal]:
    """What all fills cost in fees, by currency."""
    paid: dict[str, Decimal] = {}
    for truth in truths:
        for fill in truth.fills:
            paid[fill.fee_currency] = EXACT.add(paid.get(fill.fee_currency, Decimal(0)), fill.fee)
    return paid


def pnl(worlds: Sequence[VenueWorld]) -> dict[str, Decimal]:
    """Gain after fees by quote currency: what the fills moved, the base at the last middle price."""
    gain: dict[str, Decimal] = {}
    for world in worlds:
        held: dict[str, Decimal] = {}
        for fill in world.door.truth().fills:
            held[fill.symbol] = EXACT.add(held.get(fill.symbol, Decimal(0)), fill.moved)
            spent = EXACT.add(EXACT.multiply(fill.price, fill.moved), fill.fee)
            gain[fill.fee_currency] = EXACT.subtract(gain.get(fill.fee_currency, Decimal(0)), spent)
        for symbol, amount in held.items():
            mid = world.venue.books[symbol].mid
            quote = symbol.split("/")[1].split(":")[0]
            if amount and mid is not None:
                gain[quote] = EXACT.add(gain.get(quote, Decimal(0)), EXACT.multiply(amount, mid))
    return gain


def _recoveries(scenario: Scenario, world: VenueWorld) -> list[str]:
    limit_ns = scenario.expect.recovers_within_ns
    if limit_ns is None:
        return []
    problems = []
    for place, took_ns in sorted(world.observer.recoveries.items()):
        if took_ns > limit_ns:
            kind = world.door.plan.faults[place].fault.kind
            problems.append(
                f"{world.name}: {kind} took {format_duration(took_ns)} to recover from; {format_duration(limit_ns)} are allowed"
            )
    why = world.observer.why
    for armed, ended_ns in world.observer.waiting:
        if _had_time(world, ended_ns, limit_ns):
            problems.append(
                f"{world.name}: {armed.fault.kind}, over at {format_duration(ended_ns)}, was never recovered from; last known: {why}"
            )
    return problems


def _had_time(world: VenueWorld, ended_ns: Nanos, limit_ns: Nanos) -> bool:
    over_ns = world.observer.over_ns
    return over_ns is not None and over_ns - ended_ns > limit_ns


def _unjudged_recoveries(scenario: Scenario, world: VenueWorld) -> list[str]:
    """Faults that were still at work when the bot ended, or whose time was not up: nobody has seen what comes after them."""
    limit_ns = scenario.expect.recovers_within_ns
    if limit_ns is None:
        return []
    waiting = [armed for armed, _ in world.observer.waiting]
    cut_short = [
        f"{armed.fault.kind}, over at {format_duration(ended_ns)}, had not been recovered from when the bot ended, "
        "and its time was not up, so `recovers_within` was not judged"
        for armed, ended_ns in world.observer.waiting
        if not _had_time(world, ended_ns, limit_ns)
    ]
    return cut_short + [
        f"fault {place + 1} ({armed.fault.kind}) was still on when the bot ended, so `recovers_within` was not judged"
        for place, armed in enumerate(world.door.plan.faults)
        if armed.fired and place not in world.observer.recoveries and armed not in waiting
    ]


def _limits(expect: ExpectVenue, venue: str, truth: Truth) -> list[str]:
    limit = expect.max_position
    if limit is None:
        return []
    held = Decimal(0)
    for fill in truth.fills:
        if fill.symbol.split("/")[0] != limit.currency or fill.client_order_id in truth.foreign:
            continue
        held = EXACT.add(held, fill.moved)
        if held.copy_abs() > limit.amount:
            return [f"{venue}: the position reached {plain(held)} {limit.currency}; {plain(limit.amount)} is the most"]
    return []
