"""No answer, so it is sent again; under another id."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from papertape.bots.canaries.base import BrokenShell
from papertape.exchanges.line import Line
from papertape.model.request import Answer, Op, Request


class ResendsUnderANewId(BrokenShell):
    """Sends an order whose answer was lost again under a new client order id, so that the venue has it twice.

    The bug: each attempt gets an id of its own, and the venue, which would have answered a repeated one with the order that it has, takes
    the second for a new order. The client files both under the first id, so its own books look tidy.

    From: yubing744/trading-gpt#94 (retries without a client order id), scrtlabs/catalyst#317 and AlbatrossAutomated/blue_collar_gdax#1
    (the same order twice after a timeout).

    Caught by `no_duplicate_exposure`: an accepted order has an id that no intent has.
    """

    caught_by: ClassVar[tuple[str, ...]] = ("no_duplicate_exposure",)

    def sabotage(self, line: Line) -> None:
        send = line.requests.send

        async def renamed(request: Request) -> Answer:
            if request.op is not Op.ORDER_CREATE or request.attempt == 1:
                return await send(request)
            wanted = request.client_order_id
            answer = await send(msgspec.structs.replace(request, client_order_id=f"{wanted}-{request.attempt}"))
            if answer.order is None:
                return answer
            return msgspec.structs.replace(answer, order=msgspec.structs.replace(answer.order, client_order_id=wanted))

        line.requests.send = renamed  # type: ignore[method-assign]  # on this one object
