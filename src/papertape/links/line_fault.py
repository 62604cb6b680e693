"""A fault of the line under ccxt, as an error that says truly whether the request can have reached the venue."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp

from papertape.model.errors import BaseError, ExchangeNotAvailable, RequestTimeout, as_never_sent


class ClosedMeanwhile(aiohttp.ClientConnectionError):
    """There is no connection and will be none: a connector that is closed cancels its lookups, and so, unasked, whoever waits for one."""


def is_being_cancelled() -> bool:
    """Whether whoever runs was told to stop; else it is something that it waits for that was."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def bound_dials(connector: Any, within_s: float) -> None:
    """Let getting a connection, with name and TLS, take so long and no longer; aiohttp then says that it is this which took too long.

    ccxt gives the whole of a request's time to the dial as well, and where both end at once nobody knows whether anything was sent.
    """
    connect = connector.connect

    async def bounded(*args: Any, **named: Any) -> Any:
        try:
            async with asyncio.timeout(within_s):
                return await connect(*args, **named)
        except asyncio.CancelledError as error:
            if is_being_cancelled():
                raise
            raise ClosedMeanwhile("the session was closed") from error

    connector.connect = bounded


def line_fault(error: BaseError, what: str) -> BaseError:
    """ccxt's error, as one that says truly whether the request can have reached the venue."""
    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | socket.gaierror | ClosedMeanwhile):
        return as_never_sent(ExchangeNotAvailable(f"{what}: no connection: {cause}"))
    if isinstance(error, RequestTimeout):
        return RequestTimeout(f"{what}: no answer in time")
    if cause is not None:
        return ExchangeNotAvailable(f"{what}: the connection broke before the answer was complete: {cause!r}")
    return error
