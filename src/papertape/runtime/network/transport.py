"""One end of a simulated TCP connection, with asyncio's own manners: flow control, half-close, abort, buffered protocols."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from papertape.runtime.network.pipe import IN_FLIGHT_MAX, Mark, Piece, Pipe

if TYPE_CHECKING:
    from papertape.runtime.loop import VirtualLoop

_HIGH_WATER: Final = 64 * 1024


class MemoryTransport(asyncio.Transport):
    """What a protocol writes to.

    Attributes:
        loop: the loop that the protocol lives on.
        is_paused: the protocol wants no bytes for now.
        out: the pipe that carries what is written here.
        inward: the pipe that brings what the peer wrote.
    """

    def __init__(
        self, loop: VirtualLoop, protocol: asyncio.BaseProtocol, out: Pipe, inward: Pipe, extra: dict[str, Any], on_lost: Callable[[], None]
    ) -> None:
        super().__init__(extra)
        self.is_paused = False
        self.out = out
        self.inward = inward
        self.loop = loop
        self._protocol = protocol
        self._on_lost = on_lost
        self._is_closing = False
        self._is_lost = False
        self._has_sent_eof = False
        self._has_paused_writer = False
        self._high, self._low = _HIGH_WATER, _HIGH_WATER // 4

    # What protocols ask

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def is_closing(self) -> bool:
        return self._is_closing

    def is_reading(self) -> bool:
        return not self.is_paused and not self._is_closing

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        if self.is_paused and not self._is_closing:
            self.is_paused = False
            self.inward.resume()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = _HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high, self._low = high, low
        self._control_writer()

    def get_write_buffer_size(self) -> int:
        return max(0, self.out.waiting - IN_FLIGHT_MAX)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        if self._is_closing or not data:
            return
        if self._has_sent_eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        self.out.push(data if type(data) is bytes else bytes(data))
        self._control_writer()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return self.get_extra_info("sslcontext") is None  # TLS cannot close one half

    def write_eof(self) -> None:
        if not self.can_write_eof():
            raise NotImplementedError
        self._send_eof()

    def close(self) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        self._send_eof()
        self.loop.call_soon(self._lose, None)

    def abort(self) -> None:
        """Drop what is not sent yet and reset the connection."""
        if self._is_lost:
            return
        self._is_closing = True
        self.out.push(Mark.RST)
        self.loop.call_soon(self._lose, None)

    # What the network does

    def open(self) -> None:
        """The connection is there."""
        self._protocol.connection_made(self)

    def reset(self) -> None:
        """The line is cut: this end notices at once."""
        if not self._is_lost:
            self._is_closing = True
            self._lose(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    def on_piece(self, piece: Piece) -> None:
        """Something has arrived."""
        if self._is_lost:
            return
        if piece is Mark.OPEN:
            self.open()
        elif piece is Mark.RST:
            self.reset()
        elif piece is Mark.FIN:
            if not self._is_closing and not self._protocol.eof_received():  # type: ignore[attr-defined]
                self.close()
        elif not self._is_closing:
            assert isinstance(piece, bytes)
            self._hand_over(piece)

    def on_drain(self) -> None:
        """Some of what was written here has arrived there."""
        self._control_writer()

    def _hand_over(self, data: bytes) -> None:
        protocol = self._protocol
        if not isinstance(protocol, asyncio.BufferedProtocol):
            protocol.data_received(data)  # type: ignore[attr-defined]
            return
        view = memoryview(data)
        while view:
            buffer = memoryview(protocol.get_buffer(len(view)))
            count = min(len(buffer), len(view))
            if not count:
                raise RuntimeError("get_buffer() returned an empty buffer")
            buffer[:count] = view[:count]
            view = view[count:]
            protocol.buffer_updated(count)

    def _send_eof(self) -> None:
        if not self._has_sent_eof:
            self._has_sent_eof = True
            self.out.push(Mark.FIN)

    def _control_writer(self) -> None:
        if self._is_lost:
            return
        size = self.get_write_buffer_size()
        if size > self._high and not self._has_paused_writer:
            self._has_paused_writer = True
            self._protocol.pause_writing()
        elif self._has_paused_writer and size <= self._low:
            self._has_paused_writer = False
            self._protocol.resume_writing()

    def _lose(self, error: Exception | None) -> None:
        if self._is_lost:
            return
        self._is_lost = True
        self.is_paused = False
        self.inward.resume()  # what still comes in falls on deaf ears
        self._on_lost()
        self._protocol.connection_lost(error)
