"""What the client believes of its orders follows the venue's word, in whatever order that comes."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.model.errors import IllegalMove
from papertape.model.event import Side
from papertape.model.order import NewOrder, Order, OrderStatus, OrderType, TimeInForce
from papertape.resilience.tracker import NEXT, Happening, IntentState, Tracker

WANTED = NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side=Side.SELL, amount=Decimal(10), price=Decimal(100))
OPEN = Order(
    id="v-1", client_order_id="c-1", symbol="BTC/USD", type=OrderType.LIMIT, side=Side.SELL, amount=Decimal(10), price=Decimal(100),
    time_in_force=TimeInForce.GTC, post_only=False, status=OrderStatus.OPEN, created_ns=1, updated_ns=1,
)  # fmt: skip


def at(order: Order, filled: int, status: OrderStatus = OrderStatus.OPEN, updated_ns: int | None = None) -> Order:
    return msgspec.structs.replace(
        order,
        filled=Decimal(filled),
        cost=Decimal(100 * filled),
        status=status,
        updated_ns=filled + 1 if updated_ns is None else updated_ns,
    )


@st.composite
def lives(draw: st.DrawFn) -> list[Order]:
    """An order's states as the venue went through them."""
    fills = sorted(draw(st.lists(st.integers(1, 9), max_size=4, unique=True)))
    states = [OPEN, *(at(OPEN, filled) for filled in fills)]
    end = draw(st.sampled_from([None, OrderStatus.CLOSED, OrderStatus.CANCELED]))
    if end is not None:
        states.append(at(OPEN, 10 if end is OrderStatus.CLOSED else (fills or [0])[-1], end, updated_ns=99))
    return states


@given(lives(), st.data())
def test_any_order_of_news_leads_to_the_same_belief(states: list[Order], data: st.DataObject) -> None:
    """Late, repeated and overtaking news of one order end in its furthest state, and in the position that its fills make."""
    tracker = Tracker()
    tracker.on(tracker.want("c-1", WANTED), Happening.SENDING, 0)
    news = data.draw(st.permutations(states + data.draw(st.lists(st.sampled_from(states), max_size=4))))
    for order in news:
        tracker.told(order, 0)
    assert tracker["c-1"].order == states[-1]
    assert tracker["c-1"].is_settled == states[-1].status.is_final
    assert tracker.positions["BTC/USD"] == -states[-1].filled
    assert tracker.costs["BTC/USD"] == -states[-1].cost


@given(lives(), st.lists(st.sampled_from(Happening), max_size=8), st.data())
def test_an_order_that_the_venue_has_is_never_sent_again(states: list[Order], happenings: list[Happening], data: st.DataObject) -> None:
    """Whatever else happened: once the venue told of an order, sending it is an illegal move for ever."""
    tracker = Tracker()
    intent = tracker.want("c-1", WANTED)
    for happening in happenings:
        if (intent.state, happening) in NEXT and happening not in (Happening.TOLD_OPEN, Happening.TOLD_FINAL):
            tracker.on(intent, happening, 0)
    tracker.told(data.draw(st.sampled_from(states)), 0)
    assert intent.state in (IntentState.OPEN, IntentState.FINAL)
    with pytest.raises(IllegalMove, match="SENDING while"):
        tracker.on(intent, Happening.SENDING, 0)


@given(st.lists(st.sampled_from(Happening), max_size=12))
def test_what_was_lost_is_never_taken_for_unsent(happenings: list[Happening]) -> None:
    """After a request whose fate is unknown, the intent is never again one that counts as unsent."""
    tracker = Tracker()
    intent = tracker.want("c-1", WANTED)
    tracker.on(intent, Happening.SENDING, 0)
    tracker.on(intent, Happening.LOST, 0)
    for happening in happenings:
        if (intent.state, happening) in NEXT:
            tracker.on(intent, happening, 0)
        assert intent.state not in (IntentState.WANTED, IntentState.SENT, IntentState.NEVER_SENT)


def test_a_late_word_of_the_venue_beats_what_we_concluded() -> None:
    """An order that was refused, given up or not found, and yet shows up at the venue, is ours and counts."""
    for ending in (Happening.REFUSED, Happening.NOT_FOUND):
        tracker = Tracker()
        intent = tracker.want("c-1", WANTED)
        for happening in (Happening.SENDING, Happening.LOST, ending):
            tracker.on(intent, happening, 0)
        assert intent.is_settled
        tracker.told(at(OPEN, 4), 0)
        assert intent.state is IntentState.OPEN
        assert tracker.unsettled() == (intent,)
        assert tracker.positions["BTC/USD"] == -4


@given(st.lists(lives(), min_size=1, max_size=4), st.data())
def test_many_orders_are_known_as_far_as_they_were_told(all_states: list[list[Order]], data: st.DataObject) -> None:
    """Against a model: of each the furthest that got through, whatever was lost, doubled and overtaken; told the last, all is known."""
    tracker, news = Tracker(), []
    for number, states in enumerate(all_states):
        key = f"c-{number}"
        tracker.on(tracker.want(key, WANTED), Happening.SENDING, 0)
        all_states[number] = [msgspec.structs.replace(each, client_order_id=key, id=f"v-{number}") for each in states]
        news += [each for each in all_states[number] for _ in range(data.draw(st.integers(0, 2)))]
    furthest: dict[str, int] = {}
    for order in data.draw(st.permutations(news)):
        tracker.told(order, 0)
        states = all_states[int(order.client_order_id[2:])]
        furthest[order.client_order_id] = max(furthest.get(order.client_order_id, 0), states.index(order))
        known = {key: all_states[int(key[2:])][place] for key, place in furthest.items()}
        assert {intent.client_order_id: intent.order for intent in tracker if intent.order is not None} == known
        assert tracker.positions["BTC/USD"] == -sum(each.filled for each in known.values())
        assert [intent.client_order_id for intent in tracker.unsettled()] == [
            key for key in (f"c-{number}" for number in range(len(all_states))) if key not in known or not known[key].status.is_final
        ]
    for states in all_states:
        tracker.told(states[-1], 0)
    assert tracker.positions["BTC/USD"] == -sum(states[-1].filled for states in all_states)
    assert tracker.costs["BTC/USD"] == -sum(states[-1].cost for states in all_states)


@given(lives(), st.data())
def test_news_that_contradict_each_other_never_take_back_what_was_executed(states: list[Order], data: st.DataObject) -> None:
    """A venue that says less than before, or opens what it closed, is not believed; what it says of the future is."""
    tracker = Tracker()
    tracker.on(tracker.want("c-1", WANTED), Happening.SENDING, 0)
    lies = st.builds(at, st.just(OPEN), st.integers(0, 10), st.sampled_from(OrderStatus), st.integers(0, 200))
    filled, was_final = Decimal(0), False
    for order in data.draw(st.permutations(states + data.draw(st.lists(lies, max_size=6)))):
        tracker.told(order, 0)
        known = tracker["c-1"].order
        assert known is not None
        assert known.filled >= filled
        assert known.status.is_final or not was_final or known.filled > filled
        assert tracker.positions["BTC/USD"] == -known.filled
        filled, was_final = known.filled, known.status.is_final


def test_orders_of_others_are_none_of_ours() -> None:
    """An order placed by hand or by another program changes neither orders nor position."""
    tracker = Tracker()
    assert tracker.told(at(OPEN, 5), 0) is None
    assert not tracker.positions


def test_only_the_unknown_of_a_symbol_are_named() -> None:
    """Unknown outcomes are listed by symbol, so that other markets go on."""
    tracker = Tracker()
    intent = tracker.want("c-1", WANTED)
    tracker.on(intent, Happening.SENDING, 0)
    tracker.on(intent, Happening.LOST, 7)
    assert tracker.unknown("BTC/USD") == (intent,)
    assert tracker.unknown("ETH/USD") == ()
    assert intent.lost_at_ns == 7
