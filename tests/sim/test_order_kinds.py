"""Ends, stops and brackets at the venue, and what an amendment does to a place in the queue: each rule by a story that it decides."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.model.event import Side
from papertape.model.order import Extra, NewOrder, Order, OrderStatus, OrderType, StopDirection, TimeInForce
from papertape.model.request import Op, RefusalCode
from papertape.model.units import MILLISECOND
from papertape.sim.audit import audit
from papertape.sim.fees import FlatFees
from papertape.sim.fills import FILLS, FillModel
from papertape.sim.matcher import Matcher
from papertape.sim.venue import SimVenue
from sim.conftest import EPOCH_NS, rules

GTD = TimeInForce.GTD
ALL = rules(offers=tuple(Extra))
FREE = FlatFees(maker_bps=Decimal(0), taker_bps=Decimal(0))


def at_ms(milliseconds: int) -> int:
    """A time of the venue's clock, in milliseconds of the run."""
    return EPOCH_NS + milliseconds * MILLISECOND


@pytest.fixture
def desk(open_desk: Callable[..., Any]) -> Any:
    """A desk that offers everything, before bids 99 x 10, 98 x 20 and asks 101 x 10, 102 x 20; the last trade was at 100."""
    return set_up(open_desk)


def set_up(open_desk: Callable[..., Any], fills: FillModel | None = None) -> Any:
    desk = open_desk(fills, rules=ALL)
    desk.snapshot([(99, 10), (98, 20)], [(101, 10), (102, 20)])
    desk.bought(100, 1)
    return desk


def gtd(end_ms: int) -> dict[str, Any]:
    return {"time_in_force": GTD, "expires_ns": at_ms(end_ms)}


def stop(price: int, direction: StopDirection | None = None) -> dict[str, Any]:
    return {"trigger_price": Decimal(price), "stop_direction": direction}


def bracket(price: int) -> dict[str, Any]:
    return {"stop_loss_price": Decimal(price)}


def held(desk: Any) -> tuple[int, int]:
    balances = desk.venue.truth_balances()
    return int(balances["USD"].used), int(balances["BTC"].used)


# Good till date


def test_an_order_ends_at_its_time_and_not_before(desk: Any) -> None:
    """It fills until its last nanosecond, not in the one that ends it; what it held is free again, and the user lane is told."""
    order = desk.buy(15, 99, **gtd(1000))
    desk.sold(99, 12, at=1000 * MILLISECOND - 1)
    assert (desk.filled(order), held(desk)) == (2, (13 * 99, 0))
    desk.sold(98, 50, at=1000 * MILLISECOND)
    assert (desk.now(order).status, desk.filled(order), held(desk)) == (OrderStatus.EXPIRED, 2, (0, 0))
    assert desk.told[-1].order == desk.now(order)
    assert desk.ask(Op.ORDER_CANCEL, order_id=order.id).refusal.code is RefusalCode.ORDER_NOT_OPEN


def test_an_end_comes_without_anything_else(desk: Any) -> None:
    """The venue says when it wants to be woken, and ends the order then, though the tape is silent; ends come in their order."""
    woken: list[int] = []
    desk.venue.on_end_set = woken.append
    later, sooner = desk.buy(1, 99, **gtd(2000)), desk.buy(1, 98, **gtd(1000))
    assert woken == [2000 * MILLISECOND, 1000 * MILLISECOND]
    desk.venue.advance(1000 * MILLISECOND)
    assert (desk.now(sooner).status, desk.now(later).status) == (OrderStatus.EXPIRED, OrderStatus.OPEN)
    desk.venue.advance(2000 * MILLISECOND)
    assert desk.now(later).status is OrderStatus.EXPIRED


def test_an_end_says_nothing_of_an_order_that_is_done(desk: Any) -> None:
    filled, cancelled = desk.buy(10, 101, **gtd(1000)), desk.cancel(desk.buy(1, 99, **gtd(1000)))
    told = len(desk.told)
    desk.venue.advance(1000 * MILLISECOND)
    assert (desk.now(filled).status, desk.now(cancelled).status, len(desk.told)) == (OrderStatus.CLOSED, OrderStatus.CANCELED, told)


def test_an_end_must_lie_ahead(desk: Any) -> None:
    assert desk.no(Side.BUY, 1, 99, **gtd(1), at=MILLISECOND * 5) is RefusalCode.END_IS_PAST
    assert desk.no(Side.BUY, 1, 99, time_in_force=GTD) is RefusalCode.INVALID
    assert desk.no(Side.BUY, 1, 99, expires_ns=at_ms(99)) is RefusalCode.INVALID


# Stop-limit


def test_a_stop_waits_outside_the_book(desk: Any) -> None:
    """Until a trade reaches it, nothing fills a stop order and nothing knows it is there; its money is held."""
    order = desk.sell(5, 98, **stop(99))
    assert (order.is_dormant, held(desk), desk.fills()) == (True, (0, 5), [])
    desk.bids((99, 0), (100, 4))
    desk.bought(100, 9)
    assert (desk.now(order).is_triggered, desk.fills()) == (False, [])
    assert desk.buy(1, 100, post_only=True).status is OrderStatus.OPEN, "no order of ours stands in its way"


def test_a_trade_at_the_stop_brings_the_order_to_the_book(desk: Any) -> None:
    """It takes what stands there after that trade, down to its limit, where the remainder rests; the trade itself is not for it."""
    order = desk.sell(25, 98, **stop(99))
    desk.bids((99, 3))
    desk.sold(99, 7, stamp=desk.now_ns)
    assert desk.fills() == [(99, 3, "taker"), (98, 20, "taker")]
    assert (desk.now(order).is_triggered, desk.now(order).status, desk.now(order).remaining) == (True, OrderStatus.OPEN, 2)
    triggered = [update.order for update in desk.told if update.order.id == order.id and update.order.is_triggered]
    assert triggered[0].filled == 0, "that its stop was set off is told first"
    desk.bought(98, 50, at=desk.now_ns + 500 * MILLISECOND)
    assert desk.now(order).status is OrderStatus.CLOSED


def test_a_buy_stop_is_reached_from_below(desk: Any) -> None:
    order = desk.buy(4, 103, **stop(102))
    desk.sold(99, 1)
    desk.bought(101, 1)
    assert not desk.now(order).is_triggered
    desk.bought(102, 1)
    assert desk.fills() == [(101, 4, "taker")]


def test_a_stop_may_take_a_profit(desk: Any) -> None:
    """The direction decides, not the side: a sell at 102 that waits for a rise, with its limit under it."""
    order = desk.sell(4, 101, **stop(102, StopDirection.UP))
    desk.sold(98, 1)
    assert not desk.now(order).is_triggered
    desk.bought(103, 1)
    assert desk.now(order).is_triggered


def test_a_trade_from_before_an_order_does_not_set_it_off(desk: Any) -> None:
    """However late it is printed."""
    traded_ns = desk.now_ns + MILLISECOND
    order = desk.sell(5, 90, **stop(99), at=traded_ns)
    desk.sold(98, 50, stamp=traded_ns)
    assert not desk.now(order).is_triggered


@pytest.mark.parametrize(
    ("side", "limit", "terms", "code"),
    [
        (Side.SELL, 98, stop(100), RefusalCode.STOP_ABOVE_LAST),
        (Side.BUY, 101, stop(100), RefusalCode.STOP_BELOW_LAST),
        (Side.SELL, 100, stop(99), RefusalCode.STOP_BELOW_LIMIT),
        (Side.BUY, 101, stop(102), RefusalCode.STOP_ABOVE_LIMIT),
        (Side.SELL, 98, stop(99) | {"time_in_force": TimeInForce.IOC}, RefusalCode.INVALID),
        (Side.SELL, 98, stop(99) | {"post_only": True}, RefusalCode.INVALID),
        (Side.SELL, None, stop(99), RefusalCode.INVALID),
        (Side.SELL, 105, stop(99) | bracket(98), RefusalCode.INVALID),
        (Side.SELL, 98, {"trigger_price": Decimal("98.5")}, RefusalCode.PRICE_OFF_TICK),
        (Side.SELL, 98, {"stop_direction": StopDirection.UP}, RefusalCode.INVALID),
        (Side.BUY, 98, bracket(105), RefusalCode.BRACKET_SIDE),
        (Side.SELL, 105, bracket(105), RefusalCode.BRACKET_PRICES),
        (Side.SELL, 105, bracket(100), RefusalCode.BRACKET_PRICES),
        (Side.SELL, 100, bracket(90), RefusalCode.BRACKET_PRICES),
    ],
)
def test_a_stop_that_makes_no_sense_is_refused(desk: Any, side: Side, limit: int | None, terms: dict[str, Any], code: RefusalCode) -> None:
    before = desk.venue.truth()
    assert desk.no(side, 1, limit, **terms) is code
    assert desk.venue.truth() == before


def test_a_stop_that_is_set_off_never_trades_with_our_own_order(desk: Any) -> None:
    """It is cancelled: a venue's self-trade prevention does away with the newer of the two."""
    resting = desk.buy(3, 99)
    order = desk.sell(5, 98, **stop(99))
    desk.sold(99, 1)
    assert (desk.now(order).status, desk.now(resting).status, desk.fills()) == (OrderStatus.CANCELED, OrderStatus.OPEN, [])


def test_a_stop_that_is_done_before_our_own_price_is_no_self_trade(desk: Any) -> None:
    """As for any order: it is what it reaches that counts, not how far it might go."""
    resting = desk.buy(3, 91)
    order = desk.sell(5, 90, **stop(99))
    desk.sold(99, 1)
    assert (desk.now(order).status, desk.now(resting).status, desk.fills()) == (OrderStatus.CLOSED, OrderStatus.OPEN, [(99, 5, "taker")])


def test_a_cancelled_stop_is_never_set_off(desk: Any) -> None:
    order = desk.cancel(desk.sell(5, 98, **stop(99)))
    desk.sold(90, 1)
    assert (desk.now(order).status, held(desk), desk.fills()) == (OrderStatus.CANCELED, (0, 0), [])


def test_a_stop_ends_at_its_time_too(desk: Any) -> None:
    order = desk.sell(5, 98, **stop(99), **gtd(1000))
    desk.sold(90, 1, at=1000 * MILLISECOND)
    assert (desk.now(order).status, desk.fills()) == (OrderStatus.EXPIRED, [])


# Brackets


def test_a_bracket_rests_at_its_limit(desk: Any) -> None:
    """Where it takes its profit as any limit order: behind nobody at 105, as a maker. Then its stop is off."""
    order = desk.sell(5, 105, **bracket(95))
    desk.bought(105, 2)
    assert desk.fills() == [(105, 2, "maker")]
    desk.sold(90, 1)
    assert (desk.now(order).is_triggered, desk.now(order).status) == (False, OrderStatus.OPEN)
    desk.bought(105, 9)
    assert desk.now(order).status is OrderStatus.CLOSED


def test_a_bracket_gets_out_at_its_stop(desk: Any) -> None:
    """A trade at 98 or under makes it a sell with a limit 5 % under its stop, at 93.1 and so at 93; it is no longer for sale at 105."""
    order = desk.sell(35, 105, **bracket(98))
    desk.sold(99, 1)
    assert desk.fills() == []
    desk.bids((99, 4), (94, 5), (93, 6), (92, 50))
    desk.sold(98, 1, at=desk.now_ns + 500 * MILLISECOND)
    assert desk.fills() == [(99, 4, "taker"), (98, 19, "taker"), (94, 5, "taker"), (93, 6, "taker")]
    assert (desk.now(order).price, desk.now(order).is_triggered, desk.now(order).remaining) == (105, True, 1)
    desk.bought(105, 50)
    assert desk.fills()[4:] == [(93, 1, "maker")], "what is left waits at 93, and whoever pays 105 pays it 93"
    assert audit(desk.venue.truth(), FREE) == []


# What a venue does not offer, and what cannot be edited


@pytest.mark.parametrize("terms", [gtd(1000), stop(99), bracket(90)], ids=["end", "stop", "bracket"])
def test_what_a_venue_does_not_offer_is_refused(open_desk: Callable[..., Any], terms: dict[str, Any]) -> None:
    desk = open_desk(rules=rules())
    desk.snapshot([(99, 10)], [(101, 10)])
    assert desk.no(Side.SELL, 1, 98 if "trigger_price" in terms else 105, **terms) is RefusalCode.UNSUPPORTED


@pytest.mark.parametrize("terms", [gtd(1000), stop(99), bracket(90)], ids=["end", "stop", "bracket"])
def test_only_plain_limit_orders_can_be_edited(desk: Any, terms: dict[str, Any]) -> None:
    order = desk.sell(5, 98 if "trigger_price" in terms else 105, **terms)
    answer = edit(desk, order, price=104)
    assert (answer.refusal.code, desk.now(order)) == (RefusalCode.UNSUPPORTED, order)


def edit(desk: Any, order: Order, amount: int | None = None, price: int | None = None) -> Any:
    change = NewOrder(
        symbol=order.symbol, type=OrderType.LIMIT, side=order.side, amount=None if amount is None else Decimal(amount),
        price=None if price is None else Decimal(price),
    )  # fmt: skip
    return desk.ask(Op.ORDER_EDIT, order_id=order.id, order=change)


# The place in the queue


@pytest.mark.parametrize("kind", ["queue", "squared_queue", "power_queue", "log_queue"])
@pytest.mark.parametrize(
    ("amount", "price", "filled"),
    [(3, None, 3), (9, None, 0), (None, 98, 0), (3, 98, 0), (5, None, 5)],
    ids=["smaller keeps", "larger loses", "another price loses", "both lose", "unchanged keeps"],
)
def test_an_edit_keeps_or_loses_the_place(
    open_desk: Callable[..., Any], kind: str, amount: int | None, price: int | None, filled: int
) -> None:
    """5 at 99 behind 10, then 30 come behind; after the edit 16 are sold at 99. Only an order that shrinks at its price has its turn."""
    desk = set_up(open_desk, FILLS[kind]())
    order = desk.buy(5, 99)
    desk.bids((99, 40))
    desk.now_ns += 500 * MILLISECOND
    assert edit(desk, order, amount, price).refusal is None
    desk.sold(99, 16)
    assert desk.filled(order) == filled


def test_an_edit_never_makes_us_trade_with_ourselves(desk: Any) -> None:
    desk.sell(5, 101)
    order = desk.buy(5, 99)
    assert edit(desk, order, price=101).refusal.code is RefusalCode.SELF_TRADE
    assert desk.now(order) == order


# A venue that goes on


def test_a_venue_that_goes_on_minds_what_orders_wait_for(open_desk: Callable[..., Any]) -> None:
    """As paper does after a restart: a stop is still in no book, a bracket that was set off still gets out, an end still comes."""
    desk = set_up(open_desk)
    waiting, ending = desk.sell(2, 90, **stop(95)), desk.buy(3, 91, **gtd(5000))
    rests, out = desk.sell(4, 106, **bracket(94)), desk.sell(40, 105, **bracket(98))
    desk.sold(98, 1)
    assert desk.now(out).is_triggered
    before = desk.venue.truth()
    money = {currency: balance.total for currency, balance in before.balances.currencies.items()}
    again = open_desk(rules=ALL, account=money)
    again.venue.resume(before.orders, before.fills)
    assert again.venue.truth_orders() == before.orders
    assert held(again) == held(desk)
    again.now_ns = desk.now_ns
    again.snapshot([(93, 4), (92, 9)], [(101, 10)])
    again.sold(93, 50)
    assert again.now(waiting).is_triggered
    assert again.now(rests).is_triggered
    again.bought(93, 50, at=again.now_ns + 500 * MILLISECOND)
    assert again.now(out).status is OrderStatus.CLOSED, "what was left of it stood at 93"
    again.venue.advance(5000 * MILLISECOND)
    assert again.now(ending).status is OrderStatus.EXPIRED


# Whatever happens


prices = st.integers(94, 106)
steps = st.one_of(
    st.tuples(st.just("trade"), st.sampled_from(["sold", "bought"]), prices, st.integers(1, 9)),
    st.tuples(st.just("levels"), st.integers(94, 99), st.integers(101, 106), st.integers(0, 9)),
    st.tuples(st.just("stop"), st.sampled_from(Side), prices, prices, st.sampled_from(StopDirection)),
    st.tuples(st.just("bracket"), prices, prices),
    st.tuples(st.just("end"), st.sampled_from(Side), prices, st.integers(1, 20)),
    st.tuples(st.just("limit"), st.sampled_from(Side), prices),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
)


@settings(max_examples=80, deadline=None)
@given(story=st.lists(steps, max_size=25))
def test_the_books_are_right_whatever_stops_and_ends(open_desk: Callable[..., Any], story: list[tuple[Any, ...]]) -> None:
    """No fill beyond a limit, no order past its end, no dormant order filled, no money lost or still held for nothing."""
    desk = set_up(open_desk)
    for step in story:
        match step:
            case ("trade", way, price, amount):
                getattr(desk, way)(price, amount)
            case ("levels", bid, ask, amount):
                desk.both([(bid, amount)], [(ask, amount)])
            case ("stop", side, price, trigger, direction):
                desk.create(side, 5, price, **stop(trigger, direction))
            case ("bracket", price, trigger):
                desk.create(Side.SELL, 5, price, **bracket(trigger))
            case ("end", side, price, left):
                desk.create(side, 5, price, time_in_force=GTD, expires_ns=EPOCH_NS + desk.now_ns + left * MILLISECOND)
            case ("limit", side, price):
                desk.create(side, 5, price)
            case ("cancel", which):
                found = desk.venue.truth_open()
                if found:
                    desk.ask(Op.ORDER_CANCEL, order_id=found[which % len(found)].id)
        assert audit(desk.venue.truth(), FREE) == []
        used = {"USD": Decimal(0), "BTC": Decimal(0)}
        for order in desk.venue.truth_orders():
            assert not order.is_dormant or not order.filled
            assert order.status is not OrderStatus.OPEN or order.expires_ns is None or order.expires_ns > EPOCH_NS + desk.now_ns
            if order.status is OrderStatus.OPEN:
                used["USD" if order.side is Side.BUY else "BTC"] += order.remaining * (order.price if order.side is Side.BUY else 1)
        assert {currency: desk.venue.truth_balances()[currency].used for currency in used} == used


# Broken on purpose


def never_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SimVenue, "_end_orders", lambda self: None)


def never_set_off(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SimVenue, "_trigger", lambda self, order: None)


def keep_every_place(patch: pytest.MonkeyPatch) -> None:
    def rest(self: Matcher, order: Any, real: Any = Matcher.rest) -> None:
        place = order.place
        real(self, order)
        order.place = place or order.place

    patch.setattr(Matcher, "rest", rest)


@pytest.mark.parametrize("breakage", [never_end, never_set_off, keep_every_place], ids=lambda each: each.__name__)
def test_a_broken_rule_is_caught(
    open_desk: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, breakage: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """The stories above can fail."""
    breakage(monkeypatch)
    with pytest.raises(AssertionError):  # noqa: PT012  # one of them
        test_an_order_ends_at_its_time_and_not_before(set_up(open_desk))
        test_a_bracket_gets_out_at_its_stop(set_up(open_desk))
        test_an_edit_keeps_or_loses_the_place(open_desk, "queue", 9, None, 0)
