"""No new order between the end of the own-order lane and the client's knowing what it missed."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from papertape.invariants import Case, NotJudged, OrdersAfterReconciling
from papertape.model.account import Balances
from papertape.model.request import Op
from papertape.model.units import SECOND
from papertape.model.venue import Quota, Reconcile, VenueRules
from papertape.model.view import BotView, LineSeen, RequestSeen, Truth

RULES = VenueRules(
    name="coinbase", reconcile=Reconcile.IDENTICAL_REPOST, private_quota=Quota(count=3), public_quota=Quota(count=2),
    maker_bps=Decimal(0), taker_bps=Decimal(0),
)  # fmt: skip
LOST_AND_BACK = ((0, 100), (102, None))


def asked(op: Op, sent_s: int, told_s: int | None, attempt: int = 1) -> RequestSeen:
    told_ns = None if told_s is None else told_s * SECOND
    return RequestSeen(
        sent_ns=sent_s * SECOND, at_ns=sent_s * SECOND, told_ns=told_ns, op=op, client_order_id="pt-1", attempt=attempt, is_private=True
    )  # fmt: skip


def judged(lines: tuple[tuple[int, int | None], ...], *requests: RequestSeen) -> list[str]:
    own = tuple(LineSeen(opened_ns=begin * SECOND, ended_ns=None if end is None else end * SECOND) for begin, end in lines)
    truth = Truth(orders=(), fills=(), opening=Balances({}), balances=Balances({}), requests=requests, own_lines=own)
    view = BotView(intents=(), positions={}, balances=None)
    case = Case(venue="coinbase", rules=RULES, truth=truth, view=view, end_ns=1_000 * SECOND)
    return OrdersAfterReconciling().judge(case)


def create(sent_s: int, attempt: int = 1) -> RequestSeen:
    return asked(Op.ORDER_CREATE, sent_s, sent_s + 1, attempt)


def listed(sent_s: int, told_s: int | None) -> RequestSeen:
    return asked(Op.ORDERS_OPEN, sent_s, told_s)


def test_an_order_after_the_list_was_heard_is_fine() -> None:
    assert judged(LOST_AND_BACK, create(50), listed(103, 105), create(106)) == []


def test_an_order_before_the_list_was_heard_is_named() -> None:
    (problem,) = judged(LOST_AND_BACK, listed(103, 105), create(104))
    assert problem.startswith("coinbase: order pt-1 left at 1m44s; the own-order lane had been lost at 1m40s and was back at 1m42s")
    assert problem.endswith("until 1m45s")


def test_a_list_asked_for_before_the_end_tells_nothing() -> None:
    """Its answer may be from before what was missed."""
    (problem,) = judged(LOST_AND_BACK, listed(99, 103), create(104))
    assert problem.endswith("and never was")


def test_a_list_whose_answer_was_lost_tells_nothing() -> None:
    assert judged(LOST_AND_BACK, listed(103, None), create(104)) != []


def test_while_the_lane_is_away_a_client_has_ten_seconds_to_notice() -> None:
    assert judged(((0, 100),), create(109)) == []
    (problem,) = judged(((0, 100),), create(111))
    assert "had not come back" in problem


def test_who_polls_while_the_lane_is_away_may_trade() -> None:
    assert judged(((0, 100),), listed(105, 106), create(150)) == []


def test_a_repeated_request_for_what_the_venue_has_makes_no_order() -> None:
    assert judged(LOST_AND_BACK, create(50), create(104, attempt=2), create(200), listed(105, 106)) == []


def test_a_request_sent_again_that_can_make_the_order_counts_as_the_first() -> None:
    """The venue refused the first, or never got it; or it was on its way and came later than the second left."""
    refused = msgspec.structs.replace(create(50), is_executed=False)
    late = msgspec.structs.replace(create(50), at_ns=105 * SECOND)
    for first in (refused, late):
        (problem,) = judged(LOST_AND_BACK, first, create(104, attempt=2), listed(105, 106))
        assert problem.startswith("coinbase: order pt-1 left at 1m44s")
        assert judged(LOST_AND_BACK, first, listed(103, 105), create(106, attempt=2)) == []


def test_an_end_that_was_noticed_after_the_next_beginning_counts_from_the_beginning() -> None:
    """Behind a network a dead connection may stand for long after its client has left it."""
    lines = ((0, 130), (102, None))
    assert judged(lines, listed(103, 104), create(110), create(131)) == []
    assert judged(lines, create(103), listed(104, 105)) != []


def test_the_first_connection_needs_nothing() -> None:
    assert judged(((5, None),), create(6)) == []


def test_who_never_listens_or_never_orders_is_not_judged() -> None:
    for lines, requests in (((), (create(1),)), (((0, None),), (listed(1, 2),))):
        with pytest.raises(NotJudged):
            judged(lines, *requests)


def test_a_program_keeps_its_own_books() -> None:
    truth = Truth(orders=(), fills=(), opening=Balances({}), balances=Balances({}), requests=(create(1),))
    with pytest.raises(NotJudged):
        OrdersAfterReconciling().judge(Case(venue="coinbase", rules=RULES, truth=truth, view=None, end_ns=0))
    assert msgspec.structs.replace(truth, requests=()).own_lines == ()
