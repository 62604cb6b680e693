"""Fills compared with a market in which our orders really stand.

A small market is played twice by an engine that keeps every single order: once as it was, which makes the tape, and once with our orders
in it. The tape reaches the venue in the ways real ones do: trades before or after the level changes that report them, late, in
batches, by clocks that disagree. What the venue says was filled is then held against what really would have been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.model.event import BookUpdate, Side, Trade
from papertape.model.order import Order
from papertape.model.units import MILLISECOND
from papertape.runtime.chance import Chance, Stream
from papertape.sim.fills import FillModel, QueueFills, TouchFills
from papertape.sim.fills.queue import QueuePlace
from papertape.sim.fills.touch import FrontPlace
from papertape.sim.matcher import Matcher
from papertape.sim.prints import Recent
from papertape.sim.side import BookSide

BUY, SELL = Side.BUY, Side.SELL
DEEP = 1_000_000  # lots at price 1: the book never runs dry

Fills = list[tuple[int, int, int]]
"""(price, lots, what the level then holds), one for each maker order that was hit."""


Row = tuple[Any, int, dict[str, Any]]
"""(kind of event, stamp, its other fields)."""


class Engine:
    """Price-time matching, one order at a time, with nothing clever in it."""

    def __init__(self) -> None:
        self.sides: dict[Side, dict[int, list[list[Any]]]] = {BUY: {1: [["deep", DEEP]]}, SELL: {1000: [["deep", DEEP]]}}
        self.filled: dict[str, int] = {}

    def best(self, side: Side) -> int:
        return max(self.sides[BUY]) if side is BUY else min(self.sides[SELL])

    def lots(self, side: Side, price: int) -> int:
        return sum(lots for _, lots in self.sides[side].get(price, []))

    def send(self, name: str, side: Side, price: int | None, lots: int, *, rests: bool, in_front: bool = False) -> Fills:
        other, fills = side.opposite, []
        while lots:
            best = self.best(other)
            if price is not None and (best > price if side is BUY else best < price):
                break
            queue = self.sides[other][best]
            used = min(lots, queue[0][1])
            lots -= used
            queue[0][1] -= used
            self.filled[queue[0][0]] = self.filled.get(queue[0][0], 0) + used
            if not queue[0][1]:
                queue.pop(0)
            fills.append((best, used, self.lots(other, best)))
            if not queue:
                del self.sides[other][best]
        if lots and rests:
            assert price is not None
            queue = self.sides[side].setdefault(price, [])
            queue.insert(0 if in_front else len(queue), [name, lots])
        return fills

    def cancel(self, name: str) -> tuple[Side, int] | None:
        for side, levels in self.sides.items():
            for price, queue in levels.items():
                for entry in queue:
                    if entry[0] == name:
                        queue.remove(entry)
                        if not queue:
                            del levels[price]
                        return side, price
        return None


class World:
    """The market as it was (`real`), with us in it (`ours`), and the venue that only hears the tape.

    Args:
        style: how the tape tells it; see `_rows`.
        is_exact: all clocks agree.
    """

    def __init__(self, desk: Any, stream: Stream, style: str, *, is_exact: bool) -> None:
        self.desk, self.stream, self.style, self.is_exact = desk, stream, style, is_exact
        self.real, self.ours = Engine(), Engine()
        self.now_ns = self.reach_ns = self.level_ns = MILLISECOND
        self.rows: list[Row] = []
        self.late: list[Row] = []
        self.names = 0
        self.mine: list[Order] = []
        for price in range(95, 105):
            side = BUY if price < 100 else SELL
            for engine in (self.real, self.ours):
                engine.send(f"first-{price}", side, price, 5, rests=True)
        book = [[(price, self.real.lots(side, price)) for price in self.real.sides[side]] for side in (BUY, SELL)]
        desk.snapshot(sorted(book[0], reverse=True), sorted(book[1]), at=self.now_ns)

    def act(self, *, may_cross: bool, may_cancel: bool) -> None:
        """One thing happens in the market; its rows are ready to be told."""
        draw = self.stream.below
        self.now_ns += (1, 3, 20, 300)[draw(4)] * MILLISECOND
        choice = draw(10)
        if choice < 2 and may_cancel:
            resting = [entry[0] for levels in self.real.sides.values() for queue in levels.values() for entry in queue]
            name = self.stream.choice([name for name in resting if name != "deep"] or ["none"])
            where = self.real.cancel(name)
            self.ours.cancel(name)
            if where:
                self._tell_of([], [where])
            return
        self.names += 1
        name, lots = f"x-{self.names}", 1 + draw(9)
        if choice < 6:  # comes to take
            side = SELL if not may_cross else (BUY, SELL)[draw(2)]
            limit = None if self.is_exact or draw(2) else (94 + draw(6) if side is SELL else 100 + draw(6))
            fills = self.real.send(name, side, limit, lots, rests=False)
            self.ours.send(name, side, limit, lots, rests=False)
            self._tell_of([(side, *fill) for fill in fills], [])
            return
        side = BUY if not may_cross else (BUY, SELL)[draw(2)]
        price = 95 + draw(11 if may_cross else 5)
        fills = self.real.send(name, side, price, lots, rests=True)
        self.ours.send(name, side, price, lots, rests=True)
        rested = [(side, price)] if self.real.lots(side, price) and price in self.real.sides[side] else []
        self._tell_of([(side, *fill) for fill in fills], rested)

    def _tell_of(self, fills: list[tuple[Side, int, int, int]], changed: list[tuple[Side, int]]) -> None:
        skews_ns = (0,) if self.is_exact else (-4 * MILLISECOND, 0, 2 * MILLISECOND, 40 * MILLISECOND)
        self.level_ns = max(self.level_ns, self.now_ns + self.stream.choice(skews_ns))
        trades = [(Trade, self.now_ns, {"price_ticks": price, "qty_lots": lots, "taker": side}) for side, price, lots, _ in fills]
        last = {(side.opposite, price): left for side, price, _, left in fills}
        last.update({(side, price): self.real.lots(side, price) for side, price in changed})
        whole = self._levels(list(last.items()))
        self.rows += self.late
        self.late = []
        if self.style == "trades, then levels":
            self.rows += [*trades, *([whole] if last else [])]
        elif self.style == "trades, then levels one by one":
            self.rows += [*trades, *(self._levels([item]) for item in last.items())]
        elif self.style == "levels, then trades":
            self.rows += [*([whole] if last else []), *trades]
        elif self.style == "levels, and the trades late":
            self.rows += [whole] if last else []
            self.late = trades
        else:
            assert self.style == "level and trade by turns"
            for trade, (side, price, _, left) in zip(trades, fills, strict=True):
                self.rows += [self._levels([((side.opposite, price), left)]), trade]
            self.rows += [self._levels([((side, price), self.real.lots(side, price))]) for side, price in changed]

    def _levels(self, items: list[tuple[tuple[Side, int], int]]) -> Row:
        parts = {side: tuple((price, lots) for (each, price), lots in items if each is side) for side in (BUY, SELL)}
        return BookUpdate, self.level_ns, {"bids": parts[BUY], "asks": parts[SELL]}

    def tell(self, count: int | None = None) -> Iterator[None]:
        """The venue hears some of the rows; yields after each."""
        told, self.rows = self.rows[:count], self.rows[len(self.rows) if count is None else count :]
        for event, stamp, fields in told:
            self.reach_ns = max(self.reach_ns, stamp, self.desk.now_ns)
            self.desk.tell(event, at=self.reach_ns, stamp=stamp, **fields)
            yield

    @property
    def hides(self) -> bool:
        """Whether somebody joined a queue and the venue has not heard of it; orders of ours that then come are beyond any tape."""
        return any(
            kind is BookUpdate and lots > self.shown(side, price)
            for kind, _, fields in self.rows
            for side, part in ((BUY, "bids"), (SELL, "asks"))
            for price, lots in fields.get(part, ())
        )

    def shown(self, side: Side, price: int) -> int:
        book = self.desk.venue.books["BTC/USD"]
        return (book.bids if side is BUY else book.asks).get(price, 0)

    def place(self, price: int, lots: int, *, in_front: bool = False) -> None:
        """We buy, in both markets, unless that would take something."""
        if price >= self.ours.best(SELL):
            return
        self.now_ns = max(self.now_ns, self.reach_ns)  # what happens after we came is also stamped after we came
        answer = self.desk.create(BUY, lots, price, post_only=True, at=self.now_ns)
        if answer.order is not None:
            self.mine.append(answer.order)
            self.ours.send(answer.order.id, BUY, price, lots, rests=True, in_front=in_front)

    def filled(self, order: Order) -> tuple[int, int]:
        """(what the venue says, what really was) of an order of ours."""
        return self.desk.filled(order), self.ours.filled.get(order.id, 0)


STYLES = (
    "trades, then levels",
    "trades, then levels one by one",
    "levels, then trades",
    "levels, and the trades late",
    "level and trade by turns",
)


def first_fill_is_possible(make_desk: Callable[..., Any], seed: int, style: str, steps: int = 30) -> None:
    """One order of ours among others who do anything: its first fill must have happened in the market with us in it, and as much of it.

    After the first fill the two markets go their own ways, so the story ends there.
    """
    stream = Chance(seed).stream("world")
    world = World(make_desk(QueueFills()), stream, style, is_exact=False)
    for step in range(steps):
        world.act(may_cross=True, may_cancel=True)
        half = stream.below(len(world.rows) + 1) if style.startswith("trades") else len(world.rows)
        if first_fill_is_told(world, half):
            return
        if not world.mine and step >= 3 and not world.hides:
            world.place(96 + stream.below(8), 1 + stream.below(6))
        if first_fill_is_told(world, None):
            return


def first_fill_is_told(world: World, count: int | None) -> bool:
    for _ in world.tell(count):
        for order in world.mine:
            said, was = world.filled(order)
            assert said <= was, f"{said} lots filled, but {was} in the market"
            if said:
                return True
    return False


def fills_are_possible(make_desk: Callable[..., Any], seed: int, style: str, steps: int = 40) -> None:
    """Several buys of ours among sellers who take and buyers who come and go: never is more filled than in the market with us in it."""
    stream = Chance(seed).stream("world")
    world = World(make_desk(QueueFills()), stream, style, is_exact=False)
    for _ in range(steps):
        world.act(may_cross=False, may_cancel=True)
        for _ in world.tell():
            for order in world.mine:
                said, was = world.filled(order)
                assert said <= was, f"{said} lots of {order.id} filled, but {was} in the market"
        if stream.below(3) == 0 and not any(world.filled(order)[1] for order in world.mine):
            world.place(95 + stream.below(6), 1 + stream.below(6))


def takings_are_real(make_desk: Callable[..., Any], seed: int, style: str, steps: int = 20) -> None:
    """A market order gets nothing that is gone, even while the book has yet to tell of the trades that took it; and once all is told, just
    what stands there."""
    stream = Chance(seed).stream("world")
    world = World(make_desk(QueueFills()), stream, style, is_exact=False)
    for _ in range(steps):
        world.act(may_cross=True, may_cancel=False)
        whole = world.rows[:]
        trades = sum(kind is Trade for kind, _, _ in whole)
        for _ in world.tell(trades + stream.below(len(whole) - trades + 1) if style.startswith("trades") else None):
            pass
        if stream.below(6) == 0 and not world.hides:
            stands = {price: world.real.lots(SELL, price) for price in world.real.sides[SELL]}
            is_told = not world.rows and not world.late
            wanted = 1 + stream.below(15)
            expected: dict[int, int] = {}
            for price, lots, _ in world.real.send("me", BUY, None, wanted, rests=False):
                expected[price] = expected.get(price, 0) + lots
            world.desk.buy(wanted, at=max(world.now_ns, world.reach_ns))
            got = {int(fill.price): int(fill.amount) for fill in world.desk.venue.truth_fills()}
            assert all(lots <= stands.get(price, 0) for price, lots in got.items()), f"{got} taken, {stands} in the market"
            assert not is_told or got == expected, f"{got} taken, {expected} in the market"
            return
        for _ in world.tell():
            pass


def fills_are_exact(make_desk: Callable[..., Any], seed: int, style: str, fills: FillModel, orders: int, steps: int = 40) -> None:
    """Where nobody cancels and all clocks agree nothing is left to guess: once all is told, just what happened in the market is filled."""
    stream = Chance(seed).stream("world")
    world = World(make_desk(fills), stream, style, is_exact=True)
    for _ in range(steps):
        world.act(may_cross=False, may_cancel=False)
        for _ in world.tell():
            pass
        if not world.late:
            for order in world.mine:
                said, was = world.filled(order)
                assert said == was, f"{said} lots of {order.id} filled, {was} in the market"
        if len(world.mine) < orders and stream.below(3) == 0 and not any(world.filled(order)[1] for order in world.mine):
            world.place(95 + stream.below(6), 1 + stream.below(9), in_front=isinstance(fills, TouchFills))


SEEDS = st.integers(0, 2**32)


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_first_fill_could_have_happened(open_desk: Callable[..., Any], style: str, seed: int) -> None:
    """No fill that could not have happened, whatever others do and however the tape tells it."""
    first_fill_is_possible(open_desk, seed, style)


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_no_fill_of_several_orders_is_invented(open_desk: Callable[..., Any], style: str, seed: int) -> None:
    """Orders of ours that share trades and queues never get more than they would have."""
    fills_are_possible(open_desk, seed, style)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("seed", [20574, 20691, 21086, 21439, 4448319])
def test_stories_that_once_ended_badly(open_desk: Callable[..., Any], style: str, seed: int) -> None:
    """In these a cancellation passes for the report of a trade, and lots get past an order of ours that ought to have had them."""
    fills_are_possible(open_desk, seed, style, steps=80)


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_queue_fills_exactly_where_nothing_is_hidden(open_desk: Callable[..., Any], style: str, seed: int) -> None:
    """Caution costs nothing where the tape leaves no doubt."""
    fills_are_exact(open_desk, seed, style, QueueFills(), orders=3)


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_touch_fills_as_if_first_in_the_queue(open_desk: Callable[..., Any], style: str, seed: int) -> None:
    """`touch` is the market in which we stand before everybody else."""
    fills_are_exact(open_desk, seed, style, TouchFills(), orders=1)


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_takers_get_only_what_is_there(open_desk: Callable[..., Any], style: str, seed: int) -> None:
    """No liquidity that a trade has taken is taken again."""
    takings_are_real(open_desk, seed, style)


# Broken on purpose: each of these must be caught by one of the stories above.


def forget_the_queue(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(QueueFills, "join", lambda self, lots, mark, instrument: QueuePlace(0, mark))


def count_a_trade_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Matcher, "_share", lambda self, trade, side, share=Matcher._share: [share(self, trade, side) for _ in "ab"])


def forget_what_the_book_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(BookSide, "told", lambda self, trade: [])


def shorten_by_level_changes_too(patch: pytest.MonkeyPatch) -> None:
    def on_level(self: QueuePlace, lots: int, mark: int, *, is_past: bool) -> None:
        self.bounds = [(0, min(self.bounds[-1][1], lots))]

    patch.setattr(QueuePlace, "on_level", on_level)


def forget_what_we_absorbed(patch: pytest.MonkeyPatch) -> None:
    def on_trade(self: QueuePlace, lots: int, absorbed: int, told: Any, real: Any = QueuePlace.on_trade) -> int:
        return int(real(self, lots, 0, told))

    patch.setattr(QueuePlace, "on_trade", on_trade)


def forget_whom_we_spared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(QueuePlace, "on_absorbed", lambda self, lots: None)


def share_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Matcher, "_fill_resting", lambda self, order, lots, real=Matcher._fill_resting: real(self, order, lots) * 0)


def fill_by_any_trade_at_our_price(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(QueuePlace, "on_trade", lambda self, lots, absorbed, told: lots)


def forget_trades_beyond(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(QueuePlace, "on_through", lambda self, lots, absorbed, told, mark: 0)


def never_touch(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FrontPlace, "on_trade", lambda self, lots, absorbed, told: 0)


def match_past_trades(patch: pytest.MonkeyPatch) -> None:
    def rest(self: Matcher, order: Any, real: Any = Matcher.rest) -> None:
        real(self, order)
        order.arrived_ns = 0

    patch.setattr(Matcher, "rest", rest)


def pass_the_limit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(BookSide, "own_reaching", lambda self, ticks, real=BookSide.own_reaching: real(self, ticks + (1 if self.is_asks else -1)))


def pass_a_takers_limit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(BookSide, "open_levels", lambda self, limit, book_ns, real=BookSide.open_levels: list(real(self, None, book_ns))[::-1])


def forget_prints(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Recent, "unreported", lambda self, book_ns: {})


def match_the_worst_price_first(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(BookSide, "own_reaching", lambda self, ticks, real=BookSide.own_reaching: list(real(self, ticks))[::-1])


BREAKAGES = (
    forget_the_queue,
    count_a_trade_twice,
    forget_what_the_book_told,
    shorten_by_level_changes_too,
    forget_what_we_absorbed,
    forget_whom_we_spared,
    share_nothing,
    fill_by_any_trade_at_our_price,
    forget_trades_beyond,
    never_touch,
    match_past_trades,
    pass_the_limit,
    match_the_worst_price_first,
    pass_a_takers_limit,
    forget_prints,
)


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.__name__)
def test_broken_matching_is_caught(open_desk: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, breakage: Callable[..., None]) -> None:
    """These stories can fail: with any one rule broken, one of them does."""
    breakage(monkeypatch)
    with pytest.raises(AssertionError, match="in the market"):
        tell_all_stories(open_desk)


def tell_all_stories(make_desk: Callable[..., Any]) -> None:
    for seed in range(400):
        for style in STYLES:
            first_fill_is_possible(make_desk, seed, style)
            fills_are_possible(make_desk, seed, style)
            fills_are_exact(make_desk, seed, style, QueueFills(), orders=3)
            fills_are_exact(make_desk, seed, style, TouchFills(), orders=1)
            takings_are_real(make_desk, seed, style)
