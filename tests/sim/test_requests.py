"""What a venue answers: refusals that say why, ids that mean one order, and queries."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from papertape.model.errors import ConfigError
from papertape.model.event import Side
from papertape.model.instrument import Instrument
from papertape.model.order import NewOrder, OrderStatus, OrderType, TimeInForce
from papertape.model.request import Op, RefusalCode, Request
from papertape.model.units import MINUTE
from papertape.model.venue import Quota, Reconcile, VenueRules
from papertape.sim.fees import FlatFees

FINE = Instrument(
    symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.001"), amount_min=Decimal("0.01"), cost_min=Decimal(10)
)
FEES = FlatFees(maker_bps=Decimal(40), taker_bps=Decimal(60))


def rules(reconcile: Reconcile, **more: Any) -> VenueRules:
    quota = Quota(count=1)
    return VenueRules(
        name="test", reconcile=reconcile, private_quota=quota, public_quota=quota, maker_bps=Decimal(0), taker_bps=Decimal(0), **more
    )


@pytest.fixture
def fine(open_desk: Callable[..., Any]) -> Any:
    """A desk at an instrument with fine steps and minimums: bids 99.00 x 5, asks 101.00 x 5."""
    desk = open_desk(instruments=[FINE], fees=FEES, account={"USD": Decimal(1000), "BTC": Decimal(1)})
    desk.snapshot([(9900, 5000)], [(10100, 5000)])
    return desk


@pytest.mark.parametrize(
    ("amount", "price", "more", "code"),
    [
        ("1", "100.001", {}, RefusalCode.PRICE_OFF_TICK),
        ("1", "-100", {}, RefusalCode.PRICE_OFF_TICK),
        ("1.0005", "100", {}, RefusalCode.AMOUNT_OFF_LOT),
        ("0", "100", {}, RefusalCode.AMOUNT_OFF_LOT),
        ("0.009", "2000", {}, RefusalCode.AMOUNT_TOO_SMALL),
        ("0.099", "100", {}, RefusalCode.COST_TOO_SMALL),
        ("0.05", None, {}, RefusalCode.COST_TOO_SMALL),
        (None, None, {"cost": Decimal("9.99")}, RefusalCode.COST_TOO_SMALL),
        ("10", "100", {}, RefusalCode.INSUFFICIENT_FUNDS),
        ("5", None, {"symbol": "ETH/USD"}, RefusalCode.UNKNOWN_SYMBOL),
        ("1", None, {"type": OrderType.LIMIT}, RefusalCode.INVALID),
        (None, "100", {}, RefusalCode.INVALID),
        (None, None, {}, RefusalCode.INVALID),
        ("1", "100", {"type": OrderType.MARKET}, RefusalCode.INVALID),
        ("1", None, {"cost": Decimal(100)}, RefusalCode.INVALID),
        (None, None, {"cost": Decimal("NaN")}, RefusalCode.INVALID),
        ("NaN", "100", {}, RefusalCode.INVALID),
        ("Infinity", None, {}, RefusalCode.INVALID),
        ("1e30", "100", {}, RefusalCode.INVALID),
        ("1", "1e-30", {}, RefusalCode.INVALID),
        ("1", "100", {"post_only": True, "time_in_force": TimeInForce.IOC}, RefusalCode.INVALID),
        ("1", None, {"post_only": True}, RefusalCode.INVALID),
        ("1", "100", {"time_in_force": "GTX"}, RefusalCode.INVALID),
        ("1", "100", {"time_in_force": "GTD"}, RefusalCode.UNSUPPORTED),
        ("1", "100", {"type": "stop"}, RefusalCode.INVALID),
    ],
)
def test_bad_order_is_refused_and_leaves_no_trace(fine: Any, amount: Any, price: Any, more: dict[str, Any], code: RefusalCode) -> None:
    """Each refusal has its own code, a sentence for a person, and no effect at all."""
    before = fine.venue.truth()
    answer = fine.create(Side.BUY, amount, price, **more)
    assert answer.refusal is not None
    assert (answer.refusal.code, answer.order) == (code, None)
    assert len(answer.refusal.message) > 10
    assert fine.venue.truth() == before
    assert fine.told == []


def test_refusals_say_what_the_rule_is(fine: Any) -> None:
    message = fine.create(Side.BUY, "0.099", "100").refusal.message
    assert message == "BTC/USD: value 9.9 is under the minimum of 10 USD"
    message = fine.create(Side.BUY, "10", "100").refusal.message
    assert message == "that needs 1006 USD; 1000 are free"


def test_words_may_be_plain_text(fine: Any) -> None:
    """Whoever sends "market" as text means OrderType.MARKET; floats and ints are taken as they read."""
    order = NewOrder(symbol="BTC/USD", type="market", side="buy", amount=0.1, time_in_force="IOC")  # type: ignore[arg-type]  # wrong on purpose
    answer = fine.ask(Op.ORDER_CREATE, client_order_id="a", order=order)
    assert answer.order.status is OrderStatus.CLOSED
    assert answer.order.amount == Decimal("0.1")


def test_no_market_is_a_refusal_too(open_desk: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match="no instrument is valid"):
        open_desk(instruments=[])


# Ids


def test_repeated_id_answers_the_old_order(fine: Any) -> None:
    """As Coinbase does it: the same id again, with whatever else, is the old order as it stands, and no second one."""
    first = fine.buy("1", "99", client_order_id="same")
    fine.cancel(first)
    again = fine.buy("2", "98", client_order_id="same")
    assert (again.id, again.status, again.amount) == (first.id, OrderStatus.CANCELED, 1)
    assert len(fine.venue.truth_orders()) == 1


def test_repeated_id_is_refused_elsewhere(open_desk: Callable[..., Any]) -> None:
    """Where a repeated id is no replay it is an error; only where ids may be reused is it free again once its order is done."""
    for reuses in (False, True):
        desk = open_desk(rules=rules(Reconcile.LOOKUP, reuses_client_ids=reuses))
        desk.snapshot([(99, 10)], [(101, 10)])
        first = desk.buy(1, 99, client_order_id="same")
        assert desk.no(Side.BUY, 1, 99, client_order_id="same") is RefusalCode.DUPLICATE_ID
        desk.cancel(first)
        answer = desk.create(Side.BUY, 1, 99, client_order_id="same")
        assert (answer.refusal is None) is reuses


def test_id_is_required_where_it_is_the_key(fine: Any, open_desk: Callable[..., Any]) -> None:
    assert fine.no(Side.BUY, "1", "99", client_order_id="") is RefusalCode.INVALID
    desk = open_desk(rules=rules(Reconcile.LOOKUP))
    desk.snapshot([], [])
    order = desk.buy(1, 99, client_order_id="")
    assert order.client_order_id == order.id


def test_refused_id_may_be_sent_again(fine: Any) -> None:
    """A refusal made no order, so the id is still free."""
    fine.no(Side.BUY, "1", "100.001", client_order_id="same")
    assert fine.buy("1", "99", client_order_id="same").status is OrderStatus.OPEN


# Cancel, edit and queries


def test_cancel_tells_a_missing_order_from_a_finished_one(fine: Any) -> None:
    order = fine.buy("1", "99")
    assert fine.cancel(order).status is OrderStatus.CANCELED
    assert fine.ask(Op.ORDER_CANCEL, order_id=order.id).refusal.code is RefusalCode.ORDER_NOT_OPEN
    assert fine.ask(Op.ORDER_CANCEL, order_id="o-999999").refusal.code is RefusalCode.ORDER_NOT_FOUND
    assert fine.ask(Op.ORDER_CANCEL).refusal.code is RefusalCode.ORDER_NOT_FOUND


def test_cancelled_order_never_fills(desk: Any) -> None:
    order = desk.buy(5, 99)
    desk.cancel(order)
    desk.sold(98, 100)
    desk.both([(99, 0), (98, 0)], [(98, 10)])
    assert desk.filled(order) == 0


def test_orders_are_found_by_either_id(fine: Any) -> None:
    order = fine.buy("1", "99", client_order_id="mine")
    assert fine.ask(Op.ORDER_FETCH, order_id=order.id).order == order
    assert fine.ask(Op.ORDER_FETCH, client_order_id="mine").order == order
    assert fine.ask(Op.ORDER_FETCH, client_order_id="other").refusal.code is RefusalCode.ORDER_NOT_FOUND
    assert fine.ask(Op.ORDER_FETCH, order_id=order.id, symbol="ETH/USD").refusal.code is RefusalCode.ORDER_NOT_FOUND


def test_edit_checks_funds_and_leaves_the_old_order(fine: Any) -> None:
    order = fine.buy("1", "99")
    change = NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal(100))
    assert fine.ask(Op.ORDER_EDIT, order_id=order.id, order=change).refusal.code is RefusalCode.INSUFFICIENT_FUNDS
    assert fine.now(order) == order
    other = NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side=Side.SELL, amount=Decimal(1))
    assert fine.ask(Op.ORDER_EDIT, order_id=order.id, order=other).refusal.code is RefusalCode.INVALID
    assert fine.ask(Op.ORDER_EDIT, order_id=order.id).refusal.code is RefusalCode.INVALID


def test_open_orders_are_listed_oldest_first(fine: Any) -> None:
    first, second = fine.buy("1", "99"), fine.buy("1", "98")
    fine.buy("0.1")
    assert fine.ask(Op.ORDERS_OPEN).orders == (first, second)
    assert fine.ask(Op.ORDERS_OPEN, limit=1).orders == (first,)
    assert fine.ask(Op.ORDERS_OPEN, symbol="ETH/USD").orders == ()


def test_fills_are_listed_oldest_first(fine: Any) -> None:
    """With `since_ns` the first ones from there; without it the last."""
    orders = [fine.buy("0.1") for _ in range(3)]
    fills = fine.venue.truth_fills()
    assert fine.ask(Op.FILLS_FETCH).fills == fills
    assert fine.ask(Op.FILLS_FETCH, limit=2).fills == fills[1:]
    assert fine.ask(Op.FILLS_FETCH, since_ns=fills[1].venue_ns, limit=1).fills == fills[1:2]
    assert fine.ask(Op.FILLS_FETCH, order_id=orders[2].id).fills == fills[2:]
    assert [fill.trade_id for fill in fills] == ["t-000001", "t-000002", "t-000003"]


def test_markets_tell_their_fees(fine: Any) -> None:
    (market,) = fine.ask(Op.MARKETS_FETCH).markets
    assert (market.instrument, market.maker_bps, market.taker_bps) == (FINE, 40, 60)


def test_candles_hold_what_was_traded_so_far(open_desk: Callable[..., Any]) -> None:
    """The running bar is there, as far as it got; a later trade is not."""
    desk = open_desk(rules=rules(Reconcile.LOOKUP, candle_spans_ns=(MINUTE, 5 * MINUTE)))
    offset = MINUTE - desk.venue.epoch_ns % MINUTE
    for at, price in ((0, 100), (10, 103), (20, 99), (MINUTE, 105), (3 * MINUTE, 90)):
        desk.bought(price, 2, at=offset + at)
    bars = desk.ask(Op.OHLCV_FETCH, symbol="BTC/USD", span_ns=MINUTE).candles
    assert [(bar.open_ns - desk.venue.epoch_ns - offset) // MINUTE for bar in bars] == [0, 1, 3]
    assert [(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars][:2] == [(100, 103, 99, 99, 6), (105, 105, 105, 105, 2)]
    assert desk.ask(Op.OHLCV_FETCH, symbol="BTC/USD", span_ns=MINUTE, limit=1).candles == bars[-1:]
    assert desk.ask(Op.OHLCV_FETCH, symbol="BTC/USD", span_ns=MINUTE, limit=1, since_ns=bars[0].open_ns + 1).candles == bars[1:2]
    long = desk.ask(Op.OHLCV_FETCH, symbol="BTC/USD", span_ns=5 * MINUTE).candles
    assert sum(bar.volume for bar in long) == 10
    assert desk.ask(Op.OHLCV_FETCH, symbol="BTC/USD", span_ns=7).refusal.code is RefusalCode.UNSUPPORTED


# The user lane


def test_user_lane_hears_everything_in_order(fine: Any) -> None:
    """Acceptance first, then each fill with the state that it led to."""
    fine.buy("6", "101")
    assert [(str(told.order.status), str(told.order.filled), told.fill is not None) for told in fine.told] == [
        ("open", "0.000", False),
        ("open", "5.000", True),
    ]
    assert fine.told[-1].order == fine.now(fine.told[-1].order)


def test_partial_fill_then_cancel(fine: Any) -> None:
    order = fine.buy("5", "99")
    fine.sold(9900, 7000)
    cancelled = fine.cancel(order)
    assert (cancelled.status, cancelled.filled, cancelled.remaining) == (OrderStatus.CANCELED, 2, 3)
    assert [str(told.order.status) for told in fine.told] == ["open", "open", "canceled"]


def test_every_op_is_answered(fine: Any) -> None:
    """No request, however empty, raises."""
    for op in Op:
        answer = fine.venue.execute(Request(op=op), fine.now_ns)
        assert answer is not None
