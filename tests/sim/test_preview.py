"""A preview says what the order would then do, and does nothing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from papertape.model.event import Side
from papertape.model.order import NewOrder, OrderType, TimeInForce
from papertape.model.request import Op, RefusalCode, Request
from papertape.sim.fees import FlatFees

FEES = FlatFees(maker_bps=Decimal(40), taker_bps=Decimal(60))


@st.composite
def wishes(draw: st.DrawFn) -> NewOrder:
    """An order at a venue whose book is 97 to 99 and 101 to 103."""
    side = draw(st.sampled_from(Side))
    amount = Decimal(draw(st.integers(1, 12)))
    if draw(st.booleans()):
        if side is Side.BUY and draw(st.booleans()):
            return NewOrder(symbol="BTC/USD", type=OrderType.MARKET, side=side, cost=amount * 100)
        return NewOrder(symbol="BTC/USD", type=OrderType.MARKET, side=side, amount=amount)
    tif = draw(st.sampled_from(TimeInForce))
    post_only = tif is TimeInForce.GTC and draw(st.booleans())
    price = Decimal(draw(st.integers(95, 105)))
    return NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side=side, amount=amount, price=price, time_in_force=tif, post_only=post_only)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.lists(wishes(), max_size=3), wish=wishes(), money=st.sampled_from([0, 500, 100_000]))
def test_a_preview_agrees_with_the_create_that_follows(
    open_desk: Callable[..., Any], before: list[NewOrder], wish: NewOrder, money: int
) -> None:
    """Refused for the same reason, or filled at once as foreseen; and until then the venue is as it was."""
    desk = open_desk(fees=FEES, account={"USD": Decimal(money), "BTC": Decimal(20)})
    desk.snapshot([(99, 3), (98, 3), (97, 3)], [(101, 3), (102, 3), (103, 3)])
    for n, order in enumerate(before):
        desk.ask(Op.ORDER_CREATE, client_order_id=f"b-{n}", order=order)
    truth = desk.venue.truth()
    foreseen = desk.ask(Op.ORDER_PREVIEW, order=wish)
    assert desk.venue.truth() == truth
    made = desk.ask(Op.ORDER_CREATE, client_order_id="c", order=wish)
    assert (foreseen.refusal is None) is (made.refusal is None)
    if foreseen.refusal is not None:
        assert foreseen.refusal.code is made.refusal.code
        return
    preview, order = foreseen.preview, made.order
    assert preview.side is order.side
    if order.status.is_final and order.filled == preview.amount:
        assert (preview.cost, preview.fee) == (order.cost, order.fee)
    assert preview.amount >= order.filled
    assert preview.cost >= order.cost
    assert preview.slippage >= 0
    if wish.type is OrderType.MARKET:
        assert preview.amount == order.filled


def test_slippage_is_how_much_worse_than_the_best_price(open_desk: Callable[..., Any]) -> None:
    """Bought 3 at 101 and 1 at 105: a mean of 102, one percent less than a hundredth worse; a sell likewise."""
    desk = open_desk(fees=FEES)
    desk.snapshot([(99, 3), (95, 3)], [(101, 3), (105, 3)])

    def slippage(side: Side) -> Decimal:
        wish = NewOrder(symbol="BTC/USD", type=OrderType.MARKET, side=side, amount=Decimal(4))
        return desk.ask(Op.ORDER_PREVIEW, order=wish).preview.slippage

    assert slippage(Side.BUY) == Decimal("0.00990099")
    assert slippage(Side.SELL) == Decimal("0.01010101")


def test_an_edit_is_previewed_and_the_order_stays(open_desk: Callable[..., Any]) -> None:
    """What is left, at its new price; refused as the edit would be; the same figures as the edit then has."""
    desk = open_desk(fees=FEES, account={"USD": Decimal(1_000), "BTC": Decimal(0)})
    desk.snapshot([(99, 5)], [(101, 5)])
    order = desk.buy(4, 100)

    def ask(op: Op, amount: int, price: int) -> Any:
        change = NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal(amount), price=Decimal(price))
        return desk.ask(op, order_id=order.id, order=change)

    truth = desk.venue.truth()
    assert ask(Op.ORDER_PREVIEW, 40, 100).refusal.code is RefusalCode.INSUFFICIENT_FUNDS
    preview = ask(Op.ORDER_PREVIEW, 6, 101).preview
    assert desk.venue.truth() == truth
    assert (preview.amount, preview.cost, preview.slippage) == (6, 606, 0)
    assert preview.fee == Decimal(505) * Decimal("0.006") + Decimal(101) * Decimal("0.004")
    edited = ask(Op.ORDER_EDIT, 6, 101).order
    assert (edited.filled, edited.cost, edited.fee) == (5, 505, Decimal("3.03"))
    assert ask(Op.ORDER_PREVIEW, 4, 101).refusal.code is RefusalCode.INVALID


@pytest.mark.parametrize("request_", [Request(op=Op.ORDER_PREVIEW), Request(op=Op.ORDER_PREVIEW, order_id="o-9")])
def test_a_preview_of_nothing_is_refused(open_desk: Callable[..., Any], request_: Request) -> None:
    desk = open_desk()
    assert desk.venue.execute(request_, 0).refusal is not None
