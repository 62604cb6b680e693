"""Callbacks: serial, never silently lost, never in each other's way."""

from __future__ import annotations

import asyncio
import operator
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exchanges.scripted import EPOCH_NS, World, change, play, trade
from papertape.exchanges.delivery import Delivery
from papertape.model.account import Candle
from papertape.model.book import Book
from papertape.model.errors import BadRequest, BadSymbol
from papertape.model.order import Order
from papertape.model.public import PublicTrade
from papertape.model.request import Lane, Op
from papertape.model.units import MINUTE, SECOND
from papertape.resilience.inbox import Inbox, Manner
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.stepper import Stepper
from papertape.runtime.world import run_virtual

M = Lane.MARKET


def test_plain_and_async_callbacks_hear_every_trade_at_once() -> None:
    """Both are called when the message comes, without waiting for a turn of the loop."""

    async def story(world: World) -> None:
        plain: list[Decimal] = []
        waiting: list[Decimal] = []

        async def on_trade(trade: PublicTrade) -> None:
            waiting.append(trade.price)

        await world.exchange.subscribe_trades("BTC/USD", lambda trade: plain.append(trade.price))
        await world.exchange.subscribe_trades("BTC/USD", on_trade)
        world.link.push(M, trade(ticks=10_050))
        assert plain == waiting == [Decimal("100.50")]
        world.link.push(M, trade(symbol="ETH/USD"))
        assert len(plain) == 1

    play(story)


def test_a_slow_callback_gets_its_trades_one_after_another() -> None:
    """While it waits, others go on; afterwards it gets what came meanwhile, in order, never two at a time."""

    async def story(world: World) -> None:
        seen: list[int] = []
        running = 0

        async def slow(trade: PublicTrade) -> None:
            nonlocal running
            running += 1
            assert running == 1
            await asyncio.sleep(1 if trade.event.price_ticks % 2 else 0)
            seen.append(trade.event.price_ticks)
            running -= 1

        quick: list[object] = []
        await world.exchange.subscribe_trades("BTC/USD", slow)
        await world.exchange.subscribe_trades("BTC/USD", quick.append)
        for ticks in range(1, 6):
            world.link.push(M, trade(ticks=ticks))
        assert len(quick) == 5
        await world.sleep(10)
        assert seen == [1, 2, 3, 4, 5]

    play(story)


def test_a_long_backlog_does_not_pile_up_on_the_stack() -> None:
    """Thousands of waiting events are worked off in a loop."""

    async def story(world: World) -> None:
        seen = 0

        async def first_slow(trade: PublicTrade) -> None:
            nonlocal seen
            if not seen:
                await asyncio.sleep(1)
            seen += 1

        await world.exchange.subscribe_trades("BTC/USD", first_slow)
        for _ in range(5_000):
            world.link.push(M, trade())
        await world.sleep(2)
        assert seen == 5_000

    play(story)


def test_a_slow_book_callback_sees_the_newest_book_only() -> None:
    """Books conflate: after a long wait there is one call, with everything in the book."""

    async def story(world: World) -> None:
        seen: list[int] = []

        async def slow(book: Book) -> None:
            seen.append(len(book.bids))
            await asyncio.sleep(1)

        await world.exchange.subscribe_order_book("BTC/USD", slow)
        await world.sleep(0.1)
        for ticks in range(9_000, 9_050):
            world.link.push(M, change(ticks, 1))
        await world.sleep(3)
        assert seen == [2, 52]

    play(story)


def test_own_orders_never_wait_behind_market_data() -> None:
    """A trade callback that is stuck delays no order update."""

    async def story(world: World) -> None:
        told: list[Order] = []

        async def stuck(trade: PublicTrade) -> None:
            await asyncio.sleep(1)

        await world.exchange.subscribe_trades("BTC/USD", stuck)
        await world.exchange.subscribe_orders(told.append)
        world.link.push(M, trade())
        order = await world.buy()
        world.link.fill(order.client_order_id, "1")
        await world.sleep(0.1)
        assert [each.filled for each in told] == [0, 1]
        await world.sleep(1)

    play(story)


def test_orders_that_a_slow_callback_lost_are_told_again() -> None:
    """When the inbox for own orders runs over, the account is reconciled and the bot hears the state of what it missed."""

    async def story(world: World) -> None:
        told: dict[str, Decimal] = {}

        async def slow(order: Order) -> None:
            await asyncio.sleep(1)
            told[order.client_order_id] = order.filled

        await world.exchange.subscribe_orders(slow)
        orders = [await world.buy() for _ in range(6)]
        for order in orders:
            world.link.fill(order.client_order_id, "1")
        asked = len(world.link.asked(Op.ORDERS_OPEN))
        await world.sleep(60)
        assert told == {order.client_order_id: Decimal(1) for order in orders}
        assert len(world.link.asked(Op.ORDERS_OPEN)) > asked

    play(story, inbox_max=2)


@pytest.mark.parametrize("is_slow", [False, True])
def test_an_exception_in_a_callback_stops_the_bot(is_slow: bool) -> None:
    """It is handed over as it is, once, and nothing is delivered after it."""

    async def story(world: World) -> None:
        others: list[object] = []

        async def slow(trade: PublicTrade) -> None:
            await asyncio.sleep(1)
            raise ZeroDivisionError("late")

        def quick(trade: PublicTrade) -> None:
            raise ZeroDivisionError("at once")

        await world.exchange.subscribe_trades("BTC/USD", slow if is_slow else quick)
        await world.exchange.subscribe_trades("BTC/USD", others.append)
        world.link.push(M, trade())
        await world.sleep(2)
        count = len(others)
        world.link.push(M, trade())
        assert [type(error) for error in world.errors] == [ZeroDivisionError]
        assert len(others) == count
        assert not world.exchange.is_subscribed

    play(story)


def test_a_callback_may_end_its_own_subscription() -> None:
    """Unsubscribing from inside is fine, and an `async with` block ends a subscription too."""

    async def story(world: World) -> None:
        heard: list[object] = []
        subscription = None

        async def once(trade: PublicTrade) -> None:
            heard.append(trade)
            assert subscription is not None
            await subscription.unsubscribe()

        subscription = await world.exchange.subscribe_trades("BTC/USD", once)
        world.link.push(M, trade())
        world.link.push(M, trade())
        assert len(heard) == 1
        assert not world.exchange.is_subscribed
        async with await world.exchange.subscribe_trades("BTC/USD", heard.append):
            world.link.push(M, trade())
        world.link.push(M, trade())
        assert len(heard) == 2

    play(story)


def test_a_second_subscriber_gets_the_book_at_once() -> None:
    """The venue sends no second snapshot; the newcomer sees what the first one sees."""

    async def story(world: World) -> None:
        first: list[Book] = []
        second: list[Book] = []
        await world.exchange.subscribe_order_book("BTC/USD", first.append)
        await world.sleep(0.1)
        await world.exchange.subscribe_orderbook("BTC/USD", second.append)
        assert second == first

    play(story)


def test_a_book_is_kept_without_a_callback() -> None:
    """Always the same object, as delivered so far; let go of once, and nobody has to be called for it."""

    async def story(world: World) -> None:
        async with await world.exchange.keep_order_book("BTC/USD") as kept:
            await world.sleep(0.1)
            book = kept.book
            assert book is not None
            assert book.best_bid == (9_900, 5)
            world.link.push(M, change(9_950, 1))
            assert (kept.book, book.best_bid) == (book, (9_950, 1))
            assert not world.exchange.is_subscribed
        await kept.unsubscribe()
        assert world.exchange.wanted() == []

    play(story)


def test_a_copied_book_does_not_change() -> None:
    """The argument is a view; `.copy()` keeps it."""

    async def story(world: World) -> None:
        seen: list[Book] = []
        await world.exchange.subscribe_order_book("BTC/USD", seen.append)
        await world.sleep(0.1)
        kept = seen[0].copy()
        world.link.push(M, change(9_950, 1))
        assert (kept.best_bid, seen[0].best_bid) == ((9_900, 5), (9_950, 1))

    play(story)


def test_a_placed_order_is_told_once_for_each_change() -> None:
    """The callback hears each state once, whatever the answers said meanwhile."""

    async def story(world: World) -> None:
        told: list[tuple[str, Decimal]] = []
        await world.exchange.subscribe_orders(lambda order: told.append((str(order.status), order.filled)))
        order = await world.buy()
        await world.exchange.fetch_order_status(order.id)
        world.link.fill(order.client_order_id, "0.5")
        world.link.tell(order.client_order_id)
        await world.sleep(0.1)
        await world.exchange.cancel_order(order.id)
        await world.sleep(0.1)
        assert told == [("open", 0), ("open", Decimal("0.5")), ("canceled", Decimal("0.5"))]

    play(story)


def test_bars_come_when_they_are_over() -> None:
    """A bar is made of its trades and handed over a grace after its end by the clock, or by the first trade after it."""

    async def story(world: World) -> None:
        bars: list[Candle] = []
        await world.sleep(60 - world.loop.now_ns / SECOND % 60)
        await world.exchange.subscribe_ohlcv("BTC/USD", "1m", bars.append)
        at_ns = world.clock.wall_ns()
        for ticks in (100, 130, 90, 110):
            world.link.push(M, trade(at_ns + ticks, ticks))
        await world.sleep(60.5)
        assert bars == []
        await world.sleep(1)
        (bar,) = bars
        assert (bar.open, bar.high, bar.low, bar.close) == tuple(Decimal(f"{n / 100:.2f}") for n in (100, 130, 90, 110))
        assert (bar.open_ns, bar.volume) == (EPOCH_NS + MINUTE, Decimal("0.004"))
        world.link.push(M, trade(at_ns + MINUTE, 100))
        world.link.push(M, trade(at_ns + 2 * MINUTE, 100))
        assert len(bars) == 2

    play(story)


def test_a_torn_bar_is_fetched_before_it_is_delivered() -> None:
    """A bar during which trades were missed comes from the venue; the one after it waits for its turn."""

    async def story(world: World) -> None:
        bars: list[Candle] = []
        one = Decimal(1)
        whole = [Candle(open_ns=EPOCH_NS + n * MINUTE, open=one, high=one, low=one, close=one, volume=one) for n in (1, 2)]
        world.link.candles = tuple(whole)
        await world.sleep(60 - world.loop.now_ns / SECOND % 60)
        await world.exchange.subscribe_ohlcv("BTC/USD", "1m", bars.append)
        world.link.push(M, trade(world.clock.wall_ns(), 100))
        world.link.drop(M)
        await world.sleep(62)
        assert bars == [whole[0]]
        world.link.push(M, trade(world.clock.wall_ns(), 777))
        await world.sleep(61)
        assert bars[1].close == Decimal("7.77")

    play(story)


def test_what_cannot_be_subscribed_is_named() -> None:
    """Unknown symbols and timeframes are errors at once."""

    async def story(world: World) -> None:
        with pytest.raises(BadSymbol, match="DOGE"):
            await world.exchange.subscribe_trades("DOGE/USD", print)
        with pytest.raises(BadRequest, match="1x"):
            await world.exchange.subscribe_ohlcv("BTC/USD", "1x", print)

    play(story)


def test_an_inbox_that_ran_over_says_how_much_was_lost() -> None:
    """Trades that a stuck callback cannot take are dropped, oldest first, and counted."""

    async def story(world: World) -> None:
        seen: list[int] = []

        async def stuck(trade: PublicTrade) -> None:
            seen.append(trade.event.price_ticks)
            await asyncio.sleep(1)

        subscription = await world.exchange.subscribe_trades("BTC/USD", stuck)
        for ticks in range(1, 11):
            world.link.push(M, trade(ticks=ticks))
        await world.sleep(10)
        assert seen == [1, 8, 9, 10]
        inbox: Inbox = subscription._inbox  # type: ignore[attr-defined]  # the shell's own, behind Subscription
        assert inbox.lost == 6

    play(story, inbox_max=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(("return", "await", "yield", "sleep", "answer", "future", "again", "end", "raise", "cancel")), max_size=12))
@example(["sleep", "return", "await", "sleep"])
@example(["await", "again", "await", "raise", "await"])
@example(["cancel", "await", "yield", "end", "await"])
def test_many_are_delivered_as_one_by_one(what: list[str]) -> None:
    """Whatever each callback does: it waits, fails, is cancelled, ends its own subscription, or makes something come meanwhile."""
    one_by_one, many = (run_virtual(lambda loop, is_many=is_many: delivered(loop, what, is_many), patch=False) for is_many in (False, True))
    assert many == one_by_one


async def delivered(loop: VirtualLoop, what: list[str], is_many: bool) -> list[object]:
    """What happened, and when, as a feed hands over items and gives way to whatever else has a turn."""
    log: list[object] = []

    async def waits(number: int, how: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        if how == "cancel":
            task.cancel()
        if how in ("yield", "sleep", "cancel"):
            await asyncio.sleep(1 if how == "sleep" else 0)
        log.append((loop.now_ns, number, "done"))

    def callback(number: int) -> object:
        how = what[number] if number < len(what) else "return"
        log.append((loop.now_ns, number, how))
        if how == "again":
            delivery(number + 100)
        elif how == "end":
            delivery.end()
        elif how == "raise":
            raise ValueError(str(number))
        elif how == "future":
            future = loop.create_future()
            loop.call_later(2, future.set_result, None)
            return future
        return number if how == "answer" else waits(number, how) if how in ("await", "yield", "sleep", "cancel") else None

    async def on_end(delivery: Delivery) -> None:
        return None

    delivery = Delivery(
        callback, Inbox(Manner.QUEUE, limit=9), Stepper(loop), on_error=lambda error: log.append(repr(error)),
        on_lost=lambda item: log.append(("lost", item)), on_end=on_end,
    )  # fmt: skip
    Stepper(loop).step(asyncio.sleep(0, "a carrier is there"), log.append)
    await asyncio.sleep(1)
    items = iter(range(len(what)))
    while True:
        if is_many and delivery.is_free:
            delivery.serve(item for item in iter(lambda: None if loop.ready else next(items, None), None))
        else:
            item = next(items, None)
            if item is None:
                break
            delivery(item)
        if loop.ready:
            await asyncio.sleep(0)
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            log.append(sorted((task.get_name(), *(frame.f_code.co_name for frame in task.get_stack())) for task in others))
        elif is_many and delivery.is_free and operator.length_hint(items) == 0:
            break
    await asyncio.sleep(30)
    return [*log, delivery.is_free, delivery.is_over, delivery.waiting]


def test_who_waits_in_one_of_many_takes_no_more_of_them() -> None:
    """What comes after it belongs to whoever comes next, and not to a task that was left behind."""

    async def story(loop: VirtualLoop) -> None:
        seen: list[int] = []

        async def slow(number: int) -> None:
            seen.append(number)
            await asyncio.sleep(1)

        async def on_end(delivery: Delivery) -> None:
            return None

        delivery = Delivery(slow, Inbox(Manner.QUEUE, limit=9), Stepper(loop), on_error=print, on_lost=print, on_end=on_end)
        delivery.serve(iter(range(5)))
        await asyncio.sleep(3)
        assert seen == [0]
        assert delivery.is_free

    run_virtual(story, patch=False)
