"""What the fixtures hand to a test: the exchange, the venue's truth, the clock, the faults.

They hold nothing themselves and show whatever session is going on, so that one object serves every example that Hypothesis draws, and a
fixture of the user's own may be built on them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar

from papertape.exchanges.base import BaseExchange, Number
from papertape.faults.base import Fault
from papertape.model.errors import ConfigError, InvalidOrder
from papertape.model.event import Side
from papertape.model.instrument import Instrument
from papertape.model.order import Fill, NewOrder, Order, OrderType
from papertape.model.public import PublicTrade
from papertape.model.request import Lane
from papertape.model.units import EXACT, MICROSECOND, SECOND, Nanos, exact, parse_duration
from papertape.model.view import RequestSeen, Truth
from papertape.testing.trial import alive

if TYPE_CHECKING:
    from papertape.session.world import VenueWorld

T = TypeVar("T")


def _forwarding(name: str) -> Callable[..., Any]:
    real = getattr(BaseExchange, name)

    @functools.wraps(real)
    async def forward(self: object, *args: Any, **options: Any) -> Any:
        return await getattr(alive("sim_exchange").session.exchange, name)(*args, **options)

    forward.__dict__.pop("__isabstractmethod__", None)
    return forward


class _Shown(BaseExchange):
    """The exchange of the session that is going on."""

    def __repr__(self) -> str:
        return "<sim_exchange>"

    @property
    def health(self) -> Any:
        return alive("sim_exchange").session.exchange.health

    @property
    def markets(self) -> Any:
        return alive("sim_exchange").session.exchange.markets

    def __getattr__(self, name: str) -> Any:
        try:  # who merely looks whether there is such a thing, as Hypothesis does, may do so at any time
            return getattr(alive("sim_exchange").session.exchange, name)
        except ConfigError as error:
            raise AttributeError(f"{name}: {error}") from None


_CALLS: Final = sorted([*_Shown.__abstractmethods__, "subscribe_status"])

SimExchange: Final = type("SimExchange", (_Shown,), {"__doc__": _Shown.__doc__, **{name: _forwarding(name) for name in _CALLS}})
"""A `BaseExchange`, connected when the test begins; at depth `wire` it is the live adapter."""


class SimClock:
    """The session's time. In an `async def` test `asyncio.sleep` is virtual too; in a plain one, `advance` and `run` let time pass."""

    def __repr__(self) -> str:
        return "<sim_clock>"

    @property
    def now_ns(self) -> Nanos:
        """Run time: nanoseconds from 0 at the first feed's start."""
        return alive("sim_clock").session.now_ns

    @property
    def now(self) -> float:
        """Run time in seconds."""
        return self.now_ns / SECOND

    @property
    def wall(self) -> datetime:
        """The venue's own date and time, in UTC."""
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=alive("sim_clock").session.loop.wall_ns() // MICROSECOND)

    async def sleep(self, duration: str | float) -> None:
        """Wait: a text such as "1m30s", or seconds."""
        import asyncio

        await asyncio.sleep(duration_ns(duration) / SECOND)

    def advance(self, duration: str | float) -> None:
        """Let time pass, from a plain test; everything due meanwhile happens."""
        self.run(self.sleep(duration))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, from a plain test, and return what it returns."""
        session = alive("sim_clock").session
        if session.loop.is_running():
            work.close()
            raise ConfigError("sim_clock.advance and sim_clock.run are for tests that are no coroutines; in `async def` tests, await")
        return session.do(work)


class SimVenue:
    """The venue's side of the session: what is true, whatever the client believes. Amounts are exact decimals.

    Args:
        name: which venue, where there are several; the first if left out.
    """

    def __init__(self, name: str = "") -> None:
        self._name = name

    def __repr__(self) -> str:
        return "<venue>"

    def at(self, name: str) -> SimVenue:
        """Another venue of the same test."""
        return SimVenue(name)

    def truth(self) -> Truth:
        """Everything the venue knows now; invariants are judged on this."""
        return self._world.door.truth()

    @property
    def orders(self) -> tuple[Order, ...]:
        """Every order that it accepted, oldest first, as it stands."""
        return self._world.venue.truth_orders()

    @property
    def open_orders(self) -> tuple[Order, ...]:
        return tuple(order for order in self.orders if not order.status.is_final)

    @property
    def fills(self) -> tuple[Fill, ...]:
        """Every execution of our orders, oldest first."""
        return self._world.venue.truth_fills()

    @property
    def requests(self) -> tuple[RequestSeen, ...]:
        """Every request that reached it, oldest first."""
        return self.truth().requests

    @property
    def balances(self) -> dict[str, Decimal]:
        """What the account holds in all, by currency."""
        return {currency: balance.total for currency, balance in self._world.venue.truth_balances().currencies.items()}

    def position(self, symbol: str) -> Decimal:
        """What the fills of one market come to, base."""
        held = Decimal(0)
        for fill in self.fills:
            if fill.symbol == symbol:
                held = EXACT.add(held, fill.moved)
        return held

    def bid(self, symbol: str = "") -> Decimal:
        """The best price that somebody pays now."""
        return self._best(Side.BUY, symbol)

    def ask(self, symbol: str = "") -> Decimal:
        """The best price at which somebody sells now."""
        return self._best(Side.SELL, symbol)

    def price(self, symbol: str = "") -> Decimal:
        """The middle of the book now."""
        return EXACT.divide(EXACT.add(self.bid(symbol), self.ask(symbol)), Decimal(2))

    def instrument(self, symbol: str = "") -> Instrument:
        """A market's grid and limits; the first if none is named."""
        instruments = self._world.venue.instruments
        return instruments[symbol or next(iter(instruments))]

    def trades(self, symbol: str = "") -> tuple[PublicTrade, ...]:
        """What the public has traded lately, oldest first."""
        instrument = self.instrument(symbol)
        return tuple(PublicTrade(trade, instrument) for trade in self._world.venue.trades[instrument.symbol])

    def place_foreign(
        self, symbol: str, side: str, amount: Number, price: Number | None = None, *, type: str = "limit", post_only: bool = False
    ) -> Order:
        """An order on the same account by somebody else, such as its owner on the venue's website; the client hears of it as it would.

        Raises:
            InvalidOrder: the venue refused it.
        """
        limit = None if price is None else exact(price)
        wanted = NewOrder(
            symbol=symbol, type=OrderType(type), side=Side(side), amount=exact(amount), price=limit, post_only=post_only
        )  # fmt: skip
        answer = self._world.door.trade_elsewhere(wanted)
        if answer.refusal is not None or answer.order is None:
            raise InvalidOrder(f"venue.place_foreign: {'no answer' if answer.refusal is None else answer.refusal.message}")
        return answer.order

    @property
    def _world(self) -> VenueWorld:
        return alive("venue").world(self._name)

    def _best(self, side: Side, symbol: str) -> Decimal:
        world, instrument = self._world, self.instrument(symbol)
        symbol = instrument.symbol
        book = world.venue.books[symbol]
        best = book.best_bid if side is Side.BUY else book.best_ask
        if best is None:
            raise ConfigError(f"{world.name}: nobody wants to {side} {symbol} now; let the market run for a moment first")
        return instrument.price(best[0])


class SimFaults:
    """The faults of the session: those that it began with, and those that the test adds."""

    def __repr__(self) -> str:
        return "<fault_plan>"

    @property
    def faults(self) -> tuple[Fault, ...]:
        """All of them, as tables; the test's own last."""
        trial = alive("fault_plan")
        return (*trial.scenario.faults, *(each.fault for each in trial.added))

    def __iter__(self) -> Iterator[Fault]:
        return iter(self.faults)

    def __len__(self) -> int:
        return len(self.faults)

    def add(self, fault: Fault | dict[str, Any] | str, *, venue: str = "") -> Fault:
        """One more, from now on: it counts requests from here, and what goes by time and says no `at` begins at once.

        `fault_plan.add("lost_reply")` is for the next order, `fault_plan.add({"kind": "disconnect", "connection": "user", "lasts": "5s"})`
        for this very moment.
        """
        return alive("fault_plan").add(fault, venue)

    def fired(self, kind: str) -> int:
        """How often faults of this kind have acted at a venue so far."""
        worlds = alive("fault_plan").session.worlds
        return sum(armed.fired for world in worlds for armed in world.door.plan.faults if armed.fault.kind == kind)

    def heal(self, *only: str) -> None:
        """From now on no fault acts any more, on these lanes or on all."""
        for world in alive("fault_plan").session.worlds:
            world.door.plan.heal(tuple(Lane(lane) for lane in only))


def cut(lanes: Sequence[str], *, lasts: str, clean: bool) -> None:
    """End every connection of these lanes now, and let none be opened for a while."""
    for lane in lanes or [str(each) for each in Lane]:
        alive("sim_network").add({"kind": "disconnect", "connection": lane, "lasts": lasts, "clean": clean})


def duration_ns(duration: str | float) -> Nanos:
    """Nanoseconds of a text such as "250ms", or of seconds.

    >>> duration_ns("1m"), duration_ns(0.5)
    (60000000000, 500000000)
    """
    return parse_duration(duration) if isinstance(duration, str) else round(duration * SECOND)
