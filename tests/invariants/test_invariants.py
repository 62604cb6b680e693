"""Each invariant holds for an honest client and names the fault of a dishonest one."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from papertape.invariants import INVARIANTS, Case, NotJudged
from papertape.model.account import Balance, Balances
from papertape.model.event import Side
from papertape.model.order import Fill, Liquidity, NewOrder, Order, OrderStatus, OrderType, TimeInForce
from papertape.model.request import Op
from papertape.model.units import MILLISECOND, SECOND
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
)  # fmt: skip
FILL = Fill(
    trade_id="t-1", order_id="o-1", client_order_id="pt-1", symbol="BTC/USD", side=Side.BUY, price=Decimal(100), amount=Decimal("0.5"),
    cost=Decimal(50), fee=Decimal(0), fee_currency="USD", liquidity=Liquidity.MAKER, venue_ns=0,
)  # fmt: skip
INTENT = IntentView(client_order_id="pt-1", wanted=WANTED, state="closed", is_settled=True, is_unknown=False, order=ORDER)


def balances(btc: str) -> Balances:
    return Balances({"USD": Balance(Decimal(950)), "BTC": Balance(Decimal(btc))})


def seen(sent_ns: int, *, told_ns: int | None = None, retry_after_ns: int | None = None, is_private: bool = True) -> RequestSeen:
    return RequestSeen(
        sent_ns=sent_ns, at_ns=sent_ns, told_ns=told_ns, op=Op.ORDER_CREATE, client_order_id="", attempt=1, is_private=is_private,
        retry_after_ns=retry_after_ns,
    )  # fmt: skip


def case(
    *,
    orders: tuple[Order, ...] = (ORDER,),
    fills: tuple[Fill, ...] = (FILL,),
    intents: tuple[IntentView, ...] = (INTENT,),
    positions: dict[str, Decimal] | None = None,
    asked: tuple[NewOrder, ...] = (WANTED,),
    closing: str = "0.5",
    requests: tuple[RequestSeen, ...] = (seen(0),),
) -> Case:
    own_lines = (LineSeen(opened_ns=0, ended_ns=None),)
    truth = Truth(orders=orders, fills=fills, opening=balances("0"), balances=balances(closing), requests=requests, own_lines=own_lines)
    held = {"BTC/USD": Decimal("0.5")} if positions is None else positions
    view = BotView(intents=intents, positions=held, balances=None, asked=asked)
    return Case(venue="coinbase", rules=RULES, truth=truth, view=view, end_ns=SECOND)


@pytest.mark.parametrize("name", list(INVARIANTS))
def test_an_honest_client_breaks_no_invariant(name: str) -> None:
    assert INVARIANTS[name].judge(case()) == []


@pytest.mark.parametrize("name", list(INVARIANTS))
def test_nothing_to_look_at_is_not_judged(name: str) -> None:
    """A pass would claim something that nobody looked at."""
    nothing = case(orders=(), fills=(), intents=(), positions={}, asked=(), closing="0", requests=())
    with pytest.raises(NotJudged):
        INVARIANTS[name].judge(nothing)


@pytest.mark.parametrize("name", ["no_duplicate_exposure", "every_order_known", "position_matches"])
def test_a_program_without_intents_is_not_judged_by_what_it_believes(name: str) -> None:
    with pytest.raises(NotJudged):
        INVARIANTS[name].judge(msgspec.structs.replace(case(), view=None))


def test_one_call_sent_under_two_ids_is_a_duplicate() -> None:
    """Also where the client's own books have an intent for each."""
    again = msgspec.structs.replace(ORDER, id="o-2", client_order_id="pt-2")
    intent = msgspec.structs.replace(INTENT, client_order_id="pt-2", order=again)
    problems = INVARIANTS["no_duplicate_exposure"].judge(case(orders=(ORDER, again), intents=(INTENT, intent)))
    (problem,) = problems
    assert "2 orders for buy 0.5 BTC/USD limit at 100 were accepted; the bot asked for 1" in problem


def test_two_calls_for_the_same_are_no_duplicate() -> None:
    again = msgspec.structs.replace(ORDER, id="o-2", client_order_id="pt-2")
    intent = msgspec.structs.replace(INTENT, client_order_id="pt-2", order=again)
    assert INVARIANTS["no_duplicate_exposure"].judge(case(orders=(ORDER, again), intents=(INTENT, intent), asked=(WANTED, WANTED))) == []


def test_an_order_that_no_intent_has_is_exposure() -> None:
    stray = msgspec.structs.replace(ORDER, id="o-2", client_order_id="stray")
    (problem,) = INVARIANTS["no_duplicate_exposure"].judge(case(orders=(ORDER, stray)))
    assert "stray" in problem
    assert "which no intent has" in problem


@pytest.mark.parametrize(
    ("intent", "words"),
    [
        (msgspec.structs.replace(INTENT, is_unknown=True, order=None), "still does not know its outcome"),
        (msgspec.structs.replace(INTENT, order=None), "believes nothing came of it"),
        (msgspec.structs.replace(INTENT, order=msgspec.structs.replace(ORDER, filled=Decimal(0))), "filled 0; the venue has closed"),
        (msgspec.structs.replace(INTENT, client_order_id="pt-9"), "the venue never had it"),
    ],
)
def test_a_wrong_belief_about_an_order_is_named(intent: IntentView, words: str) -> None:
    problems = INVARIANTS["every_order_known"].judge(case(intents=(intent,)))
    assert any(words in problem for problem in problems), problems


def test_a_missed_fill_shows_in_the_position() -> None:
    (problem,) = INVARIANTS["position_matches"].judge(case(positions={}))
    assert problem == "coinbase BTC/USD: the client believes it holds 0; its fills at the venue sum to 0.5"


def test_a_ledger_that_forgot_a_fill_is_caught() -> None:
    (problem,) = INVARIANTS["position_matches"].judge(case(closing="0.4"))
    assert "the ledger moved by 0.4" in problem


def test_one_request_more_than_the_quota_is_too_many() -> None:
    """Three private ones a second are allowed; a fourth right at the window's end is not in it."""
    fine = tuple(seen(at_ns) for at_ns in (0, 1, 2, SECOND))
    assert INVARIANTS["rate_respected"].judge(case(requests=fine)) == []
    (problem,) = INVARIANTS["rate_respected"].judge(case(requests=tuple(seen(at_ns) for at_ns in (0, 1, 2, SECOND - 1))))
    assert "4 within 1s" in problem


def test_a_request_before_retry_after_has_passed_is_named() -> None:
    refused = seen(0, told_ns=10 * MILLISECOND, retry_after_ns=SECOND)
    early, late = seen(500 * MILLISECOND), seen(1010 * MILLISECOND)
    assert INVARIANTS["rate_respected"].judge(case(requests=(refused, late))) == []
    (problem,) = INVARIANTS["rate_respected"].judge(case(requests=(refused, early, late)))
    assert "left at 500ms" in problem


def test_what_left_before_the_client_heard_is_not_held_against_it() -> None:
    refused = seen(0, told_ns=10 * MILLISECOND, retry_after_ns=SECOND)
    assert INVARIANTS["rate_respected"].judge(case(requests=(refused, seen(5 * MILLISECOND)))) == []
