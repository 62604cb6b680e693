"""Libraries that do by themselves what asyncio would do for them: TLS over memory in anyio and httpx, a race of addresses in aiohttp."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import aiohttp
import anyio
import httpx
import pytest

from papertape.faults import BlackHole, ConnectRefused, ConnectTimeout, HalfOpen, Reset, TlsExpired, TlsSlow, TlsWrongHost
from papertape.model.units import MILLISECOND
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from runtime.lines import HOST, on_a_network

URL = f"https://{HOST}/"
ADDRESSES = ["10.9.0.1", "10.9.0.2", "fd00::3"]


class Site:
    """A host that answers whatever is asked, and remembers what came."""

    def __init__(self, banner: bytes = b"") -> None:
        self.banner = banner
        self.accepted = 0
        self.heard: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        writer.write(self.banner)
        try:
            while data := await reader.read(10_000):
                self.heard.append(data)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def open(self, host: str = HOST) -> None:
        await asyncio.start_server(self.serve, host, 443)


def trusting(**changes: Any) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for name, value in changes.items():
        setattr(context, name, value)
    return context


@pytest.mark.parametrize(("fault", "told"), [(TlsExpired(), "certificate has expired"), (TlsWrongHost(), "not valid for 'venue.test'")])
def test_httpx_does_not_believe_a_bad_certificate(fault: Any, told: str) -> None:
    """ConnectError with OpenSSL's own words; the server hears a connection open and close, and not a byte."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        site = Site()
        await site.open()
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ConnectError, match=told):
                await client.get(URL)
        await asyncio.sleep(1)
        return site.accepted, site.heard, network.fired, network.facts()[0].to_server

    assert on_a_network(main, fault) == (1, [], [1], 0)


@pytest.mark.parametrize(
    ("fault", "context"),
    [
        (TlsExpired(), {"check_hostname": False, "verify_mode": ssl.CERT_NONE}),
        (TlsWrongHost(), {"check_hostname": False, "verify_mode": ssl.CERT_NONE}),
        (TlsWrongHost(), {"check_hostname": False}),
        (TlsExpired(nth_connection=2), {}),
    ],
)
def test_httpx_looks_at_no_more_than_its_context_says(fault: Any, context: dict[str, Any]) -> None:
    """Then it connects, and the fault has hit nothing."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await Site().open()
        async with httpx.AsyncClient(verify=trusting(**context)) as client:
            return (await client.get(URL)).text, network.fired

    assert on_a_network(main, fault) == ("ok", [0])


def test_a_fault_of_one_connection_leaves_those_dialled_beside_it_alone() -> None:
    """Four handshakes under way at once; each is its own connection's."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await Site().open()
        async with httpx.AsyncClient() as client:
            answers = await asyncio.gather(*(client.get(URL) for _ in range(4)), return_exceptions=True)
        return [each.text if isinstance(each, httpx.Response) else type(each).__name__ for each in answers]

    assert on_a_network(main, TlsExpired(nth_connection=3)) == ["ok", "ok", "ConnectError", "ok"]


def test_a_slow_handshake_takes_its_time_and_is_given_up_in_time() -> None:
    """A round trip and what is added to it; or the client's own patience, in virtual time."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await Site().open()
        took = []
        for patience in (60, 5):
            before_ns = loop.now_ns
            async with httpx.AsyncClient(timeout=patience) as client:
                try:
                    took.append((await client.get(URL)).text)
                except httpx.ConnectTimeout as error:
                    took.append(type(error).__name__)
            took.append((loop.now_ns - before_ns) // MILLISECOND)
        return took

    assert on_a_network(main, TlsSlow(add="9s")) == ["ok", 9_060, "ConnectTimeout", 5_020]  # TCP and TLS are timed apart


@pytest.mark.parametrize("fault", [HalfOpen(after_bytes=None), BlackHole(after_bytes=None, at="5ms", lasts="1h"), Reset()])
def test_what_cuts_a_connection_cuts_its_handshake(fault: Any) -> None:
    """Nothing comes back, or a reset; no library's handshake gets through where asyncio's would not."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await Site().open()
        async with httpx.AsyncClient(timeout=5) as client:
            try:
                await client.get(URL)
            except httpx.TransportError as error:
                return type(error).__name__

    assert on_a_network(main, fault) == ("ConnectError" if isinstance(fault, Reset) else "ConnectTimeout")


def test_a_server_that_speaks_first_is_heard_after_the_handshake() -> None:
    """What it says while TLS is under way is not lost, and not taken for part of it."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        site = Site(banner=b"220 ready\r\n")
        await site.open()
        async with await anyio.connect_tcp(HOST, 443, tls=True) as stream:
            first = await stream.receive()
            await stream.send(b"EHLO")
            await stream.receive()
        return first, site.heard

    assert on_a_network(main, TlsSlow(add="3s")) == (b"220 ready\r\n", [b"EHLO"])


def test_tls_over_nothing_but_memory_still_agrees_with_itself() -> None:
    """Where a program joins two ends by hand there is no network to ask."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = trusting().wrap_bio(back, there, server_hostname=HOST)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).wrap_bio(there, back, server_side=True)
        client.do_handshake()
        server.do_handshake()
        client.write(b"hello")
        with pytest.raises(ValueError, match="check_hostname requires server_hostname"):
            trusting().wrap_bio(back, there)
        return server.read(100), server.server_side

    assert on_a_network(main) == (b"hello", True)


def raced(*faults: Any, **options: Any) -> Any:
    """What aiohttp gets of a host with three addresses: its answer or error, how often it dialled, and when, in milliseconds."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await Site().open()
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(**options), timeout=timeout) as session:
            try:
                async with session.get(URL) as response:
                    told: Any = await response.text()
            except aiohttp.ClientConnectorError as error:
                told = type(error.os_error).__name__, str(error.os_error).count("Connect call failed")
            return told, network._dialled, loop.now_ns // MILLISECOND

    return on_a_network(main, *faults, addresses={HOST: ADDRESSES})


def test_aiohttp_tries_the_next_address_where_one_is_refused() -> None:
    """A round trip later, without a new request; two more for TLS and the answer."""
    assert raced(ConnectRefused(host=ADDRESSES[0])) == ("ok", 2, 80)


def test_aiohttp_does_not_wait_for_an_address_that_is_silent() -> None:
    """A quarter of a second, then the next one races it: happy eyeballs. Told not to race, it waits until TCP gives up."""
    silent = ConnectTimeout(host=ADDRESSES[0])
    assert raced(silent) == ("ok", 2, 310)
    assert raced(silent, happy_eyeballs_delay=None) == ("ok", 2, 127_060)


def test_aiohttp_tells_what_each_address_said() -> None:
    """As its own race would: all three refuse, and then, as aiohttp does, what is left without the first of each family."""
    told, dialled, _ = raced(ConnectRefused(host=HOST))
    assert told == ("ConnectionRefusedError", 1)
    assert dialled == 3 + 1
