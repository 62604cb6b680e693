"""A host that says yes to everything: each HTTP request gets an empty 200."""

from __future__ import annotations

import asyncio
import re
from typing import Final

_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_LENGTH: Final = re.compile(rb"^content-length:\s*(\d+)\s*$", re.IGNORECASE | re.MULTILINE)
_CHUNKED: Final = re.compile(rb"^transfer-encoding:.*chunked", re.IGNORECASE | re.MULTILINE)


class AcceptAll(asyncio.Protocol):
    """Reads requests only as far as it must to know where they end."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := request_end(self._buffer)) is not None:
            self._buffer = self._buffer[end:]
            assert self._transport is not None
            self._transport.write(_ANSWER)


def request_end(data: bytes) -> int | None:
    """Where the first whole HTTP/1 request in `data` ends; None while it is not whole.

    >>> request_end(b"POST / HTTP/1.1\\r\\nContent-Length: 2\\r\\n\\r\\nhiGET"), request_end(b"GET / HTTP/1.1\\r\\n")
    (40, None)
    """
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return None
    body = head + 4
    if _CHUNKED.search(data, 0, head):
        last = data.find(b"0\r\n\r\n", body)
        return None if last < 0 else last + 5
    length = _LENGTH.search(data, 0, head)
    end = body + (int(length.group(1)) if length else 0)
    return end if end <= len(data) else None
