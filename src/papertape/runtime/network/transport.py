"""One end of a simulated TCP connection, with asyncio's own manners: flow control, half-close, abort, buffered protocols."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from papertape.model.units import Nanos
from papertape.runtime.network.pipe import IN_FLIGHT_MAX, Mark, Piece, Pipe

if TYPE_CHECKING:
    from papertape.runtime.loop import VirtualLoop
    from papertape.runtime.network.server import MemoryServer

_HIGH_WATER: Final = 64 * 1024
_HIGH_WATER_TLS: Final = 512 * 1024
_READ_MAX: Final = 256 * 1024
"""Bytes that a protocol gets in one call at most, so that it can stop a large piece half-way."""

_LOST_WRITES_MAX: Final = 5
"""From the fifth write to a lost connection on asyncio says so in its log."""

_log: Final = logging.getLogger("asyncio")


class MemoryTransport(asyncio.Transport):
    """What a protocol writes to.

    Attributes:
        loop: the loop that the protocol lives on.
        is_paused: the protocol wants no bytes for now.
        out: the pipe that carries what is written here.
        inward: the pipe that brings what the peer wrote.
        asks: gives the line of the program that writes, if anybody wants to know.
        told: what the peer can ask for; a client's end puts that line there as "asked_at", and as "asked_ns" since when it has wanted to
            write: what is written as soon as the connection stands has waited since it was dialled.
        dialled_ns, opened_ns: the two; run time.
        left_ns: when it began to close, or lost its connection; None while it has not.
        on_arrival: called when some of what was written here has arrived there, if anybody wants to know.
    """

    def __init__(
        self, loop: VirtualLoop, protocol: asyncio.BaseProtocol, out: Pipe, inward: Pipe, extra: dict[str, Any], on_lost: Callable[[], None]
    ) -> None:
        super().__init__(extra)
        self.is_paused = False
        self.out = out
        self.inward = inward
        self.loop = loop
        self.set_protocol(protocol)
        self.server: MemoryServer | None = None
        self._on_lost = on_lost
        self.asks: Callable[[], str] | None = None
        self.told: dict[str, Any] | None = None
        self.dialled_ns = self.opened_ns = loop.now_ns
        self.on_arrival: Callable[[], None] | None = None
        self.left_ns: Nanos | None = None
        self._next_look: Callable[[bytes], bool] | None = None
        self._may_send = True  # what is written goes into the pipe; anything else is rare, and sorted out where it happens
        self._wants_bytes = True  # as the protocol said; the pipe is stopped a little longer, see `_rest`
        self._rest = memoryview(b"")  # of a piece that the protocol stopped half-way
        self._has_unread = False  # bytes came that nobody will ever read
        self._has_seen_eof = False
        self._is_broken = False  # the peer is gone altogether; the next write finds out
        self._has_written_eof = False
        self._has_sent_eof = False
        self._has_sent_reset = False
        self._has_paused_writer = False
        self._is_closing = False
        self._is_losing = False  # connection_lost is on its way, or has been
        self._is_lost = False
        self._lost_writes = 0
        high = _HIGH_WATER if self.can_write_eof() else _HIGH_WATER_TLS
        self._high, self._low = high, high // 4

    def __repr__(self) -> str:
        state = "closed" if self._is_lost else "closing" if self._is_closing else "open"
        return f"<{type(self).__name__} {self.out.name} {state}>"

    # What protocols ask

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
        self._is_buffered = isinstance(protocol, asyncio.BufferedProtocol)

    def is_closing(self) -> bool:
        return self._is_closing

    def is_reading(self) -> bool:
        return self._wants_bytes and not self._is_closing

    def pause_reading(self) -> None:
        if not self._is_closing:
            self._wants_bytes = False
            self.is_paused = True

    def resume_reading(self) -> None:
        if self._wants_bytes or self._is_closing:
            return
        self._wants_bytes = True
        if self._rest:
            self.loop.call_soon(self._take_rest, context=self.inward.context)
        else:
            self.is_paused = False
            self.inward.resume()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = (_HIGH_WATER if self.can_write_eof() else _HIGH_WATER_TLS) if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high, self._low = high, low
        self._pause_writer()

    def get_write_buffer_size(self) -> int:
        return 0 if self._is_losing else max(0, self.out.waiting - IN_FLIGHT_MAX)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if type(data) is not bytes:
            if not isinstance(data, (bytes, bytearray, memoryview)):
                raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
            data = bytes(data)
        if not self._may_send:
            self._refuse(data)
        elif data:
            if self.told is not None:
                if self.asks is not None:
                    self.told["asked_at"] = self.asks()
                now_ns = self.loop.now_ns
                self.told["asked_ns"] = self.dialled_ns if now_ns == self.opened_ns else now_ns
            out = self.out
            out.push(data)
            if out.waiting > IN_FLIGHT_MAX:
                self._pause_writer()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return self.get_extra_info("sslcontext") is None  # TLS cannot close one half

    def write_eof(self) -> None:
        if not self.can_write_eof():
            raise NotImplementedError
        if not self._is_closing:
            self._has_written_eof, self._may_send = True, False
            self._send_eof()

    def close(self) -> None:
        """Read no more; the connection ends when what was written is out of our hands."""
        if self._is_closing:
            return
        self._is_closing = True
        self._note_leaving()
        if not self.get_write_buffer_size():
            self._finish(None)

    def abort(self) -> None:
        """Drop what is not sent yet and reset the connection.

        asyncio itself leaves it to the kernel, which says goodbye politely unless something is unread; here it is what it is used for.
        """
        self._force_close(None, Mark.RST)

    # What the network does

    def look_at_next(self, keeps: Callable[[bytes], bool]) -> None:
        """Show `keeps` what is written next; what it keeps does not go out."""
        if self._may_send:
            self._may_send, self._next_look = False, keeps

    def hear(self, data: bytes) -> None:
        """Let the protocol have bytes that did not come over the line."""
        if self._is_closing:
            return
        if self._wants_bytes and not self._rest:
            self._hand_over(data)
        else:
            self._rest = memoryview(bytes(self._rest) + data)
            self.is_paused = True
            self.inward.keep(len(data))

    def open(self) -> None:
        """The connection is there."""
        self._tell("Exception in callback connection_made", self._protocol.connection_made, self)

    def reset(self) -> None:
        """The line is cut: this end notices at once."""
        self.break_off(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    def break_off(self, error: OSError) -> None:
        """This end has no connection any more; the other one is not told."""
        if not self._is_losing:
            self._is_closing = self._is_losing = self._has_sent_reset = True
            self._note_leaving()
            self._may_send = False
            self._lose(error)

    def on_piece(self, piece: Piece) -> None:
        """Something has arrived."""
        if isinstance(piece, bytes):
            if not self._is_closing:
                self._hand_over(piece)
            elif self._is_losing:
                self._send_reset()  # nobody is here any more
            else:
                self._has_unread = True
        elif piece is Mark.OPEN:
            self.open()
        elif piece is Mark.RST:
            if self._has_seen_eof and not self._is_closing and not self.get_write_buffer_size():
                self._is_broken, self._may_send = True, False  # who reads no more hears nothing until they write
            else:
                self.reset()
        elif not self._is_closing:
            self._has_seen_eof = True
            self._hear_eof()

    def on_drain(self) -> None:
        """Some of what was written here has arrived there."""
        if self.on_arrival is not None:
            self.on_arrival()
        if self._has_paused_writer or (self._is_closing and not self._is_losing):
            self.loop.call_soon(self._write_on, context=self.inward.context)

    # Reading

    def _hand_over(self, data: bytes) -> None:
        if self._is_buffered or len(data) > _READ_MAX:
            self._rest = memoryview(data)
            self._hand_over_rest()
            if self._rest:
                self.inward.keep(len(self._rest))
            return
        try:
            self._protocol.data_received(data)  # type: ignore[attr-defined]  # which kind of protocol it is was asked before
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fail(error, "Fatal error: protocol.data_received() call failed.")

    def _hand_over_rest(self) -> None:
        while self._rest and self._wants_bytes and not self._is_closing:
            call = "get_buffer"
            try:
                if self._is_buffered:
                    buffer = memoryview(self._protocol.get_buffer(-1)).cast("B")  # type: ignore[attr-defined]  # only asked of a protocol that has it
                    if not buffer:
                        raise RuntimeError("get_buffer() returned an empty buffer")
                    call = "buffer_updated"
                    count = min(len(buffer), len(self._rest))
                    buffer[:count], self._rest = self._rest[:count], self._rest[count:]
                    self._protocol.buffer_updated(count)  # type: ignore[attr-defined]  # which kind of protocol it is was asked before
                else:
                    call = "data_received"
                    data, self._rest = bytes(self._rest[:_READ_MAX]), self._rest[_READ_MAX:]
                    self._protocol.data_received(data)  # type: ignore[attr-defined]  # which kind of protocol it is was asked before
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                self._fail(error, f"Fatal error: protocol.{call}() call failed.")
        if not self._rest and self._wants_bytes and self.is_paused:
            self.is_paused = False
            self.inward.resume()

    def _take_rest(self) -> None:
        before = len(self._rest)
        self._hand_over_rest()
        if not self._is_lost:
            self.inward.taken(before - len(self._rest))

    def _hear_eof(self) -> None:
        try:
            keeps_open = self._protocol.eof_received()  # type: ignore[attr-defined]  # which kind of protocol it is was asked before
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fail(error, "Fatal error: protocol.eof_received() call failed.")
            return
        if keeps_open and not self.can_write_eof():
            _log.warning("returning true from eof_received() has no effect when using ssl")
            keeps_open = False
        if not keeps_open:
            self.close()

    # Writing

    def _refuse(self, data: bytes) -> None:
        """A write that goes nowhere, or that somebody wants to look at first."""
        if self._next_look is not None and data:
            keeps, self._next_look = self._next_look, None
            self._may_send = not (self._has_written_eof or self._is_broken or self._is_losing)
            if self._may_send and keeps(data):
                return
            self.write(data)
            return
        if self._has_written_eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data:
            return
        if self._is_broken and not self._is_losing:
            self._fail(BrokenPipeError(errno.EPIPE, "Broken pipe"), "Fatal write error on socket transport")
            return
        self._lost_writes += 1
        if self._lost_writes >= _LOST_WRITES_MAX:
            _log.warning("socket.send() raised exception.")

    def _send_eof(self) -> None:
        if not self._has_sent_eof and not self._has_sent_reset:
            self._has_sent_eof = True
            self.out.push(Mark.FIN)

    def _send_reset(self) -> None:
        if not self._has_sent_reset:
            self._has_sent_reset = True
            self.out.push(Mark.RST)

    def _pause_writer(self) -> None:
        if not self._has_paused_writer and self.get_write_buffer_size() > self._high:
            self._has_paused_writer = True
            self._tell("protocol.pause_writing() failed", self._protocol.pause_writing)

    def _write_on(self) -> None:
        """What waited to be sent has become less."""
        if self._is_losing:
            return
        size = self.get_write_buffer_size()
        if self._has_paused_writer and size <= self._low:
            self._has_paused_writer = False
            self._tell("protocol.resume_writing() failed", self._protocol.resume_writing)
        if self._is_closing and not self.get_write_buffer_size():
            self._finish(None)

    # Ending

    def _finish(self, error: BaseException | None) -> None:
        """Say goodbye, or where somebody's bytes were never read, hang up on them; then lose the connection."""
        if self._is_losing:
            return
        self._is_closing = self._is_losing = True
        self._note_leaving()
        self._may_send = False
        if self._has_unread or self._rest or self.inward.has_unread():
            self._send_reset()
        else:
            self._send_eof()
        self.loop.call_soon(self._lose, error)

    def _note_leaving(self) -> None:
        if self.left_ns is None:
            self.left_ns = self.loop.now_ns

    def _force_close(self, error: BaseException | None, goodbye: Mark = Mark.FIN) -> None:
        """Lose the connection now, and with it what is not sent yet."""
        if self._is_losing:
            return
        if self.out.waiting > IN_FLIGHT_MAX:
            self.out.drop_unsent()
        if goodbye is Mark.RST:
            self._send_reset()
        self._finish(error)

    def _fail(self, error: BaseException, message: str) -> None:
        """The protocol's own mistake ends the connection, and somebody should know; what the line did is nobody's mistake."""
        if not isinstance(error, OSError):
            self.loop.call_exception_handler({"message": message, "exception": error, "transport": self, "protocol": self._protocol})
        self._force_close(error)

    def _lose(self, error: BaseException | None) -> None:
        if self._is_lost:
            return
        self._is_lost = True
        self.is_paused = False
        self.inward.resume()  # what still comes in falls on deaf ears
        self._on_lost()
        self._tell("Exception in callback connection_lost", self._protocol.connection_lost, error)
        if self.server is not None:
            self.server.detach(self)

    def _tell(self, message: str, callback: Callable[..., object], *args: Any) -> None:
        """Call the protocol where its mistake must not stop the network."""
        try:
            callback(*args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.loop.call_exception_handler({"message": message, "exception": error, "transport": self, "protocol": self._protocol})
