"""When the line is bad: one order for one wish, and in the end nothing missed."""

from __future__ import annotations

import asyncio

import pytest

from papertape.exchanges.base import BaseExchange
from papertape.model.errors import BaseError
from papertape.model.order import Order
from papertape.model.public import PublicTrade
from papertape.testing.contract.subject import Contract, on_tick, tick_of
from papertape.testing.fixtures import SimClock, SimFaults, SimVenue
from papertape.testing.sim_network import SimNetwork


class LineContract(Contract):
    """See the module."""

    @pytest.mark.parametrize("is_heard", [True, False], ids=["heard", "unheard"])
    @pytest.mark.parametrize("kind", ["lost_reply", "late_reply"])
    async def test_a_lost_answer_makes_no_second_order(
        self, sim_exchange: BaseExchange, venue: SimVenue, fault_plan: SimFaults, sim_network: SimNetwork, sim_clock: SimClock,
        kind: str, is_heard: bool,
    ) -> None:  # fmt: skip
        """The order was made, and its answer does not come: the call finds out, from the line for own orders where that is up, and never
        sends another.
        """
        self.need("recovers")
        exchange = await self.opened(sim_exchange)
        fault_plan.add(kind)
        if not is_heard:
            sim_network.cut("user", lasts="20s")
        order = await self.rest(exchange, venue)
        await sim_clock.sleep("1m")
        assert [each.id for each in venue.orders] == [order.id]

    async def test_an_order_refused_for_haste_is_sent_once_it_may_be(
        self, sim_exchange: BaseExchange, venue: SimVenue, fault_plan: SimFaults
    ) -> None:
        """A rate limit is no answer to the order."""
        self.need("recovers")
        exchange = await self.opened(sim_exchange)
        fault_plan.add({"kind": "rate_limit", "on": "order.create"})
        order = await self.rest(exchange, venue)
        assert [each.id for each in venue.orders] == [order.id]

    async def test_trades_go_on_after_the_line_dropped(
        self, sim_exchange: BaseExchange, sim_network: SimNetwork, sim_clock: SimClock
    ) -> None:
        """Whoever subscribed stays subscribed."""
        self.need("recovers", "trades")
        exchange = await self.opened(sim_exchange)
        heard: list[PublicTrade] = []
        await exchange.subscribe_trades(self.symbol, heard.append)
        await sim_clock.sleep("10s")
        sim_network.cut("market", lasts="5s")
        await sim_clock.sleep("30s")
        then = len(heard)
        await sim_clock.sleep("30s")
        assert len(heard) > then

    async def test_a_fill_behind_its_back_is_told_afterwards(
        self, sim_exchange: BaseExchange, venue: SimVenue, sim_network: SimNetwork, sim_clock: SimClock
    ) -> None:
        """What was filled while the line for own orders was down is told once it is up."""
        self.need("recovers", "own_orders")
        exchange = await self.opened(sim_exchange)
        heard: list[Order] = []
        await exchange.subscribe_orders(heard.append)
        near = on_tick(venue, self.symbol, venue.bid(self.symbol)) - 20 * tick_of(venue, self.symbol)
        order = await exchange.place_order(self.symbol, "limit", "buy", self.amount, near)
        sim_network.cut("user", lasts="90s")
        await sim_clock.sleep("150s")
        true = next(each for each in venue.orders if each.id == order.id)
        told = [each for each in heard if each.id == order.id]
        assert told[-1].filled == true.filled

    async def test_calls_at_once_do_not_mix(self, sim_exchange: BaseExchange, venue: SimVenue, fault_plan: SimFaults) -> None:
        """Each of several orders placed together gets its own answer, though one answer is lost."""
        self.need("recovers")
        exchange = await self.opened(sim_exchange)
        fault_plan.add({"kind": "lost_reply", "nth": 2})
        amounts = [self.amount * times for times in (1, 2, 3)]
        price = self.far(venue)
        placed = await asyncio.gather(*(exchange.place_order(self.symbol, "limit", "buy", each, price) for each in amounts))
        assert [order.amount for order in placed] == amounts
        assert sorted(order.id for order in placed) == sorted(order.id for order in venue.orders)

    async def test_no_order_is_made_while_the_venue_is_away(
        self, sim_exchange: BaseExchange, venue: SimVenue, sim_network: SimNetwork, sim_clock: SimClock
    ) -> None:
        """A call that says that nothing was sent tells the truth, however long one waits."""
        self.need("recovers")
        exchange = await self.opened(sim_exchange)
        price = self.far(venue)
        sim_network.cut(lasts="5m")
        try:
            order = await exchange.place_order(self.symbol, "limit", "buy", self.amount, price)
        except BaseError:
            await sim_clock.sleep("6m")
            assert venue.orders == ()
        else:
            assert [each.id for each in venue.orders] == [order.id]
