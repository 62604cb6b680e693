"""Changing and looking at orders that exist: cancel, edit, ask. These may be repeated; none can make a second order."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial

import msgspec

from papertape.exchanges.account import Account
from papertape.exchanges.bell import Bell
from papertape.exchanges.requests import Requests
from papertape.model.errors import (
    BaseError,
    ExchangeNotAvailable,
    InvalidOrder,
    OrderNotFound,
    RateLimitExceeded,
    as_never_sent,
)
from papertape.model.order import NewOrder, Order
from papertape.model.request import Answer, Op, Request
from papertape.resilience.settings import ShellSettings
from papertape.resilience.tracker import Intent
from papertape.runtime.clock import Clock


class Amending:
    """Cancels, edits and looks at orders."""

    def __init__(
        self,
        *,
        account: Account,
        requests: Requests,
        clock: Clock,
        bell: Bell,
        settings: ShellSettings,
        withdraw: Callable[[Intent], Order | None],
    ) -> None:
        self._account = account
        self._requests = requests
        self._clock = clock
        self._bell = bell
        self._settings = settings
        self._withdraw = withdraw

    async def fetch(self, order_id: str, symbol: str) -> Order:
        """Ask the venue where an order stands.

        A venue that has told of an order and now finds none is behind itself: what we know stands, and nobody is told that it is dead.
        """
        try:
            answer = await self._requests.repeat(self._request(Op.ORDER_FETCH, order_id, symbol))
        except OrderNotFound:
            intent = self._account.tracker.find(order_id)
            if intent is None or intent.order is None:
                raise
            self._account.mentioned(intent)
            return intent.order
        return self._heard(answer, order_id)

    async def cancel(self, order_id: str, symbol: str) -> Order:
        """Cancel, and return where the order then stands; one that still waits for the line is withdrawn and never sent."""
        known = self._account.known(order_id)
        if known is not None and known.status.is_final:
            return known
        intent = self._account.tracker.find(order_id)
        withdrawn = None if intent is None else self._withdraw(intent)
        if withdrawn is not None:
            return withdrawn
        deadline_ns = self._clock.now_ns() + self._settings.outbox_ttl_ns
        try:
            answer = await self._requests.repeat(
                self._request(Op.ORDER_CANCEL, order_id, symbol), urgent=True, within_ns=self._settings.outbox_ttl_ns
            )
        except RateLimitExceeded:
            raise
        except (OrderNotFound, InvalidOrder):
            # Filled or cancelled already, or not visible yet: what counts is where it stands.
            order = await self.fetch(order_id, symbol)
            if not order.status.is_final:
                raise
            return order
        except BaseError:
            known = self._account.known(order_id)
            if known is not None and known.status.is_final:
                return known  # the user lane told us what the answer would have
            raise
        return await self._until_final(self._heard(answer, order_id), symbol, deadline_ns)

    async def _until_final(self, order: Order, symbol: str, deadline_ns: int) -> Order:
        """A venue may only note the wish and cancel a moment later; a fill may come first."""
        failures = 0
        while not order.status.is_final:
            failures += 1
            until_ns = min(deadline_ns, self._clock.now_ns() + self._requests.backoff(failures))

            if await self._bell.until(partial(self._is_final, order.id), until_ns):
                return self._account.known(order.id) or order
            if self._clock.now_ns() >= deadline_ns:
                return order
            order = await self.fetch(order.id, symbol)
        return order

    def _is_final(self, order_id: str) -> bool:
        known = self._account.known(order_id)
        return known is not None and known.status.is_final

    async def edit(self, known: Order, amount: Decimal | None, price: Decimal | None) -> Order:
        """Change what is left; a lost answer is resolved by looking, and the edit repeated only where it did not take."""
        order_id = known.id
        if known.status.is_final:
            raise OrderNotFound(f"order {order_id}: it is {known.status} and can no longer be edited")
        wanted = NewOrder(
            symbol=known.symbol,
            type=known.type,
            side=known.side,
            amount=known.amount if amount is None else amount,
            price=known.price if price is None else price,
            time_in_force=known.time_in_force,
            post_only=known.post_only,
        )
        request = msgspec.structs.replace(self._request(Op.ORDER_EDIT, order_id, known.symbol), order=wanted)

        async def look() -> Answer | None:
            order = await self.fetch(order_id, known.symbol)
            took = order.status.is_final or (order.amount, order.price) == (wanted.amount, wanted.price)
            return Answer(order=order) if took else None

        answer = await self._requests.repeat(request, within_ns=self._settings.outbox_ttl_ns, look_first=look)
        return self._heard(answer, order_id)

    def _request(self, op: Op, order_id: str, symbol: str) -> Request:
        intent = self._account.tracker.find(order_id)
        if intent is None:
            return Request(op=op, order_id=order_id, symbol=symbol)
        if intent.order is None:
            why = "its outcome is unknown; `resolve` it first" if intent.is_unknown else "the venue has no such order yet"
            raise as_never_sent(ExchangeNotAvailable(f"order {order_id}: {why}; nothing was sent"))
        return Request(op=op, order_id=intent.order.id, client_order_id=intent.client_order_id, symbol=intent.wanted.symbol)

    def _heard(self, answer: Answer, order_id: str) -> Order:
        if answer.order is None:
            known = self._account.known(order_id)
            if known is None:
                raise OrderNotFound(f"order {order_id}: the venue answered without it")
            return known
        return self._account.hear(answer.order)
