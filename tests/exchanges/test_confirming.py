"""What the venue forgot to tell is found by asking, and nobody asks without a reason."""

from __future__ import annotations

import asyncio

from exchanges.scripted import World, play
from papertape.model.notes import Mark
from papertape.model.order import OrderStatus
from papertape.model.request import Lane, Op
from papertape.model.units import MINUTE


def asked(world: World, op: Op) -> int:
    return sum(request.op is op for _, request in world.link.requests)


def test_a_fill_that_was_never_told_is_found() -> None:
    """Without a number missing and without a reconnect, within the limit and a fifth of it."""

    async def story(world: World) -> None:
        order = await world.buy()
        world.link.mute[Lane.USER] = None
        world.link.fill("r-1", str(order.amount))
        await asyncio.sleep(36)
        (intent,) = world.exchange.view().intents
        assert intent.order is not None
        assert intent.order.status is OrderStatus.CLOSED
        assert Mark.MISSED_FILL_FOUND in world.notes.marks

    play(story, stale_after_ns=10 * MINUTE)


def test_an_order_that_is_talked_about_is_not_asked_for() -> None:
    """Nor are others, while nothing is open."""

    async def story(world: World) -> None:
        before = asked(world, Op.ORDERS_OPEN)
        await asyncio.sleep(100)
        await world.buy()
        for _ in range(10):
            await asyncio.sleep(20)
            world.link.change("r-1")
        assert asked(world, Op.ORDERS_OPEN) == before

    play(story)


def test_an_order_that_is_not_found_is_not_dead_and_is_asked_for_now_and_then() -> None:
    async def story(world: World) -> None:
        await world.buy()
        before = asked(world, Op.ORDERS_OPEN)
        world.link.hides_orders = True
        await asyncio.sleep(120)
        assert 3 <= asked(world, Op.ORDERS_OPEN) - before <= 4
        (intent,) = world.exchange.view().intents
        assert not intent.is_settled

    play(story)
