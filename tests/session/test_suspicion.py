"""What is said of an order that was sent again, and of what led there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from papertape.model.account import Balances
from papertape.model.event import Side
from papertape.model.order import NewOrder, Order, OrderStatus, OrderType, TimeInForce
from papertape.model.request import Op, RefusalCode, Request
from papertape.model.units import MILLISECOND, SECOND
from papertape.model.view import Truth
from papertape.session.suspicion import suspicions, untold
from papertape.session.timeline import timeline
from papertape.sim.disclosure import Disclosure
from papertape.sim.fact import Fact, GaveUp, Gone, Heard, Reached, Sent, Told

BUY = NewOrder(symbol="BTC/USD", type=OrderType.MARKET, side=Side.BUY, amount=Decimal("0.010"))


class Story:
    """A program's orders, each sent ten seconds after the one before."""

    def __init__(self, wanted: NewOrder = BUY) -> None:
        self.wanted = wanted
        self.facts: list[Fact] = []
        self.orders: list[Order] = []
        self.count = 0

    def send(
        self, *, line: str = "bot.py:31", filled: str | None = None, is_heard: bool = False, refusal: RefusalCode | None = None
    ) -> None:
        """`filled` is how much the venue does of it; None if it never has it."""
        self.count += 1
        number, at_ns, wanted = self.count, self.count * 10 * SECOND + MILLISECOND, self.wanted
        name = f"c-{number}"
        self.facts.append(Sent(at_ns, number, Request(op=Op.ORDER_CREATE, client_order_id=name, order=wanted), line))
        if filled is not None:
            status = OrderStatus.CLOSED if wanted.amount in (None, Decimal(filled)) else OrderStatus.OPEN
            self.orders.append(
                Order(
                    id=f"o-{number}", client_order_id=name, symbol=wanted.symbol, type=wanted.type, side=wanted.side,
                    amount=wanted.amount or Decimal(filled), price=None, time_in_force=TimeInForce.GTC, post_only=False, status=status,
                    created_ns=0, updated_ns=0, filled=Decimal(filled),
                )
            )  # fmt: skip
        if filled is not None or refusal is not None:
            self.facts.append(Reached(at_ns, number, refusal, name if filled is not None else ""))
        if is_heard:
            self.facts.append(Heard(at_ns + 30 * MILLISECOND, number, refusal, (name,) if filled is not None else ()))
        else:
            self.facts.append(Gone(at_ns, number, filled is None))

    def ask(self, op: Op, at_s: int, **fields: Any) -> None:
        self.count += 1
        self.facts += [Sent(at_s * SECOND, self.count, Request(op=op, **fields)), Reached(at_s * SECOND, self.count)]
        self.facts.append(Heard(at_s * SECOND, self.count))

    @property
    def truth(self) -> Truth:
        return Truth(orders=tuple(self.orders), fills=(), opening=Balances({}), balances=Balances({}), requests=())

    def disclosure(self) -> Disclosure:
        disclosure = Disclosure()
        for fact in self.facts:
            disclosure.on(fact)
        return disclosure

    def sentences(self) -> list[str]:
        return suspicions(self.disclosure(), "coinbase", self.truth)


@pytest.mark.parametrize(
    ("fills", "words"),
    [
        (("0.01", "0.01"), "bought 0.01 BTC/USD again at 20.001s, … the venue filled both: 0.02 BTC"),
        (("0.01", "0.004"), "bought 0.01 BTC/USD again at 20.001s, … the venue accepted both, and filled 0.014 BTC"),
        (("0.01", None), "tried to buy 0.01 BTC/USD again at 20.001s, … the venue has only the first, filled 0.01 BTC"),
        ((None, "0.01"), "bought 0.01 BTC/USD again at 20.001s, … the venue has only the second, filled 0.01 BTC"),
        ((None, None), "tried to buy 0.01 BTC/USD again at 20.001s, … the venue has neither"),
        (("0.01",) * 3, "bought 0.01 BTC/USD 2 times more, at 20.001s and 30.001s, … the venue filled all 3: 0.03 BTC"),
        ((None, "0.01", "0.01"), "bought 0.01 BTC/USD 2 times more, at 20.001s and 30.001s, … the venue has 2 of 3, filled 0.02 BTC"),
    ],
)
def test_the_sentence_says_what_the_venue_did_with_them(fills: tuple[str | None, ...], words: str) -> None:
    story = Story()
    for filled in fills:
        story.send(filled=filled)
    doubt = "while the outcome of the order it sent at 10.001s (bot.py:31) was undisclosed;"
    assert story.sentences() == [f"coinbase: bot.py:31 {words.replace('…', doubt)}"]


def test_other_lines_and_none_are_told_apart() -> None:
    story = Story()
    story.send(line="bot.py:12", filled="0.01")
    story.send(line="", filled="0.01")
    (sentence,) = story.sentences()
    assert sentence.startswith(
        "coinbase: the program bought 0.01 BTC/USD again at 20.001s, while the outcome of the order sent at 10.001s (bot.py:12)"
    )


def test_money_spent_is_told_as_such() -> None:
    story = Story(NewOrder(symbol="BTC/USD", type=OrderType.MARKET, side=Side.BUY, cost=Decimal(100)))
    story.send(filled="0.002")
    story.send(filled="0.002")
    assert "bot.py:31 bought BTC/USD for 100 USD again at 20.001s" in story.sentences()[0]


def test_only_orders_that_stand_and_were_never_told_of_are_noted() -> None:
    story = Story()
    story.send(filled="0.004")
    story.send(filled="0.01", is_heard=True)
    story.send(filled=None)
    assert untold(story.disclosure(), "coinbase", story.truth) == [
        "coinbase: the program was never told of order o-1, buy 0.01 BTC/USD, sent at 10.001s (bot.py:31); it is open, filled 0.004"
    ]


def shown(story: Story, *suspects: int, **more: Any) -> list[str]:
    return [f"{each.what} → {each.outcome}" for each in timeline(story.facts, "coinbase", story.truth, suspects, **more)]


def test_a_moment_says_what_the_venue_did_and_what_the_client_heard() -> None:
    story = Story()
    story.send(filled="0.01", is_heard=True)
    story.send(filled="0.004")
    story.send(filled=None)
    story.send(refusal=RefusalCode.INSUFFICIENT_FUNDS, is_heard=True)
    story.send(filled="0")
    story.facts += [GaveUp(55 * SECOND, 5), Told(56 * SECOND, "c-5")]
    create = "order.create buy 0.01 BTC/USD"
    assert shown(story) == [
        f"{create} → filled; answer heard at 10.031s",
        f"{create} → accepted, filled 0.004; its answer was lost",
        f"{create} → never reached the venue; its connection was cut at 30.001s",
        f"{create} → refused: insufficient funds; answer heard at 40.031s",
        f"{create} → accepted; its answer was lost, given up at 55s, told by stream at 56s",
    ]


def test_an_answer_that_is_not_the_venues_own_is_quoted() -> None:
    story = Story()
    story.send(filled="0.01")
    story.facts[-1] = Heard(11 * SECOND, 1, RefusalCode.UNAVAILABLE)
    assert shown(story) == ['order.create buy 0.01 BTC/USD → filled; "unavailable" heard at 11s']


def test_a_timeline_without_suspects_shows_the_last_orders_and_leaves_reading_out() -> None:
    story = Story()
    for _ in range(5):
        story.send(filled="0.01", is_heard=True)
        story.ask(Op.BALANCE_FETCH, story.count * 10)
    assert len(shown(story)) == 5
    last = timeline(story.facts, "coinbase", story.truth, most=2)
    assert [each.at_ns // SECOND for each in last] == [70, 90]


def test_a_timeline_with_suspects_shows_them_and_what_the_program_asked_between() -> None:
    """A listing that did not show the order is what misled it."""
    story = Story()
    story.send(filled="0.01", is_heard=True)
    story.send(filled="0.01")
    story.ask(Op.ORDERS_OPEN, 22, symbol="BTC/USD")
    story.ask(Op.MARKETS_FETCH, 23)
    story.send(filled="0.01", is_heard=True)
    assert [line.split(" → ")[0] for line in shown(story, 2, 5)] == [
        "order.create buy 0.01 BTC/USD",
        "orders.open BTC/USD",
        "order.create buy 0.01 BTC/USD",
    ]


def test_suspects_are_shown_although_there_is_little_room() -> None:
    story = Story()
    story.send(filled="0.01")
    for at_s in range(11, 20):
        story.ask(Op.ORDERS_OPEN, at_s)
    story.send(filled="0.01")
    assert len(shown(story, 1, 11, most=4)) == 4
    assert shown(story, 1, 11, most=4)[0].startswith("order.create")


def test_an_order_beside_a_change_in_doubt_is_told_by_the_change() -> None:
    """Its own outcome was known; what its cancel did is not."""
    story = Story()
    story.send(filled="0", is_heard=True)
    made = story.facts[1]
    assert isinstance(made, Reached)
    story.facts[1] = Reached(made.at_ns, made.number, None, made.accepted, "o-1")
    story.count += 1
    story.facts += [Sent(15 * SECOND, 2, Request(op=Op.ORDER_CANCEL, order_id="o-1"), "bot.py:40"), Gone(15 * SECOND, 2, True)]
    story.send(line="bot.py:41", filled="0.010", is_heard=True)
    (told,) = suspicions(story.disclosure(), "coinbase", story.truth)
    assert "bot.py:41 bought 0.01 BTC/USD again at 30.001s, while the outcome of its cancel of the order sent at 10.001s" in told
