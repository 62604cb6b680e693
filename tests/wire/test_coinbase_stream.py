"""One stream connection: what comes is heard at once and in order, in however many pieces; what goes out does not wait for a turn."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType, web
from hypothesis import given
from hypothesis import strategies as st

from papertape.links.coinbase.stream import CoinbaseStream
from papertape.model.event import Heartbeat
from papertape.model.request import Channel, Lane
from papertape.model.units import SECOND
from papertape.runtime.clock import VirtualClock
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.world import run_virtual
from papertape.venues.coinbase import frame
from papertape.venues.coinbase.notation import Products
from papertape.wire.coinbase.stream import Said, StreamFront
from wire.scripted import Wire, in_memory

HOST = "stream.example"


def beat(number: int) -> bytes:
    return frame.render(Heartbeat(venue_ns=number * SECOND, local_ns=0, symbol="", counter=number), number, Products())


def frames(message: bytes, cuts: list[int]) -> list[bytes]:
    """A message as one frame, or cut into several, each with its header as a server writes it."""
    ends = sorted({min(cut, len(message)) for cut in cuts} | {len(message)})
    parts = [message[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    made = []
    for place, part in enumerate(parts):
        opcode = WSMsgType.TEXT if place == 0 else WSMsgType.CONTINUATION
        last = 0x80 if place == len(parts) - 1 else 0
        made.append(bytes([last | opcode, 126]) + len(part).to_bytes(2, "big") + part)
    return made


async def listened_to(loop: VirtualLoop, chunks: list[bytes], on_beat: Any = None) -> tuple[list[int], list[str]]:
    """The numbers of the heartbeats that a client hears, and why its connection ended, of a server that writes these chunks of bytes."""
    loop.network = Network(loop)
    heard: list[int] = []
    ended: list[str] = []

    async def server(http: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(http)
        assert http.transport is not None
        for chunk in chunks:
            http.transport.write(chunk)
            if not chunk:
                await asyncio.sleep(0.001)
        await asyncio.sleep(1)
        return socket

    def on_frame(number: int | None, messages: tuple[Any, ...]) -> None:
        heard.extend(message.counter for message in messages)
        if on_beat is not None:
            on_beat(heard[-1])

    runner = web.ServerRunner(web.Server(server))
    await runner.setup()
    await web.TCPSite(runner, HOST, 80).start()
    stream = await CoinbaseStream.dial(f"ws://{HOST}", Products(), VirtualClock(loop), on_frame, ended.append, SECOND)
    await asyncio.sleep(2)
    await stream.close()
    await runner.cleanup()
    return heard, ended


@given(
    st.lists(st.tuples(st.lists(st.integers(0, 200), max_size=3), st.booleans()), min_size=1, max_size=6),
    st.integers(1, 400),
)
def test_every_message_is_heard_once_and_in_order_however_it_comes(messages: list[tuple[list[int], bool]], size: int) -> None:
    """In one frame or several; many in one piece of bytes, one in many, with or without a pause before the next."""
    written: list[bytes] = []
    for number, (cuts, pauses) in enumerate(messages):
        data = b"".join(frames(beat(number), cuts))
        written += [data[start : start + size] for start in range(0, len(data), size)] + ([b""] if pauses else [])
    heard, _ = run_virtual(lambda loop: listened_to(loop, written), patch=False)
    assert heard == list(range(len(messages)))


@pytest.mark.parametrize("before", [[], [b""]], ids=["as the connection opens", "later"])
def test_nothing_is_heard_after_what_cannot_be_read(before: list[bytes]) -> None:
    """Even where it came in the same bytes; and the end is told once."""
    chunk = b"".join([*frames(beat(0), []), *frames(b"{}x", []), *frames(beat(1), [])])
    heard, ended = run_virtual(lambda loop: listened_to(loop, [*before, chunk, b"", *frames(beat(2), [])]), patch=False)
    assert heard == [0]
    assert len(ended) == 1
    assert "cannot be read" in ended[0]


def test_a_client_that_does_not_read_gets_everything_in_order_once_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written at once stops where the client does; the rest waits, is counted, and loses no place to what comes after it."""
    fronts: list[StreamFront] = []
    serve = StreamFront.serve

    async def noting(self: StreamFront, http: Any) -> Any:
        fronts.append(self)
        return await serve(self, http)

    monkeypatch.setattr(StreamFront, "serve", noting)

    async def story(wire: Wire) -> None:
        await wire.link.open(Lane.MARKET)
        await wire.link.subscribe(Lane.MARKET, Channel.HEARTBEATS, "")
        await asyncio.sleep(1)
        (front,) = fronts
        streams = wire.link._streams[Lane.MARKET].streams
        transport = streams[0]._connection.transport
        before = len(wire.heard.messages)
        transport.pause_reading()
        padding = "x" * 64_000
        for number in range(100):
            front._send(1_000 + number, frame_of(number, padding))
        await asyncio.sleep(0.1)
        assert front.backlog > 10
        transport.resume_reading()
        await wire.heard.until(lambda: front.backlog == 0)
        front._outbox.put_nowait((frame_of(100, "").render(1_100), None))
        front._send(1_101, frame_of(101, ""))
        await asyncio.sleep(0.1)
        told = [message.counter for _, _, message in wire.heard.messages[before:] if message.counter >= 1_000]
        assert told == [1_000 + number for number in range(102)]

    in_memory(story)


def frame_of(number: int, padding: str) -> Any:
    """A heartbeat, with as many bytes beside it as one wants."""

    def render(sequence: int) -> bytes:
        told = Heartbeat(venue_ns=0, local_ns=0, symbol="", counter=1_000 + number)
        return msgspec.json.encode(msgspec.json.decode(frame.render(told, sequence, Products())) | {"padding": padding})

    return Said(venue_ns=0, local_ns=0, symbol="", render=render)
