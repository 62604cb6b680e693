"""Whatever happens to the line: at most one order for each wish, and in the end the client knows what the venue knows."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from exchanges.scripted import LOOKUP, RULES, SCAN, Fate, World, play
from papertape.model.errors import BaseError, NetworkError, never_sent
from papertape.model.order import Order, OrderStatus
from papertape.model.request import Lane, Op
from papertape.model.units import SECOND
from thorough import tries

TENTHS = st.integers(0, 400)  # of a second


class Wish(msgspec.Struct, frozen=True):
    """The bot wants an order, and perhaps cancels it, or stops waiting."""

    at: int
    symbol: str
    cancels: bool
    stops_waiting_after: int | None


class Cut(msgspec.Struct, frozen=True):
    """A lane drops and cannot be opened for a while."""

    at: int
    lane: Lane
    lasts: int


class Quiet(msgspec.Struct, frozen=True):
    """A stream is open and says nothing for a while; what it should have said is lost."""

    at: int
    lane: Lane
    lasts: int


class Filled(msgspec.Struct, frozen=True):
    """The venue fills whatever is open."""

    at: int


wishes = st.builds(Wish, TENTHS, st.sampled_from(["BTC/USD", "ETH/USD"]), st.booleans(), st.one_of(st.none(), st.integers(0, 150)))
cuts = st.builds(Cut, TENTHS, st.sampled_from(Lane), st.integers(0, 450))
quiets = st.builds(Quiet, TENTHS, st.sampled_from([Lane.MARKET, Lane.USER]), st.integers(0, 450))
plans = st.lists(st.one_of(cuts, quiets, st.builds(Filled, TENTHS)), max_size=6)
fates = st.lists(st.sampled_from(Fate), max_size=8)


async def live_through(world: World, wishes: list[Wish], plan: list[Any], fates_by_op: dict[Op, list[Fate]]) -> list[Order | BaseException]:
    """Let everything happen, heal, and wait until it is quiet; returns what became of each wish."""
    link = world.link
    for op, fates in fates_by_op.items():
        link.fates[op] = list(fates)
    outcomes: list[Order | BaseException] = []

    async def wish(each: Wish) -> None:
        await world.sleep(each.at / 10)
        placing = world.start_buy(each.symbol)
        if each.stops_waiting_after is not None:
            await asyncio.wait([placing], timeout=each.stops_waiting_after / 10)
            placing.cancel()
        try:
            order = await placing
        except (BaseError, asyncio.CancelledError) as error:
            outcomes.append(error)
            return
        outcomes.append(order)
        if each.cancels:
            try:
                order = await world.exchange.cancel_order(order.id)
                assert order.status.is_final or order.filled
            except BaseError:
                return

    async def disturb(each: Any) -> None:
        await world.sleep(each.at / 10)
        match each:
            case Cut():
                link.refuses[each.lane] = NetworkError("refused")
                link.drop(each.lane)
                await world.sleep(each.lasts / 10)
                link.refuses.pop(each.lane, None)
            case Quiet():
                link.mute[each.lane] = None
                await world.sleep(each.lasts / 10)
                link.mute.pop(each.lane, None)
            case Filled():
                for key, order in list(link.orders.items()):
                    if order.status is OrderStatus.OPEN and order.filled == 0:
                        link.fill(key, "0.5")

    await asyncio.gather(*(wish(each) for each in wishes), *(disturb(each) for each in plan))
    link.fates.clear()
    link.refuses.clear()
    link.mute.clear()
    await world.sleep(300)
    return outcomes


@settings(max_examples=tries(250, 5000), deadline=None)
@given(
    st.sampled_from([RULES, LOOKUP, SCAN]),
    st.lists(wishes, min_size=1, max_size=5),
    plans,
    st.fixed_dictionaries({Op.ORDER_CREATE: fates, Op.ORDER_FETCH: fates, Op.ORDERS_OPEN: fates, Op.ORDER_CANCEL: fates}),
)
def test_never_two_orders_for_one_wish(rules: Any, wishes: list[Wish], plan: list[Any], fates_by_op: dict[Op, list[Fate]]) -> None:
    """Through any mixture of cuts, stalls, lost, refused and garbled answers, impatient callers and fills."""

    async def story(world: World) -> None:
        link = world.link
        outcomes = await live_through(world, wishes, plan, fates_by_op)
        created = [request.client_order_id for request in link.executed if request.op is Op.ORDER_CREATE]
        assert len(created) == len(set(created)), "an id made two orders"
        view = world.exchange.view()
        intents = {intent.client_order_id: intent for intent in view.intents}
        assert all(key in intents for key in created), "an order that no intent has"
        assert len(created) <= len(wishes), "more orders than wishes"
        for key, intent in intents.items():
            assert not intent.is_unknown, f"{key} is still unknown"
            assert intent.order == link.orders.get(key), f"{key}: the client believes something else than the venue"
        for outcome in outcomes:
            if isinstance(outcome, Order):
                assert outcome.client_order_id in link.orders
        unsent = sum(isinstance(outcome, BaseException) and never_sent(outcome) for outcome in outcomes)
        assert len(created) + unsent <= len(wishes), "an order that was said to be unsent was sent"
        assert world.exchange.health.is_healthy, world.exchange.health.why
        times = sorted(at for at, request in link.requests if request.op not in (Op.MARKETS_FETCH, Op.OHLCV_FETCH))
        assert all(later - earlier > SECOND for earlier, later in zip(times, times[30:], strict=False)), "over the quota"

    play(story, rules=rules, limit_s=7_200)
