"""The life of an order: placed, seen, changed, filled, cancelled; what is told of it is what the venue has."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import pytest

from papertape.exchanges.base import BaseExchange
from papertape.model.errors import InvalidOrder, OrderNotFound
from papertape.model.order import OrderStatus
from papertape.model.units import SECOND
from papertape.testing.contract.subject import Contract, tick_of
from papertape.testing.fixtures import SimClock, SimVenue


class OrdersContract(Contract):
    """See the module."""

    async def test_a_limit_order_rests_as_asked(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        """Side, amount and price arrive to the last digit, and what is returned says so in decimals."""
        exchange = await self.opened(sim_exchange)
        price = self.far(venue)
        order = await exchange.place_order(self.symbol, "limit", "buy", self.amount, price)
        (true,) = venue.open_orders
        assert (true.symbol, str(true.side), true.amount, true.price) == (self.symbol, "buy", self.amount, price)
        assert (order.id, order.status, order.amount, order.price) == (true.id, OrderStatus.OPEN, self.amount, price)
        assert isinstance(order.amount, Decimal)
        assert isinstance(order.price, Decimal)

    async def test_a_market_order_is_filled(self, sim_exchange: BaseExchange, venue: SimVenue, sim_clock: SimClock) -> None:
        """It closes, and what is told of its fills is what the venue booked."""
        exchange = await self.opened(sim_exchange)
        order = await self.buy(exchange)
        await sim_clock.sleep("1s")
        order = await exchange.fetch_order_status(order.id, self.symbol)
        assert (order.status, order.filled, order.remaining) == (OrderStatus.CLOSED, self.amount, Decimal(0))
        assert sum(fill.amount for fill in venue.fills) == self.amount
        assert order.cost == sum(fill.cost for fill in venue.fills)

    async def test_a_float_means_what_it_prints(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        """0.07 is seven hundredths, not the binary number next to it."""
        exchange = await self.opened(sim_exchange)
        await exchange.place_order(self.symbol, "limit", "buy", 0.07, float(self.far(venue)))
        (true,) = venue.open_orders
        assert true.amount == Decimal("0.07")

    async def test_a_market_buy_by_cost_spends_that_much(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        exchange = await self.opened(sim_exchange)
        cost = Decimal(500)
        await self.need_or_refuse("market_by_cost", lambda: exchange.place_order(self.symbol, "market", "buy", cost=cost))
        await exchange.place_order(self.symbol, "market", "buy", cost=cost)
        spent = sum(fill.cost for fill in venue.fills)
        assert cost * Decimal("0.98") < spent <= cost

    async def test_what_is_not_taken_at_once_does_not_rest(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        """An IOC order far from the market ends unfilled."""
        exchange = await self.opened(sim_exchange)
        await self.need_or_refuse("ioc", lambda: self.rest(exchange, venue, time_in_force="IOC"))
        await self.rest(exchange, venue, time_in_force="IOC")
        assert venue.open_orders == ()
        assert venue.fills == ()

    async def test_a_post_only_order_never_takes(self, sim_exchange: BaseExchange, venue: SimVenue, sim_clock: SimClock) -> None:
        """One that would take is refused or cancelled; one that rests, rests."""
        exchange = await self.opened(sim_exchange)
        await self.need_or_refuse("post_only", lambda: self.rest(exchange, venue, post_only=True))
        over = venue.ask(self.symbol) + 1000 * tick_of(venue, self.symbol)
        try:
            order = await exchange.place_order(self.symbol, "limit", "buy", self.amount, over, post_only=True)
        except InvalidOrder:
            pass
        else:
            assert order.status is not OrderStatus.OPEN
        await sim_clock.sleep("1s")
        assert venue.fills == ()
        assert (await self.rest(exchange, venue, post_only=True)).status is OrderStatus.OPEN

    async def test_an_order_ends_at_its_time(self, sim_exchange: BaseExchange, venue: SimVenue, sim_clock: SimClock) -> None:
        """Good till date: open until then, and expired after it, though nobody did anything."""
        exchange = await self.opened(sim_exchange)
        await exchange.cancel_order((await self.rest(exchange, venue)).id, self.symbol)
        end_ns = venue.orders[0].created_ns + 5 * SECOND  # the venue's clock, not ours
        await self.need_or_refuse("gtd", lambda: self.rest(exchange, venue, time_in_force="GTD", expires_at=end_ns))
        order = await self.rest(exchange, venue, time_in_force="GTD", expires_at=end_ns)
        assert [(each.id, each.expires_ns) for each in venue.open_orders] == [(order.id, end_ns)]
        await sim_clock.sleep("10s")
        assert venue.open_orders == ()
        assert (await exchange.fetch_order_status(order.id, self.symbol)).status is OrderStatus.EXPIRED

    async def test_a_stop_waits_outside_the_book(self, sim_exchange: BaseExchange, venue: SimVenue, sim_clock: SimClock) -> None:
        """A sell far under the market, which would fill at once, does not while its stop is not reached; and it can be cancelled."""
        exchange = await self.opened(sim_exchange)
        await sim_clock.sleep("2s")
        stop = self.far(venue)
        place = partial(exchange.place_order, self.symbol, "limit", "sell", self.amount, stop, trigger_price=stop)
        await self.need_or_refuse("stop_limit", place)
        order = await place()
        await sim_clock.sleep("2s")
        assert [(each.id, each.trigger_price, each.is_dormant) for each in venue.open_orders] == [(order.id, stop, True)]
        assert venue.fills == ()
        assert (await exchange.cancel_order(order.id, self.symbol)).status is OrderStatus.CANCELED

    async def test_a_bracket_rests_at_its_price(self, sim_exchange: BaseExchange, venue: SimVenue, sim_clock: SimClock) -> None:
        """With its stop far under the market and its price far over it."""
        exchange = await self.opened(sim_exchange)
        await sim_clock.sleep("2s")
        stop = self.far(venue)
        place = partial(exchange.place_order, self.symbol, "limit", "sell", self.amount, 4 * stop, stop_loss_price=stop)
        await self.need_or_refuse("bracket", place)
        order = await place()
        assert [(each.id, each.price, each.stop_loss_price) for each in venue.open_orders] == [(order.id, 4 * stop, stop)]
        assert (await exchange.cancel_order(order.id, self.symbol)).status is OrderStatus.CANCELED

    async def test_a_repeated_client_order_id_makes_one_order(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        """The same wish under the same id is the same order; that is what an id is for."""
        exchange = await self.opened(sim_exchange)
        name = "contract-0001"
        await self.need_or_refuse("client_order_ids", lambda: self.rest(exchange, venue, client_order_id=name))
        first = await self.rest(exchange, venue, client_order_id=name)
        assert first.client_order_id == name
        try:
            again = await self.rest(exchange, venue, client_order_id=name)
        except InvalidOrder:  # a DuplicateOrderId is one
            pass
        else:
            assert again.id == first.id
        assert len(venue.orders) == 1

    async def test_two_orders_without_ids_are_two(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        exchange = await self.opened(sim_exchange)
        ids = [(await self.rest(exchange, venue)).id for _ in range(2)]
        assert ids == [order.id for order in venue.open_orders]

    async def test_open_orders_are_the_venues(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        """Those that rest, and not those that are done."""
        exchange = await self.opened(sim_exchange)
        kept, gone = await self.rest(exchange, venue), await self.rest(exchange, venue)
        await self.buy(exchange)
        await exchange.cancel_order(gone.id, self.symbol)
        assert [order.id for order in await exchange.fetch_open_orders(self.symbol)] == [kept.id]
        assert [order.id for order in venue.open_orders] == [kept.id]

    async def test_a_cancelled_order_is_gone(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        exchange = await self.opened(sim_exchange)
        order = await self.rest(exchange, venue)
        assert (await exchange.cancel_order(order.id, self.symbol)).status is OrderStatus.CANCELED
        assert venue.open_orders == ()

    async def test_cancelling_twice_says_where_it_stands(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        """The second time it is as cancelled as before, which is no error."""
        exchange = await self.opened(sim_exchange)
        order = await self.rest(exchange, venue)
        await exchange.cancel_order(order.id, self.symbol)
        assert (await exchange.cancel_order(order.id, self.symbol)).status is OrderStatus.CANCELED

    async def test_cancelling_what_is_filled_says_so(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        """A fill may be faster than a cancel; the answer is the filled order, not an error."""
        exchange = await self.opened(sim_exchange)
        order = await self.buy(exchange)
        stands = await exchange.cancel_order(order.id, self.symbol)
        assert (stands.status, stands.filled) == (OrderStatus.CLOSED, self.amount)

    async def test_an_order_can_be_asked_for(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        """By its id, open and done."""
        exchange = await self.opened(sim_exchange)
        order = await self.rest(exchange, venue)
        assert (await exchange.fetch_order_status(order.id, self.symbol)).status is OrderStatus.OPEN
        await exchange.cancel_order(order.id, self.symbol)
        assert (await exchange.fetch_order_status(order.id, self.symbol)).status is OrderStatus.CANCELED

    @pytest.mark.parametrize("call", ["cancel_order", "fetch_order_status"])
    async def test_an_order_that_nobody_made_is_not_found(self, sim_exchange: BaseExchange, call: str) -> None:
        exchange = await self.opened(sim_exchange)
        with pytest.raises(OrderNotFound):
            await getattr(exchange, call)("00000000-0000-0000-0000-000000000000", self.symbol)

    async def test_an_edit_changes_price_and_amount(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        """To what was asked, of that order alone, and never two of it."""
        exchange = await self.opened(sim_exchange)
        order = await self.rest(exchange, venue)
        lower = self.far(venue) - 100 * tick_of(venue, self.symbol)
        await self.need_or_refuse("edit", lambda: exchange.edit_order(order.id, self.symbol, price=lower))
        edited = await exchange.edit_order(order.id, self.symbol, price=lower, amount=2 * self.amount)
        (true,) = venue.open_orders
        assert (true.price, true.amount) == (edited.price, edited.amount) == (lower, 2 * self.amount)
