"""What can go wrong, by what to do about it.

ccxt.NetworkError        the line's fault; healed inside, seen only when the time to heal is up
├── ExchangeNotAvailable     the order never left us (see `never_sent`), or the venue is away
├── RequestTimeout
│   └── OutcomeUnknown       sent, unanswered: `await exchange.resolve(id)`, never send again under a new id
├── RateLimitExceeded        the venue refused before looking; wait `retry_after_ns`
└── DDoSProtection
ccxt.ExchangeError       the venue said no, and would again: InsufficientFunds, InvalidOrder, OrderNotFound, BadSymbol, …
PapertapeError
├── ConfigError              a person must edit a file: which key, what it held, what was expected
├── TapeError                a tape is missing, damaged, foreign or too new: which file, what to do
├── EscapedSimulation        code left the simulation: where, and what to use instead
├── StuckSimulation          nothing can ever happen again, or time stands still: who waits where
└── IllegalMove              a bug of ours: the state, the signal, the history

The ccxt classes are ccxt's very own objects, loaded from its file without importing the package (1 ms instead of seconds), so
`except ccxt.NetworkError` in a bot catches what papertape raises.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

from papertape.model.units import Nanos

__all__ = [
    "AuthenticationError",
    "BadRequest",
    "BadSymbol",
    "BaseError",
    "ConfigError",
    "DDoSProtection",
    "DuplicateOrderId",
    "EscapedSimulation",
    "ExchangeError",
    "ExchangeNotAvailable",
    "GateRefused",
    "IllegalMove",
    "InsufficientFunds",
    "InvalidOrder",
    "MarketClosed",
    "NetworkError",
    "NotSupported",
    "OperationFailed",
    "OrderImmediatelyFillable",
    "OrderNotFillable",
    "OrderNotFound",
    "OutcomeUnknown",
    "PapertapeError",
    "PermissionDenied",
    "RateLimitExceeded",
    "RequestTimeout",
    "StuckSimulation",
    "TapeError",
    "as_never_sent",
    "never_sent",
    "retry_after_ns",
    "with_retry_after",
]

if TYPE_CHECKING:
    from ccxt.base.errors import (
        AuthenticationError,
        BadRequest,
        BadSymbol,
        BaseError,
        DDoSProtection,
        DuplicateOrderId,
        ExchangeError,
        ExchangeNotAvailable,
        InsufficientFunds,
        InvalidOrder,
        MarketClosed,
        NetworkError,
        NotSupported,
        OperationFailed,
        OrderImmediatelyFillable,
        OrderNotFillable,
        OrderNotFound,
        PermissionDenied,
        RateLimitExceeded,
        RequestTimeout,
    )
else:

    def _ccxt_errors():
        name = "ccxt.base.errors"
        if name in sys.modules:
            return sys.modules[name]
        package = importlib.util.find_spec("ccxt")
        path = next(iter(package.submodule_search_locations)) + "/base/errors.py"
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # a later `import ccxt` finds these classes and makes no second set
        spec.loader.exec_module(module)
        return module

    _errors = _ccxt_errors()
    AuthenticationError = _errors.AuthenticationError
    BadRequest = _errors.BadRequest
    BadSymbol = _errors.BadSymbol
    BaseError = _errors.BaseError
    DDoSProtection = _errors.DDoSProtection
    DuplicateOrderId = _errors.DuplicateOrderId
    ExchangeError = _errors.ExchangeError
    ExchangeNotAvailable = _errors.ExchangeNotAvailable
    InsufficientFunds = _errors.InsufficientFunds
    InvalidOrder = _errors.InvalidOrder
    MarketClosed = _errors.MarketClosed
    NetworkError = _errors.NetworkError
    NotSupported = _errors.NotSupported
    OperationFailed = _errors.OperationFailed
    OrderImmediatelyFillable = _errors.OrderImmediatelyFillable
    OrderNotFillable = _errors.OrderNotFillable
    OrderNotFound = _errors.OrderNotFound
    PermissionDenied = _errors.PermissionDenied
    RateLimitExceeded = _errors.RateLimitExceeded
    RequestTimeout = _errors.RequestTimeout


class GateRefused(InvalidOrder):
    """Our own gate to live trading said no, and nothing was sent: a limit would be broken, or trading is halted."""


class OutcomeUnknown(RequestTimeout):
    """An order was sent and nobody said what became of it.

    Attributes:
        client_order_id: what to hand to `exchange.resolve`.
    """

    def __init__(self, client_order_id: str) -> None:
        super().__init__(
            f"order {client_order_id}: sent, but its outcome is unknown; `await exchange.resolve({client_order_id!r})` waits for it. "
            "Never send it again under a new id."
        )
        self.client_order_id = client_order_id


class PapertapeError(Exception):
    """What we or the user did, as against what the venue or the network did."""


class ConfigError(PapertapeError):
    """A person must edit a file, a call or a command line; the message says which key, what it held and what was expected."""


class TapeError(PapertapeError):
    """A tape is missing, damaged, foreign, unsorted or too new; the message names the file and says what to do."""


class EscapedSimulation(PapertapeError):
    """Code tried to leave the simulation; the message names its line and what to use instead."""


class StuckSimulation(PapertapeError):
    """Nothing can ever happen again, or virtual time stands still; the message names who waits where."""


class IllegalMove(PapertapeError):
    """A state machine was asked for a move that its table lacks: a bug of ours."""


def never_sent(error: BaseException) -> bool:
    """Whether a link vouches that the request behind `error` never reached the venue, so that sending it again is no second order."""
    return getattr(error, "papertape_never_sent", False) is True


def as_never_sent(error: BaseError) -> BaseError:
    """Mark `error` as one whose request never left this machine; only a link may know that."""
    error.papertape_never_sent = True
    return error


def retry_after_ns(error: BaseException) -> Nanos | None:
    """How long the venue asked us to wait, if it said so."""
    return getattr(error, "papertape_retry_after_ns", None)


def with_retry_after(error: BaseError, ns: Nanos | None) -> BaseError:
    """Note on `error` how long the venue asked us to wait."""
    error.papertape_retry_after_ns = ns
    return error
