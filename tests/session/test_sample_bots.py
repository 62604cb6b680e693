"""The sample bots take what the line does to them: what people copy must not die of it."""

from __future__ import annotations

from typing import Any

import pytest

import papertape
from papertape.bots import MarketMaker, MomentumTaker, twap
from papertape.exchanges.base import BaseExchange
from papertape.model.errors import OrderNotFound, OutcomeUnknown
from papertape.model.order import Order

TWO_MINUTES = {"feed": {"tape": "builtin:btc-usd", "end": "120s"}, "account": {"USD": "100000", "BTC": "1"}}


def test_a_market_maker_whose_book_is_lost_while_it_quotes_goes_on() -> None:
    """The book is live: it may be empty again after an await."""
    faults: list[Any] = [
        {"kind": "disconnect", "connection": "market", "on": "order.cancel", "nth": nth, "lasts": "2s"} for nth in (1, 5, 9)
    ]
    faults += [{"kind": "disconnect", "connection": "market", "on": "order.create", "nth": nth, "lasts": "2s"} for nth in (3, 8, 14)]
    result = papertape.simulate(MarketMaker, venues={"coinbase": TWO_MINUTES}, faults=faults)
    assert result.is_passed, result.failures


@pytest.mark.parametrize("bot", [MarketMaker, MomentumTaker, twap])
def test_an_order_that_turns_out_never_to_have_been_there_does_not_end_a_bot(bot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`resolve` may say that the venue never had it."""
    from papertape.exchanges.simulated import SimulatedExchange

    placed = SimulatedExchange.place_order
    lost: list[str] = []

    async def loses_the_first(self: BaseExchange, *args: Any, **options: Any) -> Order:
        if not lost:
            lost.append("x-1")
            raise OutcomeUnknown("x-1")
        return await placed(self, *args, **options)  # type: ignore[arg-type]

    async def never_there(self: BaseExchange, client_order_id: str) -> Order:
        raise OrderNotFound(f"order {client_order_id}: its request was lost, and the venue never had it")

    monkeypatch.setattr(SimulatedExchange, "place_order", loses_the_first)
    monkeypatch.setattr(SimulatedExchange, "resolve", never_there)
    config = {"trigger_bps": "0.3", "rest": "2s"} if bot is MomentumTaker else {}
    result = papertape.simulate(bot, venues={"coinbase": TWO_MINUTES}, bot_config=config)
    assert lost
    assert result.is_passed, result.failures
    assert result.orders > 0
