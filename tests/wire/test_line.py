"""What a venue's server knows of a client at the other end of a simulated line."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from papertape.faults import DnsSlow, HalfOpen, SlowConnect, TlsSlow
from papertape.model.units import SECOND
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.wire.caller import Caller, Line
from runtime.lines import HOST, End, listening, ms, on_a_network, pair


def test_what_arrives_is_told_in_order_and_when_it_arrives() -> None:
    """A message at a time: 10 ms after each was written, and not before."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        _, server = await pair(loop)
        line, told = Line(server.transport), list[tuple[str, int]]()
        began = ms(loop)
        for name in ("one", "two"):
            server.transport.write(b"x" * 100)
            line.on_arrival(lambda name=name: told.append((name, ms(loop) - began)))  # type: ignore[misc]  # bound at once
            await asyncio.sleep(0.004)
        assert told == []
        await asyncio.sleep(1)
        return line.can_tell, line.left_ns(), told

    assert on_a_network(main) == (True, None, [("one", 10), ("two", 14)])


def test_nobody_is_told_of_what_arrives_at_a_client_that_left() -> None:
    """It closed its end while the bytes were on their way; when it did is known at once."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        line, told = Line(server.transport), list[int]()
        server.transport.write(b"news")
        line.on_arrival(lambda: told.append(ms(loop)))
        client.transport.close()
        left_ns = line.left_ns()
        await asyncio.sleep(1)
        return told, left_ns is not None and left_ns < loop.now_ns - 900_000_000

    assert on_a_network(main) == ([], True)


def test_a_request_that_comes_late_was_written_when_it_was_written() -> None:
    """Its line and its instant travel with it; nothing is known of a client on a real line."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        network.asked_at = lambda: "bot.py:31"
        client, server = await pair(loop)
        before_ns = loop.now_ns
        client.transport.write(b"GET /")
        await asyncio.sleep(60)
        assert server.received == b"GET /"
        caller = Caller(server.transport)
        assert caller.asked_ns == before_ns
        return caller.asked_at, caller.can_tell

    assert on_a_network(main, HalfOpen(direction="to_server", at="20ms", lasts="30s")) == ("bot.py:31", True)
    nobody = Caller()
    assert (nobody.asked_at, nobody.asked_ns, nobody.can_tell, nobody.left_ns()) == ("", None, False, None)


@pytest.mark.parametrize("slow", [SlowConnect(add="2s"), DnsSlow(add="2s"), TlsSlow(add="2s")])
def test_what_waits_for_its_connection_is_asked_as_that_is_dialled(slow: Any) -> None:
    """Nobody can call it back from there. What is written on a connection that stands is asked when it is written."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        accepted = await listening(loop)
        await asyncio.sleep(1)
        _, client = await loop.create_connection(End, HOST, 443, ssl=True)
        opened_ns = loop.now_ns
        client.transport.write(b"one")
        await asyncio.sleep(1)
        at_once_ns = Caller(accepted[-1].transport).asked_ns
        client.transport.write(b"two")
        return at_once_ns, opened_ns > 3 * SECOND, Caller(accepted[-1].transport).asked_ns == opened_ns + SECOND

    assert on_a_network(main, slow) == (1 * SECOND, True, True)


def test_who_is_handed_bytes_may_begin_with_them_before_the_end_is_heard() -> None:
    """Bytes and FIN come at one instant: what a server's task does with the bytes comes first, as from a real socket."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        seen: list[str] = []

        class Server(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                self.task = asyncio.ensure_future(self.work())

            async def work(self) -> None:
                await asyncio.create_task(asyncio.sleep(0))
                seen.append("worked")

            def connection_lost(self, error: Exception | None) -> None:
                seen.append("lost")

        await loop.create_server(Server, HOST, 443)
        transport, _ = await loop.create_connection(asyncio.Protocol, HOST, 443)
        transport.write(b"GET /")
        transport.close()
        await asyncio.sleep(1)
        return seen

    assert on_a_network(main) == ["worked", "lost"]
    assert on_a_network(main, HalfOpen(at="0s", lasts="100ms")) == ["worked", "lost"]


def test_what_comes_due_while_a_reader_blocks_is_heard_in_the_order_in_which_it_came() -> None:
    """One connection's second piece does not overtake another's first because its reader was busy with the one before."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        heard: list[bytes] = []

        class Slow(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                heard.append(data)
                if data == b"a1":
                    time.sleep(0.05)  # noqa: TID251 - as a program does

        await loop.create_server(Slow, HOST, 443)
        one, _ = await loop.create_connection(asyncio.Protocol, HOST, 443)
        other, _ = await loop.create_connection(asyncio.Protocol, HOST, 443)
        await asyncio.sleep(1)
        for transport, data in ((one, b"a1"), (other, b"b1"), (one, b"a2")):
            transport.write(data)
            await asyncio.sleep(0.001)
        await asyncio.sleep(1)
        return heard

    assert on_a_network(main) == [b"a1", b"b1", b"a2"]
