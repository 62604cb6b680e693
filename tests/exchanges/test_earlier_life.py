"""What an earlier life of the client left behind is found, and never sent again."""

from __future__ import annotations

import pytest

from exchanges.scripted import Fate, World, play
from papertape.model.errors import DuplicateOrderId, ExchangeNotAvailable, OrderNotFound
from papertape.model.request import Lane, Op
from papertape.model.units import SECOND
from papertape.resilience.intents import MemoryIntents
from papertape.resilience.settings import ShellSettings
from papertape.venues.coinbase.auth import LIFETIME_S


def test_an_order_of_an_earlier_run_is_not_taken_for_this_one() -> None:
    """The log is gone and ids begin anew; the venue answers with the old order, which is another: an error, no acknowledgement."""
    venue = {}

    async def first_life(world: World) -> None:
        await world.buy(price="50")
        venue.update(world.link.orders)

    async def second_life(world: World) -> None:
        world.link.orders.update(venue)
        with pytest.raises(DuplicateOrderId, match="another order"):
            await world.buy(price="60")

    play(first_life, cancel_on_disconnect=False)
    play(second_life, cancel_on_disconnect=False)


def test_after_a_crash_what_was_sent_is_looked_for_and_never_sent_again() -> None:
    """A fresh bot reads the log: what had no answer is unknown and is looked for; what was only wanted is given up; ids go on counting."""
    disk, venue = MemoryIntents(), {}

    async def first_life(world: World) -> None:
        await world.buy()
        world.link.fates[Op.ORDER_CREATE] = [Fate.LOST_AFTER]
        world.link.mute[Lane.USER] = None
        world.start_buy("ETH/USD").cancel()
        doomed = world.start_buy("ETH/USD")
        await world.sleep(1)
        world.store.crash()
        for record in world.store.load():
            disk.append(record, durable=True)
        venue.update(world.link.orders)
        doomed.cancel()

    async def second_life(world: World) -> None:
        link, exchange = world.link, world.exchange
        link.orders.update(venue)
        await exchange.connect()
        first, second = exchange.view().intents
        assert (first.client_order_id, first.state) == ("r-1", "open")
        assert (second.client_order_id, second.state) == ("r-2", "open")
        await world.sleep(10)
        assert link.creates() == []
        assert (await world.buy()).client_order_id == "r-3"

    play(first_life, cancel_on_disconnect=False)
    play(second_life, connect=False, store=disk)


def test_a_crash_before_the_answer_blocks_the_symbol_until_it_is_known() -> None:
    """What the earlier life sent and the venue never had is not sent by the new one; the symbol is free once that is certain."""
    disk = MemoryIntents()

    async def first_life(world: World) -> None:
        world.link.fates[Op.ORDER_CREATE] = [Fate.LOST_BEFORE]
        doomed = world.start_buy()
        await world.sleep(1)
        for record in world.store.load():
            disk.append(record, durable=True)
        doomed.cancel()

    async def second_life(world: World) -> None:
        with pytest.raises(ExchangeNotAvailable, match="r-1 is unknown"):
            await world.buy()
        with pytest.raises(OrderNotFound):
            await world.exchange.resolve("r-1")
        assert world.link.creates() == []
        assert (await world.buy()).client_order_id == "r-2"

    play(first_life)
    play(second_life, store=disk)


def test_not_found_is_not_believed_while_the_request_could_still_be_accepted() -> None:
    """It may be held up on its way for as long as the token lives that it was signed with."""
    assert ShellSettings().settle_after_ns >= LIFETIME_S * SECOND
