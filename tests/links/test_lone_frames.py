"""Messages that the stream of Coinbase reads by itself: the same ones, in the same order, as the library's parser would have found."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from papertape.links.coinbase import stream
from papertape.links.coinbase.stream import Counting, lone_text


class Line(asyncio.Transport):
    """Takes down what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: Any) -> None:
        self.written.append(len(bytes(data)).to_bytes(4, "big"))  # the mask is drawn

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """None are needed."""

    def abort(self) -> None:
        """The library hangs up on what is no frame."""

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        """As above."""


def payload(length: int) -> bytes:
    """So many bytes, which look like a frame themselves where that can be."""
    within = max(0, length - (2 if length < 128 else 4 if length < 65_540 else 10))
    frame = Frame(Opcode.TEXT, b"x" * within).serialize(mask=False)
    return frame if len(frame) == length else b"x" * length


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """Texts of all three ways to write a length, and what a server may say between them; a part may never be followed by the rest."""
    opcode = draw(st.sampled_from([Opcode.TEXT] * 8 + [Opcode.BINARY, Opcode.CONT, Opcode.PING, Opcode.PONG]))
    length = draw(st.sampled_from([0, 1, 2, 125, 126, 127, 300, 65_535, 65_536]))
    if opcode in (Opcode.PING, Opcode.PONG):
        return Frame(opcode, payload(min(length, 125)))
    return Frame(opcode, payload(length), fin=draw(st.integers(0, 9)) > 0)


async def heard(chunks: list[bytes]) -> dict[str, Any]:
    """What came of bytes that came so."""
    connection = Counting(ClientProtocol(parse_uri("wss://venue.test/"), state=OPEN), max_queue=None)
    line, taken = Line(), list[bytes]()
    connection.connection_made(line)
    connection.response = Response(101, "Switching Protocols", Headers())
    connection.take = taken.append
    for chunk in chunks:
        connection.data_received(chunk)
    left = [frame.data for frame in connection.recv_messages.frames.queue]
    found = {"taken": taken, "left": left, "said": line.written, "state": connection.protocol.state, "volume": connection.volume}
    connection.connection_lost(None)
    return found


@settings(deadline=None, max_examples=100)
@given(st.lists(frames(), max_size=8), st.data())
def test_it_makes_no_difference_who_reads_a_message(said: list[Frame], data: st.DataObject) -> None:
    """However the bytes are cut: frame by frame as they mostly come, header by header, in the middle of either, several at once."""
    wire = [frame.serialize(mask=False) for frame in said]
    whole = b"".join(wire)
    ends = [sum(map(len, wire[:count])) for count in range(len(wire) + 1)]
    headers = [end - len(frame.data) for end, frame in zip(ends[1:], said, strict=True)]
    anywhere = st.lists(st.one_of(st.sampled_from(ends + headers), st.integers(0, len(whole))), max_size=8)
    cuts = data.draw(st.one_of(st.just(ends), st.just(ends + headers), anywhere))
    chunks = [whole[start:end] for start, end in pairwise(sorted({0, *cuts, len(whole)}))]
    found = asyncio.run(heard(chunks))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "lone_text", lambda data: None)
        assert found == asyncio.run(heard(chunks))


def test_a_lone_message_passes_the_parser_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first, as long as the library waits where it did when this was written; else all of this would be for nothing."""
    asked: list[bytes] = []
    monkeypatch.setattr(stream, "lone_text", lambda data: asked.append(data) or lone_text(data))
    texts = [f'{{"n":{number}}}'.encode() for number in range(4)]
    found = asyncio.run(heard([Frame(Opcode.TEXT, text).serialize(mask=False) for text in texts]))
    assert found["taken"] == texts
    assert len(asked) == 3
