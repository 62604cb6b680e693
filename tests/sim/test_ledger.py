"""Money: held, moved, charged, and never made or lost."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from papertape.model.errors import IllegalMove, InsufficientFunds
from papertape.model.event import Side
from papertape.model.instrument import Instrument
from papertape.model.order import Liquidity
from papertape.model.request import RefusalCode
from papertape.sim.fees import FEES, AnyFees, FlatFees
from papertape.sim.ledger import Account, Ledger, Posting

RATES = FlatFees(maker_bps=Decimal(40), taker_bps=Decimal(60))


@pytest.fixture
def paying(open_desk: Callable[..., Any]) -> Any:
    """A desk with 10,000 USD and 10 BTC that pays 0.4 % as maker and 0.6 % as taker; bids 99 x 10, asks 101 x 10."""
    desk = open_desk(fees=RATES, account={"USD": Decimal(10_000), "BTC": Decimal(10)})
    desk.snapshot([(99, 10)], [(101, 10)])
    return desk


def money(desk: Any) -> tuple[str, str, str, str]:
    """USD free and held, BTC free and held."""
    usd, btc = desk.venue.truth_balances()["USD"], desk.venue.truth_balances()["BTC"]
    return tuple(f"{part.normalize():f}" for part in (usd.free, usd.used, btc.free, btc.used))  # type: ignore[return-value]  # of four, as they are listed


def test_buy_holds_its_worst_price_and_fee(paying: Any) -> None:
    paying.buy(10, 90)
    assert money(paying) == ("9094.6", "905.4", "10", "0")


def test_sell_holds_its_amount(paying: Any) -> None:
    paying.sell(4, 110)
    assert money(paying) == ("10000", "0", "6", "4")


def test_cancel_gives_everything_back(paying: Any) -> None:
    for order in (paying.buy(10, 90), paying.sell(4, 110)):
        paying.cancel(order)
    assert money(paying) == ("10000", "0", "10", "0")


def test_taker_pays_the_taker_fee(paying: Any) -> None:
    """2 at 101 is 202 and 0.6 % of it."""
    paying.buy(2)
    assert money(paying) == (str(Decimal(10_000) - 202 - Decimal("1.212")), "0", "12", "0")
    assert paying.last_fill().fee == Decimal("1.212")


def test_maker_pays_the_maker_fee_and_gets_the_rest_back(paying: Any) -> None:
    """Held 99.594 for each lot at 99; paid 99.396."""
    paying.buy(4, 99)
    assert money(paying)[:2] == ("9601.624", "398.376")
    paying.sold(99, 11)
    assert money(paying) == ("9601.822", "298.782", "11", "0")
    assert paying.last_fill().fee == Decimal("0.396")


def test_seller_pays_the_fee_out_of_the_proceeds(paying: Any) -> None:
    paying.sell(2)
    assert money(paying) == (str(Decimal(10_000) + 198 - Decimal("1.188")), "0", "8", "0")


def test_rebate_is_paid_to_us(open_desk: Callable[..., Any]) -> None:
    """A maker fee below zero is income; the hold does not count on it."""
    fees = FlatFees(maker_bps=Decimal(-10), taker_bps=Decimal(10))
    desk = open_desk(fees=fees, account={"USD": Decimal(1000), "BTC": Decimal(0)})
    desk.snapshot([], [(101, 1)])
    desk.buy(2, 100)
    assert money(desk)[:2] == ("799.8", "200.2")
    desk.sold(99, 2)
    assert money(desk) == ("800.2", "0", "2", "0")


def test_better_price_frees_what_it_saves(paying: Any) -> None:
    """A limit of 150 that pays 101 leaves only its rest held."""
    paying.buy(12, 150)
    assert money(paying)[1] == f"{(2 * 150 * Decimal('1.006')).normalize():f}"


def test_market_order_needs_only_what_it_takes(open_desk: Callable[..., Any]) -> None:
    desk = open_desk(fees=RATES, account={"USD": Decimal("101.606")})
    desk.snapshot([], [(101, 1), (900, 5)])
    assert desk.no(Side.BUY, 2) is RefusalCode.INSUFFICIENT_FUNDS
    desk.buy(1)
    assert money(desk)[:3] == ("0", "0", "1")


def test_cost_includes_the_fee(open_desk: Callable[..., Any]) -> None:
    """Spending all one has is allowed: 100 USD buys 0.99 at 100 with 0.6 % on top, not 1."""
    desk = open_desk(fees=RATES, account={"USD": Decimal(1000)})
    desk.snapshot([], [(100, 50)])
    order = desk.buy(None, cost=Decimal(1000))
    assert order.filled == 9
    assert order.cost + order.fee <= 1000 < 10 * 100 * Decimal("1.006")


def test_what_is_held_cannot_be_spent_twice(paying: Any) -> None:
    paying.buy(50, 99)
    assert paying.no(Side.BUY, 52, 98) is RefusalCode.INSUFFICIENT_FUNDS
    paying.sell(8, 110)
    assert paying.no(Side.SELL, 3, 111) is RefusalCode.INSUFFICIENT_FUNDS


def test_tiny_amounts_are_exact(open_desk: Callable[..., Any]) -> None:
    """Nothing is rounded: a lot of a satoshi at an odd rate keeps all its digits."""
    tiny = Instrument(symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.00000001"))
    desk = open_desk(
        instruments=[tiny], fees=FlatFees(maker_bps=Decimal("0.1"), taker_bps=Decimal("33.3333")), account={"USD": Decimal("1e9")}
    )
    desk.snapshot([], [(6_400_001, 10**12)])
    desk.buy(Decimal("0.00000003"))
    fill = desk.last_fill()
    assert fill.cost == Decimal("0.0019200003")
    assert fill.fee == Decimal("0.0019200003") * Decimal("0.00333333")
    assert desk.venue.truth_balances()["USD"].free == Decimal("1e9") - fill.cost - fill.fee


def test_transactions_balance_or_are_not_written() -> None:
    """Money from nowhere, or an overdraft, is a bug of ours and leaves no trace."""
    ledger = Ledger({"USD": Decimal(5)}, currencies=["USD", "BTC"], at_ns=0)
    with pytest.raises(IllegalMove, match="1 USD would come from nowhere"):
        ledger.post(1, "gift", Posting(Account.FREE, "USD", Decimal(1)))
    with pytest.raises(IllegalMove, match="HELD would hold -1 USD"):
        ledger.release("o-1", "USD", Decimal(1), 1)
    with pytest.raises(InsufficientFunds):
        ledger.hold("o-1", "USD", Decimal(6), 1)
    assert len(ledger.transactions) == 1
    assert ledger.free("USD") == 5


def test_account_cannot_open_below_zero() -> None:
    with pytest.raises(InsufficientFunds, match="cannot open with -1 USD"):
        Ledger({"USD": Decimal(-1)}, currencies=[], at_ns=0)


def test_fees_are_read_from_a_scenario() -> None:
    fees = msgspec.convert({"kind": "flat", "maker_bps": 40, "taker_bps": "0.5"}, AnyFees, strict=False)
    assert fees == FlatFees(maker_bps=Decimal(40), taker_bps=Decimal("0.5"))
    assert FEES["flat"] is type(fees)
    assert fees.worst(Decimal(100)) == fees.fee(Decimal(100), Liquidity.MAKER)
    with pytest.raises(msgspec.ValidationError, match="maker_bps is 10000"):
        msgspec.convert({"kind": "flat", "maker_bps": 10000, "taker_bps": 0}, AnyFees, strict=False)
