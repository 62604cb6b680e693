"""What a virtual loop answers to code that wants out: the simulated network where the run has one, else a refusal that names the line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Protocol

from papertape.model.errors import EscapedSimulation
from papertape.runtime.place import call_site


class NetworkMethods(Protocol):
    """What a loop needs of a simulated network; the arguments are asyncio's own."""

    async def create_connection(self, protocol_factory: Callable[[], Any], host: Any, port: Any, **options: Any) -> tuple[Any, Any]: ...

    async def create_server(self, protocol_factory: Callable[[], Any], host: Any, port: Any, **options: Any) -> Any: ...

    async def start_tls(self, transport: Any, protocol: Any, sslcontext: Any, **options: Any) -> Any: ...

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> list[Any]: ...

    async def connected_socket(self, infos: Sequence[Any], *, delay: float | None = None, interleave: int | None = None) -> Any: ...

    def begin_tls(self, sslcontext: Any, server_hostname: Any) -> Any: ...

    def is_readable(self, descriptor: int) -> bool | None: ...


class Outside:
    """The half of a virtual loop that faces the machine.

    Attributes:
        network: the simulated network, if the run has one.
        escapes: every attempt to leave, in order, also those whose exception the program swallowed.
    """

    network: NetworkMethods | None
    escapes: list[EscapedSimulation]

    def __init__(self) -> None:
        super().__init__()
        self.network = None
        self.escapes = []
        self._foreign: EscapedSimulation | None = None

    def refuse(self, what: str, instead: str) -> NoReturn:
        """Raise `EscapedSimulation` for `what` was tried, and remember it."""
        error = EscapedSimulation(f"{call_site()}: {what} inside a simulation; {instead}")
        self.escapes.append(error)
        raise error

    def refuse_thread(self, what: str, instead: str) -> NoReturn:
        """The same for code on another thread: the run itself fails too, at its next turn."""
        self._foreign = EscapedSimulation(f"{call_site()}: {what} inside a simulation; {instead}")
        self.escapes.append(self._foreign)
        raise self._foreign

    def raise_foreign(self) -> None:
        """Raise what another thread tried."""
        if self._foreign is not None:
            error, self._foreign = self._foreign, None
            raise error

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """What `asyncio.new_event_loop` gives to the program; a bot that is a coroutine has its loop already."""
        self.refuse("another event loop", "use the one that is running")

    # The network

    def _network(self, what: str) -> NetworkMethods:
        if self.network is None:
            self.refuse(what, "this run has no network; use the wire depth")
        return self.network

    async def create_connection(
        self, protocol_factory: Callable[[], Any], host: Any = None, port: Any = None, **options: Any
    ) -> tuple[Any, Any]:
        return await self._network(f"a connection to {host}:{port}").create_connection(protocol_factory, host, port, **options)

    async def create_server(self, protocol_factory: Callable[[], Any], host: Any = None, port: Any = None, **options: Any) -> Any:
        return await self._network(f"a server on {host}:{port}").create_server(protocol_factory, host, port, **options)

    async def start_tls(self, transport: Any, protocol: Any, sslcontext: Any, **options: Any) -> Any:
        return await self._network("TLS").start_tls(transport, protocol, sslcontext, **options)

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> list[Any]:
        return await self._network(f"looking up {host}").getaddrinfo(host, port, **options)

    async def getnameinfo(self, sockaddr: tuple[Any, ...], flags: int = 0) -> tuple[str, str]:
        return str(sockaddr[0]), str(sockaddr[1])

    # What no run has

    async def create_datagram_endpoint(self, *args: Any, **options: Any) -> NoReturn:
        self.refuse("UDP", "use TCP")

    async def create_unix_connection(self, *args: Any, **options: Any) -> NoReturn:
        self.refuse("a Unix socket", "use TCP")

    async def create_unix_server(self, *args: Any, **options: Any) -> NoReturn:
        self.refuse("a Unix socket", "use TCP")

    async def connect_accepted_socket(self, *args: Any, **options: Any) -> NoReturn:
        self._refuse_socket()

    async def sendfile(self, *args: Any, **options: Any) -> NoReturn:
        # asyncio's own word for "send it as bytes instead", which aiohttp understands.
        raise asyncio.SendfileNotAvailableError("no file descriptors inside a simulation")

    async def sock_accept(self, *args: Any) -> NoReturn:
        self._refuse_socket()

    async def sock_connect(self, *args: Any) -> NoReturn:
        self._refuse_socket()

    async def sock_recv(self, *args: Any) -> NoReturn:
        self._refuse_socket()

    async def sock_recv_into(self, *args: Any) -> NoReturn:
        self._refuse_socket()

    async def sock_recvfrom(self, *args: Any) -> NoReturn:
        self._refuse_socket()

    async def sock_recvfrom_into(self, *args: Any) -> NoReturn:
        self._refuse_socket()

    async def sock_sendall(self, *args: Any) -> NoReturn:
        self._refuse_socket()

    async def sock_sendto(self, *args: Any) -> NoReturn:
        self._refuse_socket()

    async def sock_sendfile(self, *args: Any, **options: Any) -> NoReturn:
        self._refuse_socket()

    def add_reader(self, *args: Any) -> NoReturn:
        self._refuse_socket()

    def add_writer(self, *args: Any) -> NoReturn:
        self._refuse_socket()

    def remove_reader(self, fd: Any) -> bool:
        return False

    def remove_writer(self, fd: Any) -> bool:
        return False

    def _refuse_socket(self) -> NoReturn:
        self.refuse("a real socket", "use asyncio.open_connection or loop.create_connection, which reach the simulated network")

    async def connect_read_pipe(self, *args: Any) -> NoReturn:
        self.refuse("a pipe of the machine", "read what you need before the run starts")

    async def connect_write_pipe(self, *args: Any) -> NoReturn:
        self.refuse("a pipe of the machine", "write after the run has ended")

    async def subprocess_shell(self, *args: Any, **options: Any) -> NoReturn:
        self._refuse_process()

    async def subprocess_exec(self, *args: Any, **options: Any) -> NoReturn:
        self._refuse_process()

    def _refuse_process(self) -> NoReturn:
        self.refuse("another process", "call its work as a function, or run it before the simulation")

    def add_signal_handler(self, sig: Any, callback: Callable[..., object], *args: Any) -> NoReturn:
        self.refuse("a signal handler", "no signal comes here; install it only when the bot runs live")

    def remove_signal_handler(self, sig: Any) -> bool:
        return False
