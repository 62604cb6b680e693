"""Ends, stops and brackets through our interface: straight to the Door, and as the live adapter writes them over a network."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import papertape
from papertape.exchanges.base import BaseExchange
from papertape.model.errors import InvalidOrder, NotSupported, never_sent
from papertape.model.order import Order, OrderStatus
from papertape.model.units import SECOND
from papertape.scenario.make import make_scenario
from papertape.session.result import Status
from papertape.session.run import run_scenario
from papertape.session.world import VenueWorld
from session.test_depths import ledger_again

SYMBOL = "BTC/USD"
DEPTHS = ("interface", "wire")
LITTLE = Decimal("0.03")  # less than the builtin market falls within a few seconds


def told_at_both_depths(story: Callable[[BaseExchange], Awaitable[Any]]) -> None:
    """The story goes the same way at both depths, and the venue's books agree with the client's."""
    for depth in DEPTHS:
        ended: list[str] = []

        async def main(exchange: BaseExchange, depth: str = depth, ended: list[str] = ended) -> None:
            await asyncio.sleep(2)  # the tape tells its first trades
            await story(exchange)
            order = await exchange.place_order(SYMBOL, "limit", "buy", "0.01", "50000")  # so that there is something to judge
            await exchange.cancel_order(order.id, SYMBOL)
            ended.append(depth)

        feed = {"tape": "builtin:btc-usd", "end": "90s"}
        venue = {"feed": feed, "account": {"USD": "100000", "BTC": "1"}}
        expect = {"invariants": ["every_order_known", "position_matches", "no_duplicate_exposure"]}
        result = papertape.simulate(main, venues={"coinbase": venue}, depth=depth, expect=expect)
        assert result.status is Status.PASSED, (depth, result.failures)
        assert ended == [depth]


async def heard_of(exchange: BaseExchange) -> tuple[list[Order], Callable[[], Awaitable[Decimal]]]:
    """What the user lane tells from now on, and a way to ask for the last trade's price."""
    orders: list[Order] = []
    prices: list[Decimal] = []
    await exchange.subscribe_orders(orders.append)
    await exchange.subscribe_trades(SYMBOL, lambda trade: prices.append(trade.price))

    async def last() -> Decimal:
        while not prices:
            await asyncio.sleep(0.1)
        return prices[-1]

    return orders, last


async def until(exchange: BaseExchange, order: Order, is_so: Callable[[Order], bool]) -> Order:
    """The order once that is so of it; a run has a minute."""
    while not is_so(order):
        await asyncio.sleep(0.5)
        order = await exchange.fetch_order_status(order.id, SYMBOL)
    return order


def test_a_stop_is_set_off_by_the_market() -> None:
    """A sell stop just under the market comes to the book once a trade reaches it, and sells as a taker, never under its limit."""

    async def story(exchange: BaseExchange) -> None:
        orders, last = await heard_of(exchange)
        stop = await last() - LITTLE
        order = await exchange.place_order(SYMBOL, "limit", "sell", "0.01", stop - 50, trigger_price=stop)
        assert (order.status, order.filled, order.trigger_price, order.is_triggered) == (OrderStatus.OPEN, 0, stop, False)
        done = await until(exchange, order, lambda each: each.status is OrderStatus.CLOSED)
        assert done.is_triggered
        assert done.average is not None
        assert stop - 50 <= done.average <= stop + 50
        mine = [each for each in orders if each.id == order.id]
        assert (mine[0].is_triggered, mine[-1].is_triggered, mine[-1].status) == (False, True, OrderStatus.CLOSED)

    told_at_both_depths(story)


def test_a_stop_may_take_a_profit() -> None:
    """The other way round: a sell just over the market comes to the book once the market has risen to it, at a limit under it."""

    async def story(exchange: BaseExchange) -> None:
        _, last = await heard_of(exchange)
        price = await last()
        order = await exchange.place_order(SYMBOL, "limit", "sell", "0.01", price - 50, trigger_price=price + LITTLE, stop_direction="up")
        done = await until(exchange, order, lambda each: each.status is OrderStatus.CLOSED)
        assert done.is_triggered
        assert done.average is not None
        assert done.average > price - Decimal("0.10"), "at the bid under the trade that set it off"

    told_at_both_depths(story)


def test_a_bracket_gets_out_below() -> None:
    """Its limit is far above; a trade at its stop sells what it holds."""

    async def story(exchange: BaseExchange) -> None:
        _, last = await heard_of(exchange)
        price = await last()
        order = await exchange.place_order(SYMBOL, "limit", "sell", "0.01", price + 5000, stop_loss_price=price - LITTLE)
        done = await until(exchange, order, lambda each: each.status is OrderStatus.CLOSED)
        assert (done.price, done.is_triggered, done.stop_loss_price) == (price + 5000, True, price - LITTLE)
        assert done.average is not None
        assert done.average < price + 50

    told_at_both_depths(story)


def test_an_order_ends_at_its_time() -> None:
    """Good till date: the user lane tells of the end, and what was held is free."""

    async def story(exchange: BaseExchange) -> None:
        orders, last = await heard_of(exchange)
        price = await last() - 1000
        free = (await exchange.fetch_balance())["USD"].free
        end_ns = (await exchange.place_order(SYMBOL, "limit", "buy", "0.01", price)).created_ns + 5 * SECOND
        (first,) = await exchange.fetch_open_orders(SYMBOL)
        await exchange.cancel_order(first.id, SYMBOL)
        terms: dict[str, Any] = {"time_in_force": "GTD", "expires_at": end_ns, "post_only": True}
        order = await exchange.place_order(SYMBOL, "limit", "buy", "0.01", price, **terms)
        assert (order.expires_ns, order.status) == (end_ns, OrderStatus.OPEN)
        assert (await exchange.fetch_balance())["USD"].free < free
        await asyncio.sleep(6)
        mine = [each for each in orders if each.id == order.id]
        assert (mine[-1].status, mine[-1].filled) == (OrderStatus.EXPIRED, 0)
        assert (await exchange.fetch_balance())["USD"].free == free
        assert (await exchange.fetch_order_status(order.id, SYMBOL)).status is OrderStatus.EXPIRED

    told_at_both_depths(story)


def test_what_the_market_has_passed_already_is_refused_by_the_venue() -> None:
    """With Coinbase's word for it, as ccxt's InvalidOrder; no order is left."""

    async def story(exchange: BaseExchange) -> None:
        _, last = await heard_of(exchange)
        price = await last()
        with pytest.raises(InvalidOrder):
            await exchange.place_order(SYMBOL, "limit", "sell", "0.01", price - 100, trigger_price=price + 1000)
        with pytest.raises(InvalidOrder):
            await exchange.place_order(SYMBOL, "limit", "sell", "0.01", price - 1000, stop_loss_price=price - 2000)
        assert await exchange.fetch_open_orders(SYMBOL) == []

    told_at_both_depths(story)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_stop_whose_answer_is_lost_is_one_stop(depth: str) -> None:
    """It is found again by what it is: neither a second one is made, nor is a plain order at its limit taken for it."""
    made: list[Order] = []

    async def main(exchange: BaseExchange) -> None:
        await asyncio.sleep(2)
        terms: list[dict[str, Any]] = [
            {"trigger_price": "60000"}, {"stop_loss_price": "40000"}, {"time_in_force": "GTD", "expires_at": 2 * 10**18},
        ]  # fmt: skip
        for price, each in zip(("50000", "70000", "70001"), terms, strict=True):
            made.append(await exchange.place_order(SYMBOL, "limit", "sell", "0.01", price, **each))
        assert [order.id for order in await exchange.fetch_open_orders(SYMBOL)] == [order.id for order in made]

    venue = {"feed": {"tape": "builtin:btc-usd", "end": "3m"}, "account": {"USD": "100000", "BTC": "1"}}
    faults = [{"kind": "lost_reply", "on": "order.create", "nth_intent": nth} for nth in (1, 2, 3)]
    faults.append({"kind": "disconnect", "connection": "user", "at": "1s", "lasts": "60s"})  # so that nothing but asking finds them
    expect = {"invariants": ["no_duplicate_exposure", "every_order_known", "position_matches"]}
    result = papertape.simulate(main, venues={"coinbase": venue}, faults=faults, depth=depth, expect=expect)
    assert (result.status, result.orders, result.fills) == (Status.PASSED, 3, 0), result.failures
    assert [(order.trigger_price, order.stop_loss_price, order.expires_ns) for order in made] == [
        (Decimal(60000), None, None), (None, Decimal(40000), None), (None, None, 2 * 10**18),
    ]  # fmt: skip


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_commands_alone_make_the_same_ledger_again(depth: str) -> None:
    """Rows and commands at their instants are all there is: nothing wakes the other venue when an order ends, and it ends all the same."""

    async def main(exchange: BaseExchange) -> None:
        await asyncio.sleep(2)
        _, last = await heard_of(exchange)
        price = await last()
        place = partial(exchange.place_order, SYMBOL, "limit")
        stop = await place("sell", "0.01", price - 50, trigger_price=price - LITTLE)
        out = await place("sell", "0.02", price + 5000, stop_loss_price=price - LITTLE)
        end_ns = out.created_ns + 5 * SECOND
        await place("buy", "0.01", price - 9, time_in_force="GTD", expires_at=end_ns)
        for order in (stop, out):
            await until(exchange, order, lambda each: each.status is OrderStatus.CLOSED)
        await asyncio.sleep(6)

    venue = {"feed": {"tape": "builtin:btc-usd", "end": "90s"}, "account": {"USD": "100000", "BTC": "1"}}
    raw = {"title": "again", "bot": main, "venue": {"coinbase": venue}, "depth": depth}
    worlds: list[VenueWorld] = []
    run_scenario(make_scenario(raw, source="a test", folder=Path()), inspect=worlds.extend)
    truth = worlds[0].door.truth()
    again = ledger_again(worlds[0], {"USD": Decimal(100000), "BTC": Decimal(1)}, worlds[0].venue.epoch_ns)
    assert (again.fills, again.orders) == (truth.fills, truth.orders)
    assert [order.status for order in truth.orders] == [OrderStatus.CLOSED, OrderStatus.CLOSED, OrderStatus.EXPIRED]


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"time_in_force": "GTD"}, "needs expires_at"),
    ({"expires_at": 10**19}, "needs expires_at, and no other has one"),
    ({"time_in_force": "GTD", "expires_at": 1_800_000_000}, "is it in seconds or milliseconds"),
    ({"time_in_force": "GTD", "expires_at": "tomorrow"}, "expected whole nanoseconds"),
    ({"trigger_price": "60000.001"}, "is not a positive multiple of the tick"),
    ({"trigger_price": "soon"}, '"soon" is no number'),
    ({"trigger_price": "40000"}, "must be at trigger_price 40000 or below"),
    ({"trigger_price": "60000", "stop_loss_price": "40000"}, "an order is one of them"),
    ({"trigger_price": "60000", "time_in_force": "IOC"}, "is GTC or GTD, and not post-only"),
    ({"trigger_price": "60000", "post_only": True}, "is GTC or GTD, and not post-only"),
    ({"trigger_price": "60000", "stop_direction": "sideways"}, "'sideways' is not a valid StopDirection"),
    ({"stop_direction": "up"}, "and there is none"),
    ({"stop_loss_price": "60000"}, "a bracket sells, with stop_loss_price 60000 under price 50000"),
]


def test_mistakes_are_told_before_anything_is_sent() -> None:
    """Each in words that name what was given and what is expected."""

    async def story(exchange: BaseExchange) -> None:
        for terms, words in MISTAKES:
            with pytest.raises(InvalidOrder, match=words):
                await exchange.place_order(SYMBOL, "limit", "sell", "0.01", "50000", **terms)
        with pytest.raises(InvalidOrder, match="needs a price"):
            await exchange.place_order(SYMBOL, "market", "sell", "0.01", trigger_price="60000")
        assert await exchange.fetch_open_orders() == []

    told_at_both_depths(story)


def test_a_venue_without_stops_is_never_sent_one() -> None:
    """A venue that ignored the stop would make a plain order of it: the client says no, and says that nothing was sent."""
    seen: list[NotSupported] = []

    async def main(exchange: BaseExchange) -> None:
        for terms in ({"trigger_price": "10"}, {"stop_loss_price": "1"}, {"time_in_force": "GTD", "expires_at": 10**19}):
            with pytest.raises(NotSupported, match=r"binance does not offer .* orders; nothing was sent") as caught:
                await exchange.place_order(SYMBOL, "limit", "sell", "1", "10", **terms)
            seen.append(caught.value)

    venue = {"feed": {"tape": "builtin:btc-usd", "end": "5s"}, "account": {"USD": "100", "BTC": "1"}}
    result = papertape.simulate(main, venues={"binance": venue}, expect={"invariants": []})
    assert [never_sent(error) for error in seen] == [True, True, True], result.failures
