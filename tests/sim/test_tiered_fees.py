"""Fees by what was traded in the last thirty days: which rates an order pays, and that the money is right."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from papertape.model.event import Side
from papertape.model.order import NewOrder, OrderType
from papertape.model.request import Op
from papertape.model.units import DAY, HOUR, MILLISECOND
from papertape.sim.audit import audit
from papertape.sim.fees import AnyFees, FeeModel, FlatFees, TieredFees
from sim.conftest import EPOCH_NS

TIERS = [
    {"volume": 0, "maker_bps": 60, "taker_bps": 120},
    {"volume": "1000", "maker_bps": "40", "taker_bps": "60"},
    {"volume": 3000, "maker_bps": 0, "taker_bps": 5},
]
FEES = msgspec.convert({"kind": "tiered", "tiers": TIERS}, AnyFees)
TO_HOUR = HOUR - EPOCH_NS % HOUR  # from the start of a run to the next full hour


def opened(make_desk: Callable[..., Any], fees: FeeModel = FEES) -> Any:
    desk = make_desk(fees=fees)
    desk.snapshot([(99, 1000)], [(100, 1000), (101, 1000)])
    return desk


def test_the_tier_is_counted_at_each_full_hour(open_desk: Callable[..., Any]) -> None:
    """After 1000 USD were traded the next order pays the same as before, until the clock strikes; an hour later the next tier counts."""
    desk = opened(open_desk)
    desk.buy(10)
    desk.buy(10)
    assert [fill.fee for fill in desk.venue.truth_fills()] == [Decimal(12), Decimal(12)]
    desk.buy(10, at=TO_HOUR - 1)
    assert desk.last_fill().fee == Decimal(12)
    desk.buy(10, at=TO_HOUR)
    assert desk.last_fill().fee == Decimal("0.5"), "3000 were traded before the hour"
    assert audit(desk.venue.truth(), FEES) == []


def test_an_order_pays_by_the_tier_in_which_it_was_placed(open_desk: Callable[..., Any]) -> None:
    """However long it rests, and it holds as much; one that comes later pays less."""
    desk = opened(open_desk)
    early = desk.buy(5, 99)
    assert desk.venue.truth_balances()["USD"].used == Decimal(5 * 99) * Decimal("1.012")
    desk.buy(10)
    desk.now_ns = TO_HOUR
    late = desk.buy(5, 99)
    desk.sold(98, 10)
    fees = {fill.order_id: fill.fee for fill in desk.venue.truth_fills() if fill.order_id in (early.id, late.id)}
    assert fees == {early.id: Decimal(495) * Decimal("0.006"), late.id: Decimal(495) * Decimal("0.004")}
    assert desk.venue.truth_balances()["USD"].used == 0
    assert audit(desk.venue.truth(), FEES) == []


def test_what_is_older_than_thirty_days_is_forgotten(open_desk: Callable[..., Any]) -> None:
    """But for what was traded before the run, of which nobody knows when."""
    desk = opened(open_desk)
    desk.buy(10)
    day = [desk.ask(Op.MARKETS_FETCH, at=TO_HOUR + days * DAY).markets[0].taker_bps for days in (0, 29, 30)]
    assert day == [Decimal(60), Decimal(60), Decimal(120)]
    rich = opened(open_desk, msgspec.structs.replace(FEES, traded=Decimal(1000)))
    assert rich.ask(Op.MARKETS_FETCH, at=60 * DAY).markets[0].taker_bps == Decimal(60)


def test_a_preview_tells_the_fee_of_now(open_desk: Callable[..., Any]) -> None:
    desk = opened(open_desk)
    desk.buy(10)
    order = NewOrder(symbol="BTC/USD", type=OrderType.MARKET, side=Side.BUY, amount=Decimal(10))
    fees = [desk.ask(Op.ORDER_PREVIEW, order=order, at=at).preview.fee for at in (TO_HOUR - MILLISECOND, TO_HOUR)]
    assert fees == [Decimal(12), Decimal(6)]


def test_one_tier_is_flat(open_desk: Callable[..., Any]) -> None:
    """The same stories with one tier and with flat fees cost the same."""
    one = TieredFees(tiers=FEES.tiers[:1])
    told = []
    for fees in (one, FlatFees(maker_bps=Decimal(60), taker_bps=Decimal(120))):
        desk = opened(open_desk, fees)
        desk.buy(7, 99)
        desk.buy(None, cost=Decimal(2000))
        desk.sold(98, 1000, at=TO_HOUR + 5)
        told.append((desk.venue.truth_fills(), desk.venue.truth_balances()))
    assert told[0] == told[1]


def test_the_audit_knows_when_a_tier_is_wrong(open_desk: Callable[..., Any]) -> None:
    """It counts the volume by itself."""
    desk = opened(open_desk)
    desk.buy(10)
    desk.buy(10, at=TO_HOUR)
    (problem,) = audit(desk.venue.truth(), msgspec.structs.replace(FEES, traded=Decimal(2000)))[:1]
    assert "paid a fee of 12; taker for 1000 pays 6" in problem


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"tiers": []}, "expected a table for each tier, the first from volume 0"),
        ({"tiers": TIERS[1:]}, "expected a table for each tier, the first from volume 0"),
        ({"tiers": [*TIERS, TIERS[1]]}, "volume 1000 comes after 3000; expected them to grow"),
        ({"tiers": [TIERS[0] | {"taker_bps": 10_000}]}, "taker_bps is 10000; expected hundredths of a percent"),
        ({"tiers": [TIERS[0] | {"taker": 5}]}, "unknown field `taker`"),
        ({"tiers": TIERS, "traded": -1}, "key `traded`: holds -1; expected an amount of quote"),
    ],
)
def test_a_table_that_is_wrong_is_told(table: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert({"kind": "tiered"} | table, AnyFees)
