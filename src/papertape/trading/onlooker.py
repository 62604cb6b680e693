"""A market as a bot's own exchange hears it, line by line, for whoever looks on from another process."""

from __future__ import annotations

import asyncio

import msgspec

from papertape.collector import DataCollector, Kind, Mailbox, lines_of
from papertape.exchanges.base import BaseExchange


class Onlooker:
    """One reader's collector. The bot pays for it with a subscription at the venue, and with none if it hears the trades itself.

    Args:
        has_book: also the book; one that the bot does not hear itself counts for the exchange's health until its snapshot has come.

    Attributes:
        symbol: whose market.
    """

    def __init__(self, exchange: BaseExchange, symbol: str, *, has_book: bool) -> None:
        self.symbol = symbol
        self._news = asyncio.Event()
        kinds = [kind for kind in Kind if kind is not Kind.TICKER and (has_book or kind is not Kind.BOOK)]
        self._collector = DataCollector(exchange, symbol, kinds=kinds)
        self._mailbox = Mailbox(self._collector, wake=self._news.set)
        self._is_over = False

    @property
    def subscriptions(self) -> int:
        """How many it has at the exchange."""
        return self._collector.subscriptions

    async def start(self) -> None:
        """Subscribe; raises what the exchange does of a symbol that it has not got."""
        await self._collector.start()

    async def stop(self) -> None:
        """Hear no more."""
        self.end()
        self._mailbox.close()
        await self._collector.stop()

    def end(self) -> None:
        """Let `lines` come to its end."""
        self._is_over = True
        self._news.set()

    async def lines(self) -> list[bytes]:
        """What has come since the last time, as soon as something has; nothing at the end. What nobody reads in time is conflated."""
        await self._news.wait()
        self._news.clear()
        return [] if self._is_over else [msgspec.json.encode(line) + b"\n" for line in lines_of(self._mailbox.take())]
