"""Permits: a link to real money sends nothing that may change something there without one."""

from __future__ import annotations

from typing import Final

import msgspec

from papertape.model.errors import GateRefused
from papertape.model.request import Op, Request

MUTATING: Final = (Op.ORDER_CREATE, Op.ORDER_EDIT, Op.ORDER_CANCEL)
"""What may change something at a venue."""


class Permits:
    """Those that a gate has issued and that no request has spent. Each is for one sending of one request, down to the last digit.

    >>> permits, request = Permits(), Request(op=Op.ORDER_CANCEL, order_id="1")
    >>> permits.issue(request)
    >>> permits.spend(request)
    >>> permits.spend(request)
    Traceback (most recent call last):
    papertape.model.errors.GateRefused: order.cancel: no permit for it; only the gate sends to a real venue, and this came another way
    """

    def __init__(self) -> None:
        self._open: dict[bytes, int] = {}

    def issue(self, request: Request) -> None:
        """One more; for the gate alone."""
        key = _key(request)
        self._open[key] = self._open.get(key, 0) + 1

    def spend(self, request: Request) -> None:
        """Raise `GateRefused` unless there is one for this; it is gone then."""
        if request.op not in MUTATING:
            return
        key = _key(request)
        left = self._open.pop(key, 0)
        if not left:
            raise GateRefused(f"{request.op}: no permit for it; only the gate sends to a real venue, and this came another way")
        if left > 1:
            self._open[key] = left - 1

    def revoke(self, request: Request) -> None:
        """The sending that it was for is over, whatever came of it: one that was not spent is good for nothing any more."""
        self._open.pop(_key(request), None)


def _key(request: Request) -> bytes:
    return msgspec.json.encode(request)
