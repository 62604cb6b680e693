"""Permits: a link to real money sends nothing that may change something there without one.

What can be held is whoever goes through a link, or takes the library's own client out of it by mistake. Python has no walls: code in the
same process that means to go round this can, and so can any that has the key and a client of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import msgspec

from papertape.model.errors import ConfigError, GateRefused
from papertape.model.request import Op, Request

MUTATING: Final = (Op.ORDER_CREATE, Op.ORDER_EDIT, Op.ORDER_CANCEL)
"""What may change something at a venue."""


_IS_SENDING: ContextVar[bool] = ContextVar("papertape_link_is_sending", default=False)


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

    @contextmanager
    def sending(self, request: Request) -> Iterator[None]:
        """Spend what it needs; what the link's client sends meanwhile is sent for it."""
        self.spend(request)
        token = _IS_SENDING.set(True)
        try:
            yield
        finally:
            _IS_SENDING.reset(token)

    def revoke(self, request: Request) -> None:
        """The sending that it was for is over, whatever came of it: one that was not spent is good for nothing any more."""
        self._open.pop(_key(request), None)


class Ungated(Permits):
    """For a link behind which nothing is real: whatever it is asked passes."""

    def spend(self, request: Request) -> None:
        """It passes."""


def permits_for(name: str, permits: Permits | None, *, has_key: bool) -> Permits:
    """Those that a link goes by; raises `ConfigError` where it could change something and nobody said who may.

    >>> permits_for("coinbase", None, has_key=True)
    Traceback (most recent call last):
    papertape.model.errors.ConfigError: coinbase: a link with a key needs permits: those of a gate, which `papertape trade` and ...
    """
    if permits is None and has_key:
        raise ConfigError(
            f"{name}: a link with a key needs permits: those of a gate, which `papertape trade` and `ExchangeFactory.get_exchange` build "
            "in mode live, or `Ungated()` where nothing behind the link is real"
        )
    return Ungated() if permits is None else permits


def refuse_unless_sending(what: str) -> None:
    """Raise `GateRefused` where a link's client is about to send something that the link was not asked for."""
    if not _IS_SENDING.get():
        raise GateRefused(f"{what}: this client belongs to a link, and sends only what that was asked for; ask the exchange")


def _key(request: Request) -> bytes:
    return msgspec.json.encode(request)
