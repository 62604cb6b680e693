"""A state machine for Hypothesis: orders, faults and waits in any order, against a plain ledger of what the client was told.

Rules are plain functions that drive the session's loop, so that Hypothesis decides what happens and nothing else does. Subclass it to add
rules, or to put an adapter of your own between the rules and the exchange.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Final

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

import papertape.runtime.patch  # noqa: F401 - loaded before Hypothesis looks at its clock
from papertape.exchanges.base import BaseExchange
from papertape.model.errors import BaseError, ExchangeError, never_sent
from papertape.model.event import Side
from papertape.model.order import Order, OrderStatus
from papertape.model.units import EXACT, MINUTE, SECOND, Nanos, plain
from papertape.runtime.chance import Chance
from papertape.testing.drawn_tape import Move, SmallTape
from papertape.testing.failure import failure_of, report
from papertape.testing.fixtures import SimFaults, SimVenue
from papertape.testing.marked import Asked, scenario_of
from papertape.testing.trial import Trial

PATIENCE_NS: Final = 30 * SECOND
"""How long a rule waits for a call; one that takes longer goes on beside the rules that follow."""

SETTLE_NS: Final = 10 * MINUTE
"""How long after the faults are over every call may still take."""

FAULTS_OF_REQUESTS: Final[tuple[dict[str, str], ...]] = (
    {"kind": "lost_reply", "on": "order.create"},
    {"kind": "lost_reply", "on": "order.cancel"},
    {"kind": "lost_reply", "on": "order.edit"},
    {"kind": "late_reply", "on": "order.create"},
    {"kind": "late_reply", "on": "order.cancel"},
    {"kind": "rate_limit", "on": "order.create"},
    {"kind": "rate_limit", "on": "order.cancel"},
    {"kind": "reject", "on": "order.create"},
    {"kind": "reject", "on": "order.cancel", "reason": "unavailable"},
    {"kind": "lost_reply", "on": "orders.open"},
)
"""What the rule `fault` does to the next request of a kind, the classic first."""

STEP_S: Final = 5
MOVES: Final = 1440


def market() -> SmallTape:
    """Two hours in which the price wanders and somebody trades every five seconds; cheap to play, always the same."""
    stream = Chance(0).stream("testing/machine")
    ticks, traded = (-300, -40, -7, 0, 7, 40, 300), (-30, -5, 5, 30)
    return SmallTape(tuple(Move(after=STEP_S, ticks=stream.choice(ticks), traded=stream.choice(traded)) for _ in range(MOVES)))


class Wish:
    """An order that a rule asked for.

    Attributes:
        order: as last told; None until somebody has said that it exists.
        refused: what the call raised where that means that there is no order.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.order: Order | None = None
        self.refused: BaseException | None = None

    def __repr__(self) -> str:
        return f"wish {self.number}" if self.order is None else f"wish {self.number} ({self.order.id}, {self.order.status})"


class ToldLedger:
    """The model: what the client has been told of its orders, and what that adds up to."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}

    def hear(self, order: Order) -> None:
        """News of an order; raises AssertionError where it contradicts what was told before."""
        before = self.orders.get(order.id)
        if before is not None:
            assert order.filled >= before.filled, (
                f"order {order.id} was told to be filled {plain(before.filled)}, and now {plain(order.filled)}"
            )
            assert not (before.status.is_final and order.status is OrderStatus.OPEN), (
                f"order {order.id} was told to be {before.status}, and now open"
            )
        self.orders[order.id] = order

    def position(self, symbol: str) -> Decimal:
        """Base that these orders have bought, less what they sold."""
        held = Decimal(0)
        for order in self.orders.values():
            if order.symbol == symbol:
                held = EXACT.add(held, order.filled if order.side is Side.BUY else order.filled.copy_negate())
        return held


class ExchangeMachine(RuleBasedStateMachine):
    """Subclass it, and give pytest `TestMine = Mine.TestCase`.

    What holds, whatever happens: after every step the venue has no more orders than were wished for, and no order that the client was told
    of goes back on what it was; in the end, once the faults are over, every call comes back, the open orders that the exchange names are
    the venue's, the ledger's position is the venue's, and all invariants are judged as in any run.

    Attributes:
        symbol, amount: what is traded, and in what size.
        reach: how far from the market orders are placed at most, in ticks.
        session: settings, as those of the marker @pytest.mark.papertape; the seed is 0 if it names none.
        client: what the rules call: what `adapter` made of the exchange.
        told: the model.
        venue, faults: as the fixtures `venue` and `fault_plan`.
    """

    symbol: ClassVar[str] = "BTC/USD"
    amount: ClassVar[str] = "0.01"
    reach: ClassVar[int] = 1000
    session: ClassVar[Mapping[str, Any]] = {}

    wishes = Bundle("wishes")

    def __init__(self) -> None:
        super().__init__()
        self.told = ToldLedger()
        self.venue, self.faults = SimVenue(), SimFaults()
        self.asked_for: list[Wish] = []
        self._flying: dict[int, asyncio.Task[Any]] = {}
        self._calls = 0
        self._broken: list[BaseException] = []
        kind = type(self)
        self._asked = Asked(
            settings={"feed": market().feed, "must_hit": False, **self.session}, node_id=kind.__qualname__, line="pytest", folder=Path(),
            seed=int(self.session.get("seed", 0)),
        )  # fmt: skip
        self._trial = Trial(scenario_of(_nothing, self._asked, {}), roots=(kind,))
        self._trial.__enter__()
        try:
            self.client = self.adapter(self._trial.session.exchange)
            self.do(self._begin())
        except BaseException:
            self._trial.__exit__(None, None, None)
            raise

    def adapter(self, exchange: BaseExchange) -> Any:
        """What the rules shall call instead of the exchange: an object with `place_order`, `cancel_order`, `edit_order`,
        `fetch_open_orders` and `subscribe_orders`, on top of it. Override this to try your own.
        """
        return exchange

    # How rules drive the loop

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end, however long it takes."""
        return self._trial.session.do(work)

    def call(self, work: Coroutine[Any, Any, Any]) -> None:
        """Start a call and wait for it a while; if it takes longer, it goes on beside what follows."""
        self._calls += 1
        number = self._calls
        task = self._trial.session.loop.create_task(work, name=f"call {number}")
        self._flying[number] = task
        task.add_done_callback(lambda task: self._landed(number, task))
        self.do(_wait([task], PATIENCE_NS))

    def _landed(self, number: int, task: asyncio.Task[Any]) -> None:
        del self._flying[number]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._broken.append(error)

    async def _begin(self) -> None:
        await self.client.subscribe_orders(self._hear)
        await asyncio.sleep(1)

    def _hear(self, order: Order) -> None:
        try:
            self.told.hear(order)
        except AssertionError as error:
            self._broken.append(error)

    # Rules

    @rule(
        target=wishes,
        side=st.sampled_from(("buy", "sell")),
        away=st.sampled_from((0, 5, 50, -5, 1000)),
        post_only=st.booleans(),
    )
    def place(self, side: str, away: int, post_only: bool) -> Wish:
        """A limit order, `away` ticks on the passive side of the best price there is for it."""
        wish = Wish(len(self.asked_for))
        self.asked_for.append(wish)
        away = max(-self.reach, min(self.reach, away))
        tick = self._trial.world().venue.instruments[self.symbol].tick
        best = self.venue.bid(self.symbol) - away * tick if side == "buy" else self.venue.ask(self.symbol) + away * tick
        self.call(self._place(wish, side, best, post_only))
        return wish

    async def _place(self, wish: Wish, side: str, price: Decimal, post_only: bool) -> None:
        try:
            order = await self.client.place_order(self.symbol, "limit", side, self.amount, price, post_only=post_only)
        except BaseError as error:
            note(f"wish {wish.number}: {type(error).__name__}: {error}")
            if isinstance(error, ExchangeError) or never_sent(error):
                wish.refused = error
            return
        wish.order = order
        self._hear_answer(order)

    @rule(wish=wishes)
    def cancel(self, wish: Wish) -> None:
        """Cancel an order that was told of."""
        if wish.order is not None:
            self.call(self._quietly(self.client.cancel_order(wish.order.id, self.symbol)))

    @rule(wish=wishes, ticks=st.sampled_from((10, -10, 300)))
    def edit(self, wish: Wish, ticks: int) -> None:
        """Move an order that was told of."""
        if wish.order is not None and wish.order.price is not None:
            tick = self._trial.world().venue.instruments[self.symbol].tick
            self.call(self._quietly(self.client.edit_order(wish.order.id, self.symbol, price=wish.order.price + ticks * tick)))

    @rule(seconds=st.sampled_from((1, 5, 20)))
    def advance(self, seconds: int) -> None:
        """Let time pass."""
        self.do(asyncio.sleep(seconds))

    @rule(lane=st.sampled_from(("user", "market", "rest")), lasts=st.sampled_from(("500ms", "5s", "20s")), clean=st.booleans())
    def disconnect(self, lane: str, lasts: str, clean: bool) -> None:
        """A lane goes down for a while."""
        self.faults.add({"kind": "disconnect", "connection": lane, "lasts": lasts, "clean": clean})

    @rule(fault=st.sampled_from(FAULTS_OF_REQUESTS))
    def fault(self, fault: dict[str, str]) -> None:
        """The next request of a kind meets its fault."""
        self.faults.add(fault)

    @rule(on=st.sampled_from(("order.create", "order.cancel")), lasts=st.sampled_from(("20s", "5s")))
    def lose_sight(self, on: str, lasts: str) -> None:
        """The worst moment: own orders cannot be heard of, and the next answer is lost too."""
        self.faults.add({"kind": "disconnect", "connection": "user", "lasts": lasts})
        self.faults.add({"kind": "lost_reply", "on": on})

    async def _quietly(self, work: Coroutine[Any, Any, Order]) -> None:
        """A call of which it is enough to know what it told; what the venue or the line refused is no news."""
        try:
            self._hear_answer(await work)
        except BaseError as error:
            note(f"{type(error).__name__}: {error}")

    def _hear_answer(self, order: Order) -> None:
        """An answer may be older than what the user lane has told meanwhile; it counts where it is news."""
        before = self.told.orders.get(order.id)
        if before is None or (order.filled >= before.filled and not before.status.is_final):
            self.told.hear(order)

    # What holds

    @invariant()
    def nothing_broke(self) -> None:
        """No call raised what is none of ccxt's errors, and nothing that was told contradicts what was told before."""
        if self._broken:
            raise self._broken[0]

    @invariant()
    def never_two_orders_for_one_wish(self) -> None:
        """The venue has at most one order for each that was asked for."""
        orders = [order for order in self.venue.orders if order.client_order_id not in self.venue.truth().foreign]
        assert len(orders) <= len(self.asked_for), f"the venue accepted {len(orders)} orders; {len(self.asked_for)} were asked for"

    def teardown(self) -> None:
        """Heal, let everything come to rest, compare, and have the session judged."""
        if sys.exception() is not None:  # something failed already; that is what counts
            self._trial.__exit__(None, None, None)
            return
        try:
            self.faults.heal()
            self._settle()
            self.compare()
        finally:
            self._trial.__exit__(None, None, None)
        failed = failure_of(self._trial.result)
        if failed is not None:
            failed.add_note(report(self._trial, self._asked, self._trial.result))
            raise failed

    def compare(self) -> None:
        """Once all is quiet, what the client was told is what the venue knows."""
        self.nothing_broke()
        named = sorted(order.id for order in self.do(self.client.fetch_open_orders(self.symbol)))
        true = sorted(order.id for order in self.venue.open_orders if order.symbol == self.symbol)
        assert named == true, f"the exchange names {named or 'no orders'} as open; open at the venue are {true or 'none'}"
        told, held = self.told.position(self.symbol), self.venue.position(self.symbol)
        assert told == held, (
            f"what the client was told of its orders sums to {plain(told)} {self.symbol}; the venue's fills to {plain(held)}"
        )

    def _settle(self) -> None:
        self.do(_wait(list(self._flying.values()), SETTLE_NS))
        assert not self._flying, f"{len(self._flying)} calls have not come back {SETTLE_NS // MINUTE} minutes after the last fault"
        self.do(asyncio.sleep(2 * MINUTE / SECOND))  # orders that nobody speaks of are asked about


async def _wait(tasks: list[asyncio.Task[Any]], within_ns: Nanos) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=within_ns / SECOND)


async def _nothing(exchange: BaseExchange) -> None:
    """The bot of a session that rules drive."""
