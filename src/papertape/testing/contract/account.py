"""The account and its markets: names, grids, money, and that all amounts are exact."""

from __future__ import annotations

from decimal import Decimal

from papertape.exchanges.base import BaseExchange
from papertape.testing.contract.subject import Contract
from papertape.testing.fixtures import SimClock, SimVenue


class AccountContract(Contract):
    """See the module."""

    async def test_a_connected_exchange_is_healthy(self, sim_exchange: BaseExchange) -> None:
        """Once connected it may trade, and says so."""
        exchange = await self.opened(sim_exchange)
        assert exchange.health.is_healthy, exchange.health.why
        assert exchange.health.may_trade

    async def test_connecting_again_changes_nothing(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        """A second `connect` is no second life: what rests stays, and orders go on."""
        exchange = await self.opened(sim_exchange)
        order = await self.rest(exchange, venue)
        await exchange.connect()
        assert [each.id for each in await exchange.fetch_open_orders(self.symbol)] == [order.id]

    async def test_disconnecting_twice_is_harmless(self, sim_exchange: BaseExchange) -> None:
        exchange = await self.opened(sim_exchange)
        await self.subject.disconnect(exchange)
        await self.subject.disconnect(exchange)
        assert not exchange.health.may_trade

    async def test_markets_have_exact_grids(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        """The traded symbol is among the markets, and its tick and lot are the venue's, as decimals."""
        self.need("markets")
        exchange = await self.opened(sim_exchange)
        markets = {market.symbol: market for market in await exchange.fetch_markets()}
        assert self.symbol in markets
        instrument, true = markets[self.symbol].instrument, venue.instrument(self.symbol)
        assert (instrument.tick, instrument.lot) == (true.tick, true.lot)
        assert isinstance(instrument.tick, Decimal)

    async def test_balances_are_the_venues_to_the_last_digit(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        """Before a trade and after it, fees and all."""
        self.need("balances")
        exchange = await self.opened(sim_exchange)
        for _ in range(2):
            found = {currency: balance.total for currency, balance in (await exchange.fetch_balance()).currencies.items() if balance.total}
            assert found == {currency: total for currency, total in venue.balances.items() if total}
            assert all(isinstance(total, Decimal) for total in found.values())
            await self.buy(exchange)

    async def test_an_open_order_holds_its_money(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        """What rests is not free, and is free again once it is cancelled."""
        self.need("balances")
        exchange = await self.opened(sim_exchange)
        quote = self.symbol.split("/")[1]
        before = (await exchange.fetch_balance())[quote]
        order = await self.rest(exchange, venue)
        during = (await exchange.fetch_balance())[quote]
        assert during.total == before.total
        assert during.free < before.free
        await exchange.cancel_order(order.id, self.symbol)
        assert (await exchange.fetch_balance())[quote].free == before.free

    async def test_positions_are_what_fills_add_up_to(self, sim_exchange: BaseExchange, venue: SimVenue, sim_clock: SimClock) -> None:
        self.need("positions")
        exchange = await self.opened(sim_exchange)
        await self.buy(exchange)
        await self.buy(exchange, 3 * self.amount)
        await exchange.place_order(self.symbol, "market", "sell", self.amount)
        await sim_clock.sleep("2s")
        (position,) = await exchange.fetch_positions([self.symbol])
        assert position.amount == venue.position(self.symbol) == 3 * self.amount

    async def test_bars_come_oldest_first_and_whole(self, sim_exchange: BaseExchange, sim_clock: SimClock) -> None:
        """Each bar's high and low hold its open and close, and time goes up by the bar."""
        self.need("ohlcv")
        exchange = await self.opened(sim_exchange)
        await sim_clock.sleep("4m")
        bars = await exchange.fetch_ohlcv(self.symbol, "1m", limit=3)
        assert len(bars) == 3
        starts = [bar.open_ns for bar in bars]
        assert starts == sorted(starts)
        assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)
