"""The venue does not find it, so it is gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

import msgspec

from papertape.bots.canaries.base import BrokenShell
from papertape.exchanges.line import Line
from papertape.model.errors import OrderNotFound
from papertape.model.order import OrderStatus
from papertape.model.request import Answer, Op, Request
from papertape.model.units import Nanos


class TakesNotFoundForDead(BrokenShell):
    """Believes that an order is cancelled once the venue has not found it.

    The bug: a list or a look-up that lags behind says "not found" of an order that lives; the client closes it in its books, and never
    looks again nor cancels it.

    From: hummingbot/hummingbot#601 and #8457 (not visible yet, or dropped in an outage, and given up), freqtrade/freqtrade#4403 ("order not
    found" right after its creation), stellar-deprecated/kelp#458 (a "not found" on cancel must not trigger a new order).

    Caught by `every_order_known`: the client believes it canceled, and the venue has it open or filled.
    """

    caught_by: ClassVar[tuple[str, ...]] = ("every_order_known",)

    def sabotage(self, line: Line) -> None:
        account, repeat = line.account, line.requests.repeat

        async def gullible(
            request: Request,
            *,
            urgent: bool = False,
            within_ns: Nanos | None = None,
            look_first: Callable[[], Awaitable[Answer | None]] | None = None,
        ) -> Answer:
            try:
                return await repeat(request, urgent=urgent, within_ns=within_ns, look_first=look_first)
            except OrderNotFound:
                known = account.known(request.order_id)
                if request.op is not Op.ORDER_FETCH or known is None or known.status.is_final:
                    raise
                return Answer(order=account.hear(msgspec.structs.replace(known, status=OrderStatus.CANCELED), show=True))

        line.requests.repeat = gullible  # type: ignore[method-assign]  # on this one object
