"""Whatever comes is kept until there is time for it."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from papertape.bots.canaries.base import Canary
from papertape.model.book import Book


class UnboundedQueue(Canary):
    """Makes a task of each change of the book; they queue for their turn while an order waits for its answer.

    The bug: nothing bounds what waits. While the venue answers, one task is done before the next is made; when it does not, there are
    thousands, each of which then acts on a moment that is over.

    From: bitrich-info/xchange-stream#377 (five million bytes unread behind a slow reader), ondra-novak/mmbot#21 (timeouts, then tons of
    orders).

    Caught by `stays_bounded`: the bot has more and more tasks.
    """

    caught_by: ClassVar[tuple[str, ...]] = ("stays_bounded",)

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._turn = asyncio.Lock()
        self._waiting: dict[int, asyncio.Task[None]] = {}
        self._count = 0

    async def stop(self) -> None:
        waiting = list(self._waiting.values())
        for task in waiting:
            task.cancel()
        if waiting:
            await asyncio.wait(waiting)
        await super().stop()

    async def on_book(self, book: Book) -> None:
        self._count += 1
        number = self._count
        self._waiting[number] = task = asyncio.get_running_loop().create_task(self._in_turn(book), name=f"change {number}")
        task.add_done_callback(lambda _: self._waiting.pop(number, None))

    async def _in_turn(self, book: Book) -> None:
        async with self._turn:
            await super().on_book(book)
