"""The exchange for paper: the shell that would trade live, over the real market and an account that is ours alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from papertape.exchanges.resilient import ResilientExchange
from papertape.journal import Journal
from papertape.links.base import Link
from papertape.model.errors import PapertapeError
from papertape.runtime.chance import Chance
from papertape.runtime.clock import Clock
from papertape.session.spec import ModelSpec
from papertape.trading.paper.account import PaperAccount
from papertape.trading.paper.link import PaperLink
from papertape.trading.paper.market import PaperMarket


class PaperExchange(ResilientExchange):
    """A `ResilientExchange` whose orders never leave this process.

    Args:
        public: a link to the real venue that has no key, and so can place no order.
        account: the paper account; it is closed as the exchange disconnects.
        journal: of the paper venue.
        model: how it fills and charges; as any simulated one if left out.
        options: those of `ResilientExchange`.
    """

    def __init__(
        self,
        public: Link,
        account: PaperAccount,
        *,
        journal: Journal,
        clock: Clock,
        chance: Chance,
        on_bot_error: Callable[[BaseException], None],
        model: ModelSpec | None = None,
        **options: Any,
    ) -> None:
        self.account = account
        self.market = PaperMarket(public, account, clock=clock, chance=chance, journal=journal, model=model)
        self._failed = on_bot_error
        self._work: asyncio.Task[None] | None = None
        link = PaperLink(self.market, public)
        super().__init__(link, clock=clock, chance=chance, on_bot_error=on_bot_error, **options)

    async def connect(self) -> None:
        if self._work is None:
            self._work = asyncio.ensure_future(self.market.run())
            self._work.add_done_callback(self._ended)
        await super().connect()

    async def disconnect(self) -> None:
        try:
            await super().disconnect()
        finally:
            self.market.stop()
            if self._work is not None:
                await asyncio.wait([self._work])
            self.account.close()

    def _ended(self, work: asyncio.Task[None]) -> None:
        """The market does not end by itself: what ended it stops the bot."""
        error = None if work.cancelled() else work.exception()
        if error is not None:
            self._failed(error if isinstance(error, PapertapeError) else PapertapeError(f"the paper market failed: {error!r}"))
