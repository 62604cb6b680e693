"""From a host and a port to an open connection: names, SYN, TLS by fiat. It asks the troubles, waits, and raises what asyncio raises."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl as tls
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from papertape.model.units import MICROSECOND, SECOND, Nanos
from papertape.runtime.network.address import LOCALHOST, SocketStub, failed_lookup, literal_ip
from papertape.runtime.network.connection import Connection
from papertape.runtime.network.trouble import CONNECT_PATIENCE_NS, SYN_NS, Act, Checks, Reply
from papertape.runtime.network.way import RESENT_NS
from papertape.runtime.rank import DELIVERY

if TYPE_CHECKING:
    from papertape.runtime.loop import VirtualLoop
    from papertape.runtime.network.network import Network
    from papertape.runtime.network.server import MemoryServer
    from papertape.runtime.network.transport import MemoryTransport

ONE_WAY_NS: Final = 100 * MICROSECOND
"""How long a piece is on its way where no law of latency says otherwise."""

HANDSHAKE_PATIENCE_S: Final = 60.0
"""asyncio's own `ssl_handshake_timeout`."""


class Dialler:
    """Opens the connections of a network."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._lookups: dict[str, tuple[Nanos, Nanos]] = {}  # the last of each name that took time: from when to when

    def begun_ns(self, host: str) -> Nanos:
        """Since when whoever dials that host now has been about it: a dial follows its lookup at once."""
        now_ns = self._network.loop.now_ns
        begun_ns, ended_ns = self._lookups.get(host, (now_ns, now_ns))
        return begun_ns if ended_ns == now_ns else now_ns

    # Names

    async def infos(self, host: Any, port: Any, **hints: int) -> list[Any]:
        """`getaddrinfo`, as late or as wrong as it is to be."""
        network = self._network
        if host is not None and literal_ip(host) is None and (network.troubles is not None or network.lookup_ns):
            name = network.names.canonical(host)
            delay_ns, code, begun_ns = network.lookup_ns, None, network.loop.now_ns
            if network.troubles is not None and name != LOCALHOST:
                more_ns, code = network.troubles.lookup(name, network.loop.now_ns)
                delay_ns += more_ns
            await self._wait_until(begun_ns + delay_ns)
            if code is not None:
                raise failed_lookup(code)
            self._lookups[name] = begun_ns, network.loop.now_ns
        return list(network.names.infos(host, port, **hints))

    # Connecting

    async def connect(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: Any,
        port: Any,
        *,
        ssl: Any = None,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        sock: Any = None,
        local_addr: tuple[Any, Any] | None = None,
        server_hostname: Any = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        happy_eyeballs_delay: float | None = None,
        interleave: int | None = None,
        all_errors: bool = False,
    ) -> tuple[MemoryTransport, asyncio.BaseProtocol]:
        """`create_connection`, with asyncio's own arguments and complaints."""
        network = self._network
        for name, value in {"server_hostname": server_hostname, "ssl_handshake_timeout": ssl_handshake_timeout,
                            "ssl_shutdown_timeout": ssl_shutdown_timeout}.items():  # fmt: skip
            if value is not None and not ssl:
                raise ValueError(f"{name} is only meaningful with ssl")
        if server_hostname is None and ssl and not host:
            raise ValueError("You must set server_hostname when using ssl without a host")
        if sock is not None:
            if not isinstance(sock, SocketStub):
                network.loop.refuse("a real socket", "give create_connection a host and a port")
            if host is not None or port is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            infos = [(sock.family, sock.type, sock.proto, "", sock.getpeername())]
        elif host is None and port is None:
            raise ValueError("host and port was not specified and no sock specified")
        else:
            infos = await self.infos(host, port, family=family, type=socket.SOCK_STREAM, proto=proto, flags=flags)
        own = await self._own(local_addr) if local_addr is not None else None
        if sock is not None and sock.dialled is not None:
            (connection, listener), sock.dialled = sock.dialled, None
            connection.is_tls = bool(ssl)
        else:
            connection, listener = await self._any_of(infos, bool(ssl), happy_eyeballs_delay, interleave, all_errors)
        if ssl:  # one more round trip, as in TLS 1.3
            await self.handshake(connection, ssl, host if server_hostname is None else server_hostname, ssl_handshake_timeout)
        protocol = protocol_factory()
        network.connect(connection, listener, protocol, ssl, whose_loop(), own)
        return connection.client, protocol

    async def _own(self, local_addr: tuple[Any, Any]) -> tuple[str, int]:
        infos = await self.infos(local_addr[0], local_addr[1], type=socket.SOCK_STREAM)
        return infos[0][4][0], infos[0][4][1]

    async def socket(self, infos: list[Any], delay: float | None, interleave: int | None) -> SocketStub:
        """A socket that is connected; raises an `ExceptionGroup` of what each address said."""
        connection, listener = await self._any_of(infos, False, delay, interleave, all_errors=True)
        stub = SocketStub((), (connection.ip, connection.port))
        stub.dialled = connection, listener
        return stub

    async def _any_of(
        self, infos: list[Any], is_tls: bool, delay: float | None, interleave: int | None, all_errors: bool
    ) -> tuple[Connection, MemoryServer]:
        """The first address that answers: one after another, or with `delay` before the one before has failed."""
        errors: list[OSError] = []
        if delay is not None and interleave is None:
            interleave = 1
        if interleave and len(infos) > 1:
            infos = _interleaved(infos, interleave)
        attempts = [(info[4][0], info[4][1]) for info in infos]

        async def attempt(ip: str, port: int) -> tuple[Connection, MemoryServer]:
            try:
                return await self._dial(ip, port, is_tls)
            except OSError as error:
                errors.append(error)
                raise

        if delay is not None and len(attempts) > 1:
            from asyncio.staggered import staggered_race

            def starter(ip: str, port: int) -> Callable[[], Coroutine[Any, Any, Any]]:
                return lambda: attempt(ip, port)

            winner = (await staggered_race([starter(*each) for each in attempts], delay, loop=whose_loop()))[0]
            if winner is not None:
                return cast("tuple[Connection, MemoryServer]", winner)
        else:
            for each in attempts:
                try:
                    return await attempt(*each)
                except OSError:
                    continue
        if all_errors:
            raise ExceptionGroup("create_connection failed", errors)
        if all(str(error) == str(errors[0]) for error in errors):
            raise errors[0]
        raise OSError(f"Multiple exceptions: {', '.join(str(error) for error in errors)}")

    async def _dial(self, ip: str, port: int, is_tls: bool) -> tuple[Connection, MemoryServer]:
        network = self._network
        connection = network.dialled(ip, port, is_tls)
        if network.troubles is not None:
            await self._get_through(connection)
        await self._travel(connection, ">")
        listener = await self._find_listener(connection)
        await self._travel(connection, "<")
        return connection, listener

    async def _get_through(self, connection: Connection) -> None:
        """Wait until a SYN is answered; raises what connecting raises where none is, or where the answer is no."""
        network, troubles = self._network, self._network.troubles
        assert troubles is not None
        start_ns = network.loop.now_ns
        late_ns = troubles.connect_delay_ns(connection.dial, start_ns)
        for after_ns in SYN_NS:
            await self._wait_until(start_ns + after_ns)
            reply = troubles.reply(connection.dial, network.loop.now_ns, is_first=not after_ns)
            if reply is Reply.ACCEPT:
                await self._wait_until(network.loop.now_ns + late_ns)
                return
            if reply is Reply.REFUSE:
                await self._travel(connection, ">")
                await self._refuse(connection)
        await self._wait_until(start_ns + CONNECT_PATIENCE_NS)
        raise TimeoutError(errno.ETIMEDOUT, f"Connect call failed {(connection.ip, connection.port)}")

    async def _find_listener(self, connection: Connection) -> MemoryServer:
        """Who takes the connection, a one-way latency after it was dialled; raises what connecting raises."""
        from papertape.runtime.network.network import Policy

        network, host, port = self._network, connection.host, connection.port
        listener = network.listener(host, port)
        if listener is not None:
            gate = network.gates.get(host)
            if gate is None or gate(port):
                return listener
            await self._refuse(connection)
        policy = network.hosts.get(host, Policy.REFUSE)
        if policy is Policy.ACCEPT:
            return network.accept_all
        if policy is Policy.BLACKHOLE:
            await asyncio.sleep(CONNECT_PATIENCE_NS / SECOND)
            raise TimeoutError(errno.ETIMEDOUT, f"Connect call failed {(connection.ip, port)}")
        network.refusals.append((network.loop.now_ns, host, port))
        return await self._refuse(connection, f": nobody serves {host}:{port} here; [hosts] may accept or blackhole it")

    async def _refuse(self, connection: Connection, why: str = "") -> NoReturn:
        await self._travel(connection, "<")
        raise ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed {(connection.ip, connection.port)}{why}")

    # TLS

    async def start_tls(
        self,
        transport: MemoryTransport,
        protocol: asyncio.BaseProtocol,
        context: Any,
        *,
        server_side: bool = False,
        server_hostname: Any = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> None:
        """TLS on a connection that is open already; only its client looks at a certificate."""
        transport.set_protocol(protocol)
        transport._extra["sslcontext"] = context  # type: ignore[attr-defined]  # where asyncio's own transports keep it
        connection = next((each for each in self._network.connections() if each.client is transport), None)
        if connection is None or server_side:
            await asyncio.sleep(2 * ONE_WAY_NS / SECOND)
            return
        try:
            await self.handshake(connection, context, server_hostname or "", ssl_handshake_timeout)
        except OSError:
            transport.abort()
            raise

    async def handshake(self, connection: Connection, context: Any, hostname: Any, timeout: float | None) -> None:
        """TLS by fiat: a round trip, and whatever is to go wrong with it; raises what asyncio raises."""
        network, troubles = self._network, self._network.troubles
        patience = HANDSHAKE_PATIENCE_S if timeout is None else timeout
        if patience <= 0:
            raise ValueError(f"ssl_handshake_timeout should be a positive number, got {timeout}")
        start_ns = network.loop.now_ns
        give_up = start_ns + round(patience * SECOND), patience
        wrong: Act | None = None
        if troubles is not None:
            for again_ns in (0, *RESENT_NS):
                await self._wait_until(start_ns + again_ns, give_up)
                if not troubles.is_cut(connection.dial, network.loop.now_ns, is_first=not again_ns):
                    break
            delay_ns, wrong = troubles.handshake(connection.dial, checks_of(context, hostname), network.loop.now_ns)
            await self._wait_until(network.loop.now_ns + delay_ns, give_up)
        await self._travel(connection, ">", give_up)
        await self._travel(connection, "<", give_up)
        if wrong is not None:
            raise certificate_error(wrong, hostname)

    # Time

    async def _travel(self, connection: Connection, direction: str, give_up: tuple[Nanos, float] | None = None) -> None:
        network = self._network
        await self._wait_until(network.loop.now_ns + network.latency(connection, direction, 0), give_up, must_wait=True)

    async def _wait_until(self, ns: Nanos, give_up: tuple[Nanos, float] | None = None, *, must_wait: bool = False) -> None:
        loop = whose_loop()
        if ns <= loop.now_ns and not must_wait:
            return
        future = loop.create_future()
        timer = loop.schedule_ns(ns if give_up is None else min(ns, give_up[0]), DELIVERY, _arrive, future)
        try:
            await future
        finally:
            timer.cancel()
        if give_up is not None and ns > give_up[0]:
            raise ConnectionAbortedError(f"SSL handshake is taking longer than {give_up[1]} seconds: aborting the connection")


def checks_of(context: Any, hostname: Any) -> Checks:
    """What a client with this SSLContext (or True) looks at; an empty host name is not compared."""
    return Checks(
        certificate=getattr(context, "verify_mode", tls.CERT_REQUIRED) != tls.CERT_NONE,
        host=bool(getattr(context, "check_hostname", True)) and hostname != "",
    )


def certificate_error(act: Act, hostname: Any) -> tls.SSLCertVerificationError:
    """What OpenSSL says of a certificate that is out of date or another host's."""
    name = hostname.decode("ascii") if isinstance(hostname, bytes) else str(hostname)
    if act is Act.EXPIRE:
        code, message = 10, "certificate has expired"
    elif literal_ip(name) is not None:
        code, message = 64, f"IP address mismatch, certificate is not valid for '{name}'."
    else:
        code, message = 62, f"Hostname mismatch, certificate is not valid for '{name}'."
    error = tls.SSLCertVerificationError(
        tls.SSL_ERROR_SSL, f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {message} (_ssl.c:1000)"
    )
    error.library, error.reason, error.verify_code, error.verify_message = "SSL", "CERTIFICATE_VERIFY_FAILED", code, message
    return error


def whose_loop() -> VirtualLoop:
    """The loop of the code that asks: the world's, or that of the program in it."""
    return cast("VirtualLoop", asyncio.get_running_loop())


def _interleaved(infos: list[Any], first: int) -> list[Any]:
    """Families in turn, `first` of the first one before any other, as RFC 8305 wants it."""
    by_family: dict[int, list[Any]] = {}
    for info in infos:
        by_family.setdefault(info[0], []).append(info)
    families = list(by_family.values())
    ordered, families[0] = families[0][: first - 1], families[0][first - 1 :]
    for place in range(max(len(family) for family in families)):
        ordered += [family[place] for family in families if place < len(family)]
    return ordered


def _arrive(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
