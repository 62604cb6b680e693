"""Markets in another phase than usual: by whose doing they are, and who has met it."""

from __future__ import annotations

from papertape.model.event import ONLINE, MarketStatus
from papertape.model.phase import PHASES, Phase
from papertape.model.request import Answer, Op, RefusalCode, Request
from papertape.model.units import Nanos
from papertape.sim.fault_plan import FaultPlan
from papertape.sim.venue import SimVenue


def set_phases(plan: FaultPlan, venue: SimVenue) -> None:
    """A fault has just begun, or ended: put each market into the strictest phase that those which are open set."""
    found = plan.phases()
    if not found and not plan.guilty:
        return
    plan.guilty.clear()
    for symbol in venue.instruments:
        here = [(PHASES.index(phase), place) for place, (_, where, phase) in enumerate(found) if where in ("", symbol)]
        strictest, place = max(here, default=(0, 0))
        if strictest:
            plan.guilty[symbol] = found[place][0]
        venue.set_phase(symbol, PHASES[strictest])


def note_phase(plan: FaultPlan, request: Request, answer: Answer) -> None:
    """The venue has answered a request: count it where a phase was the reason, or was told."""
    if not plan.guilty:
        return
    if answer.refusal is not None and answer.refusal.code is RefusalCode.TRADING_DISABLED:
        # An edit may name its order alone; then any market's phase may have been it.
        _met(plan, request.symbol if request.symbol in plan.guilty else next(iter(plan.guilty)))
    elif request.op is Op.MARKETS_FETCH:
        for market in answer.markets:
            _met(plan, market.symbol)


def status_of(venue: SimVenue, plan: FaultPlan, symbol: str, at_ns: Nanos) -> MarketStatus:
    """What the venue tells of a market, when its clock shows `at_ns`; whoever asks tells it to a client."""
    phase = venue.phases.get(symbol, Phase.ONLINE)
    _met(plan, symbol)
    status = "offline" if phase is Phase.OFFLINE else ONLINE
    return MarketStatus(venue_ns=at_ns, local_ns=at_ns, symbol=symbol, status=status, text=phase.words)


def _met(plan: FaultPlan, symbol: str) -> None:
    """A client has met a market's phase: an order was refused because of it, or somebody was told."""
    if symbol in plan.guilty:
        plan.guilty[symbol].fired += 1
