"""What a client was told of its orders, and which of them it sent again before it could know."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.model.event import Side
from papertape.model.order import NewOrder, OrderType
from papertape.model.request import Op, RefusalCode, Request
from papertape.sim.disclosure import CHANGES, PAIR_WITHIN_NS, Disclosure
from papertape.sim.fact import Fact, GaveUp, Gone, Heard, Reached, Sent, Told, Unheard

BUY = NewOrder(symbol="BTC/USD", type=OrderType.MARKET, side=Side.BUY, amount=Decimal("0.01"))


def wanted(**changes: Any) -> NewOrder:
    fields: dict[str, Any] = {"symbol": "BTC/USD", "type": OrderType.MARKET, "side": Side.BUY, "amount": Decimal("0.01")}
    return NewOrder(**{**fields, **changes})


class Client:
    """Tells a disclosure what happens to one client, one nanosecond apart; orders are called by their client order ids."""

    def __init__(self) -> None:
        self.disclosure = Disclosure()
        self.now_ns = 0
        self.number = 0

    def tell(self, kind: type[Any], *facts: Any) -> None:
        self.now_ns += 1
        self.disclosure.on(kind(self.now_ns, *facts))

    def send(self, client_order_id: str, order: NewOrder = BUY) -> int:
        return self.ask(Op.ORDER_CREATE, client_order_id=client_order_id, order=order, symbol=order.symbol)

    def ask(self, op: Op, **fields: Any) -> int:
        self.number += 1
        self.tell(Sent, self.number, Request(op=op, **fields), f"bot.py:{self.number}")
        return self.number

    def lost(self, client_order_id: str = "a", order: NewOrder = BUY) -> int:
        """An order that the venue accepts and of which nothing comes back."""
        number = self.send(client_order_id, order)
        self.tell(Reached, number, None, client_order_id)
        self.tell(Gone, number, False)
        return number

    def dead(self, client_order_id: str = "a") -> int:
        """An order that is cut off on its way."""
        number = self.send(client_order_id)
        self.tell(Gone, number, True)
        return number

    def looked(self, op: Op, refusal: RefusalCode | None = None, named: tuple[str, ...] = (), **fields: Any) -> None:
        number = self.ask(op, **fields)
        self.tell(Reached, number, refusal)
        self.tell(Heard, number, refusal, named)

    def repeats(self) -> list[tuple[str, str]]:
        return [(repeat.first.ids[0], repeat.again.ids[0]) for repeat in self.disclosure.repeats]


@pytest.fixture
def client() -> Client:
    return Client()


def test_an_order_sent_again_after_its_answer_was_lost_is_a_repeat(client: Client) -> None:
    client.lost("a")
    client.send("b")
    assert client.repeats() == [("a", "b")]
    (repeat,) = client.disclosure.repeats
    assert (repeat.first.line, repeat.again.line, repeat.first.sent_ns) == ("bot.py:1", "bot.py:2", 1)


def test_who_has_given_up_and_sends_again_repeats_although_the_answer_comes_later(client: Client) -> None:
    number = client.send("a")
    client.tell(Reached, number, None, "a")
    client.tell(GaveUp, number)
    client.tell(Unheard, number)
    client.send("b")
    assert client.repeats() == [("a", "b")]


def test_a_request_cut_on_its_way_has_an_unknown_outcome_too(client: Client) -> None:
    client.dead("a")
    client.send("b")
    assert client.repeats() == [("a", "b")]


def test_two_orders_in_flight_are_a_pair(client: Client) -> None:
    """Nobody has given up on either: the program may have meant two."""
    first = client.send("a")
    client.send("b")
    client.tell(Reached, first, None, "a")
    client.send("c")
    assert client.repeats() == []


def test_an_answer_discloses(client: Client) -> None:
    number = client.send("a")
    client.tell(Reached, number, None, "a")
    client.tell(Heard, number, None, ("a",))
    client.send("b")
    assert client.repeats() == []


def test_a_true_no_discloses_and_an_untrue_one_does_not(client: Client) -> None:
    refused = client.send("a")
    client.tell(Reached, refused, RefusalCode.INSUFFICIENT_FUNDS)
    client.tell(Heard, refused, RefusalCode.INSUFFICIENT_FUNDS)
    accepted = client.send("b")
    client.tell(Reached, accepted, None, "b")
    client.tell(Heard, accepted, RefusalCode.UNAVAILABLE)
    client.send("c")
    assert client.repeats() == [("b", "c")]


def test_the_same_id_again_is_no_repeat_and_its_answer_discloses(client: Client) -> None:
    client.lost("a")
    again = client.send("a")
    client.tell(Reached, again, None, "a")
    client.tell(Heard, again, None, ("a",))
    client.send("b")
    assert client.repeats() == []


def test_a_second_sending_that_is_refused_says_nothing_of_the_first(client: Client) -> None:
    client.lost("a")
    again = client.send("a")
    client.tell(Reached, again, RefusalCode.RATE_LIMITED)
    client.tell(Heard, again, RefusalCode.RATE_LIMITED)
    client.send("b")
    assert client.repeats() == [("a", "b")]


def test_that_an_id_is_taken_discloses_the_order_that_took_it(client: Client) -> None:
    client.lost("a")
    again = client.send("a")
    client.tell(Reached, again, RefusalCode.DUPLICATE_ID)
    client.tell(Heard, again, RefusalCode.DUPLICATE_ID)
    client.send("b")
    assert client.repeats() == []


def test_a_no_heard_and_then_a_sending_that_is_lost_is_in_doubt_again(client: Client) -> None:
    first = client.send("a")
    client.tell(Reached, first, RefusalCode.RATE_LIMITED)
    client.tell(Heard, first, RefusalCode.RATE_LIMITED)
    client.lost("a")
    client.send("b")
    assert client.repeats() == [("a", "b")]


@pytest.mark.parametrize("op", [Op.ORDER_FETCH, Op.ORDERS_OPEN, Op.ORDERS_FETCH, Op.FILLS_FETCH, Op.ORDER_CANCEL])
def test_whatever_names_an_order_discloses_it(client: Client, op: Op) -> None:
    client.lost("a")
    client.looked(op, named=("a",))
    client.send("b")
    assert client.repeats() == []


def test_a_message_of_the_order_stream_discloses(client: Client) -> None:
    client.lost("a")
    client.tell(Told, "a")
    client.send("b")
    assert client.repeats() == []


def test_a_listing_without_an_order_that_stands_discloses_nothing(client: Client) -> None:
    """The order has filled, so it is not open; and a balance that it moved does not say why."""
    client.lost("a")
    client.looked(Op.ORDERS_OPEN)
    client.looked(Op.BALANCE_FETCH)
    client.send("b")
    assert client.repeats() == [("a", "b")]


@pytest.mark.parametrize("op", [Op.ORDERS_OPEN, Op.ORDERS_FETCH, Op.FILLS_FETCH, Op.BALANCE_FETCH])
@pytest.mark.parametrize("symbol", ["", "BTC/USD"])
def test_who_looks_for_an_order_that_is_not_there_and_never_will_be_may_send_it_again(client: Client, op: Op, symbol: str) -> None:
    client.dead("a")
    client.looked(op, symbol=symbol)
    client.send("b")
    assert client.repeats() == []


def test_not_found_discloses_by_the_clients_own_id(client: Client) -> None:
    client.dead("a")
    client.looked(Op.ORDER_FETCH, RefusalCode.ORDER_NOT_FOUND, client_order_id="a")
    client.send("b")
    assert client.repeats() == []


def test_not_found_discloses_nothing_while_the_order_may_still_arrive(client: Client) -> None:
    number = client.send("a")
    client.tell(GaveUp, number)
    client.looked(Op.ORDERS_OPEN)
    client.looked(Op.ORDER_FETCH, RefusalCode.ORDER_NOT_FOUND, client_order_id="a")
    client.tell(Reached, number, None, "a")
    client.send("b")
    assert client.repeats() == [("a", "b")]


@pytest.mark.parametrize(
    "look",
    [
        {"op": Op.ORDERS_OPEN, "symbol": "ETH/USD"},
        {"op": Op.ORDERS_OPEN, "refusal": RefusalCode.RATE_LIMITED},
        {"op": Op.FILLS_FETCH, "order_id": "o-1"},
        {"op": Op.ORDER_FETCH, "refusal": RefusalCode.ORDER_NOT_FOUND, "client_order_id": "z"},
        {"op": Op.MARKETS_FETCH},
    ],
)
def test_a_look_elsewhere_or_one_that_is_refused_discloses_nothing(client: Client, look: dict[str, Any]) -> None:
    client.dead("a")
    client.looked(**look)
    client.send("b")
    assert client.repeats() == [("a", "b")]


def test_a_look_whose_answer_is_lost_discloses_nothing(client: Client) -> None:
    client.dead("a")
    number = client.ask(Op.ORDERS_OPEN)
    client.tell(Reached, number)
    client.tell(GaveUp, number)
    client.tell(Unheard, number)
    client.send("b")
    assert client.repeats() == [("a", "b")]


def test_a_look_does_not_cover_what_was_sent_after_it(client: Client) -> None:
    client.dead("a")
    look = client.ask(Op.ORDERS_OPEN)
    client.tell(Reached, look)
    client.lost("a")
    client.tell(Heard, look)
    client.send("b")
    assert client.repeats() == [("a", "b")]


def test_an_order_once_disclosed_can_come_into_doubt_again(client: Client) -> None:
    """Also when another was sent and answered in between."""
    refused = client.send("a")
    client.tell(Reached, refused, RefusalCode.RATE_LIMITED)
    client.tell(Heard, refused, RefusalCode.RATE_LIMITED)
    other = client.send("x")
    client.tell(Reached, other, None, "x")
    client.tell(Heard, other, None, ("x",))
    client.lost("a")
    client.send("b")
    assert client.repeats() == [("a", "b")]


LIMIT = {"type": OrderType.LIMIT, "price": Decimal(64000)}


@pytest.mark.parametrize(
    ("changes", "is_repeat"),
    [
        ({}, True),
        (LIMIT, True),
        ({"amount": Decimal("0.0103")}, True),
        ({"amount": Decimal("0.005")}, True),
        ({"amount": None, "cost": Decimal(640)}, True),
        ({"side": Side.SELL}, False),
        ({"symbol": "ETH/USD"}, False),
    ],
)
def test_a_repeat_has_symbol_and_side_whatever_its_size(client: Client, changes: dict[str, Any], is_repeat: bool) -> None:
    """Who tries again takes the rest, or the market by cost, or what the new price makes of it."""
    client.lost("a")
    client.send("b", wanted(**changes))
    assert client.repeats() == ([("a", "b")] if is_repeat else [])


def test_a_first_that_has_gone_unanswered_for_long_is_no_half_of_a_pair(client: Client) -> None:
    """Whoever sends another without giving up the first has waited, and got no answer."""
    client.send("a")
    client.now_ns += PAIR_WITHIN_NS - 2
    client.send("b")
    client.now_ns += 1
    client.send("c")
    assert client.repeats() == [("a", "c")]


def known(client: Client, client_order_id: str) -> None:
    number = client.send(client_order_id)
    client.tell(Reached, number, None, client_order_id, f"o-{client_order_id}")
    client.tell(Heard, number, None, (client_order_id,))


@pytest.mark.parametrize("op", CHANGES)
def test_a_change_whose_answer_is_lost_puts_its_order_into_doubt(client: Client, op: Op) -> None:
    """Until the client hears of that order again; an answer to another change of it will do."""
    known(client, "a")
    number = client.ask(op, order_id="o-a")
    client.send("b")  # still waiting: a pair
    client.tell(Reached, number)
    client.tell(Gone, number, False)
    client.send("c")
    client.looked(op, order_id="o-a")
    client.send("d")
    assert client.repeats() == [("a", "c")]
    assert client.disclosure.repeats[0].change is op


def test_a_message_about_an_order_settles_its_changes_once_nobody_waits(client: Client) -> None:
    """While the change is on its way, a message may be older than it."""
    known(client, "a")
    number = client.ask(Op.ORDER_CANCEL, order_id="o-a")
    client.tell(Told, "a")
    client.tell(GaveUp, number)
    client.send("b")
    client.tell(Told, "a")
    client.send("c")
    assert client.repeats() == [("a", "b")]


def test_a_change_of_nobodys_order_is_nothing(client: Client) -> None:
    """It names an order that this client never made."""
    client.tell(Gone, client.ask(Op.ORDER_CANCEL, order_id="o-9"), True)
    client.send("b")
    assert client.repeats() == []


def test_every_further_time_is_a_repeat_of_the_first(client: Client) -> None:
    for name in "abc":
        client.lost(name)
    assert client.repeats() == [("a", "b"), ("a", "c")]
    assert [create.ids for create in client.disclosure.undisclosed] == [["a"], ["b"], ["c"]]


def test_an_order_without_an_id_of_the_clients_is_known_by_the_venues(client: Client) -> None:
    number = client.send("")
    client.tell(Reached, number, None, "o-1")
    client.tell(Gone, number, False)
    client.tell(Told, "o-1")
    client.lost("")
    client.send("b")
    assert len(client.disclosure.repeats) == 1
    assert client.disclosure.repeats[0].first is client.disclosure.creates[1]


# A plain model: the whole history is read anew at each order, by the words of the module's docstring.


@dataclass
class History:
    facts: list[Fact] = field(default_factory=list)

    def sendings(self, order: str) -> list[int]:
        return [
            fact.number for fact in self.facts if isinstance(fact, Sent) and fact.request.client_order_id == order and fact.request.order
        ]

    def has(self, kind: type[Any], number: int) -> bool:
        return any(isinstance(fact, kind) and fact.number == number for fact in self.facts)

    def index(self, kind: type[Any], number: int) -> int:
        return next((place for place, fact in enumerate(self.facts) if isinstance(fact, kind) and fact.number == number), len(self.facts))

    def stands(self, order: str, before: int) -> bool:
        return any(isinstance(fact, Reached) and fact.accepted == order for fact in self.facts[:before])

    def may_arrive(self, number: int, before: int) -> bool:
        return min(self.index(Reached, number), self.index(Gone, number)) >= before

    def is_named(self, order: str) -> bool:
        for place, fact in enumerate(self.facts):
            if isinstance(fact, Told) and fact.client_order_id == order:
                return True
            if isinstance(fact, Heard):
                if order in fact.named:
                    return True
                is_own = fact.number in self.sendings(order)
                if is_own and (fact.refusal is None or (fact.refusal is RefusalCode.DUPLICATE_ID and self.stands(order, place))):
                    return True
        return False

    def is_settled(self, order: str, number: int) -> bool:
        """Whether the client knows that nothing came of this sending."""
        for place, fact in enumerate(self.facts):
            if not isinstance(fact, Heard):
                continue
            if fact.number == number and fact.refusal is not None and not self.stands(order, place):
                return True
            at_venue = self.index(Reached, fact.number)
            is_look = fact.number not in [sent.number for sent in self.facts if isinstance(sent, Sent) and sent.request.order]
            absent = not self.stands(order, at_venue) and not any(
                self.may_arrive(each, at_venue) for each in self.sendings(order) if self.index(Sent, each) < at_venue
            )
            if is_look and fact.refusal is None and absent and self.index(Sent, number) < at_venue:
                return True
        return False

    def is_disclosed(self, order: str) -> bool:
        return self.is_named(order) or all(self.is_settled(order, number) for number in self.sendings(order))

    def is_awaited(self, order: str) -> bool:
        return any(not any(self.has(kind, number) for kind in (Heard, Gone, GaveUp)) for number in self.sendings(order))


STEPS = st.lists(st.tuples(st.sampled_from("SSSSRRRRHHHLCGTK"), st.sampled_from("aabbc"), st.integers(0, 5)), min_size=8, max_size=40)


@settings(max_examples=500)
@given(STEPS)
def test_the_machine_agrees_with_a_model_that_reads_the_whole_history(steps: list[tuple[str, str, int]]) -> None:
    """Random lives of a few equal orders: sent, reached, answered, lost, cut, given up on, told of and looked for, in any order that a Door
    can have.
    """
    history, disclosure, expected = History(), Disclosure(), []
    numbers = 0
    under_way: dict[int, str] = {}  # request to order, "" for a look, until its end
    at_venue: dict[int, RefusalCode | None] = {}
    gave_up: dict[int, None] = {}

    def tell(fact: Fact) -> None:
        history.facts.append(fact)
        disclosure.on(fact)

    for now_ns, (what, order, pick) in enumerate(steps):
        number = list(under_way)[pick % len(under_way)] if under_way else 0
        if what in "SK":
            numbers += 1
            if what == "K":
                tell(Sent(now_ns, numbers, Request(op=Op.ORDERS_OPEN)))
            else:
                if not history.sendings(order):
                    earlier = dict.fromkeys(f.request.client_order_id for f in history.facts if isinstance(f, Sent) and f.request.order)
                    doubtful = [each for each in earlier if not history.is_disclosed(each) and not history.is_awaited(each)]
                    if doubtful:
                        expected.append((doubtful[0], order))
                tell(Sent(now_ns, numbers, Request(op=Op.ORDER_CREATE, client_order_id=order, order=BUY)))
            under_way[numbers] = order if what == "S" else ""
        elif what == "T" and history.stands(order, len(history.facts)):
            tell(Told(now_ns, order))
        elif number and what == "R" and number not in at_venue:
            order = under_way[number]
            code = (None, RefusalCode.RATE_LIMITED, RefusalCode.DUPLICATE_ID)[pick % 3] if order else None
            if code is RefusalCode.DUPLICATE_ID and not history.stands(order, len(history.facts)):
                code = None
            at_venue[number] = code
            tell(Reached(now_ns, number, code, order if code is None else ""))
        elif number and what == "H" and number in at_venue:
            order = under_way.pop(number)
            stands = tuple(each for each in "abc" if history.stands(each, history.index(Reached, number)))
            named = (order,) if order and at_venue[number] is None else stands if not order and pick % 2 else ()
            tell(Unheard(now_ns, number) if number in gave_up else Heard(now_ns, number, at_venue[number], named))
        elif number and what in "LC":
            del under_way[number]
            tell(Gone(now_ns, number, what == "C"))
        elif number and what == "G" and number not in gave_up:
            gave_up[number] = None
            tell(GaveUp(now_ns, number))
    assert [(repeat.first.ids[0], repeat.again.ids[0]) for repeat in disclosure.repeats] == expected
    known = [each.ids[0] for each in disclosure.creates if not each.is_disclosed]
    assert known == [each.ids[0] for each in disclosure.creates if not history.is_disclosed(each.ids[0])]
