"""What must be refused, with ccxt's own classes, and leave no order behind."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from papertape.exchanges.base import BaseExchange
from papertape.model.errors import BadSymbol, BaseError, ExchangeError, InsufficientFunds, InvalidOrder, NetworkError
from papertape.testing.contract.subject import Contract, tick_of
from papertape.testing.fixtures import SimVenue


class RefusalsContract(Contract):
    """See the module."""

    async def refused(self, kind: type[BaseError], sim_exchange: BaseExchange, venue: SimVenue, **terms: Any) -> None:
        """Placing an order on these terms raises `kind`, and the venue has none."""
        exchange = await self.opened(sim_exchange)
        asked: Mapping[str, Any] = {
            "symbol": self.symbol, "type": "limit", "side": "buy", "amount": self.amount, "price": self.far(venue), **terms
        }  # fmt: skip
        with pytest.raises(kind):
            await exchange.place_order(**asked)
        assert venue.orders == ()

    async def test_a_price_off_the_tick_is_refused(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        """Never rounded: an order at another price is another order."""
        await self.refused(InvalidOrder, sim_exchange, venue, price=self.far(venue) + tick_of(venue, self.symbol) / 2)

    async def test_an_amount_off_the_lot_is_refused(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        await self.refused(InvalidOrder, sim_exchange, venue, amount=self.amount + venue.instrument(self.symbol).lot / 2)

    @pytest.mark.parametrize("amount", ["0", "-1"])
    async def test_an_amount_of_nothing_is_refused(self, sim_exchange: BaseExchange, venue: SimVenue, amount: str) -> None:
        await self.refused(InvalidOrder, sim_exchange, venue, amount=amount)

    async def test_an_order_worth_too_little_is_refused(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        """Below the venue's minimum."""
        await self.refused(InvalidOrder, sim_exchange, venue, amount=venue.instrument(self.symbol).lot)

    async def test_a_limit_order_without_a_price_is_refused(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        await self.refused(InvalidOrder, sim_exchange, venue, price=None)

    @pytest.mark.parametrize("terms", [{"side": "long"}, {"type": "magic"}, {"time_in_force": "NEVER"}], ids=["side", "type", "force"])
    async def test_words_that_nobody_knows_are_refused(self, sim_exchange: BaseExchange, venue: SimVenue, terms: dict[str, str]) -> None:
        await self.refused(InvalidOrder, sim_exchange, venue, **terms)

    async def test_a_symbol_that_nobody_knows_is_refused(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        await self.refused(BadSymbol, sim_exchange, venue, symbol="NO/SUCH")

    async def test_more_than_the_account_holds_is_refused(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        """By the venue, and told as InsufficientFunds."""
        quote = self.symbol.split("/")[1]
        affordable = venue.balances[quote] / self.far(venue)
        await self.refused(InsufficientFunds, sim_exchange, venue, amount=(2 * affordable).quantize(Decimal(1)))

    async def test_a_refusal_is_no_network_error(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        """A bot that retries network errors must not retry what will never be taken."""
        exchange = await self.opened(sim_exchange)
        with pytest.raises(ExchangeError) as caught:
            await exchange.place_order(self.symbol, "limit", "buy", "1000000", self.far(venue))
        assert not isinstance(caught.value, NetworkError)

    async def test_after_a_disconnect_nothing_is_sent(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        """An order is refused as one that never left."""
        exchange = await self.opened(sim_exchange)
        price = self.far(venue)
        await self.subject.disconnect(exchange)
        with pytest.raises(NetworkError):
            await exchange.place_order(self.symbol, "limit", "buy", self.amount, price)
        assert venue.orders == ()
