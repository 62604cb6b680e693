"""From a run that is over to a verdict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from papertape.invariants import INVARIANTS, Case, NotJudged
from papertape.model.notes import Mark
from papertape.model.order import OrderStatus
from papertape.model.units import EXACT, Nanos, parse_duration
from papertape.model.view import Truth
from papertape.session.limits import beyond_limits
from papertape.session.recovery import judge_recovery
from papertape.session.result import FaultResult, Moment, Row, Status
from papertape.session.sides import named_in, sides
from papertape.session.spec import Scenario
from papertape.session.suspicion import suspicions, untold
from papertape.session.timeline import MOMENTS_MAX, ORDERS, timeline
from papertape.session.world import VenueWorld
from papertape.sim.audit import audit
from papertape.sim.disclosure import Disclosure
from papertape.sim.fact import Sent, in_order

BEFORE_MAX: Final = 5
"""Requests to show before an instant at which something went wrong."""

AT: Final = re.compile(r"\bat ((?:\d+h)?(?:\d+m)?[\d.]+(?:s|ms)|\d+m)\b")
"""An instant in a sentence, such as "at 1m40.02916s"."""

PROBLEMS_MAX: Final = 4
"""Violations of one invariant that are told one by one."""

INVOLVED_MAX: Final = 3
"""Orders whose whole story a timeline tells."""

REFUSED: Final = "refused"
"""The tracker's word for an intent that the venue said no to."""

NO_ORDER: Final = (
    "no order was asked for but such as the venue refused, so nothing about orders was judged; "
    "a bot that is not to trade names in [expect] which `invariants` it is judged by"
)

NOTHING_JUDGED: Final = "nothing was judged"


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
    judged, has_orders = 0, False
    for world in worlds:
        case = case_of(world, end_ns)
        for name in names:
            try:
                problems = INVARIANTS[name].judge(case)
                found += problems[:PROBLEMS_MAX]
                if len(problems) > PROBLEMS_MAX:
                    found.append(f"{world.name}: {name}: and {len(problems) - PROBLEMS_MAX} more like these")
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
        recovery = judge_recovery(scenario, world)
        beyond = beyond_limits(scenario.expect.venue, world.name, case.truth, world.epoch_ns)
        found += [*recovery.late, *(sentence for _, sentence in beyond)]
        broken += ["recovers_within" for _ in recovery.late] + [key for key, _ in beyond]
        hollow += recovery.unjudged
        notes += recovery.notes
        has_orders = has_orders or any(order.status is not OrderStatus.REJECTED for order in case.truth.orders)
        has_orders = has_orders or (case.view is not None and any(intent.state != REFUSED for intent in case.view.intents))
        hollow += [
            f"fault {place + 1} ({armed.fault.kind}) hit nothing"
            for place, armed in enumerate(world.door.plan.faults)
            if not armed.fired and not armed.is_recorded and scenario.expect.must_hit
        ]
    for kind, fired in line_faults:
        if not fired and scenario.expect.must_hit:
            hollow.append(f"fault {kind} hit nothing")
    seen = {mark for world in worlds for mark in world.observer.marks}
    hollow += [f'"{mark}" had to happen and did not' for mark in scenario.expect.must_happen if Mark(mark) not in seen]
    if not any(world.exchange is not None or world.door.was_reached for world in worlds):
        hollow.append("the program never reached the venue")
    elif not judged:
        hollow.append(NOTHING_JUDGED)
    elif not has_orders and not scenario.expect.invariants:
        hollow.append(NO_ORDER)
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


def led_there(worlds: Sequence[VenueWorld], failures: Sequence[str] = (), rows: Sequence[Row] = ()) -> tuple[Moment, ...]:
    """The few requests that led to a verdict, at all venues.

    Among them are those that are suspect, and those about orders that a failure names or on which the two sides differ.
    """
    moments: list[Moment] = []
    for world in worlds:
        if world.exchange is None:
            repeats = disclosed(world).repeats
            suspects = [number for repeat in repeats for create in (repeat.first, repeat.again) for number in create.numbers]
        else:
            ids = {order.client_order_id: order.id for order in world.door.truth().orders}
            differ = [row.what for row in rows if row.differs and row.venue == world.name]
            named = named_in(failures, [*ids, *differ])
            involved = dict.fromkeys([*differ, *named][:INVOLVED_MAX])
            about = {each for key in involved for each in (key, ids.get(key, key))}
            suspects = [
                fact.number
                for fact in world.door.facts
                if isinstance(fact, Sent) and about & {fact.request.client_order_id, fact.request.order_id}
            ]
            if not suspects:
                suspects = _before(world, failures)
                if not suspects:
                    continue
        has_books = world.exchange is not None
        most = MOMENTS_MAX // len(worlds)
        moments += timeline(in_order(world.door.facts), world.name, world.door.truth(), suspects, most=most, by_id=has_books)
    return tuple(sorted(moments, key=lambda each: each.at_ns))


def _before(world: VenueWorld, failures: Sequence[str]) -> list[int]:
    """The last few requests about orders before the first instant that a failure names."""
    found = [AT.search(failure) for failure in failures]
    times = [parse_duration(each.group(1)) for each in found if each is not None]
    sent = [fact for fact in world.door.facts if isinstance(fact, Sent) and fact.request.op in ORDERS]
    return [fact.number for fact in sent if times and fact.at_ns <= min(times)][-BEFORE_MAX:]


def beside(worlds: Sequence[VenueWorld], failures: Sequence[str], end_ns: Nanos) -> tuple[Row, ...]:
    """What the client believes beside what the venue knows, at all venues."""
    return tuple(row for world in worlds for row in sides(case_of(world, end_ns), failures))


def case_of(world: VenueWorld, end_ns: Nanos) -> Case:
    """Both sides of one venue, for the invariants."""
    view = None
    if world.exchange is not None:
        view = msgspec.structs.replace(world.exchange.view(), asked=tuple(world.asked))
    watches = {} if world.watching is None else world.watching.watches
    return Case(
        venue=world.name, rules=world.rules, truth=world.door.truth(), view=view, end_ns=end_ns, watches=watches,
        left_behind=world.left_behind, pending={} if world.watching is None else world.watching.pending,
    )  # fmt: skip


def audits(worlds: Sequence[VenueWorld]) -> tuple[str, ...]:
    """What is wrong with our own simulated venues' books: any of it means that the run cannot be believed."""
    return tuple(f"{world.name}: {problem}" for world in worlds for problem in audit(world.door.truth(), world.fees))


def fault_results(worlds: Sequence[VenueWorld], line_faults: Sequence[tuple[str, int]] = ()) -> tuple[FaultResult, ...]:
    """What each fault did, in the order of the plan, and then those of the network; what they did to several venues took its longest."""
    found = tuple(
        FaultResult(kind=armed.fault.kind, fired=armed.fired, recovery_ns=world.observer.recoveries.get(place))
        for world in worlds
        for place, armed in enumerate(world.door.plan.faults)
    )
    return found + tuple(
        FaultResult(kind=kind, fired=fired, recovery_ns=max(_line_recoveries(worlds, index), default=None))
        for index, (kind, fired) in enumerate(line_faults)
    )


def _line_recoveries(worlds: Sequence[VenueWorld], index: int) -> list[Nanos]:
    """How long each venue's client took after one of the network's faults, as far as that is known."""
    found = [world.observer.recoveries.get(len(world.door.plan.faults) + index) for world in worlds]
    return [took_ns for took_ns in found if took_ns is not None]


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
