"""Subscriptions: what is heard is what happened, in order and once; and whoever unsubscribes hears no more."""

from __future__ import annotations

import asyncio
from typing import Any

from papertape.exchanges.base import BaseExchange
from papertape.model.book import Book
from papertape.model.order import Order, OrderStatus
from papertape.model.public import PublicTicker, PublicTrade
from papertape.testing.contract.subject import Contract
from papertape.testing.fixtures import SimClock, SimVenue


class StreamsContract(Contract):
    """See the module."""

    async def test_trades_are_the_venues_in_order(self, sim_exchange: BaseExchange, venue: SimVenue, sim_clock: SimClock) -> None:
        """None missing, none twice, none out of its place."""
        self.need("trades")
        exchange = await self.opened(sim_exchange)
        heard: list[str] = []
        await exchange.subscribe_trades(self.symbol, lambda trade: heard.append(trade.event.trade_id))
        await sim_clock.sleep("30s")
        assert len(heard) > 3
        true = [trade.event.trade_id for trade in venue.trades(self.symbol)]
        first = true.index(heard[0])
        assert heard == true[first : first + len(heard)]
        assert len(true) - first - len(heard) <= 3, "what is missing at the end must be on its way"

    async def test_the_book_is_the_venues(self, sim_exchange: BaseExchange, venue: SimVenue, sim_clock: SimClock) -> None:
        """Never crossed, and once the market is quiet for a moment its best prices are the venue's."""
        self.need("order_book")
        exchange = await self.opened(sim_exchange)
        crossed: list[str] = []
        agreed = 0
        last: list[Book] = []

        def hear(book: Book) -> None:
            last[:] = [book]
            if book.is_crossed:
                crossed.append(f"{book.bid} over {book.ask} at {sim_clock.now}s")

        await exchange.subscribe_order_book(self.symbol, hear)
        for _ in range(60):
            await sim_clock.sleep(0.5)
            if last and (last[0].bid, last[0].ask) == (venue.bid(self.symbol), venue.ask(self.symbol)):
                agreed += 1
        assert crossed == []
        assert agreed > 20, f"book and venue agreed at {agreed} of 60 moments"

    async def test_the_ticker_is_the_market(self, sim_exchange: BaseExchange, venue: SimVenue, sim_clock: SimClock) -> None:
        """Its prices are near those of the venue, and its bid is below its ask."""
        self.need("ticker")
        exchange = await self.opened(sim_exchange)
        heard: list[PublicTicker] = []
        await exchange.subscribe_ticker(self.symbol, heard.append)
        await sim_clock.sleep("30s")
        assert heard
        ticker, price = heard[-1], venue.price(self.symbol)
        assert ticker.bid is not None
        assert ticker.ask is not None
        assert ticker.bid < ticker.ask
        assert abs(ticker.bid - price) < price / 100

    async def test_own_orders_are_told_from_start_to_end(self, sim_exchange: BaseExchange, venue: SimVenue, sim_clock: SimClock) -> None:
        """That it is open, and that it is filled or cancelled; never a step back."""
        self.need("own_orders")
        exchange = await self.opened(sim_exchange)
        heard: list[Order] = []
        await exchange.subscribe_orders(heard.append)
        bought = await self.buy(exchange)
        rested = await self.rest(exchange, venue)
        await exchange.cancel_order(rested.id, self.symbol)
        await sim_clock.sleep("2s")
        ends = {order.id: order for order in heard}
        assert (ends[bought.id].status, ends[bought.id].filled) == (OrderStatus.CLOSED, self.amount)
        assert ends[rested.id].status is OrderStatus.CANCELED
        for order_id in ends:
            steps = [order for order in heard if order.id == order_id]
            assert [order.filled for order in steps] == sorted(order.filled for order in steps)
            assert all(order.status is OrderStatus.OPEN for order in steps if order is not steps[-1] and not order.status.is_final)

    async def test_whoever_unsubscribes_hears_no_more(self, sim_exchange: BaseExchange, sim_clock: SimClock) -> None:
        """And may do so twice."""
        self.need("trades")
        exchange = await self.opened(sim_exchange)
        heard: list[PublicTrade] = []
        subscription = await exchange.subscribe_trades(self.symbol, heard.append)
        await sim_clock.sleep("20s")
        await subscription.unsubscribe()
        count = len(heard)
        await subscription.unsubscribe()
        await sim_clock.sleep("20s")
        assert 0 < count == len(heard)

    async def test_a_subscription_ends_with_its_block(self, sim_exchange: BaseExchange, sim_clock: SimClock) -> None:
        """`async with await subscribe_…`."""
        self.need("trades")
        exchange = await self.opened(sim_exchange)
        heard: list[PublicTrade] = []
        async with await exchange.subscribe_trades(self.symbol, heard.append):
            await sim_clock.sleep("20s")
        count = len(heard)
        await sim_clock.sleep("20s")
        assert 0 < count == len(heard)

    async def test_one_of_two_subscriptions_may_end(self, sim_exchange: BaseExchange, sim_clock: SimClock) -> None:
        """The other goes on hearing everything."""
        self.need("trades")
        exchange = await self.opened(sim_exchange)
        one: list[PublicTrade] = []
        other: list[PublicTrade] = []
        first = await exchange.subscribe_trades(self.symbol, one.append)
        await exchange.subscribe_trades(self.symbol, other.append)
        await sim_clock.sleep("20s")
        await first.unsubscribe()
        count, then = len(one), len(other)
        await sim_clock.sleep("20s")
        assert len(one) == count
        assert len(other) > then > 0

    async def test_callbacks_come_one_after_another(self, sim_exchange: BaseExchange, sim_clock: SimClock) -> None:
        """An async callback that takes its time is not called again before it is done."""
        self.need("trades")
        exchange = await self.opened(sim_exchange)
        inside = 0
        most = 0
        times = 0

        async def slow(trade: Any) -> None:
            nonlocal inside, most, times
            inside += 1
            times += 1
            most = max(most, inside)
            await asyncio.sleep(0.3)
            inside -= 1

        subscription = await exchange.subscribe_trades(self.symbol, slow)
        await sim_clock.sleep("30s")
        await subscription.unsubscribe()
        await sim_clock.sleep("1s")  # the last may still be at it
        assert times > 3
        assert most == 1
