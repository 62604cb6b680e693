"""From a name to a connection: lookups, addresses, SYN and TLS, in order and in trouble, with asyncio's own errors."""

import asyncio
import errno
import socket
import ssl
from typing import Any

import pytest

from papertape.faults import (
    BlackHole,
    ConnectRefused,
    ConnectTimeout,
    DnsFailure,
    DnsSlow,
    HalfOpen,
    SlowConnect,
    TlsExpired,
    TlsSlow,
    TlsWrongHost,
)
from papertape.model.units import MILLISECOND, SECOND
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.network.dial import ONE_WAY_NS
from runtime.lines import HOST, End, dialled, listening, ms, on_a_network

FOUR, SIX, STREAM = socket.AF_INET, socket.AF_INET6, socket.SOCK_STREAM


def outcome(error: BaseException) -> Any:
    return type(error), error.args[0]


async def attempt(loop: VirtualLoop, host: Any = HOST, port: Any = 443, **options: Any) -> Any:
    """(milliseconds that it took, the error or None)."""
    start = ms(loop)
    try:
        await loop.create_connection(asyncio.Protocol, host, port, **options)
    except OSError as error:
        return ms(loop) - start, error
    return ms(loop) - start, None


# Names


def test_a_name_that_is_not_found() -> None:
    """For lookups and for connecting by name; not by address, and not another host."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await listening(loop)
        await listening(loop, "other.test")
        with pytest.raises(socket.gaierror) as caught:
            await loop.getaddrinfo(HOST, 443)
        took, error = await attempt(loop)
        by_address = await attempt(loop, network.names.ip(HOST))
        other = await attempt(loop, "other.test")
        return caught.value.args, took, error.args, by_address, other, network.fired

    not_known = (socket.EAI_NONAME, "Name or service not known")
    assert on_a_network(main, DnsFailure(host=HOST)) == (not_known, 0, not_known, (20, None), (20, None), [2])


def test_a_name_server_that_does_not_answer_in_time() -> None:
    """EAI_AGAIN after a while, for the second lookup alone."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await listening(loop)
        return [await attempt(loop) for _ in range(3)]

    first, (took, error), third = on_a_network(main, DnsFailure(error="try_again", takes="10s", nth_connection=2))
    assert (first, third) == ((20, None), (20, None))
    assert (took, error.errno) == (10_000, socket.EAI_AGAIN)


def test_a_slow_name() -> None:
    """While it lasts; localhost and addresses are not looked up."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        for host in (HOST, "localhost"):
            await listening(loop, host)
        taken = [await attempt(loop, host) for host in (HOST, "localhost", "127.0.0.1")]
        await asyncio.sleep(60)
        return [*taken, await attempt(loop)]

    assert on_a_network(main, DnsSlow(add="3s", at="0s", lasts="30s")) == [(3020, None), (20, None), (20, None), (20, None)]


def test_every_lookup_can_take_its_time() -> None:
    """`lookup_ns` is the network's own, without any fault."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await listening(loop)
        return await attempt(loop), await attempt(loop, network.names.ip(HOST))

    assert on_a_network(main, lookup_ns=7 * MILLISECOND) == ((27, None), (20, None))


@pytest.mark.parametrize(
    ("asked", "hints", "expected"),
    [
        (("a.test", "https"), {}, [(FOUR, STREAM, 6, "", ("10.9.0.1", 443)), (SIX, STREAM, 6, "", ("fd00::1", 443, 0, 0))]),
        (("a.test", 80), {"family": SIX}, [(SIX, STREAM, 6, "", ("fd00::1", 80, 0, 0))]),
        (("A.test.", 80), {"family": FOUR, "flags": socket.AI_CANONNAME}, [(FOUR, STREAM, 6, "a.test", ("10.9.0.1", 80))]),
        (("127.0.0.1", 80), {"type": socket.SOCK_DGRAM}, [(FOUR, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", 80))]),
        (("127.0.0.1", None), {"flags": socket.AI_NUMERICHOST}, [(FOUR, STREAM, 6, "", ("127.0.0.1", 0))]),
        ((None, 80), {"flags": socket.AI_PASSIVE}, [(FOUR, STREAM, 6, "", ("0.0.0.0", 80))]),
        (("b.test", 80), {"family": SIX}, socket.EAI_NODATA),
        (("10.1.1.1", 80), {"family": SIX}, socket.EAI_ADDRFAMILY),
        (("a.test", 80), {"flags": socket.AI_NUMERICHOST}, socket.EAI_NONAME),
        (("a.test", 80), {"type": socket.SOCK_RAW}, socket.EAI_SOCKTYPE),
        (("a.test", "gopher"), {}, socket.EAI_SERVICE),
        ((None, None), {}, socket.EAI_NONAME),
    ],
)  # fmt: skip
def test_lookups_honour_what_is_asked(asked: Any, hints: Any, expected: Any) -> None:
    """Family, type and flags, ports by the name of their service, and glibc's errors."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        try:
            return await loop.getaddrinfo(*asked, **hints)
        except socket.gaierror as error:
            return error.errno

    assert on_a_network(main, addresses={"a.test": ["10.9.0.1", "fd00::1"]}) == expected


# Connecting


def test_a_refused_connection() -> None:
    """A round trip, then ConnectionRefusedError in asyncio's words; the server hears nothing, and afterwards all is well."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        accepted = await listening(loop)
        (took, error), (again, _) = await attempt(loop), await attempt(loop)
        await asyncio.sleep(1)
        return took, type(error), error.args, again, len(accepted), network.fired

    args = (errno.ECONNREFUSED, "Connect call failed ('10.0.0.1', 443)")
    assert on_a_network(main, ConnectRefused(nth_connection=1)) == (20, ConnectionRefusedError, args, 20, 1, [1])


def test_a_host_that_does_not_answer_is_given_up_as_linux_does() -> None:
    """After 127 s with ETIMEDOUT; or by the client's own patience."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await listening(loop)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(loop.create_connection(asyncio.Protocol, HOST, 443), 5)
        patient = ms(loop)
        took, error = await attempt(loop)
        return patient, took, type(error), error.args, network.fired

    args = (errno.ETIMEDOUT, "Connect call failed ('10.0.0.1', 443)")
    assert on_a_network(main, ConnectTimeout()) == (5000, 127_000, TimeoutError, args, [2])


def test_a_syn_is_sent_again_and_gets_through_when_the_fault_is_over() -> None:
    """Over at 20 s, sent again at 31 s."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await listening(loop)
        return await attempt(loop)

    assert on_a_network(main, ConnectTimeout(at="0s", lasts="20s")) == (31_020, None)
    assert on_a_network(main, BlackHole(at="0s", lasts="20s")) == (31_020, None)


def test_a_black_hole_that_waits_for_bytes_lets_connections_be_made() -> None:
    """So does a half-open line."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await listening(loop)
        return await attempt(loop)

    assert on_a_network(main, BlackHole(after_frames=1), HalfOpen()) == (20, None)


def test_healing_lets_the_next_syn_through() -> None:
    """Healed at 5 s, sent again at 7 s."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await listening(loop)
        loop.call_later(5, network.heal)
        return await attempt(loop)

    assert on_a_network(main, ConnectTimeout()) == (7020, None)


def test_a_slow_connection_is_slow_to_come_about_only() -> None:
    async def main(loop: VirtualLoop, network: Network) -> Any:
        accepted = await listening(loop)
        client, server = await dialled(loop, accepted)
        before = ms(loop)
        client.transport.write(b"x")
        await asyncio.sleep(1)
        return before, server.arrivals

    assert on_a_network(main, SlowConnect(add="2s")) == (2030, [(2040, b"x")])


def test_a_window_without_a_start_begins_with_the_first_dial() -> None:
    """Refused for ten seconds from the first attempt on, whenever that is."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await listening(loop)
        await asyncio.sleep(100)
        seen = []
        for _ in range(3):
            seen.append((await attempt(loop))[1] is None)
            await asyncio.sleep(6)
        return seen

    assert on_a_network(main, ConnectRefused(lasts="10s")) == [False, False, True]


def test_several_addresses_are_tried_in_turn() -> None:
    """The second one after the first has failed; an error that all share is raised as it is, others together."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await listening(loop)
        took = await attempt(loop)
        both = await attempt(loop, port=444)
        transport, _ = await loop.create_connection(asyncio.Protocol, HOST, 443)
        return took, str(both[1]), transport.get_extra_info("peername")

    took, both, peer = on_a_network(main, ConnectRefused(host="10.9.0.1"), addresses={HOST: ["10.9.0.1", "10.9.0.2"]})
    assert took == (40, None)
    assert both.startswith(
        "Multiple exceptions: [Errno 111] Connect call failed ('10.9.0.1', 444), [Errno 111] Connect call failed ('10.9.0.2'"
    )
    assert peer == ("10.9.0.2", 443)


def test_happy_eyeballs_do_not_wait_for_a_silent_address() -> None:
    """The second is dialled a quarter of a second later, and wins; families take turns."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await listening(loop)
        took = await attempt(loop, happy_eyeballs_delay=0.25)
        transport, _ = await loop.create_connection(asyncio.Protocol, HOST, 443, happy_eyeballs_delay=0.25)
        return took, transport.get_extra_info("peername")

    addresses = {HOST: ["10.9.0.1", "10.9.0.2", "fd00::1"]}
    assert on_a_network(main, ConnectTimeout(host="10.9.0.1"), addresses=addresses) == ((270, None), ("fd00::1", 443))


def test_families_take_turns_as_asked() -> None:
    """`interleave` says how many of the first family are tried before the other."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await listening(loop)
        peers = []
        for interleave in (None, 1, 2):
            transport, _ = await loop.create_connection(asyncio.Protocol, HOST, 443, interleave=interleave)
            peers.append(transport.get_extra_info("peername")[0])
        return peers

    addresses = {HOST: ["10.9.0.1", "10.9.0.2", "fd00::1"]}
    assert on_a_network(main, ConnectRefused(host="10.9.0.1"), addresses=addresses) == ["10.9.0.2", "fd00::1", "10.9.0.2"]


def test_a_client_may_say_where_it_dials_from() -> None:
    async def main(loop: VirtualLoop, network: Network) -> Any:
        await listening(loop)
        one, _ = await loop.create_connection(asyncio.Protocol, HOST, 443, local_addr=("10.1.2.3", 5555))
        two, _ = await loop.create_connection(asyncio.Protocol, HOST, 443, local_addr=("0.0.0.0", 0))
        return one.get_extra_info("sockname"), two.get_extra_info("sockname")

    assert on_a_network(main) == (("10.1.2.3", 5555), ("10.255.0.1", 40_002))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"host": HOST, "port": 1, "server_hostname": "x"}, "server_hostname is only meaningful with ssl"),
        ({"host": HOST, "port": 1, "ssl_handshake_timeout": 1}, "ssl_handshake_timeout is only meaningful with ssl"),
        ({"host": HOST, "port": 443, "ssl": True, "ssl_handshake_timeout": 0}, "should be a positive number, got 0"),
        ({"port": 1, "ssl": True}, "You must set server_hostname"),
        ({}, "host and port was not specified"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_as_asyncio_does(options: Any, words: str) -> None:
    async def main(loop: VirtualLoop, network: Network) -> Any:
        await listening(loop)
        with pytest.raises(ValueError, match=words):
            await loop.create_connection(asyncio.Protocol, **options)

    on_a_network(main)


# TLS


def lenient(*, certificate: bool) -> ssl.SSLContext:
    """A context that does not compare the host, or does not look at all."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if certificate else ssl.CERT_NONE
    return context


@pytest.mark.parametrize(
    ("fault", "host", "code", "message"),
    [
        (TlsExpired(), HOST, 10, "certificate has expired"),
        (TlsWrongHost(), HOST, 62, "Hostname mismatch, certificate is not valid for 'venue.test'."),
        (TlsWrongHost(), "10.0.0.1", 64, "IP address mismatch, certificate is not valid for '10.0.0.1'."),
    ],
)
def test_a_bad_certificate_is_told_in_openssls_words(fault: Any, host: str, code: int, message: str) -> None:
    """Code and message are those of OpenSSL 3; the server's program hears nothing."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        accepted = await listening(loop)
        network.names.ip(HOST)
        _, error = await attempt(loop, host, ssl=ssl.create_default_context())
        plain = await attempt(loop, host)
        await asyncio.sleep(1)
        return error, plain, len(accepted), network.fired

    error, plain, accepted, fired = on_a_network(main, fault)
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert (error.verify_code, error.verify_message, error.reason, error.library) == (code, message, "CERTIFICATE_VERIFY_FAILED", "SSL")
    assert str(error).startswith(f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {message} (_ssl.c:")
    assert (plain, accepted, fired) == ((20, None), 1, [1])


def test_who_does_not_look_sees_no_bad_certificate() -> None:
    """verify_mode CERT_NONE sees neither; check_hostname off, or an empty host name, sees no other host's."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await listening(loop)
        contexts = {"nothing": lenient(certificate=False), "no name": lenient(certificate=True), "all": ssl.create_default_context()}
        seen = {name: (await attempt(loop, ssl=context))[1] is None for name, context in contexts.items()}
        seen["empty name"] = (await attempt(loop, ssl=True, server_hostname=""))[1] is None
        return seen, network.fired

    expected = {"nothing": True, "no name": False, "all": False, "empty name": False}
    assert on_a_network(main, TlsExpired()) == (expected, [3])
    assert on_a_network(main, TlsWrongHost()) == ({**expected, "no name": True, "empty name": True}, [1])


def test_a_slow_handshake_runs_into_its_timeout() -> None:
    """asyncio's 60 s, or the client's own; a patient one gets through."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await listening(loop)
        waits: list[Any] = [{}, {"ssl_handshake_timeout": 2.5}, {"ssl_handshake_timeout": 200}]
        return [await attempt(loop, ssl=True, **options) for options in waits]

    default, own, patient = on_a_network(main, TlsSlow(add="90s"))
    words = "SSL handshake is taking longer than {} seconds: aborting the connection"
    assert (default[0], outcome(default[1])) == (60_020, (ConnectionAbortedError, words.format(60.0)))
    assert (own[0], outcome(own[1])) == (2520, (ConnectionAbortedError, words.format(2.5)))
    assert patient == (90_040, None)


def test_a_handshake_on_a_silent_line_times_out_too() -> None:
    """Half-open from the beginning: TCP connects, TLS does not."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await listening(loop)
        return await attempt(loop, ssl=True), await attempt(loop)

    (took, error), plain = on_a_network(main, HalfOpen())
    assert (took, type(error), plain) == (60_020, ConnectionAbortedError, (20, None))


def test_tls_on_an_open_connection_fails_in_the_same_way() -> None:
    """start_tls raises, and the connection is gone."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        accepted = await listening(loop)
        client, server = await dialled(loop, accepted)
        with pytest.raises(ssl.SSLCertVerificationError):
            await loop.start_tls(client.transport, client, ssl.create_default_context(), server_hostname=HOST)
        await server.lost
        other, _ = await dialled(loop, accepted)
        with pytest.raises(ConnectionAbortedError):
            await loop.start_tls(other.transport, other, lenient(certificate=False), ssl_handshake_timeout=0.01)
        return client.lost.done()

    assert on_a_network(main, TlsExpired()) is True


def test_the_way_is_as_long_as_it_was() -> None:
    """Without faults, connecting and TLS take what the law of latency says, and nothing else."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await listening(loop)
        await loop.create_connection(End, HOST, 443, ssl=True)
        return loop.now_ns

    assert on_a_network(main, latency=None) == 4 * ONE_WAY_NS < SECOND
