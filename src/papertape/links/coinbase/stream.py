"""One stream connection to Coinbase through `websockets`: dial, subscribe, decode, and say when it is gone."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.frames import DATA_OPCODES, Opcode
from websockets.frames import Frame as WebSocketFrame
from websockets.protocol import State
from websockets.streams import StreamReader

from papertape.links.coinbase.discreet import LOG
from papertape.model.errors import ExchangeNotAvailable, NetworkError, RequestTimeout, as_never_sent
from papertape.model.event import Event
from papertape.model.order import OrderUpdate
from papertape.model.units import SECOND, Nanos
from papertape.runtime.clock import Clock
from papertape.venues.coinbase.frame import Frame, decode
from papertape.venues.coinbase.notation import Products

FRAME_MAX: Final = 64 * 1024 * 1024
"""The book of BTC-USD comes as one frame of more than 5 MB; libraries stop at one."""

LARGE: Final = 4096
"""As many bytes are more than anything that is no message."""

CLOSE_WITHIN_S: Final = 1.0

WHOLE_TEXT: Final = 0b1000_0001
"""A frame's first byte: the last part, and so all, of a text, without the bits of any extension."""

_AT_EOF: Final = StreamReader.at_eof.__code__
"""Where the library's parser waits between frames."""

OnFrame = Callable[[int | None, tuple[Event | OrderUpdate, ...]], None]
OnClosed = Callable[[str], None]


class Counting(ClientConnection):
    """A connection that knows how much has come, also of a message that is not complete, and hands on at once what is.

    `recv` costs a future and a turn of the loop for each message, which is half of what a quiet stream costs; so a message that comes in
    one piece while none waits is given to `take`. Whatever else comes waits for `recv`, as ever. Where such a message is all of what came,
    it is read here, which spares the library's parser, made for whatever bytes may come, a third of what the message costs.

    Attributes:
        volume: bytes so far.
        take: gets messages as they come; None while they are to wait for `recv`.
    """

    volume = 0
    take: Callable[[bytes], object] | None = None
    _waiting = 0  # messages, and the parts of one
    _is_between = False  # the parser has seen whole frames only

    @property
    def has_waiting(self) -> bool:
        """Whether something is there for `recv`."""
        return self._waiting > 0

    def received(self) -> None:
        """`recv` has returned one more message."""
        self._waiting -= 1

    def data_received(self, data: bytes) -> None:
        self.volume += len(data)
        protocol = self.protocol
        if self._is_between and self.take is not None and protocol.state is State.OPEN:
            text = lone_text(data)
            if text is not None:
                self.take(text)
                return
        super().data_received(data)
        self._is_between = waits_for_a_frame(protocol.parser) and not protocol.extensions

    def process_event(self, event: Any) -> None:
        if type(event) is WebSocketFrame and event.opcode in DATA_OPCODES:
            if self.take is not None and event.fin:  # what begins here, since `take` is None from a first part on
                self.take(bytes(event.data))
                return
            self.take = None
            self._waiting += event.opcode is not Opcode.CONT
        super().process_event(event)


def waits_for_a_frame(parser: Any) -> bool:
    """Whether the library's parser, a generator within others, waits between frames; False too where a release of it does otherwise."""
    while (within := getattr(parser, "gi_yieldfrom", None)) is not None:
        parser = within
    return getattr(parser, "gi_code", None) is _AT_EOF


def lone_text(data: bytes) -> bytes | None:
    r"""The message, if these bytes are one whole text frame as a server sends it (RFC 6455, 5.2), shorter than 64 kB; else None.

    >>> lone_text(b"\x81\x02{}"), lone_text(b"\x81\x02{}\x81"), lone_text(b"\x01\x02{}")
    (b'{}', None, None)
    """
    size = len(data)
    if size < 2 or data[0] != WHOLE_TEXT:
        return None
    length = data[1]
    if length < 126:
        return data[2:] if size == 2 + length else None
    if length == 126 and size >= 4 and size == 4 + (data[2] << 8 | data[3]):
        return data[4:]
    return None


class CoinbaseStream:
    """An open connection. Frames are handed on as they come; the numbers count only frames that say something.

    Coinbase counts acknowledgements and history too. Nobody hears of these, so their numbers are taken out of the count: what is handed on
    goes up by one unless something was lost.
    """

    def __init__(self, connection: Counting, products: Products, clock: Clock, on_frame: OnFrame, on_closed: OnClosed) -> None:
        self._connection = connection
        self._products = products
        self._clock = clock
        self._on_frame = on_frame
        self._on_closed = on_closed
        self._heard = 0
        self._silent = 0  # numbered frames that told nothing
        self._is_ours_to_close = False
        self._is_broken = False
        self._reader = asyncio.ensure_future(self._read())

    @classmethod
    async def dial(
        cls, url: str, products: Products, clock: Clock, on_frame: OnFrame, on_closed: OnClosed, timeout_ns: Nanos, ca: str = ""
    ) -> CoinbaseStream:
        """Connect, or raise `ccxt.NetworkError`; `ca` as in `CoinbaseUrls`."""
        trusting: dict[str, Any] = {"ssl": ssl.create_default_context(cafile=ca)} if ca else {}
        try:
            connection = await connect(
                url,
                create_connection=Counting,
                logger=LOG,
                max_size=FRAME_MAX,
                ping_interval=None,  # heartbeats and the shell's staleness watch tell sooner whether the line lives
                compression=None,
                open_timeout=timeout_ns / SECOND,
                close_timeout=CLOSE_WITHIN_S,
                proxy=None,
                **trusting,
            )
        except TimeoutError as error:
            raise as_never_sent(RequestTimeout(f"coinbase {url}: no connection in time")) from error
        except (OSError, InvalidHandshake, EOFError) as error:
            raise as_never_sent(ExchangeNotAvailable(f"coinbase {url}: no connection: {error}")) from error
        assert isinstance(connection, Counting)
        return cls(connection, products, clock, on_frame, on_closed)

    @property
    def volume(self) -> int:
        """Bytes that have come so far."""
        return self._connection.volume

    @property
    def signs_of_life(self) -> int:
        """Goes up with each frame, and with each part of a large one; not with a word of the protocol's own, which a zombie has too."""
        return self._heard + self._connection.volume // LARGE

    async def say(self, message: bytes) -> None:
        """Send one message; raises `ccxt.NetworkError` if the connection is gone."""
        try:
            await self._connection.send(message, text=True)
        except ConnectionClosed as error:
            raise NetworkError(f"coinbase: the stream is closed: {error}") from error

    def abort(self) -> None:
        """Let go of the connection, without a word to its other end or to anybody here."""
        self._is_ours_to_close = True
        self._reader.cancel()
        self._connection.transport.abort()

    async def close(self) -> None:
        """Close with a goodbye, and wait for the other side's for a second at most; `on_closed` is not called."""
        self._is_ours_to_close = True
        await self._connection.close()
        self._reader.cancel()
        await _quietly(self._reader)

    async def _read(self) -> None:
        """Hear what must be waited for, and that nothing will come any more; all the rest is taken as it comes."""
        connection = self._connection
        try:
            while True:
                if not connection.has_waiting:
                    connection.take = self._take
                data = await connection.recv(decode=False)
                connection.received()
                self._take(data)
        except ConnectionClosed as error:
            self._ended(str(error))

    def _take(self, data: bytes) -> None:
        if self._is_broken:
            return
        try:
            self._hear(decode(data, self._products, self._clock.wall_ns()))
        except ValueError as error:  # a frame that is none: nothing that follows can be trusted either
            self._is_broken = True
            self._connection.transport.abort()
            self._ended(f"a frame that cannot be read: {error}")

    def _ended(self, reason: str) -> None:
        if not self._is_ours_to_close:
            self._is_ours_to_close = True
            self._on_closed(reason)

    def _hear(self, frame: Frame) -> None:
        self._heard += 1
        if frame.error:
            raise ValueError(f"coinbase says: {frame.error}")
        if not frame.messages:
            self._silent += 1
            return
        sequence = None if frame.sequence is None else frame.sequence - self._silent
        self._on_frame(sequence, frame.messages)


async def _quietly(task: asyncio.Future[None]) -> None:
    waiting: Coroutine[Any, Any, Any] = asyncio.wait([task])
    await waiting
