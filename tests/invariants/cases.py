"""Cases made by hand: both sides of one venue, for the judges."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from papertape.invariants import Case, Watch
from papertape.model.account import Balance, Balances
from papertape.model.event import Side
from papertape.model.order import Fill, Liquidity, NewOrder, Order, OrderStatus, OrderType, TimeInForce
from papertape.model.request import Op
from papertape.model.units import SECOND
from papertape.model.venue import Quota, Reconcile, VenueRules
from papertape.model.view import BotView, IntentView, LineSeen, RequestSeen, Truth

RULES = VenueRules(
    name="coinbase",
    reconcile=Reconcile.IDENTICAL_REPOST,
    private_quota=Quota(count=3),
    public_quota=Quota(count=2),
    maker_bps=Decimal(0),
    taker_bps=Decimal(0),
)
WANTED = NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal("0.5"), price=Decimal(100))
ORDER = Order(
    id="o-1", client_order_id="pt-1", symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal("0.5"), price=Decimal(100),
    time_in_force=TimeInForce.GTC, post_only=False, status=OrderStatus.CLOSED, created_ns=0, updated_ns=0, filled=Decimal("0.5"),
    cost=Decimal(50), fills_count=1,
)  # fmt: skip
FILL = Fill(
    trade_id="t-1", order_id="o-1", client_order_id="pt-1", symbol="BTC/USD", side=Side.BUY, price=Decimal(100), amount=Decimal("0.5"),
    cost=Decimal(50), fee=Decimal(0), fee_currency="USD", liquidity=Liquidity.MAKER, venue_ns=0,
)  # fmt: skip
INTENT = IntentView(client_order_id="pt-1", wanted=WANTED, state="closed", is_settled=True, is_unknown=False, order=ORDER)


def balances(btc: str, usd: str = "950") -> Balances:
    return Balances({"USD": Balance(Decimal(usd)), "BTC": Balance(Decimal(btc))})


def seen(
    sent_ns: int,
    *,
    told_ns: int | None = None,
    retry_after_ns: int | None = None,
    is_private: bool = True,
    op: Op = Op.ORDER_CREATE,
    client_order_id: str = "",
    order_id: str = "",
    is_executed: bool = True,
) -> RequestSeen:
    return RequestSeen(
        sent_ns=sent_ns, at_ns=sent_ns, told_ns=told_ns, op=op, client_order_id=client_order_id, attempt=1, is_private=is_private,
        retry_after_ns=retry_after_ns, order_id=order_id, is_executed=is_executed,
    )  # fmt: skip


def case(
    *,
    orders: tuple[Order, ...] = (ORDER,),
    fills: tuple[Fill, ...] = (FILL,),
    intents: tuple[IntentView, ...] = (INTENT,),
    positions: dict[str, Decimal] | None = None,
    costs: dict[str, Decimal] | None = None,
    asked: tuple[NewOrder, ...] = (WANTED,),
    closing: str = "0.5",
    believed: Balances | None = None,
    requests: tuple[RequestSeen, ...] = (seen(0, client_order_id="pt-1"),),
    watches: Mapping[str, Watch] | None = None,
    left_behind: tuple[str, ...] | None = None,
) -> Case:
    truth = Truth(
        orders=orders, fills=fills, opening=balances("0", "1000"), balances=balances(closing), requests=requests,
        own_lines=(LineSeen(opened_ns=0, ended_ns=None),),
    )  # fmt: skip
    held = {"BTC/USD": Decimal("0.5")} if positions is None else positions
    view = BotView(intents=intents, positions=held, balances=believed, asked=asked, costs={} if costs is None else costs)
    return Case(
        venue="coinbase", rules=RULES, truth=truth, view=view, end_ns=SECOND, watches=watches or {}, left_behind=left_behind
    )  # fmt: skip
