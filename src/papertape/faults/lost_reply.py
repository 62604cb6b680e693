"""The worst kind of silence: done, but nobody says so."""

from __future__ import annotations

from typing import ClassVar

from papertape.faults.base import Fault
from papertape.model.request import Answer, Op, Request


class LostReply(Fault, frozen=True, kw_only=True, tag="lost_reply"):
    """The venue does what was asked; its answer never arrives.

    interface: the call times out with RequestTimeout after the client's own timeout.
    wire: the connection is closed after the request was executed and before a byte of the answer.
    """

    default_on: ClassVar[Op | None] = Op.ORDER_CREATE

    def after_venue(self, request: Request, answer: Answer) -> Answer | None:
        return None
