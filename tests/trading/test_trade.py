"""A bot is driven to its end, whichever that is, and the exchange is left in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.trading.rehearsal import OPENING, Notes, Stage, staged

from papertape.exchanges.factory import ExchangeFactory
from papertape.journal import Journal
from papertape.links.simulated import SimulatedLink
from papertape.model.errors import ConfigError
from papertape.model.order import Order, OrderStatus
from papertape.resilience.intents import MemoryIntents
from papertape.resilience.settings import ShellSettings
from papertape.trading.paper.account import PaperAccount
from papertape.trading.paper.exchange import PaperExchange
from papertape.trading.trade import Trade

SYMBOL = "BTC/USD"


def traded(path: Path, bot: Any, during: Callable[[Trade], object] = lambda trade: None, **config: Any) -> Trade:
    """Drive `bot` on a paper account; returns what came of it."""
    made: list[Trade] = []

    async def play(stage: Stage) -> None:
        world = stage.world
        trade = Trade(bot, config, name="coinbase", tell=lambda words: None)
        made.append(trade)
        exchange = PaperExchange(
            SimulatedLink(world.door, world.rules, world.door._timeline), PaperAccount(path, venue="coinbase", opening=OPENING),
            journal=Journal({}), clock=stage.clock, chance=stage.chance, notes=Notes(), store=MemoryIntents(), run_id="t",
            settings=ShellSettings(), on_bot_error=trade.bot_failed,
        )  # fmt: skip
        during(trade)
        await trade.run(exchange)

    staged(play)
    return made[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "paper.sqlite"


def orders(path: Path) -> list[OrderStatus]:
    with PaperAccount(path, venue="coinbase", opening={}) as account:
        return [order.status for order in account.kept.orders]


async def buys(exchange: Any, amount: str = "0.01") -> None:
    assert ExchangeFactory.get_exchange("coinbase") is exchange
    await exchange.place_order(SYMBOL, "market", "buy", amount)


def test_a_bot_that_returns_has_ended_and_its_account_is_looked_at(path: Path) -> None:
    trade = traded(path, buys, amount="0.02")
    assert trade.failures == []
    assert trade.balances is not None
    assert trade.balances["BTC"].total == Decimal("1.02")


async def rests(exchange: Any) -> None:
    await exchange.place_order(SYMBOL, "limit", "buy", "0.01", "50000")
    await asyncio.sleep(3_600)


def test_told_to_end_it_ends_and_takes_its_orders_back(path: Path) -> None:
    trade = traded(path, rests, lambda trade: asyncio.get_running_loop().call_later(8, trade.drain))
    assert trade.failures == []
    assert orders(path) == [OrderStatus.CANCELED]


def test_told_to_end_while_it_connects_it_never_begins(path: Path) -> None:
    trade = traded(path, rests, lambda trade: asyncio.get_running_loop().call_later(0.1, trade.drain))
    (why,) = trade.failures
    assert why.startswith("it ended before the exchange was connected: rest lane: ")
    assert orders(path) == []


async def fails(exchange: Any) -> None:
    await rests_a_moment(exchange)
    raise ValueError("no more")


async def rests_a_moment(exchange: Any) -> None:
    await exchange.place_order(SYMBOL, "limit", "buy", "0.01", "50000")


def test_a_bot_that_raises_has_failed_and_takes_its_orders_back(path: Path) -> None:
    trade = traded(path, fails)
    (why,) = trade.failures
    assert why.startswith("ValueError: no more (test_trade.py:")
    assert orders(path) == [OrderStatus.CANCELED]


def test_a_callback_that_raises_stops_the_bot(path: Path) -> None:
    async def listens(exchange: Any) -> None:
        def heard(order: Order) -> None:
            raise KeyError("in a callback")

        await exchange.subscribe_orders(heard)
        await rests(exchange)

    (why,) = traded(path, listens).failures
    assert why.startswith("KeyError: 'in a callback'")


class Counts:
    """A bot in the shape of a class."""

    stopped = 0

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol

    async def start(self, exchange: Any) -> None:
        await exchange.subscribe_order_book(self.symbol, lambda book: None)

    async def stop(self) -> None:
        Counts.stopped += 1


def test_a_class_is_started_and_stopped(path: Path) -> None:
    trade = traded(path, Counts, lambda trade: asyncio.get_running_loop().call_later(9, trade.drain), symbol=SYMBOL)
    assert (trade.failures, Counts.stopped) == ([], 1)


def test_a_setting_that_the_bot_does_not_know_is_named(path: Path) -> None:
    with pytest.raises(ConfigError, match="key `bot_config`: buys does not take it"):
        traded(path, buys, amonut="0.02")
