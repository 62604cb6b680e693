"""The stream half of a Coinbase: one connection, its subscriptions, and what goes out on it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from papertape.model.event import CandleEvent, Event, Ticker
from papertape.model.interference import RefusedBecause
from papertape.model.order import Order, OrderUpdate
from papertape.model.request import Channel, Lane
from papertape.model.units import Nanos
from papertape.venues.coinbase import frame
from papertape.venues.coinbase.auth import Keyring
from papertape.venues.coinbase.notation import Product, Products, symbol_of
from papertape.wire.caller import Line, reset
from papertape.wire.coinbase.clockwork import BATCH, STATUS, Clockwork
from papertape.wire.port import StreamHandle, VenuePort
from papertape.wire.quotas import Quotas

CHANNELS: Final = {
    "level2": Channel.BOOK,
    "market_trades": Channel.TRADES,
    "ticker": Channel.TICKER,
    "ticker_batch": Channel.TICKER,
    "candles": Channel.CANDLES,
    "heartbeats": Channel.HEARTBEATS,
    "user": Channel.ORDERS,
    "status": Channel.STATUS,
}
"""Coinbase's channels, and what each is of at the venue; those of `OURS` the front end makes by itself."""

WHOLE_VENUE: Final = ("heartbeats", "user")
"""Channels that are subscribed to once, whatever products are named."""

OURS: Final = (BATCH, STATUS)

SUBSCRIBE_WITHIN_S: Final = 5
"""Who has not subscribed to anything by then is shown the door."""

REFUSALS: Final[dict[RefusedBecause, str]] = {
    "too_many_streams": "too many L2 streams requested in a single session",
    "unauthenticated": "level2, level3, and full channels now require authentication",
    "rate_limited": "rate limit exceeded",
}
"""What Coinbase says to a subscription that it does not want; the last is our choice, no public source was found for it."""

FRAME_MAX: Final = 64 * 1024

PLAIN_MAX: Final = 16 * 1024
"""A frame that is not longer than this goes out with its header, in one piece."""

WHOLE_TEXT: Final = 0b1000_0001
"""A frame's first byte (RFC 6455, 5.2): all of a text."""

_SHORT: Final = struct.Struct("!BB").pack
_LONG: Final = struct.Struct("!BBH").pack


class _Wish(msgspec.Struct, frozen=True):
    type: str
    channel: str
    product_ids: list[str] = []
    jwt: str = ""


class Said(Event, frozen=True, gc=False, kw_only=True, tag="said"):
    """A message that only this dialect has; it takes a number and keeps its place like any other.

    Attributes:
        render: the frame, given its number.
        orders: those of the client that it tells of.
    """

    render: Callable[[int], bytes]
    orders: tuple[Order, ...] = ()


HEARD: Final = (OrderUpdate, Said)
"""What the venue wants to know of when it has arrived."""


class StreamFront:
    """One client's stream connection.

    Attributes:
        told: how many messages it was told so far.
    """

    def __init__(self, port: VenuePort, keys: Keyring, products: Products, lane: Lane, quotas: Quotas, peer: str) -> None:
        self.told = 0
        self._port = port
        self._keys = keys
        self._products = products
        self._lane = lane
        self._quotas = quotas
        self._peer = peer
        self._subscriptions: dict[str, list[str]] = {}
        self._socket = web.WebSocketResponse(autoping=True, max_msg_size=FRAME_MAX, compress=False, timeout=1.0)
        self._outbox: asyncio.Queue[tuple[bytes, object] | int] = asyncio.Queue()  # (frame, what is in it), or a goodbye's code
        self._transport: asyncio.Transport | None = None
        self._line = Line()
        self._handle: StreamHandle
        self._clockwork: Clockwork | None = None
        self._is_over = False

    async def serve(self, http: web.BaseRequest) -> web.StreamResponse:
        """Talk to the client until either side has enough."""
        socket = self._socket
        await socket.prepare(http)
        self._transport = http.transport
        line = self._line = Line(http.transport)
        handle = self._handle = self._port.open_stream(self._lane, self._send, self._close, can_tell=line.can_tell)
        self._clockwork = Clockwork(self._port, self._products, self._subscriptions, lambda write: self._say(handle, write))
        writer = asyncio.ensure_future(self._write())
        left_ns: Nanos | None = None
        try:
            deadline = asyncio.timeout(SUBSCRIBE_WITHIN_S)
            try:
                async with deadline:
                    async for message in socket:
                        if message.type is WSMsgType.TEXT and self._hear(message.data, handle):
                            deadline.reschedule(None)
                if socket.close_code not in (None, WSCloseCode.ABNORMAL_CLOSURE):
                    left_ns = line.asked_ns()  # the last that the client wrote was its goodbye
            except TimeoutError:
                if not deadline.expired():
                    raise
                await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"no subscription")
        finally:
            if not self._is_over:
                self._is_over = True
                handle.closed(line.left_ns() if left_ns is None else left_ns)
            writer.cancel()
            self._clockwork.stop()
            del self._socket  # the venue remembers its streams for as long as it is there; a connection must not live as long
        return socket

    @property
    def backlog(self) -> int:
        """How many frames wait for the client to read."""
        return self._outbox.qsize()

    def cut_off(self) -> None:
        """End a connection that is of no use any more; the venue learns of it as of any that breaks."""
        reset(self._transport)

    # From the venue

    def _send(self, sequence: int, message: Any) -> None:
        if self._is_over:
            return
        data = self._frame(sequence, message)
        if not (self._outbox.empty() and self._write_now(data)):
            self._outbox.put_nowait((data, message))
        elif isinstance(message, HEARD):
            self._line.on_arrival(partial(self._handle.heard, message))

    def _frame(self, sequence: int, message: Any) -> bytes:
        self.told += 1
        if isinstance(message, Said):
            return message.render(sequence)
        if isinstance(message, CandleEvent) and self._clockwork is not None:
            self._clockwork.note_recorded(message)
        day = self._port.day(message.symbol) if isinstance(message, Ticker) else None
        return frame.render(message, sequence, self._products, day)

    def _close(self, goodbye: int) -> None:
        self._is_over = True
        if goodbye:
            self._outbox.put_nowait(goodbye)
        else:
            reset(self._transport)

    def _write_now(self, data: bytes) -> bool:
        """Write a frame without a turn of the loop, if nothing that was written before waits for the client; whether that could be done."""
        transport = self._transport
        if transport is None or transport.is_closing() or transport.get_write_buffer_size():
            return False
        size = len(data)
        if size <= PLAIN_MAX and not self._socket.closed:  # as aiohttp writes it, two coroutines sooner
            transport.write((_SHORT(WHOLE_TEXT, size) if size < 126 else _LONG(WHOLE_TEXT, 126, size)) + data)
            return True
        writing = self._socket.send_frame(data, WSMsgType.TEXT)
        try:
            room: Any = writing.send(None)
        except StopIteration:
            return True
        except ConnectionError:
            return False  # as who empties the outbox will find
        room.cancel()  # the frame is written; who has more to say will wait for the room
        writing.close()
        return True

    async def _write(self) -> None:
        while True:
            item = await self._outbox.get()
            if isinstance(item, int):
                await self._socket.close(code=item, message=b"")
                return
            try:
                await self._socket.send_frame(item[0], WSMsgType.TEXT)
            except ConnectionError:
                return  # the reading side notices too, and tells the venue
            if isinstance(item[1], HEARD):
                self._line.on_arrival(partial(self._handle.heard, item[1]))

    # From the client

    def _hear(self, text: str, handle: Any) -> bool:
        """One message of the client; whether it was a valid wish."""
        try:
            wish = msgspec.json.decode(text, type=_Wish)
        except (ValueError, RecursionError):
            return self._complain("failure to parse message")
        is_signed = bool(wish.jwt) and self._keys.fault(wish.jwt, self._port.wall_ns()) is None
        quota = self._port.rules.message_quota  # which holds for who has not logged in
        if not is_signed and quota and self._quotas.ask(f"message {self._peer}", quota, self._port.wall_ns()).is_over:
            return self._complain(REFUSALS["rate_limited"])
        if wish.type not in ("subscribe", "unsubscribe"):
            return self._complain(f"type {wish.type} is not supported")
        channel = CHANNELS.get(wish.channel)
        if channel is None:
            return self._complain(f"channel {wish.channel} is not supported")
        if not is_signed and (wish.jwt or channel is Channel.ORDERS):
            return self._complain("authentication failure")
        products = [] if wish.channel in WHOLE_VENUE else wish.product_ids
        unknown = [name for name in products if name not in self._products.by_name]
        if unknown or (not products and wish.channel not in WHOLE_VENUE):
            return self._complain(f"ErrMsg: no valid product_ids: {', '.join(unknown)}")
        if wish.type == "subscribe":
            self._subscribe(handle, wish.channel, channel, products)
        else:
            self._unsubscribe(handle, wish.channel, channel, products)
            self._acknowledgement(handle)()
        return True

    def _subscribe(self, handle: Any, name: str, channel: Channel, products: list[str]) -> None:
        held = self._subscriptions.setdefault(name, [])
        is_new = not held
        held += [product for product in products or [name] if product not in held]
        wanted = [] if name in OURS or (name in WHOLE_VENUE and not is_new) else products or [""]
        acknowledge = self._acknowledgement(handle)
        for product in wanted:  # one that was subscribed to already begins again: that is how a client gets a new snapshot
            first_word, settled = partial(self._say_first_word, handle, channel, product), acknowledge if product == wanted[-1] else None
            handle.subscribe(channel, symbol_of(product), _span_ns(channel), first_word, settled, partial(self._refused, name, product))
        if not wanted:
            acknowledge()
        assert self._clockwork is not None
        self._clockwork.start(name)

    def _refused(self, name: str, product: str, why: RefusedBecause) -> None:
        held = self._subscriptions.get(name, [])
        if (product or name) in held:
            held.remove(product or name)
        if not held:
            self._subscriptions.pop(name, None)
        self._complain(REFUSALS[why])

    def _unsubscribe(self, handle: Any, name: str, channel: Channel, products: list[str]) -> None:
        held = self._subscriptions.get(name, [])
        if name in WHOLE_VENUE and held:
            handle.unsubscribe(channel, "")
            held.clear()
        for product in products:
            if product in held:
                held.remove(product)
                if name not in OURS:
                    handle.unsubscribe(channel, symbol_of(product), _span_ns(channel))
        if not held:
            self._subscriptions.pop(name, None)

    def _say_open_orders(self, handle: Any) -> None:
        orders = list(self._port.open_orders())
        for start in range(0, max(1, len(orders)), frame.SNAPSHOT_ORDERS_MAX):
            batch: list[Order] = orders[start : start + frame.SNAPSHOT_ORDERS_MAX]
            self._say(handle, lambda sequence, at_ns, batch=batch: frame.open_orders(batch, at_ns, sequence), tuple(batch))

    def _say_first_word(self, handle: Any, channel: Channel, product: str) -> None:
        """What a channel begins with before its first news; a book's snapshot is the venue's own."""
        match channel:
            case Channel.TRADES:
                self._say_history(handle, self._products.by_name[product])
            case Channel.TICKER:
                self._say_ticker(handle, self._products.by_name[product])
            case Channel.CANDLES:
                assert self._clockwork is not None
                self._clockwork.begin_candles(product)
            case Channel.ORDERS:
                self._say_open_orders(handle)

    def _acknowledgement(self, handle: Any) -> Callable[[], None]:
        current = {name: list(each) for name, each in self._subscriptions.items()}
        return lambda: self._say(handle, lambda sequence, at_ns: frame.acknowledgement(current, at_ns, sequence))

    def _say_history(self, handle: Any, product: Product) -> None:
        trades = self._port.recent_trades(product.symbol)
        if trades:  # ccxt's stream dies of a history without trades; a market that never traded is nothing Coinbase has
            self._say(handle, lambda sequence, at_ns: frame.trades(trades, product, at_ns, sequence, is_history=True))

    def _say_ticker(self, handle: Any, product: Product) -> None:
        ticker, day = self._port.ticker(product.symbol), self._port.day(product.symbol)
        if ticker.last_ticks is not None:
            self._say(handle, lambda sequence, at_ns: frame.ticker_snapshot(ticker, product, day, sequence))

    def _say(self, handle: Any, write: Callable[..., bytes], orders: tuple[Order, ...] = ()) -> None:
        at_ns: Nanos = self._port.wall_ns()
        handle.say(Said(venue_ns=at_ns, local_ns=at_ns, symbol="", render=lambda sequence: write(sequence, at_ns), orders=orders))

    def _complain(self, text: str) -> bool:
        self._outbox.put_nowait((frame.error(text), None))
        return False


def _span_ns(channel: Channel) -> Nanos:
    return frame.CANDLE_SPAN_NS if channel is Channel.CANDLES else 0
