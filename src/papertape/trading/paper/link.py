"""A link for paper: what is public comes from the real venue, what is private from ours."""

from __future__ import annotations

from typing import Final

from papertape.links.base import Link, Receiver
from papertape.links.simulated import SimulatedLink
from papertape.model.errors import ExchangeNotAvailable, as_never_sent
from papertape.model.request import PUBLIC_OPS, Answer, Channel, Lane, Op, Request
from papertape.model.units import SECOND, Nanos
from papertape.trading.paper.market import PaperMarket

STANDS_WITHIN_NS: Final = 15 * SECOND
"""How long one attempt to connect waits for the real venue to say what it trades, and what time it is there."""

KNOWN_WITHIN_NS: Final = 10 * SECOND
"""How long an order waits for the book of a market that nobody has followed yet."""


class PaperLink:
    """Three lanes: REST splits by what is asked; streams come from the paper venue, which has them from the real one.

    Args:
        public: to the real venue; its streams are the market's own.
    """

    def __init__(self, market: PaperMarket, public: Link) -> None:
        self.rules = public.rules
        self._market = market
        self._public = public
        self._inner: SimulatedLink | None = None
        self._receiver: Receiver | None = None

    def bind(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def open(self, lane: Lane) -> None:
        if not await self._market.stands(STANDS_WITHIN_NS):
            raise as_never_sent(ExchangeNotAvailable(f"{self.rules.name}: the real market, which paper trades on, cannot be reached yet"))
        await self._within().open(lane)

    async def close(self, lane: Lane) -> None:
        if self._inner is not None:
            await self._inner.close(lane)

    async def subscribe(self, lane: Lane, channel: Channel, symbol: str, span_ns: Nanos = 0) -> None:
        if lane is Lane.MARKET and symbol:
            self._market.follow(symbol, *(() if channel is Channel.STATUS else (channel,)))  # ours tells of it; the real one, by REST
        await self._within().subscribe(lane, channel, symbol, span_ns)

    async def unsubscribe(self, lane: Lane, channel: Channel, symbol: str, span_ns: Nanos = 0) -> None:
        await self._within().unsubscribe(lane, channel, symbol, span_ns)

    async def request(self, request: Request) -> Answer:
        if request.op in PUBLIC_OPS:
            answer = await self._public.request(request)
            self._market.learn([market.instrument for market in answer.markets])
            self._market.stand(answer.markets)
            return answer
        if request.op in (Op.ORDER_CREATE, Op.ORDER_PREVIEW) and request.order is not None:
            symbol = request.order.symbol
            self._market.follow(symbol)
            if not await self._market.knows(symbol, KNOWN_WITHIN_NS):
                raise as_never_sent(
                    ExchangeNotAvailable(f"{self.rules.name}: the real book of {symbol} has not come yet, so no order can meet it")
                )
        return await self._within().request(request)

    def abandon(self) -> None:
        if self._inner is not None:
            self._inner.abandon()

    def _within(self) -> SimulatedLink:
        if self._inner is None:
            self._inner = self._market.link_within()
            assert self._receiver is not None, "whoever opens a lane listens"
            self._inner.bind(self._receiver)
        return self._inner
