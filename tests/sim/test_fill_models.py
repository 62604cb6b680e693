"""When a resting order fills, model by model: what each docstring says, and that each fills whatever a more cautious one fills."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.model.event import Side
from papertape.model.units import MILLISECOND
from papertape.scenario.make import make_scenario
from papertape.sim.fills import FILLS, AnyFills, FillModel, LogQueueFills, PowerQueueFills, SquaredQueueFills
from papertape.sim.fills.cancelling import CancellingPlace
from papertape.sim.fills.queue import QueuePlace

CANCELLING = [
    SquaredQueueFills(), PowerQueueFills(), PowerQueueFills(exponent=Decimal("0.5"), form=2), PowerQueueFills(exponent=Decimal(2), form=3),
    LogQueueFills(), LogQueueFills(form=2),
]  # fmt: skip
CHAINS = [[FILLS["touch"](), between, FILLS["queue"](), FILLS["cross"](), FILLS["through"]()] for between in CANCELLING]
SEC = 1000 * MILLISECOND


def opened(make_desk: Callable[..., Any], fills: FillModel) -> Any:
    """A desk before bids 99 x 10, 98 x 20 and asks 101 x 10, 102 x 20."""
    desk = make_desk(fills)
    desk.snapshot([(99, 10), (98, 20)], [(101, 10), (102, 20)])
    return desk


# What each docstring says


@pytest.mark.parametrize(
    ("kind", "at_price", "beyond", "arriving"),
    [("touch", 5, 3, 3), ("squared_queue", 2, 3, 3), ("power_queue", 2, 3, 3), ("log_queue", 2, 3, 3), ("queue", 2, 3, 3),
     ("cross", 0, 3, 3), ("through", 0, 3, 0)],
)  # fmt: skip
def test_each_model_fills_by_what_it_names(open_desk: Callable[..., Any], kind: str, at_price: int, beyond: int, arriving: int) -> None:
    """What fills of a buy of 5 at 99 behind 10, at 99 as a maker: by a sell of 12 at 99, one of 3 at 98, an ask of 3 that comes to 99."""
    filled = []
    for act in (
        lambda desk: desk.sold(99, 12),
        lambda desk: desk.sold(98, 3),
        lambda desk: desk.both([(99, 0), (98, 0)], [(99, 3)]),
    ):
        desk = opened(open_desk, FILLS[kind]())
        order = desk.buy(5, 99)
        act(desk)
        filled.append(desk.filled(order))
        assert all((price, liquidity) == (99, "maker") for price, _, liquidity in desk.fills())
    assert filled == [at_price, beyond, arriving]


def test_a_level_that_through_leaves_alone_can_be_taken(open_desk: Callable[..., Any]) -> None:
    """With `through` an ask that comes to our bid does not fill it, so it is still there for who comes to take."""
    desk = opened(open_desk, FILLS["through"]())
    bid = desk.buy(5, 99)
    desk.both([(99, 0), (98, 0)], [(99, 3)])
    desk.buy(3)
    assert (desk.filled(bid), desk.fills()) == (0, [(99, 3, "taker")])


def test_half_of_what_goes_from_the_middle_of_a_queue_was_ahead(open_desk: Callable[..., Any]) -> None:
    """With 10 ahead and 10 behind, of 10 that cancel 5 stood ahead, by any symmetric family: the sixth lot sold is ours."""
    for fills in (SquaredQueueFills(), PowerQueueFills(), LogQueueFills()):
        desk = opened(open_desk, fills)
        order = desk.buy(5, 99)
        desk.bids((99, 20))
        desk.bids((99, 10))
        desk.sold(99, 6, at=desk.now_ns + SEC)
        assert desk.filled(order) == 1, fills


def test_a_trade_told_twice_is_no_cancellation(open_desk: Callable[..., Any]) -> None:
    """Of 10 ahead and 10 behind, 6 are sold: whether the print or the level change comes first, 4 are ahead, and the fifth lot is ours."""
    for levels_first in (False, True):
        desk = opened(open_desk, SquaredQueueFills())
        order = desk.buy(5, 99)
        desk.bids((99, 20))
        if levels_first:
            desk.bids((99, 14))
            desk.sold(99, 6, stamp=desk.now_ns)
        else:
            desk.sold(99, 6)
            desk.bids((99, 14))
        desk.sold(99, 5, at=desk.now_ns + SEC)
        assert desk.filled(order) == 1, f"levels first: {levels_first}"


@pytest.mark.parametrize(
    ("settings_of", "message"),
    [
        ({"kind": "power_queue", "exponent": "0"}, "power queue, key `exponent`: holds 0; expected a number above 0, at most 10"),
        ({"kind": "power_queue", "exponent": "NaN"}, "power queue, key `exponent`: holds NaN"),
        ({"kind": "power_queue", "form": 4}, "power queue, key `form`: holds 4; expected 1, 2 or 3"),
        ({"kind": "log_queue", "form": 3}, "log queue, key `form`: holds 3; expected 1 or 2"),
    ],
)
def test_wrong_settings_are_told(settings_of: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(settings_of, AnyFills)


# The models in order


prices, lots = st.integers(97, 103), st.integers(0, 12)
steps = st.one_of(
    st.tuples(st.just("bids"), st.lists(st.tuples(st.integers(96, 100), lots), min_size=1, max_size=2)),
    st.tuples(st.just("asks"), st.lists(st.tuples(st.integers(99, 103), lots), min_size=1, max_size=2)),
    st.tuples(st.just("sold"), st.integers(97, 100), st.integers(1, 12), st.integers(0, 40)),
    st.tuples(st.just("bought"), prices, st.integers(1, 12), st.integers(0, 40)),
    st.tuples(st.just("snapshot"), lots),
    st.tuples(st.just("wait")),
)


def play(desk: Any, step: tuple[Any, ...]) -> None:
    match step:
        case ("bids" | "asks" as name, levels):
            getattr(desk, name)(*levels)
        case ("sold" | "bought" as name, price, amount, late):
            getattr(desk, name)(price, amount, stamp=max(desk.now_ns + (1 - late) * MILLISECOND, 0))
        case ("snapshot", amount):
            desk.snapshot([(99, amount + 1), (98, 20)], [(101, amount + 1), (102, 20)])
        case _:
            desk.now_ns += SEC


@pytest.mark.parametrize("chain", CHAINS, ids=[type(chain[1]).__name__ + str(place) for place, chain in enumerate(CHAINS)])
@settings(max_examples=40, deadline=None)
@given(before=st.lists(steps, max_size=4), price=st.integers(97, 100), amount=st.integers(1, 9), story=st.lists(steps, max_size=20))
def test_a_kinder_model_fills_whatever_a_more_cautious_one_fills(
    open_desk: Callable[..., Any], chain: list[FillModel], before: list[Any], price: int, amount: int, story: list[Any]
) -> None:
    """One buy on one tape, whatever it tells and in whatever order: at every moment each model has filled no less than the next."""
    desks = [opened(open_desk, fills) for fills in chain]
    orders = []
    for desk in desks:
        for step in before:
            play(desk, step)
        orders.append(desk.buy(amount, price))
    for step in story:
        for desk in desks:
            play(desk, step)
        filled = [desk.filled(order) for desk, order in zip(desks, orders, strict=True)]
        assert all(kind >= cautious for kind, cautious in pairwise(filled)), filled


orderly = st.lists(
    st.one_of(st.tuples(st.just("trade"), st.integers(1, 9)), st.tuples(st.just("level"), st.integers(-15, 15))), max_size=30
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(fills=st.sampled_from([*CANCELLING, FILLS["queue"]()]), ahead=st.integers(0, 30), story=orderly)
def test_a_place_in_the_queue_is_never_lost(open_desk: Callable[..., Any], fills: FillModel, ahead: int, story: list[Any]) -> None:
    """Whoever comes, goes or trades at our price: what is ahead of us never grows."""
    desk = opened(open_desk, fills)
    desk.bids((99, ahead), (97, 1))
    order = desk.buy(1000, 99)
    live = desk.venue._orders.of(order.client_order_id)
    was, level = live.place.ahead, ahead
    for what, amount in story:
        if what == "trade":
            desk.sold(99, amount)
        else:
            level = max(level + amount, 0)
            desk.bids((99, level))
        assert live.place.ahead <= was
        was = live.place.ahead


FORMULAS: dict[int, Callable[[float, float], float]] = {
    0: lambda front, back: back**2 / (back**2 + front**2),
    1: lambda front, back: back**3 / (back**3 + front**3),
    2: lambda front, back: back**0.5 / (back + front) ** 0.5,
    3: lambda front, back: 1 - (front / (front + back)) ** 2,
    4: lambda front, back: math.log1p(back) / (math.log1p(back) + math.log1p(front)),
    5: lambda front, back: math.log1p(back) / math.log1p(back + front),
}


@settings(max_examples=60, deadline=None)
@given(which=st.sampled_from(range(6)), ahead=st.integers(1, 60), story=orderly)
def test_the_estimate_is_hftbacktests(open_desk: Callable[..., Any], which: int, ahead: int, story: list[Any]) -> None:
    """Where trades come before the levels that tell of them, lots ahead are what `ProbQueueModel` has, but for rounding to whole lots."""
    desk = opened(open_desk, CANCELLING[which])
    desk.bids((99, ahead))
    place = desk.venue._orders.of(desk.buy(1000, 99).client_order_id).place
    front, level, traded, changes = float(ahead), ahead, 0, 0
    for what, amount in story:
        desk.now_ns += SEC  # so that no level change passes for the report of a trade after it
        if what == "trade":
            desk.sold(99, amount)
            front, traded = max(front - amount, 0), traded + amount
            continue
        was, level = level, max(level - traded + amount, 0)
        desk.bids((99, level))
        gone, traded = was - level - traded, 0
        if gone > 0 and front:
            back = max(was - front, 0.0)
            behind = FORMULAS[which](front, back)
            front = front - (1 - behind) * gone + min(back - behind * gone, 0)
            changes += 1
        front = max(min(front, level), 0)
        assert abs(place.ahead - front) <= 2 * changes + 1e-6, f"{place.ahead} ahead, {front} by the formula"


# The page


PAGE = (Path(__file__).parents[2] / "docs/fills.md").read_text(encoding="utf-8")


def test_the_page_shows_every_model_and_its_figures() -> None:
    """In the order of the shelf, and the figures are of all that can play a book; its settings are such as a scenario takes."""
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+)(?: \(the default\))? \| ", PAGE.partition("## On a real tape")[0], flags=re.MULTILINE)
    assert [*re.findall(r"`(\w+)`", " ".join(rows)), "bars"] == list(FILLS)
    figures = PAGE.partition("<!-- figures")[2].partition("<!-- end")[0]
    assert [kind for kind in FILLS if figures.count(f"| `{kind}` |") != 2] == ["bars"]
    tables = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)]
    for table in tables:
        assert make_scenario(merged(table), source="docs/fills.md", folder=Path()).venues


def merged(table: dict[str, Any]) -> dict[str, Any]:
    """A scenario around what a block of the page says."""
    given = table["venue"]["coinbase"]
    venue = {"feed": {"tape": "builtin:btc-usd"}, "account": {"USD": "1"}} | given
    return {"title": "of the page", "bot": "papertape.bots:MarketMaker", "venue": {"coinbase": venue}}


# Broken on purpose


def forget_the_trade(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CancellingPlace, "_put_back", lambda self, told: None)


def move_up_for_nothing(patch: pytest.MonkeyPatch) -> None:
    def cancel(self: CancellingPlace, gone: int, back: int, mark: int) -> None:
        self.front = 0

    patch.setattr(CancellingPlace, "_cancel", cancel)


def never_move_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CancellingPlace, "_cancel", lambda self, gone, back, mark: None)


def stand_last(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CancellingPlace, "on_trade", QueuePlace.on_trade)


@pytest.mark.parametrize("breakage", [forget_the_trade, move_up_for_nothing, never_move_up, stand_last], ids=lambda each: each.__name__)
def test_a_broken_estimate_is_caught(
    open_desk: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, breakage: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """The two short stories above can fail."""
    breakage(monkeypatch)
    with pytest.raises(AssertionError):  # noqa: PT012  # either of them
        test_half_of_what_goes_from_the_middle_of_a_queue_was_ahead(open_desk)
        test_a_trade_told_twice_is_no_cancellation(open_desk)


def test_sell_orders_stand_in_queues_too(open_desk: Callable[..., Any]) -> None:
    """All of it holds for asks as for bids."""
    desk = opened(open_desk, SquaredQueueFills())
    order = desk.sell(5, 101)
    desk.asks((101, 20))
    desk.asks((101, 10))
    desk.bought(101, 6, at=desk.now_ns + SEC)
    assert (desk.filled(order), desk.now(order).side) == (1, Side.SELL)
