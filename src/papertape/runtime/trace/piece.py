"""What is in a piece of a connection, as far as a person can read it."""

from __future__ import annotations

import zlib
from typing import Final

_MASKED: Final = 0x80
_COMPRESSED: Final = 0x40
_LENGTHS: Final = {126: 2, 127: 8}
_OPCODES: Final = (0, 1, 2, 8, 9, 10)


def readable(data: bytes) -> str | None:
    """The text of a piece, WebSocket frames taken off; None where it is no text.

    >>> readable(b"GET / HTTP/1.1\\r\\n"), readable(b"\\x81\\x82\\x01\\x02\\x03\\x04" + bytes([ord("h") ^ 1, ord("i") ^ 2]))
    ('GET / HTTP/1.1\\r\\n', 'hi')
    """
    framed = _payload(data)
    for each in (framed, data):
        if each is not None:
            text = _as_text(each)
            if text is not None:
                return text
    return None


def _as_text(data: bytes) -> str | None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return text if all(each.isprintable() or each in "\r\n\t" for each in text) else None


def _payload(data: bytes) -> bytes | None:
    """What the WebSocket frames in `data` carry, unmasked and decompressed; None where there are no whole ones."""
    carried, at = [], 0
    while at < len(data):
        if at + 2 > len(data) or data[at] & 0x0F not in _OPCODES or data[at] & 0x30:
            return None
        first, second = data[at], data[at + 1]
        at += 2
        size = second & 0x7F
        if size in _LENGTHS:
            wide = _LENGTHS[size]
            size, at = int.from_bytes(data[at : at + wide], "big"), at + wide
        key = b""
        if second & _MASKED:
            key, at = data[at : at + 4], at + 4
        if at + size > len(data):
            return None
        payload, at = data[at : at + size], at + size
        if key:
            payload = bytes(each ^ key[index & 3] for index, each in enumerate(payload))
        if first & _COMPRESSED:
            try:
                payload = zlib.decompressobj(-zlib.MAX_WBITS).decompress(payload)
            except zlib.error:  # it leans on what went before
                return None
        carried.append(payload)
    return b"".join(carried) if carried else None
