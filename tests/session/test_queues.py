"""What a bot puts aside in queues is found wherever it keeps them, and counted."""

from __future__ import annotations

import asyncio
import queue
from typing import Any

import papertape
from papertape.exchanges.base import BaseExchange
from papertape.session.queues import Queues
from papertape.session.watching import QUEUED_MAX

VENUES = {"coinbase": {"feed": {"tape": "builtin:btc-usd", "end": "12s"}, "account": {"USD": "1"}}}


class Inbox(asyncio.Queue[int]):
    """A kind of its own."""


class Bot:
    def __init__(self) -> None:
        self.inbox = Inbox()
        self.told = queue.SimpleQueue[int]()
        self.is_no_queue = [1, 2, 3]

    async def work(self, orders: asyncio.Queue[int], again: asyncio.Queue[int]) -> None:
        await orders.get()
        await again.get()


async def test_each_queue_is_found_once_wherever_it_is_held() -> None:
    """By an attribute of the bot's, by a variable of a task's or by an attribute of its `self`; and again when asked again."""
    bot, orders = Bot(), queue.Queue[int]()
    waiting: asyncio.Queue[int] = asyncio.Queue()

    async def listen(quotes: queue.Queue[int]) -> None:
        await waiting.get()

    tasks = [asyncio.create_task(each) for each in (bot.work(waiting, waiting), listen(orders))]
    await asyncio.sleep(0)
    queues = Queues()
    for _ in range(2):
        found = [id(each) for each in queues.of([bot, *tasks])]
        assert found == [id(each) for each in (bot.inbox, bot.told, waiting, orders)]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(queues.of([bot, *tasks])) == 2


def test_a_bot_that_never_takes_from_its_queue_is_told() -> None:
    """One event too many, in a queue that only a task of the bot's knows."""

    async def main(exchange: BaseExchange, *, events: int) -> None:
        async def hoard(inbox: asyncio.Queue[Any]) -> None:
            for number in range(events):
                inbox.put_nowait(number)
            await asyncio.sleep(60)

        task = asyncio.create_task(hoard(asyncio.Queue()))
        await asyncio.wait([task])

    for events in (QUEUED_MAX, QUEUED_MAX + 1):
        result = papertape.simulate(main, title="a hoard", bot_config={"events": events}, venues=VENUES)
        assert ("stays_bounded" in result.broken) == (events > QUEUED_MAX), result.failures
