"""Cancels and edits: done once in effect, however often they are sent, and a fill may be faster."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchanges.scripted import Fate, World, play
from papertape.model.errors import ExchangeNotAvailable, InvalidOrder, NetworkError, OrderNotFound, never_sent
from papertape.model.order import OrderStatus
from papertape.model.request import Lane, Op
from papertape.model.units import SECOND


def test_a_cancel_returns_the_order_as_it_then_stands() -> None:
    """Cancelled by the venue's id or by ours; cancelling what is done asks nobody."""

    async def story(world: World) -> None:
        order = await world.buy()
        assert (await world.exchange.cancel_order(order.id, "BTC/USD")).status is OrderStatus.CANCELED
        assert (await world.exchange.cancel_order(order.client_order_id)).status is OrderStatus.CANCELED
        assert len(world.link.asked(Op.ORDER_CANCEL)) == 1

    play(story)


def test_a_fill_faster_than_the_cancel_is_no_error() -> None:
    """The venue says "not open"; the bot gets the filled order and knows what it holds."""

    async def story(world: World) -> None:
        order = await world.buy()
        world.link.mute[Lane.USER] = None
        world.link.fill(order.client_order_id, "1")
        after = await world.exchange.cancel_order(order.id)
        assert (after.status, after.filled) == (OrderStatus.CLOSED, 1)

    play(story)


@pytest.mark.parametrize("fate", [Fate.LOST_BEFORE, Fate.LOST_AFTER, Fate.LIMITED, Fate.NEVER_SENT])
def test_a_cancel_is_repeated_until_it_is_known(fate: Fate) -> None:
    """Whatever becomes of the first request, the order ends cancelled and the bot knows."""

    async def story(world: World) -> None:
        order = await world.buy()
        world.link.fates[Op.ORDER_CANCEL] = [fate]
        assert (await world.exchange.cancel_order(order.id)).status is OrderStatus.CANCELED
        assert world.link.orders[order.client_order_id].status is OrderStatus.CANCELED

    play(story)


def test_a_cancel_that_cannot_leave_says_so() -> None:
    """With the line down for its whole patience nothing was sent, and the error vouches for it."""

    async def story(world: World) -> None:
        order = await world.buy()
        world.link.refuses[Lane.REST] = NetworkError("refused")
        world.link.receiver.on_closed(Lane.REST, "reset")  # type: ignore[union-attr]  # the shell has bound one
        with pytest.raises(ExchangeNotAvailable) as caught:
            await world.exchange.cancel_order(order.id)
        assert never_sent(caught.value)
        assert world.loop.now_ns >= 30 * SECOND

    play(story)


def test_cancelling_what_nobody_has_is_an_error() -> None:
    """An id that neither we nor the venue know is OrderNotFound."""

    async def story(world: World) -> None:
        with pytest.raises(OrderNotFound):
            await world.exchange.cancel_order("v-99")

    play(story)


def test_an_edit_changes_what_was_asked_and_nothing_else() -> None:
    """The price moves, the amount stays."""

    async def story(world: World) -> None:
        order = await world.buy()
        after = await world.exchange.edit_order(order.id, price="99.50")
        assert (after.price, after.amount) == (Decimal("99.50"), Decimal(1))
        with pytest.raises(InvalidOrder, match="tick"):
            await world.exchange.edit_order(order.id, price="99.505")
        with pytest.raises(InvalidOrder, match="many"):
            await world.exchange.edit_order(order.id, amount="many")

    play(story)


def test_an_edit_whose_answer_was_lost_is_looked_up_before_it_is_repeated() -> None:
    """It took effect; so it is seen, not sent again."""

    async def story(world: World) -> None:
        order = await world.buy()
        world.link.fates[Op.ORDER_EDIT] = [Fate.RESET_AFTER]
        after = await world.exchange.edit_order(order.id, amount="0.5")
        assert after.amount == Decimal("0.5")
        assert len(world.link.asked(Op.ORDER_EDIT)) == 1

    play(story)


def test_an_edit_that_was_lost_is_repeated() -> None:
    """It took no effect; so it is sent again, and takes effect once."""

    async def story(world: World) -> None:
        order = await world.buy()
        world.link.fates[Op.ORDER_EDIT] = [Fate.LOST_BEFORE]
        after = await world.exchange.edit_order(order.id, amount="0.5")
        assert after.amount == Decimal("0.5")
        assert len(world.link.asked(Op.ORDER_EDIT)) == 2
        assert len([request for request in world.link.executed if request.op is Op.ORDER_EDIT]) == 1

    play(story)


def test_a_done_order_cannot_be_edited() -> None:
    """Asked locally; nothing leaves."""

    async def story(world: World) -> None:
        order = await world.buy()
        await world.exchange.cancel_order(order.id)
        with pytest.raises(OrderNotFound, match="canceled"):
            await world.exchange.edit_order(order.id, amount="0.5")
        assert world.link.asked(Op.ORDER_EDIT) == []

    play(story)


def test_reads_are_repeated_through_a_bad_line() -> None:
    """A balance, the open orders, an order's status: asked until there is an answer."""

    async def story(world: World) -> None:
        exchange, link = world.exchange, world.link
        order = await world.buy()
        link.fates[Op.BALANCE_FETCH] = [Fate.LOST_BEFORE, Fate.LIMITED, Fate.RESET_AFTER]
        assert (await exchange.fetch_balance())["USD"].free == 1000
        link.fates[Op.ORDERS_OPEN] = [Fate.RESET_AFTER]
        assert await exchange.fetch_open_orders() == [order]
        assert (await exchange.fetch_order_status(order.id)).id == order.id
        link.fill(order.client_order_id, "0.25")
        await world.sleep(0.1)
        (position,) = await exchange.fetch_positions()
        assert (position.symbol, position.amount, position.cost) == ("BTC/USD", Decimal("0.25"), Decimal(25))

    play(story)


def test_a_read_gives_up_with_the_lines_own_fault() -> None:
    """After its patience the last network error is raised, not a made-up one."""

    async def story(world: World) -> None:
        world.link.fates[Op.BALANCE_FETCH] = [Fate.LOST_BEFORE] * 100
        with pytest.raises(NetworkError, match="no answer"):
            await world.exchange.fetch_balance()

    play(story)
