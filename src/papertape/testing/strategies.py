"""Hypothesis strategies: what a network and a venue can do wrong, what a bot does with orders, and small markets.

A run takes milliseconds but may take more under load, and the first one imports a lot: where Hypothesis complains of its deadline, say
`@settings(deadline=None)`. Hypothesis' explain phase traces every line and makes a search some ten times slower: say
`phases=papertape.testing.strategies.PHASES` to leave it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeVar, cast

from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from papertape.faults import AT_THE_DOOR, FAULTS, Fault, NetworkFault
from papertape.faults.drawing import Draw
from papertape.model.errors import ConfigError
from papertape.model.units import SECOND, Nanos, exact, parse_duration, plain
from papertape.scenario.make import make_fault
from papertape.scenario.network_menu import KINDS, check_size, network_menu
from papertape.testing.drawn_tape import Move, SmallTape
from papertape.testing.flow import Cancel, Edit, OrderFlow, Place, Step, Wait
from papertape.testing.plan import Plan

if TYPE_CHECKING:
    from papertape.runtime.chance import Stream

T = TypeVar("T")

PHASES: Final = (Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink)
"""All of Hypothesis' phases but `explain`, for `@settings(phases=PHASES)`."""

CODES: Final = 3
CODE_MAX: Final = 9_999
"""How many numbers hold a fault's settings, and how great each may be."""


def network_faults(
    *, hosts: Sequence[str] | None = None, min_size: int = 0, max_size: int = 5, kinds: Sequence[str] | None = None, until: str = "60s"
) -> SearchStrategy[list[NetworkFault]]:
    """Lists of faults of the network, for `sim_network(main, servers=…, faults=…, must_hit=False)`.

    They shrink to fewer faults, then to milder kinds, to earlier and shorter ones. Say `must_hit=False`: what is drawn at random may miss.

    Args:
        hosts: each fault hits one of these; any host if left out.
        min_size, max_size: how many faults; at most 20.
        kinds: such as ["reset", "half_open"]; if left out, what a program can get over by itself, so no bad certificate and no turned bit.
        until: when all of them are over.

    Raises:
        ConfigError: there is no such kind, or no time for any fault.
    """
    menu = list(network_menu(hosts=hosts, kinds=kinds, until=until).values())
    # A kind, then one of that kind: in one long list of all faults Hypothesis would not find its way from a harsh kind to a mild one.
    fault = st.sampled_from(menu).flatmap(st.sampled_from)
    return st.lists(fault, min_size=check_size(min_size), max_size=check_size(max_size))


def fault_plans(
    *, kinds: Sequence[str] | None = None, min_size: int = 0, max_size: int = 5, until: str = "60s", wire: bool = False
) -> SearchStrategy[Plan]:
    """Plans of faults for a venue: what a sweep draws, drawn by Hypothesis, so that a plan that fails shrinks to the faults it takes.

    A marked test that has one among its arguments runs under it; `papertape.simulate(bot, faults=plan, expect={"must_hit": False})` takes
    it too. What is drawn may miss.

    Args:
        kinds: such as ["lost_reply", "disconnect"]; every fault at the Door if left out, and with `wire` those of the network too.
        min_size, max_size: how many faults; at most 20.
        until: when every window is over.
        wire: whether the run is at depth `wire`.

    Raises:
        ConfigError: there is no such kind, or no time for any fault.
    """
    until_ns = _until_ns(until)
    on_line = [kind for kind in KINDS if wire]
    drawable = [*_drawable(), *on_line]
    for kind in kinds or ():
        if kind not in FAULTS:
            raise ConfigError(f'fault_plans(): kinds has "{kind}", which is no fault; `papertape list faults` shows all')
        if kind not in drawable:
            needs_wire = issubclass(FAULTS[kind], NetworkFault)
            raise ConfigError(
                f'fault_plans(): kinds has "{kind}", '
                + ("a fault of the network; say `wire=True`" if needs_wire else "which is never drawn")
            )
    wanted = [kind for kind in drawable if kinds is None or kind in kinds]
    if not wanted:
        raise ConfigError("fault_plans(): kinds is empty; leave it out for all")
    menu = network_menu(kinds=[kind for kind in wanted if kind in on_line], until=until) if any(kind in on_line for kind in wanted) else {}

    codes = st.integers(0, CODE_MAX)

    @st.composite
    def fault(draw: DrawFn) -> Fault:
        kind = draw(st.sampled_from(wanted))
        if kind in menu:
            return draw(st.sampled_from(menu[kind]))
        settings = FAULTS[kind].drawn(_draw([draw(codes) for _ in range(CODES)], until_ns))
        return make_fault({"kind": kind, **(settings or {})}, "fault_plans()", kind)

    faults = st.lists(fault(), min_size=check_size(min_size), max_size=check_size(max_size))

    @st.composite
    def plan(draw: DrawFn) -> Plan:
        return Plan(draw(faults))

    return plan()


def order_flows(
    symbol: str = "BTC/USD", *, price: str = "64000", tick: str = "0.01", amount: str = "0.01", min_size: int = 1, max_size: int = 10
) -> SearchStrategy[OrderFlow]:
    """Sequences of orders, cancels, edits and waits, explicit to the last digit; some steps are such that the venue must refuse them.

    They shrink to fewer and plainer steps. `await flow.run(exchange)` takes them.

    Args:
        price: about where the market is; orders are placed on both sides of it, near and far.
        tick: the least step of a price.
        amount: the smallest amount; others are multiples.
    """
    middle, step, least = exact(price), exact(tick), exact(amount)
    ticks = st.sampled_from((-1_000_000, -10_000, -500, 0, 500, 10_000, 1_000_000))
    prices = st.one_of(
        ticks.map(lambda away: plain(middle + away * step)),
        st.sampled_from((plain(middle + step / 2), "0")),  # off the tick, and no price at all
    )
    amounts = st.one_of(
        st.integers(1, 5).map(lambda times: plain(least * times)),
        st.sampled_from(("0", "0.000000001", "1000000")),  # nothing, off the lot, more than anybody owns
    )
    sides = st.sampled_from(("buy", "sell"))
    nths = st.integers(0, 5)
    limit = st.builds(Place, side=sides, amount=amounts, price=prices, post_only=st.booleans())
    taking = st.builds(Place, side=sides, amount=amounts, price=prices, time_in_force=st.sampled_from(("IOC", "FOK")))
    market = st.builds(Place, side=sides, amount=amounts)
    edit = st.builds(Edit, nth=nths, amount=st.none() | amounts, price=st.none() | prices)
    steps: SearchStrategy[Step] = st.one_of(
        st.builds(Wait, st.sampled_from((1, 5, 20))), limit, st.builds(Cancel, nths), edit, market, taking
    )  # fmt: skip

    @st.composite
    def flow(draw: DrawFn) -> OrderFlow:
        return OrderFlow(symbol, tuple(draw(st.lists(steps, min_size=min_size, max_size=max_size))))

    return flow()


def tapes(*, min_size: int = 0, max_size: int = 20) -> SearchStrategy[SmallTape]:
    """Small markets of BTC/USD from 64,000 on, as Parquet files that are written when they are played.

    They shrink to short and flat ones. A marked test that has one among its arguments plays it; elsewhere `tape.feed` is a venue's `feed`.

    Args:
        min_size, max_size: how many moves.
    """
    ticks = st.sampled_from((0, 1, -1, 50, -50, 1000, -1000, 50_000, -50_000))
    move = st.builds(Move, after=st.sampled_from((1, 2, 10)), ticks=ticks, traded=st.integers(-20, 20))

    @st.composite
    def tape(draw: DrawFn) -> SmallTape:
        return SmallTape(tuple(draw(st.lists(move, min_size=min_size, max_size=max_size))))

    return tape()


def seeds() -> SearchStrategy[int]:
    """Seeds of runs, small ones first."""
    return st.integers(min_value=0, max_value=999_999)


class _Coded:
    """What a fault is drawn from, out of a few whole numbers instead of chance: see `runtime.chance.Stream`. All zero is the first of
    everything.

    Hypothesis takes whole faults out of a plan only if each is a few choices of its own, however many settings it has; so the settings are
    digits of these numbers, dealt in turn.
    """

    def __init__(self, codes: Sequence[int]) -> None:
        self._codes = list(codes)
        self._turn = 0

    def below(self, count: int) -> int:
        turn = self._turn % len(self._codes)
        self._turn += 1
        self._codes[turn], digit = divmod(self._codes[turn], count)
        return digit

    def choice(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def between(self, low: int, high: int) -> int:
        return low + self.below(high - low + 1)


def _drawable() -> list[str]:
    """Kinds of faults at the Door that are drawn; those that end the bot are none of them, since a test would not be there to tell."""
    return [str(member.__struct_config__.tag) for member in AT_THE_DOOR if member.crash is Fault.crash and _is_drawn(member)]


def _is_drawn(member: type[Fault]) -> bool:
    return any(member.drawn(_draw((code,), 60 * SECOND)) is not None for code in range(4))


def _draw(codes: Sequence[int], until_ns: Nanos) -> Draw:
    return Draw(cast("Stream", _Coded(codes)), until_ns)


def _until_ns(until: str) -> Nanos:
    try:
        until_ns = parse_duration(until)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"fault_plans(): until: {error}") from None
    if until_ns < SECOND:
        raise ConfigError(f'fault_plans(): until holds "{until}"; expected 1s or more')
    return until_ns
