"""A link with the gate before it: whatever may change something asks there first, and whatever the venue tells is told there too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Protocol

from papertape.journal import Journal
from papertape.links.base import Link, Receiver
from papertape.links.permits import MUTATING
from papertape.model.account import KeyRights
from papertape.model.errors import (
    BaseError,
    DuplicateOrderId,
    ExchangeError,
    GateRefused,
    PermissionDenied,
    RateLimitExceeded,
    never_sent,
)
from papertape.model.event import BookSnapshot, Event, Trade
from papertape.model.instrument import Instrument
from papertape.model.order import OpenOrders, OrderUpdate
from papertape.model.request import Answer, Channel, Lane, Op, Request
from papertape.model.units import SECOND, Nanos
from papertape.runtime.clock import Clock
from papertape.sim.written import command_facts, order_facts, outcome_facts
from papertape.trading.gate.keeper import Gatekeeper

LOOK_WITHIN_NS: Final[Nanos] = 3 * SECOND
"""How long an order waits for the price that it is valued by."""


class VenueLink(Link, Protocol):
    """A link with a key, whose venue says what that may do."""

    async def key_rights(self) -> KeyRights: ...


class GatedLink:
    """Another link; see `links.base.Link`.

    Args:
        objection: why this key must not be traded with, in words; empty if it may. Asked as REST is opened for the first time.
        journal: gets a line for each request and each news of an order, as a simulated venue's would.
    """

    def __init__(
        self, link: VenueLink, keeper: Gatekeeper, objection: Callable[[KeyRights], str], *, journal: Journal, clock: Clock
    ) -> None:
        self.rules = link.rules
        self._journal = journal
        self._clock = clock
        self._count = 0
        self._looking = asyncio.Lock()
        self._spend: Callable[[Op], Awaitable[object]] | None = None
        self._objection = objection
        self._is_known = False
        self._link = link
        self._keeper = keeper
        self._instruments: dict[str, Instrument] = {}
        self._receiver: Receiver | None = None
        link.bind(self)

    def bind(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def open(self, lane: Lane) -> None:
        await self._link.open(lane)
        if lane is Lane.REST and not self._is_known:
            why = self._objection(await self._link.key_rights())
            if why:
                raise PermissionDenied(f"the gate: {why}")
            self._is_known = True

    async def close(self, lane: Lane) -> None:
        await self._link.close(lane)

    async def subscribe(self, lane: Lane, channel: Channel, symbol: str, span_ns: Nanos = 0) -> None:
        await self._link.subscribe(lane, channel, symbol, span_ns)

    async def unsubscribe(self, lane: Lane, channel: Channel, symbol: str, span_ns: Nanos = 0) -> None:
        await self._link.unsubscribe(lane, channel, symbol, span_ns)

    async def request(self, request: Request) -> Answer:
        if request.op in MUTATING:
            if not self._is_known:
                raise GateRefused("the gate: whose account this is was not seen yet; nothing was sent")
            await self._look_up_prices(request)
            self._keeper.admit(request)
        self._count += 1
        facts = command_facts(self._count, request)
        try:
            answer = await self._link.request(request)
            facts |= {} if answer.order is None else outcome_facts(answer.order)
        except BaseError as error:
            facts["refusal"] = type(error).__name__
            if request.op in MUTATING and _had_no_effect(error):
                self._keeper.declined(request, type(error).__name__)
            raise
        finally:
            self._keeper.permits.revoke(request)
            self._journal.write(self._clock.now_ns(), "command", **facts)
        if request.op is Op.MARKETS_FETCH:
            self._instruments.update({market.symbol: market.instrument for market in answer.markets})
        self._keeper.hear(answer.orders if answer.order is None else (answer.order,))
        for trade in answer.trades[-1:]:
            self._price(trade)
        return answer

    def abandon(self) -> None:
        self._link.abandon()

    # What some links have beside

    def volume(self, lane: Lane) -> int:
        """Bytes that have come; 0 from a link that does not count them."""
        count = getattr(self._link, "volume", None)
        return 0 if count is None else int(count(lane))

    def spend_by(self, spend: Callable[[Op], Awaitable[object]], on_limited: Callable[[Nanos | None], object]) -> None:
        """Handed on, as is `admit_by`."""
        self._spend = spend
        inner: Any = getattr(self._link, "spend_by", None)
        if inner is not None:
            inner(spend, on_limited)

    def admit_by(self, dial: Callable[[Lane], Awaitable[object]], message: Callable[[], Awaitable[object]]) -> None:
        inner: Any = getattr(self._link, "admit_by", None)
        if inner is not None:
            inner(dial, message)

    # What it brings

    def on_message(self, lane: Lane, sequence: int | None, message: Event | OrderUpdate) -> None:
        if type(message) is Trade:
            self._price(message)
        elif type(message) is OrderUpdate:
            self._keeper.hear((message.order,))
            self._journal.write(self._clock.now_ns(), "order", **order_facts(message))
        elif type(message) is OpenOrders:
            self._keeper.hear(message.orders)
        elif type(message) is BookSnapshot:
            self._price_by_book(message)
        if self._receiver is not None:
            self._receiver.on_message(lane, sequence, message)

    def on_closed(self, lane: Lane, reason: str) -> None:
        if self._receiver is not None:
            self._receiver.on_closed(lane, reason)

    async def _look_up_prices(self, request: Request) -> None:
        """What is to be sent, and what is held, goes by its market's last price: one that was not heard of late is asked for."""
        if not self._keeper.unpriced(request):
            return
        with suppress(BaseError, TimeoutError):  # then it is not known, and the gate says so
            async with asyncio.timeout(LOOK_WITHIN_NS / SECOND), self._looking:  # one asks, and all who wait have the answer
                for symbol in self._keeper.unpriced(request):
                    if self._spend is not None:
                        await self._spend(Op.TRADES_FETCH)
                    answer = await self._link.request(Request(op=Op.TRADES_FETCH, symbol=symbol, limit=1))
                    for book in answer.books:
                        self._price_by_book(book)
                    for trade in answer.trades[-1:]:
                        self._price(trade)

    def _price(self, trade: Trade) -> None:
        self._price_at(trade.symbol, trade.price_ticks)

    def _price_by_book(self, book: BookSnapshot) -> None:
        if book.bids and book.asks:
            self._price_at(book.symbol, (book.bids[0][0] + book.asks[0][0]) // 2)

    def _price_at(self, symbol: str, ticks: int) -> None:
        instrument = self._instruments.get(symbol)
        if instrument is not None and ticks > 0:
            self._keeper.priced(symbol, instrument.price(ticks))


def _had_no_effect(error: BaseError) -> bool:
    """Whether a request certainly came to nothing: it never left, or the venue said no to this one."""
    return (
        never_sent(error)
        or isinstance(error, RateLimitExceeded)
        or (isinstance(error, ExchangeError) and not isinstance(error, DuplicateOrderId))
    )
