"""The one exchange behind every name: a bot's calls and callbacks over a link to any venue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from papertape.exchanges.base import (
    BaseExchange,
    BookCallback,
    CandleCallback,
    KeptBook,
    Number,
    OrderCallback,
    StatusCallback,
    Subscription,
    TickerCallback,
    TradeCallback,
)
from papertape.exchanges.drafting import draft, known, new_amount, new_price, refuse_unbuilt, refuse_unoffered
from papertape.exchanges.insight import Insight
from papertape.exchanges.line import Line
from papertape.links.base import Link
from papertape.model.account import Balances, Candle, Market, Position
from papertape.model.errors import NotSupported, OrderNotFound, OutcomeUnknown
from papertape.model.notes import Notes
from papertape.model.order import Order
from papertape.model.request import Channel, Op, Request
from papertape.model.units import MILLISECOND, Nanos
from papertape.model.view import BotView
from papertape.resilience.bars import span_of
from papertape.resilience.health import Health
from papertape.resilience.intents import IntentStore
from papertape.resilience.settings import ShellSettings
from papertape.runtime.chance import Chance
from papertape.runtime.clock import Clock


class ResilientExchange(BaseExchange):
    """Keeps the promises of `BaseExchange` through whatever happens to the line.

    It is handed everything it needs: a link, a clock, chance, a log of intents, someone who takes notes. It makes no connection and no task
    before `connect`, and serves one connection's life: after `disconnect` make another.
    """

    def __init__(
        self,
        link: Link,
        *,
        clock: Clock,
        chance: Chance,
        notes: Notes,
        store: IntentStore,
        run_id: str,
        settings: ShellSettings,
        on_bot_error: Callable[[BaseException], None],
    ) -> None:
        self._line = Line(
            link, clock=clock, chance=chance, notes=notes, store=store, run_id=run_id, settings=settings, on_bot_error=on_bot_error
        )  # fmt: skip

    async def connect(self) -> None:
        await self._line.connect()

    async def disconnect(self) -> None:
        await self._line.disconnect()

    # Orders

    async def place_order(
        self,
        symbol: str,
        type: str,
        side: str,
        amount: Number | None = None,
        price: Number | None = None,
        *,
        client_order_id: str | None = None,
        time_in_force: str = "GTC",
        expires_at: Nanos | None = None,
        cost: Number | None = None,
        post_only: bool = False,
        reduce_only: bool = False,
        trigger_price: Number | None = None,
        stop_direction: str | None = None,
        stop_loss_price: Number | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Order:
        refuse_unbuilt(reduce_only=reduce_only, params=params)
        wanted = draft(
            self._line.markets.instruments, symbol, type, side, amount, price, time_in_force=time_in_force, cost=cost, post_only=post_only,
            expires_at=expires_at, trigger_price=trigger_price, stop_direction=stop_direction, stop_loss_price=stop_loss_price,
            now_ns=self._line.clock.wall_ns(),
        )  # fmt: skip
        refuse_unoffered(self._line.rules, wanted)
        intent = self._line.placing.take_in(wanted, client_order_id)
        task = self._line.spawn(f"place {intent.client_order_id}", self._line.placing.see_through(intent))
        try:  # where the user lane tells of it and no answer comes, the answer is lost
            await self._line.bell.until(lambda: task.done() or intent.order is not None)
            await self._line.bell.until(task.done, self._line.clock.now_ns() + self._line.settings.answer_grace_ns)
        except asyncio.CancelledError:
            self._line.placing.abandoned[intent.client_order_id] = intent  # it is on its way all the same
            raise
        if intent.order is not None:
            return intent.order
        if task.cancelled():
            raise OutcomeUnknown(intent.client_order_id)  # we disconnected, and the request was on its way
        return task.result()  # type: ignore[no-any-return]  # `spawn` forgets what a task returns

    async def edit_order(
        self, order_id: str, symbol: str | None = None, *, amount: Number | None = None, price: Number | None = None
    ) -> Order:
        order = self._line.account.known(order_id) or await self.fetch_order_status(order_id, symbol)
        instrument = known(self._line.markets.instruments, order.symbol)
        return await self._line.amending.edit(order, new_amount(instrument, amount), new_price(instrument, price))

    async def resolve(self, client_order_id: str) -> Order:
        if client_order_id not in self._line.account.tracker:
            raise OrderNotFound(f"order {client_order_id}: this exchange never placed it")
        return await self._line.placing.resolve(self._line.account.tracker[client_order_id])

    async def cancel_order(self, order_id: str, symbol: str | None = None) -> Order:
        return await self._line.amending.cancel(order_id, symbol or "")

    async def fetch_order_status(self, order_id: str, symbol: str | None = None) -> Order:
        return await self._line.amending.fetch(order_id, symbol or "")

    async def fetch_open_orders(self, symbol: str | None = None) -> list[Order]:
        answer = await self._line.requests.repeat(Request(op=Op.ORDERS_OPEN, symbol=symbol or ""))
        return [self._line.account.hear(order) for order in answer.orders]

    # Account and markets

    async def fetch_balance(self) -> Balances:
        answer = await self._line.requests.repeat(Request(op=Op.BALANCE_FETCH))
        self._line.account.balances = answer.balances
        return answer.balances or Balances({})

    async def fetch_positions(self, symbols: list[str] | None = None) -> list[Position]:
        tracker = self._line.account.tracker
        wanted = list(tracker.positions) if symbols is None else symbols
        return [
            Position(symbol=symbol, amount=tracker.positions[symbol], cost=tracker.costs[symbol])
            for symbol in wanted
            if tracker.positions.get(symbol)
        ]

    async def fetch_markets(self) -> list[Market]:
        answer = await self._line.requests.repeat(Request(op=Op.MARKETS_FETCH))
        self._line.markets.learn(answer.markets)
        return list(answer.markets)

    async def fetch_ohlcv(self, symbol: str, timeframe: str = "1m", since: int | None = None, limit: int | None = None) -> list[Candle]:
        known(self._line.markets.instruments, symbol)
        since_ns = None if since is None else since * MILLISECOND
        request = Request(op=Op.OHLCV_FETCH, symbol=symbol, span_ns=span_of(timeframe), since_ns=since_ns, limit=limit)
        return list((await self._line.requests.repeat(request)).candles)

    # Subscriptions

    async def subscribe_ohlcv(self, symbol: str, timeframe: str, callback: CandleCallback) -> Subscription:
        return await self._line.subscribing.bars(symbol, timeframe, callback)

    async def subscribe_trades(self, symbol: str, callback: TradeCallback) -> Subscription:
        return await self._line.subscribing.trades(symbol, callback)

    async def subscribe_order_book(self, symbol: str, callback: BookCallback) -> Subscription:
        return await self._line.subscribing.order_book(symbol, callback)

    async def keep_order_book(self, symbol: str) -> KeptBook:
        return await self._line.subscribing.kept_book(symbol)

    async def subscribe_ticker(self, symbol: str, callback: TickerCallback) -> Subscription:
        return await self._line.subscribing.ticker(symbol, callback)

    async def subscribe_status(self, symbol: str, callback: StatusCallback) -> Subscription:
        if not self._line.rules.status_every_ns:
            raise NotSupported(f"{self._line.rules.name} streams no status of its markets; fetch_markets asks for it")
        return await self._line.subscribing.status(symbol, callback)

    async def subscribe_orders(self, callback: OrderCallback) -> Subscription:
        return await self._line.subscribing.orders(callback)

    # What can be seen

    @property
    def markets(self) -> Mapping[str, Market]:
        return self._line.markets.by_symbol

    @property
    def own_open(self) -> list[Order]:
        """Orders of our own that are open as far as we know, oldest first; no question to the venue."""
        return [intent.order for intent in self._line.account.tracker.unsettled() if intent.order is not None]

    def wanted(self) -> list[tuple[Channel, str]]:
        """The market channels that callbacks want, oldest first, whether or not the venue has them yet."""
        return self._line.wanted()

    @property
    def subscriptions(self) -> int:
        """How many there are that may still call somebody."""
        return self._line.subscribing.count

    @property
    def is_subscribed(self) -> bool:
        """Whether any callback may still be called."""
        return self.subscriptions > 0

    @property
    def health(self) -> Health:
        return self._line.health()

    @property
    def insight(self) -> Insight:
        """The inside, for an observer."""
        return Insight(self._line)

    def view(self) -> BotView:
        """What this client believes now; an invariant compares it with the venue's truth."""
        return self._line.account.view()
