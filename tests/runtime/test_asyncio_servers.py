"""Servers: when they listen, whom they know, and what waits for their end."""

import asyncio
import errno
import sys
from typing import Any

import pytest

from runtime.manners import HOST, Recorder, both, connected, run_on, settle

waits_for_clients = sys.version_info >= (3, 12)


def port_of(server: Any) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


@both
def test_port_0_is_any_free_port(kind: str) -> None:
    """Two servers get two; each socket says where it listens."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        async with await loop.create_server(Recorder, HOST, 0) as one, await loop.create_server(Recorder, HOST, 0) as two:
            assert one.get_loop() is loop
            return port_of(one) != port_of(two), port_of(one) > 0, one.sockets[0].getsockname()[0], one.is_serving(), len(one.sockets)

    assert run_on(kind, main) == ((True, True, HOST, True, 1), [])


@both
def test_an_address_in_use_is_an_error(kind: str) -> None:
    """It is in use while somebody serves there, not before and not after that."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        first = await loop.create_server(Recorder, HOST, 0, start_serving=False)
        port = port_of(first)
        second = await loop.create_server(Recorder, HOST, port)
        with pytest.raises(OSError, match="address already in use") as caught:
            await loop.create_server(Recorder, HOST, port)
        with pytest.raises(OSError, match=r"(?i)address already in use"):
            await first.start_serving()
        second.close()
        first.close()
        third = await loop.create_server(Recorder, HOST, port)
        third.close()
        return caught.value.errno

    assert run_on(kind, main)[0] == errno.EADDRINUSE


@both
def test_a_server_that_does_not_serve_yet_refuses(kind: str) -> None:
    """It has its address, and accepts from start_serving on; a second start is nothing."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Recorder, HOST, 0, start_serving=False)
        port = port_of(server)
        before = server.is_serving()
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Recorder, HOST, port)
        await server.start_serving()
        await server.start_serving()
        transport, client = await loop.create_connection(Recorder, HOST, port)
        transport.close()
        await client.seen("lost")
        server.close()
        return before, server.sockets, server.is_serving()

    assert run_on(kind, main)[0] == (False, (), False)


@both
def test_a_closed_server_accepts_no_more_but_keeps_whom_it_has(kind: str) -> None:
    """Closing twice is nothing; it cannot be served again."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        async with connected() as ends:
            port = port_of(ends.listener)
            ends.listener.close()
            ends.listener.close()
            with pytest.raises(ConnectionRefusedError):
                await loop.create_connection(Recorder, HOST, port)
            with pytest.raises(RuntimeError, match="is closed"):
                await ends.listener.serve_forever()
            with pytest.raises((RuntimeError, TypeError)):
                await ends.listener.start_serving()
            ends.client.transport.write(b"still here")
            return await ends.server.got(10)

    assert run_on(kind, main)[0] == b"still here"


@both
def test_wait_closed_waits_for_the_close_and_the_connections(kind: str) -> None:
    """As the running Python has it: before 3.12, a server that is closed already waits for nobody."""

    async def main() -> Any:
        async with connected() as ends:
            early = asyncio.ensure_future(ends.listener.wait_closed())
            await settle()
            steps = [early.done()]
            ends.listener.close()
            late = asyncio.ensure_future(ends.listener.wait_closed())
            await settle()
            steps += [early.done(), late.done()]
            ends.client.transport.close()
            await ends.server.seen("lost")
            await early
            await late
            await ends.listener.wait_closed()
            return steps

    assert run_on(kind, main)[0] == [False, False, not waits_for_clients]


@both
def test_a_server_without_connections_is_closed_at_once(kind: str) -> None:
    """Also for whoever waited already."""

    async def main() -> Any:
        server = await asyncio.get_running_loop().create_server(Recorder, HOST, 0)
        early = asyncio.ensure_future(server.wait_closed())
        await settle()
        server.close()
        await early
        await server.wait_closed()

    run_on(kind, main)


@both
def test_serving_for_ever_ends_by_cancelling_or_closing(kind: str) -> None:
    """It cannot be awaited twice, serves what did not serve yet, and leaves the server closed."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        results = []
        for ends_by_close in (False, True):
            server = await loop.create_server(Recorder, HOST, 0, start_serving=False)
            task = asyncio.ensure_future(server.serve_forever())
            await settle()
            assert server.is_serving()
            with pytest.raises(RuntimeError, match="already being awaited on serve_forever"):
                await server.serve_forever()
            if ends_by_close:
                server.close()
            else:
                task.cancel()
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            results.append((type(outcome), server.is_serving(), server.sockets))
        return results

    assert run_on(kind, main)[0] == [(asyncio.CancelledError, False, ())] * 2


@both
def test_a_cancelled_server_waits_for_its_connections(kind: str) -> None:
    """From 3.12 on serve_forever comes back when the last of them is lost."""

    async def main() -> Any:
        async with connected() as ends:
            task = asyncio.ensure_future(ends.listener.serve_forever())
            await settle()
            task.cancel()
            await settle()
            before = task.done()
            ends.client.transport.close()
            await asyncio.wait([task])
            return before, ends.listener.is_serving()

    assert run_on(kind, main)[0] == (not waits_for_clients, False)


@both
def test_leaving_a_server_closes_it(kind: str) -> None:
    """`async with` closes and waits."""

    async def main() -> Any:
        server = await asyncio.get_running_loop().create_server(Recorder, HOST, 0)
        async with server as same:
            assert same is server
        return server.is_serving()

    assert run_on(kind, main)[0] is False


@both
@pytest.mark.parametrize("way", ["close_clients", "abort_clients"])
def test_a_server_can_end_its_connections(kind: str, way: str) -> None:
    """Politely or not; ours can on every Python, asyncio's own from 3.13 on."""
    if kind == "real" and sys.version_info < (3, 13):
        pytest.skip("asyncio has it from 3.13 on")

    async def main() -> Any:
        async with connected() as ends:
            ends.listener.close()
            getattr(ends.listener, way)()
            assert ends.server.transport.is_closing()
            await ends.listener.wait_closed()
            await ends.client.seen("lost")
            return ends.server.log, ends.server.lost_with

    log, lost_with = run_on(kind, main)[0]
    assert (log, lost_with) == (["made", "lost"], None)


def test_a_server_on_several_hosts_has_a_socket_for_each() -> None:
    """All at one port, and each name reaches it."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Recorder, ["a.test", "b.test", "A.test."], 0)
        names = [sock.getsockname() for sock in server.sockets]
        for host in ("a.test", "b.test"):
            transport, _ = await loop.create_connection(Recorder, host, port_of(server))
            transport.close()
        server.close()
        return names, repr(server)

    (names, text), _ = run_on("virtual", main)
    assert names == [("10.0.0.1", names[0][1]), ("10.0.0.2", names[0][1])]
    assert text == f"<MemoryServer a.test:{names[0][1]}, b.test:{names[0][1]}>"


def test_a_transport_prints_without_its_address_in_memory() -> None:
    """So that a program that logs it logs the same in each run."""

    async def main() -> Any:
        async with connected() as ends:
            transport = ends.client.transport
            texts = [repr(transport)]
            transport.close()
            texts.append(repr(transport))
            await ends.client.seen("lost")
            return [*texts, repr(transport)]

    assert run_on("virtual", main)[0] == [f"<MemoryTransport 1> {state}>" for state in ("open", "closing", "closed")]
