"""Each invariant holds for an honest client and names the fault of a dishonest one."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from invariants.cases import INTENT, ORDER, WANTED, case, seen
from papertape.invariants import INVARIANTS, Freshness, NotJudged, Watch
from papertape.model.request import Op, Request
from papertape.model.units import MILLISECOND, SECOND
from papertape.model.view import IntentView


def watches() -> dict[str, Watch]:
    """Each has seen one thing, and nothing wrong with it."""
    made = {name: invariant.watch() for name, invariant in INVARIANTS.items() if invariant.watch is not None}
    for watch in made.values():
        watch.order_asked(0, WANTED, Freshness())
        watch.order_left(2 * SECOND, Request(op=Op.ORDER_CREATE, client_order_id="pt-1", symbol="BTC/USD", order=WANTED), Freshness())
        watch.book_compared(0, "BTC/USD", "")
        watch.order_shown(0, 1, ORDER)
        watch.counted(0, {})
    return made


@pytest.mark.parametrize("name", list(INVARIANTS))
def test_an_honest_client_breaks_no_invariant(name: str) -> None:
    given_up = msgspec.structs.replace(INTENT, client_order_id="pt-0", state="never_sent", order=None)
    honest = case(
        intents=(given_up, INTENT), watches=watches(), left_behind=(),
        requests=(seen(0, client_order_id="pt-1"), seen(1, op=Op.ORDER_CANCEL, order_id="o-1")),
    )  # fmt: skip
    assert INVARIANTS[name].judge(honest) == []


@pytest.mark.parametrize("name", list(INVARIANTS))
def test_nothing_to_look_at_is_not_judged(name: str) -> None:
    """A pass would claim something that nobody looked at."""
    nothing = case(orders=(), fills=(), intents=(), positions={}, asked=(), closing="0", requests=())
    with pytest.raises(NotJudged):
        INVARIANTS[name].judge(nothing)


@pytest.mark.parametrize(
    "name", [name for name in INVARIANTS if name not in ("rate_respected", "orders_from_fresh_data", "leaves_foreign_orders_alone")]
)
def test_a_program_without_intents_is_not_judged_by_what_it_believes(name: str) -> None:
    with pytest.raises(NotJudged):
        INVARIANTS[name].judge(msgspec.structs.replace(case(watches=watches()), view=None))


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


def test_a_quota_does_not_forget_a_crash() -> None:
    """What the venue had asked of the last life the next one cannot know; how much it allows does not change with it."""
    lives = tuple(msgspec.structs.replace(seen(n * 100), life=1 + n // 2) for n in range(4))
    (problem,) = INVARIANTS["rate_respected"].judge(case(requests=lives))
    assert "4 within 1s" in problem
    waits = (seen(0, told_ns=10, retry_after_ns=SECOND), msgspec.structs.replace(seen(500), life=2))
    assert INVARIANTS["rate_respected"].judge(case(requests=waits)) == []
