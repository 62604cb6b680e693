"""The gate's machine: whatever is asked, no limit is ever broken by what it lets through; what it cannot judge it refuses."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.model.event import Side
from papertape.model.order import NewOrder, Order, OrderStatus, OrderType, StopDirection, TimeInForce
from papertape.model.request import Op, Request
from papertape.model.units import SECOND
from papertape.session.spec import Quantity
from papertape.trading.config import Limits
from papertape.trading.gate.gate import DAY_NS, Gate
from papertape.trading.gate.stake import WIDE

LIMITS = Limits(
    order_notional=Quantity(Decimal(1_000), "USD"), position=Quantity(Decimal("0.05"), "BTC"), daily_loss=Quantity(Decimal(200), "USD"),
    orders_per_minute=5,
)  # fmt: skip


def wants(
    key: str, side: Side = Side.BUY, amount: str = "0.01", price: str | None = "50000", op: Op = Op.ORDER_CREATE, symbol: str = "BTC/USD"
) -> Request:
    kind = OrderType.MARKET if price is None else OrderType.LIMIT
    order = NewOrder(symbol=symbol, type=kind, side=side, amount=Decimal(amount), price=None if price is None else Decimal(price))
    return Request(op=op, client_order_id=key, symbol=symbol, order=order)


def told(request: Request, filled: str = "0", price: str = "50000", status: OrderStatus = OrderStatus.OPEN, fee: str = "0") -> Order:
    assert request.order is not None
    assert request.order.amount is not None
    return Order(
        id=f"id-{request.client_order_id}", client_order_id=request.client_order_id, symbol=request.order.symbol, type=request.order.type,
        side=request.order.side, amount=request.order.amount, price=request.order.price, time_in_force=TimeInForce.GTC, post_only=False,
        status=status, created_ns=0, updated_ns=0, filled=Decimal(filled), cost=Decimal(filled) * Decimal(price), fee=Decimal(fee),
    )  # fmt: skip


def says(gate: Gate, request: Request, now_ns: int = 0) -> str:
    return gate.unknown(request, now_ns) or gate.breach(request, now_ns)


def at(price: int, now_ns: int = 0, gate: Gate | None = None, limits: Limits = LIMITS) -> Gate:
    """A gate that has heard of the market."""
    gate = gate or Gate(limits)
    gate.priced("BTC/USD", Decimal(price), now_ns)
    return gate


def let(gate: Gate, request: Request, now_ns: int = 0) -> Request:
    assert says(gate, request, now_ns) == ""
    gate.sent(request, now_ns)
    return request


def test_an_order_within_all_limits_passes() -> None:
    let(Gate(LIMITS), wants("a"))


def test_an_order_that_is_worth_too_much_does_not() -> None:
    assert says(Gate(LIMITS), wants("a", amount="0.021")) == "it is worth 1050 USD, and order_notional is 1000 USD"


def test_a_market_order_is_worth_what_was_last_heard_of_its_market() -> None:
    gate = Gate(LIMITS)
    assert "nothing of BTC/USD was heard of late" in says(gate, wants("a", price=None))
    gate.priced("BTC/USD", Decimal(90_000), 0)
    let(gate, wants("a", price=None))
    gate.priced("BTC/USD", Decimal(110_000), 0)
    assert says(gate, wants("b", price=None)) == "it is worth 1100 USD, and order_notional is 1000 USD"


def test_what_the_limits_say_nothing_of_is_refused() -> None:
    assert "must be in EUR" in says(Gate(LIMITS), wants("a", symbol="BTC/EUR"))
    assert "position is in BTC, so it says nothing of ETH/USD" in says(Gate(LIMITS), wants("a", symbol="ETH/USD"))
    assert "does not say which order" in says(Gate(LIMITS), wants(""))


def test_open_orders_count_as_if_they_were_filled() -> None:
    gate = at(50_000)
    for key in "abcd":
        let(gate, wants(key, amount="0.0125", price="40000"), 0)
    assert says(gate, wants("e", amount="0.01")) == "the holding could move by 0.06 BTC, and position is 0.05 BTC"
    let(gate, wants("f", Side.SELL))  # the other way


def test_an_order_that_is_over_counts_no_more_and_what_it_filled_does() -> None:
    gate = at(50_000)
    first = let(gate, wants("a", amount="0.02"))
    assert gate.heard(told(first, "0.005", status=OrderStatus.CANCELED), 0)
    let(gate, wants("b", amount="0.02"))
    let(gate, wants("c", amount="0.02"))
    assert "0.055 BTC" in says(gate, wants("d"))


def test_old_news_and_news_of_others_are_none() -> None:
    gate = Gate(LIMITS)
    request = let(gate, wants("a"))
    assert gate.heard(told(request, "0.01", status=OrderStatus.CLOSED), 0)
    assert not gate.heard(told(request, "0.005"), 0)
    assert not gate.heard(told(request, "0.01", status=OrderStatus.CLOSED), 0)
    assert not gate.heard(told(wants("somebody else's"), "0.01"), 0)


def test_the_same_order_once_more_is_no_second_order_and_still_a_request() -> None:
    gate = at(50_000)
    request = wants("a", amount="0.02")
    for _ in range(5):
        let(gate, request)
    assert says(gate, request) == "5 orders were sent within a minute, and orders_per_minute is 5"
    assert says(gate, request, 61 * SECOND) == ""


def test_an_edit_counts_with_whichever_is_more_until_the_venue_has_spoken() -> None:
    gate = at(50_000)
    let(gate, wants("a", amount="0.01"))
    edit = let(gate, wants("a", amount="0.02", op=Op.ORDER_EDIT))
    let(gate, wants("b", amount="0.02"))
    assert "0.06 BTC" in says(gate, wants("c", amount="0.02"))
    assert gate.heard(told(edit, "0.02", status=OrderStatus.CLOSED), 0)
    let(gate, wants("d"))


def test_cancels_always_pass() -> None:
    gate = Gate(LIMITS)
    gate.halt("because")
    assert says(gate, Request(op=Op.ORDER_CANCEL, order_id="x")) == ""


def test_a_loss_beyond_the_limit_is_a_breach_and_the_next_day_begins_anew() -> None:
    gate = Gate(LIMITS)
    assert gate.loss(0) == ""
    bought = let(gate, wants("a", amount="0.02"))
    gate.heard(told(bought, "0.02", status=OrderStatus.CLOSED, fee="10"), 0)
    gate.priced("BTC/USD", Decimal(41_000), 0)
    assert gate.loss(0) == ""
    gate.priced("BTC/USD", Decimal(40_000), 0)
    assert gate.loss(0) == "210 USD were lost today, and daily_loss is 200 USD"
    assert "were lost today" in says(gate, wants("b"))
    assert gate.loss(DAY_NS) == ""


def test_what_was_lost_today_survives_a_restart() -> None:
    gate = Gate(LIMITS)
    assert gate.loss(0) == ""
    bought = let(gate, wants("a", amount="0.02"))
    gate.heard(told(bought, "0.02", status=OrderStatus.CLOSED), 0)
    again = Gate(LIMITS)
    again.resume(gate.standing())
    again.sent(bought, 0)
    again.heard(told(bought, "0.02", status=OrderStatus.CLOSED), 0)
    again.priced("BTC/USD", Decimal(30_000), 0)
    assert "400 USD were lost today" in again.loss(0)


def test_arming_anew_forgets_what_was_lost_and_no_order_that_is_open() -> None:
    gate = at(50_000)
    done, still_open = let(gate, wants("a", amount="0.02")), let(gate, wants("b", amount="0.02"))
    gate.heard(told(done, "0.02", status=OrderStatus.CLOSED), 0)
    gate.heard(told(still_open, "0.01"), 0)
    gate.halt("because")
    gate.armed()
    assert gate.halted == ""
    for key in "cd":
        let(gate, wants(key, amount="0.02"))
    assert says(gate, wants("e")) == "the holding could move by 0.06 BTC, and position is 0.05 BTC"
    assert gate.heard(told(still_open, "0.02", status=OrderStatus.CLOSED), 0)
    assert says(gate, wants("e")) == "the holding could move by 0.06 BTC, and position is 0.05 BTC"


ORDERS = st.lists(
    st.tuples(st.sampled_from(list(Side)), st.integers(1, 40), st.integers(0, 40), st.booleans(), st.integers(0, 30)), max_size=40
)


WHAT = st.tuples(
    st.sampled_from(["create", "again", "edit", "decline", "fill", "end", "back", "price", "arm"]),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(Side),
    st.sampled_from(["limit", "market", "cost", "stop"]),
    st.integers(1, 9),
)


@given(st.sampled_from(["BTC", "USD"]), st.lists(WHAT, max_size=25))
def test_what_is_at_stake_is_what_a_walk_over_all_that_passed_comes_to(currency: str, steps: list[Any]) -> None:
    """Whatever was sent, edited, declined, filled, ended, told of anew or armed: to the last digit, and after each step."""
    gate = at(50_000, limits=msgspec.structs.replace(LIMITS, position=Quantity(Decimal(1), currency)))
    last: dict[str, Request] = {}
    for number, (what, key, side, kind, size) in enumerate(steps, start=1):
        amount, price = str(Decimal(size) / 700), str(50_000 + size)
        request = wants(
            key, side, amount, None if kind in ("market", "cost") else price, Op.ORDER_EDIT if what == "edit" else Op.ORDER_CREATE
        )
        assert request.order is not None
        if kind == "cost":
            request = msgspec.structs.replace(request, order=msgspec.structs.replace(request.order, amount=None, cost=Decimal(size)))
        elif kind == "stop":
            request = msgspec.structs.replace(request, order=msgspec.structs.replace(request.order, trigger_price=Decimal(60_000)))
        if what in ("create", "again", "edit"):
            request = last.setdefault(key, request) if what == "again" else request
            last[key] = request
            gate.sent(request, 0)
        elif what == "decline":
            gate.declined(key)
        elif what == "price":
            at(40_000 + 3_000 * size, 0, gate)
        elif what == "arm":
            gate.armed(None if size > 5 else [key])
        elif key in last and last[key].order.amount is not None:  # type: ignore[union-attr]  # all of these are requests for an order
            status = OrderStatus.CANCELED if what == "end" else OrderStatus.OPEN
            order = told(last[key], str(Decimal(size) / 7_000 if what == "fill" else 0), status=status)
            gate.heard(msgspec.structs.replace(order, updated_ns=number), 0)
        pending = [each for each in gate._passed.values() if not each.is_over]
        found = {True: Decimal(0), False: Decimal(0)}
        for each in pending:
            is_base = each.order.symbol.startswith(currency)
            way = (each.order.side is Side.BUY) == is_base
            found[way] = WIDE.add(found[way], each.left if is_base else each.worth)
        assert (gate._stake.up, gate._stake.down) == (found[True], found[False])


@given(ORDERS)
def test_whatever_fills_of_what_passes_no_limit_is_broken(steps: list[tuple[Side, int, int, bool, int]]) -> None:
    """Each step wants an order, and fills it and the open ones before it as far as the draw says, in any order."""
    gate, now_ns, holding, sent = at(20_000), 0, Decimal(0), list[int]()
    open_orders: dict[str, tuple[Request, Decimal]] = {}
    for number, (side, size, part, is_over, pause) in enumerate(steps):
        now_ns += pause * SECOND
        at(20_000, now_ns, gate)
        request = wants(str(number), side, amount=str(Decimal(size) / 1000), price="20000")
        if says(gate, request, now_ns) == "":
            gate.sent(request, now_ns)
            sent.append(now_ns)
            open_orders[str(number)] = (request, Decimal(0))
            assert Decimal(size) / 1000 * 20_000 <= 1_000
            assert len([each for each in sent if each > now_ns - 60 * SECOND]) <= 5
        worst_buy = sum((each.order.amount - filled for each, filled in open_orders.values() if each.order.side is Side.BUY), Decimal(0))  # type: ignore[union-attr, operator, misc]  # all of these are requests for an order
        worst_sell = sum((each.order.amount - filled for each, filled in open_orders.values() if each.order.side is Side.SELL), Decimal(0))  # type: ignore[union-attr, operator, misc]  # all of these are requests for an order
        assert holding + worst_buy <= Decimal("0.05")
        assert holding - worst_sell >= Decimal("-0.05")
        for key, (each, filled) in list(open_orders.items()):
            assert each.order is not None
            assert each.order.amount is not None
            more = min(each.order.amount - filled, Decimal(part) / 1000)
            total = filled + more
            is_done = is_over or total == each.order.amount
            gate.heard(told(each, str(total), "20000", OrderStatus.CANCELED if is_done else OrderStatus.OPEN), now_ns)
            holding += more if each.order.side is Side.BUY else -more
            open_orders[key] = (each, total)
            if is_done:
                del open_orders[key]


def test_an_order_of_a_cost_is_worth_that() -> None:
    gate = Gate(LIMITS)
    gate.priced("BTC/USD", Decimal(50_000), 0)
    request = wants("a", price=None)
    assert request.order is not None
    by_cost = msgspec.structs.replace(request, order=msgspec.structs.replace(request.order, amount=None, cost=Decimal(1_001)))
    assert "it is worth 1001 USD" in says(gate, by_cost)


IN_QUOTE = msgspec.structs.replace(LIMITS, position=Quantity(Decimal(1_500), "USD"))


def test_a_sale_is_worth_what_its_market_pays_however_low_its_price() -> None:
    """A limit far below the market executes at the market: a sale of 9 BTC at 0.01 is no order of nine cents."""
    low = wants("a", Side.SELL, amount="9", price="0.01")
    assert "nobody knows what a sale there is worth" in says(Gate(IN_QUOTE), low)
    assert says(at(50_000, limits=IN_QUOTE), low) == "it is worth 450000 USD, and order_notional is 1000 USD"
    gate = at(50_000, limits=IN_QUOTE)
    let(gate, wants("b", Side.SELL, amount="0.02", price="1"))
    assert "could move by 2000 USD, and position is 1500 USD" in says(gate, wants("c", Side.SELL, amount="0.02", price="1"))
    edit = wants("b", Side.SELL, amount="0.021", price="1", op=Op.ORDER_EDIT)
    assert says(gate, edit) == "it is worth 1050 USD, and order_notional is 1000 USD"


def test_a_stop_that_sells_on_the_way_up_is_worth_what_the_market_pays_there() -> None:
    request = wants("a", Side.SELL, amount="0.01", price="100")
    up = msgspec.structs.replace(request.order, trigger_price=Decimal(120_000), stop_direction=StopDirection.UP)  # type: ignore[type-var]  # the request has an order
    assert says(at(50_000), msgspec.structs.replace(request, order=up)) == "it is worth 1200 USD, and order_notional is 1000 USD"


def test_a_price_that_is_ten_seconds_old_values_nothing() -> None:
    gate = at(50_000)
    bought = let(gate, wants("a", price=None))
    gate.heard(told(bought, "0.01", status=OrderStatus.CLOSED), 0)
    let(gate, wants("b"), 10 * SECOND - 1)
    assert gate.unpriced(wants("c"), 10 * SECOND) == ["BTC/USD"]
    assert "what is held cannot be valued" in says(gate, wants("c"), 10 * SECOND)
    assert "what a market order there is worth" in says(Gate(LIMITS), wants("c", price=None))


def test_an_id_that_is_known_lets_no_other_order_through() -> None:
    """Only the very same order is no second one; one that is over is judged as if it were new."""
    gate = at(50_000)
    first = let(gate, wants("a", amount="0.001"))
    assert "is the client order id of another order" in says(gate, wants("a", amount="0.5"))
    let(gate, first)
    gate.heard(told(first, status=OrderStatus.CANCELED), 0)
    assert "order_notional is 1000 USD" in says(gate, wants("a", amount="0.5"))
    again = let(gate, wants("a", amount="0.02"))
    let(gate, wants("b", amount="0.02"))
    assert "0.06 BTC" in says(gate, wants("c", amount="0.02"))
    assert gate.heard(told(again, "0.02", status=OrderStatus.CLOSED), 0)
    assert "0.06 BTC" in says(gate, wants("c", amount="0.02"))


def test_an_edit_of_an_order_that_did_not_pass_is_refused() -> None:
    gate = at(50_000)
    one, _ = let(gate, wants("a", amount="0.001")), let(gate, wants("b", amount="0.001"))
    gate.heard(told(one), 0)
    edit = wants("a", op=Op.ORDER_EDIT)
    assert "c is no open order that was let through" in says(gate, wants("c", op=Op.ORDER_EDIT))
    assert "a is order id-a at the venue, not id-b" in says(gate, msgspec.structs.replace(edit, order_id="id-b"))
    assert "no open order" in says(gate, wants("a", Side.SELL, op=Op.ORDER_EDIT))
    let(gate, msgspec.structs.replace(edit, order_id="id-a"))


def test_what_came_to_nothing_counts_no_more_unless_an_earlier_sending_may_live_or_the_venue_says_otherwise() -> None:
    gate = at(50_000)
    for number in range(20):  # each would be half of the position
        refused = let(gate, wants(str(number), amount="0.02"), number * 60 * SECOND)
        assert gate.declined(refused.client_order_id)
    twice = let(gate, wants("twice", amount="0.02"), 3_600 * SECOND)
    let(gate, twice, 3_600 * SECOND)
    assert not gate.declined("twice")
    shown = let(gate, wants("shown", amount="0.02"), 3_600 * SECOND)
    gate.heard(msgspec.structs.replace(told(shown), updated_ns=1), 3_600 * SECOND)
    assert not gate.declined("shown")
    assert "0.06 BTC" in says(gate, wants("x", amount="0.02"), 3_600 * SECOND)
    assert gate.heard(msgspec.structs.replace(told(refused), updated_ns=1), 3_600 * SECOND)
    assert "0.07 BTC" in says(gate, wants("x"), 3_600 * SECOND)


def test_an_order_that_was_over_and_is_open_again_counts_again() -> None:
    gate = at(50_000)
    request = let(gate, wants("a", amount="0.02"))
    gate.heard(msgspec.structs.replace(told(request, status=OrderStatus.CANCELED), updated_ns=5), 0)
    assert not gate.heard(msgspec.structs.replace(told(request), updated_ns=4), 0)  # old
    let(gate, wants("b", amount="0.02"))
    assert gate.heard(msgspec.structs.replace(told(request), updated_ns=6), 0)
    assert "0.06 BTC" in says(gate, wants("c", amount="0.02"))


def test_what_is_left_of_a_purchase_counts_in_money_too() -> None:
    gate = at(50_000, limits=IN_QUOTE)
    request = let(gate, wants("a", amount="0.02"))
    gate.heard(told(request, "0.019"), 0)
    let(gate, wants("b"))  # 950 spent, 50 left, 500 more


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"type": OrderType.MARKET, "price": Decimal("0.01")}, "a market order has no price"),
        ({"price": None}, "a limit order has a price"),
        ({"amount": Decimal("-0.01")}, "its amount is -0.01"),
        ({"amount": Decimal("NaN")}, "its amount is NaN"),
        ({"price": Decimal("Infinity")}, "its price is Infinity"),
        ({"cost": Decimal(1)}, "either an amount or a cost"),
        ({"amount": None}, "either an amount or a cost"),
        ({"amount": None, "cost": Decimal(1)}, "a cost is for market buys"),
        ({"type": OrderType.MARKET, "price": None, "trigger_price": Decimal(1)}, "an order with a stop is a limit order"),
        ({"stop_loss_price": Decimal(60_000)}, "a bracket sells"),
        ({"trigger_price": Decimal(0)}, "its trigger_price is 0"),
        ({"symbol": "BTC/USD:USD"}, "is no spot market"),
        ({"symbol": "ETH/USD"}, "names two markets"),
    ],
)
def test_an_order_that_could_be_read_in_two_ways_is_not_judged(changes: dict[str, object], why: str) -> None:
    request = wants("a")
    assert request.order is not None
    assert why in says(at(50_000), msgspec.structs.replace(request, order=msgspec.structs.replace(request.order, **changes)))


def test_the_bot_s_decimal_context_rounds_nothing_here() -> None:
    with localcontext(prec=2, rounding="ROUND_DOWN"):
        assert "order_notional" in says(Gate(LIMITS), wants("a", amount="0.02019"))


def test_a_clock_that_goes_back_forgives_no_loss() -> None:
    gate = at(50_000)
    assert gate.loss(DAY_NS) == ""
    bought = let(gate, wants("a", amount="0.02"), DAY_NS)
    gate.heard(told(bought, "0.02", status=OrderStatus.CLOSED), DAY_NS)
    gate.priced("BTC/USD", Decimal(30_000), DAY_NS)
    assert "400 USD" in gate.loss(DAY_NS)
    assert "400 USD" in gate.loss(DAY_NS - 1)
    assert "400 USD" in gate.loss(DAY_NS)


def test_arming_anew_drops_what_is_open_nowhere_but_here() -> None:
    """An order of which nobody ever told counts until the venue was asked which are open."""
    gate = at(50_000)
    let(gate, wants("lost", amount="0.02"))
    let(gate, wants("there", amount="0.02"))
    gate.armed({"there"})
    let(gate, wants("c", amount="0.02"))
    assert "0.06 BTC" in says(gate, wants("d", amount="0.02"))


@pytest.mark.parametrize("op", [Op.ORDER_CREATE, Op.ORDER_EDIT])
def test_a_request_without_an_order_is_refused(op: Op) -> None:
    assert "does not say which order" in says(Gate(LIMITS), Request(op=op, client_order_id="a"))
