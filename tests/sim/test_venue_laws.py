"""What holds at a venue whatever the tape tells and whatever a client sends: money is conserved, limits hold, volumes fill once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.model.event import Side
from papertape.model.order import Liquidity, NewOrder, Order, OrderStatus, OrderType, TimeInForce
from papertape.model.request import Op
from papertape.model.units import MILLISECOND
from papertape.sim.fees import FeeModel, FlatFees
from papertape.sim.fills import FILLS, QueueFills, TouchFills
from papertape.sim.ledger import Account
from papertape.sim.matcher import Matcher
from papertape.sim.settlement import Settlement
from papertape.sim.side import BookSide

MAKER, TAKER = Fraction(-5, 10_000), Fraction(60, 10_000)
FEES = FlatFees(maker_bps=Decimal(-5), taker_bps=Decimal(60))
OPENING = {"USD": 50_000, "BTC": 300}
LOW, HIGH = 90, 110

prices = st.integers(LOW, HIGH)
lots = st.integers(1, 12)
level = st.tuples(prices, st.integers(0, 12))
steps = st.one_of(
    st.tuples(st.just("levels"), st.lists(level, max_size=3), st.lists(level, max_size=3)),
    st.tuples(st.just("snapshot"), st.integers(LOW + 2, HIGH - 2), lots),
    st.tuples(st.just("trade"), st.sampled_from(Side), prices, lots, st.integers(0, 3)),
    st.tuples(st.just("limit"), st.sampled_from(Side), prices, lots, st.sampled_from(TimeInForce), st.booleans()),
    st.tuples(st.just("limit"), st.sampled_from(Side), prices, lots, st.just(TimeInForce.GTC), st.booleans()),
    st.tuples(st.just("market"), st.sampled_from(Side), lots),
    st.tuples(st.just("cost"), st.integers(1, 2000)),
    st.tuples(st.just("cancel"), st.integers(0, 9)),
    st.tuples(st.just("edit"), st.integers(0, 9), st.none() | prices, st.none() | lots),
)


class Walk:
    """A desk that anything happens to, and a witness who checks after each step."""

    def __init__(self, desk: Any, fills: Any) -> None:
        self.desk, self.fills = desk, fills
        self.desk.snapshot([(98, 5), (97, 9)], [(102, 5), (103, 9)])
        self.traded: list[tuple[Side, int, int]] = []
        self.taken: dict[tuple[Side, int], int] = {}

    def step(self, kind: str, *args: Any) -> None:
        desk = self.desk
        fills, before = len(desk.venue.truth_fills()), self.told()
        self.traded = []
        match kind, args:
            case "levels", (bids, asks):
                desk.both(bids, asks)
            case "snapshot", (middle, amount):
                desk.snapshot([(middle - 1, amount), (middle - 2, 9)], [(middle + 1, amount), (middle + 2, 9)])
            case "trade", (taker, price, amount, late):
                (desk.bought if taker is Side.BUY else desk.sold)(price, amount, stamp=max(desk.now_ns + (1 - late) * MILLISECOND, 0))
                self.traded.append((taker, price, amount))
            case "limit", (side, price, amount, time_in_force, post_only):
                desk.create(side, amount, price, time_in_force=time_in_force, post_only=post_only)
            case "market", (side, amount):
                desk.create(side, amount)
            case "cost", (cost,):
                desk.create(Side.BUY, None, cost=Decimal(cost))
            case "cancel", (which,):
                desk.ask(Op.ORDER_CANCEL, order_id=self.pick(which))
            case "edit", (which, new_price, new_amount):
                side = next((each.side for each in desk.venue.truth_orders() if each.id == self.pick(which)), Side.BUY)
                change = NewOrder(
                    symbol="BTC/USD",
                    type=OrderType.LIMIT,
                    side=side,
                    price=None if new_price is None else Decimal(new_price),
                    amount=None if new_amount is None else Decimal(new_amount),
                )
                desk.ask(Op.ORDER_EDIT, order_id=self.pick(which), order=change)
        after = self.told()
        for key in [*before, *after]:
            if before.get(key) != after.get(key):
                self.taken[key] = 0
        self.check_fills(desk.venue.truth_fills()[fills:], after)
        self.check_money()
        self.check_orders()
        self.check_book()

    def pick(self, which: int) -> str:
        found = [order.id for order in self.desk.venue.truth_orders() if order.status is OrderStatus.OPEN]
        return found[which % len(found)] if found else "none"

    def told(self) -> dict[tuple[Side, int], int]:
        """What the tape has of each level."""
        book = self.desk.venue.books["BTC/USD"]
        return {
            (side, price): amount for side, ladder in ((Side.BUY, book.bids), (Side.SELL, book.asks)) for price, amount in ladder.items()
        }

    # The witness

    def check_fills(self, fills: tuple[Any, ...], stands: dict[tuple[Side, int], int]) -> None:
        """Nobody is filled past a limit; what came in this step fills once; makers get their price, takers a level's."""
        orders = {order.id: order for order in self.desk.venue.truth_orders()}
        volume: dict[str, Fraction] = {}
        for fill in fills:
            order = orders[fill.order_id]
            if order.price is not None:
                assert fill.price <= order.price if fill.side is Side.BUY else fill.price >= order.price, "law: limit"
            if fill.liquidity is Liquidity.MAKER:
                assert fill.price == order.price, "law: a maker gets its price"
                volume[fill.side] = volume.get(fill.side, Fraction(0)) + Fraction(fill.amount)
            else:
                key = (fill.side.opposite, int(fill.price))
                self.taken[key] = self.taken.get(key, 0) + int(fill.amount)
                assert self.taken[key] <= stands.get(key, 0), "law: no more than stands there"
                assert not order.post_only, "law: post-only never takes"
            assert fill.fee == Decimal(fill.cost) * FEES.rate(fill.liquidity), "law: fee"
            assert fill.cost == fill.price * fill.amount, "law: cost"
        for taker, price, amount in self.traded:
            assert volume.get(taker.opposite, 0) <= amount, "law: a trade fills once"
            assert not volume.get(taker, 0), "law: only the side that was hit"
            for fill in fills:
                assert fill.price <= price if taker is Side.BUY else fill.price >= price, "law: a trade reaches its price"

    def check_money(self) -> None:
        """Balances are the opening, and every fill, and nothing else; what is held is what open orders can still cost."""
        venue = self.desk.venue
        usd, btc = Fraction(OPENING["USD"]), Fraction(OPENING["BTC"])
        for fill in venue.truth_fills():
            sign = 1 if fill.side is Side.BUY else -1
            cost = Fraction(fill.price) * Fraction(fill.amount)
            btc += sign * Fraction(fill.amount)
            usd -= sign * cost + cost * (MAKER if fill.liquidity is Liquidity.MAKER else TAKER)
        balances = venue.truth_balances()
        assert (Fraction(balances["USD"].total), Fraction(balances["BTC"].total)) == (usd, btc), "law: conservation"
        held = {"USD": Fraction(0), "BTC": Fraction(0)}
        for order in venue.truth_orders():
            if order.status is OrderStatus.OPEN:
                left = Fraction(order.remaining)
                if order.side is Side.BUY:
                    held["USD"] += left * Fraction(order.price) * (1 + TAKER)
                else:
                    held["BTC"] += left
        assert {currency: Fraction(balances[currency].used) for currency in held} == held, "law: holds"
        assert all(balance.free >= 0 for balance in balances.currencies.values()), "law: no overdraft"
        for currency in held:
            assert sum(venue.ledger.sum_of(account, currency) for account in Account) == 0, "law: double entry"

    def check_orders(self) -> None:
        """An order is its fills; the user lane was told each state; open means open everywhere."""
        venue = self.desk.venue
        for order in venue.truth_orders():
            mine = [fill for fill in venue.truth_fills() if fill.order_id == order.id]
            sums = (sum(fill.amount for fill in mine), sum(fill.cost for fill in mine), sum(fill.fee for fill in mine), len(mine))
            assert (order.filled, order.cost, order.fee, order.fills_count) == sums, "law: an order is its fills"
            assert order.filled <= order.amount or not order.amount, "law: no overfill"
            assert (order.status is OrderStatus.CLOSED) == (order.filled == order.amount), "law: full is closed"
            told = [update for update in self.desk.told if update.order.id == order.id]
            assert told[-1].order == order, "law: the user lane is told"
            assert [update.fill for update in told if update.fill] == mine, "law: each fill is told once"
            assert all(later.order.filled >= earlier.order.filled for earlier, later in pairwise(told)), "law: cumulative"
        for live in venue._orders:
            assert live.snapshot() == live._snapshot(), "law: an order is told as it stands"
        still_open = tuple(order for order in venue.truth_orders() if order.status is OrderStatus.OPEN)
        assert self.desk.ask(Op.ORDERS_OPEN).orders == still_open, "law: open orders"

    def check_book(self) -> None:
        """Our own orders never cross, and on a sound book none faces what it could have."""
        venue = self.desk.venue
        bids, asks = self.resting(Side.BUY), self.resting(Side.SELL)
        if bids and asks:
            assert max(order.price for order in bids) < min(order.price for order in asks), "law: own orders do not cross"
        book = venue.books["BTC/USD"]
        if book.is_complete and not book.is_crossed and self.fills.meets_levels:
            matcher = venue._matchers["BTC/USD"]
            for order in bids + asks:
                assert not list(matcher.open_levels(order.side, int(order.price))), "law: nothing to take is left standing"

    def resting(self, side: Side) -> list[Order]:
        return [order for order in self.desk.venue.truth_orders() if order.status is OrderStatus.OPEN and order.side is side]


def walk(make_desk: Callable[..., Any], fills: Any, story: list[Any]) -> None:
    account = {currency: Decimal(amount) for currency, amount in OPENING.items()}
    walking = Walk(make_desk(fills, fees=FEES, account=account), fills)
    for step in story:
        walking.step(*step)


@pytest.mark.parametrize("fills", [TouchFills(), QueueFills()], ids=["touch", "queue"])
@settings(max_examples=300, deadline=None)
@given(story=st.lists(steps, max_size=25))
def test_laws_hold(open_desk: Callable[..., Any], fills: Any, story: list[Any]) -> None:
    """Whatever happens, in whatever order."""
    walk(open_desk, fills, story)


@pytest.mark.parametrize("kind", [kind for kind in FILLS if kind not in ("touch", "queue")])
@settings(max_examples=25, deadline=None)
@given(story=st.lists(steps, max_size=25))
def test_laws_hold_for_every_model(open_desk: Callable[..., Any], kind: str, story: list[Any]) -> None:
    """A fill model says when an order fills, and nothing about money, limits and volumes."""
    walk(open_desk, FILLS[kind](), story)


# Broken on purpose


def forget_a_fee(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FeeModel, "fee", lambda self, cost, liquidity: Decimal(0))


def charge_makers_as_takers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FeeModel, "fee", lambda self, cost, liquidity: cost * self.rate(Liquidity.TAKER))


def match_through_the_limit(patch: pytest.MonkeyPatch) -> None:
    def open_levels(self: Matcher, side: Side, limit: int | None, real: Any = Matcher.open_levels) -> Any:
        return real(self, side, None)

    patch.setattr(Matcher, "open_levels", open_levels)


def take_what_was_taken(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(BookSide, "take", lambda self, ticks, lots: None)


def forget_to_release(patch: pytest.MonkeyPatch) -> None:
    def finish(self: Settlement, order: Any, status: Any, reason: str, at_ns: Any = None, real: Any = Settlement.finish) -> None:
        hold, self.hold = self.hold, lambda *_: None  # type: ignore[method-assign]  # this venue's alone
        real(self, order, status, reason)
        self.hold = hold  # type: ignore[method-assign]  # this venue's alone

    patch.setattr(Settlement, "finish", finish)


def leave_arriving_levels_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Matcher, "_meet", lambda self, resting, arriving: None)


def fill_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Matcher, "_share", lambda self, trade, side, real=Matcher._share: [real(self, trade, side) for _ in "ab"])


def keep_quiet(patch: pytest.MonkeyPatch) -> None:
    def tell(self: Settlement, order: Any, fill: Any = None, real: Any = Settlement.tell) -> None:
        if fill is None:
            real(self, order, fill)

    patch.setattr(Settlement, "tell", tell)


BREAKAGES = (
    forget_a_fee,
    charge_makers_as_takers,
    match_through_the_limit,
    take_what_was_taken,
    forget_to_release,
    leave_arriving_levels_alone,
    fill_twice,
    keep_quiet,
)


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.__name__)
def test_broken_venue_is_caught(open_desk: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, breakage: Callable[..., None]) -> None:
    """The witness can say no: with any one rule broken, a short fixed story breaks a law."""
    gtc = TimeInForce.GTC
    story = [
        ("limit", Side.BUY, 90, 4, gtc, False),
        ("limit", Side.BUY, 101, 4, gtc, False),
        ("limit", Side.BUY, 99, 5, gtc, False),
        ("trade", Side.SELL, 99, 6, 0),
        ("limit", Side.BUY, 103, 7, gtc, False),
        ("market", Side.BUY, 9),
        ("levels", [], [(98, 2), (97, 3)]),
        ("levels", [(98, 0), (97, 0)], [(95, 2)]),
        ("cancel", 0),
        ("market", Side.SELL, 2),
    ]
    walk(open_desk, TouchFills(), story)
    breakage(monkeypatch)
    with pytest.raises(AssertionError, match="law: "):
        walk(open_desk, TouchFills(), story)
