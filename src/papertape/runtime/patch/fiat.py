"""Where libraries go round asyncio: TLS over memory, as anyio does it, and polling a socket, as httpcore does."""

from __future__ import annotations

import select
import ssl
from typing import Any, Final

from papertape.runtime.network.hello import Handshake
from papertape.runtime.patch.active import active


class TlsByFiat:
    """What `SSLContext.wrap_bio` returns in a run: bytes pass as they are, and a handshake is what the network makes of it."""

    session = None
    session_reused = False

    def __init__(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, context: ssl.SSLContext, server_side: bool, server_hostname: str | None
    ) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self.context, self.server_side, self.server_hostname = context, server_side, server_hostname
        self._handshake: Handshake | None = None
        self._has_shaken = server_side  # a server looks at no certificate, and hears nothing of the client's

    def do_handshake(self) -> None:
        """There are no secrets to agree on, but a certificate to look at, and a way to go and come back."""
        if self._has_shaken:
            return
        if self._handshake is None:
            run = active()
            network = None if run is None else run.loop.network
            self._handshake = None if network is None else network.begin_tls(self.context, self.server_hostname)
            if self._handshake is None:  # no connection, no handshake
                self._has_shaken = True
                return
            self._outgoing.write(self._handshake.hello)
        data = self._incoming.read()
        head, answer, tail = data.partition(self._handshake.answer)
        if data:
            self._incoming.write(head + tail)  # a server that speaks first
        if not answer:
            if self._incoming.eof:
                raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol")
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "The operation did not complete (read)")
        self._has_shaken = True
        if self._handshake.error is not None:
            raise self._handshake.error

    def read(self, size: int = 1024, buffer: Any = None) -> Any:
        data = self._incoming.read(size)
        if not data and not self._incoming.eof:
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "The operation did not complete (read)")
        if buffer is None:
            return data
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        return self._outgoing.write(data)

    def pending(self) -> int:
        return self._incoming.pending

    def unwrap(self) -> None:
        """Nobody is told: the end of the bytes is the end."""

    def getpeercert(self, binary_form: bool = False) -> Any:
        return b"" if binary_form else {}

    def selected_alpn_protocol(self) -> str | None:
        return None

    def selected_npn_protocol(self) -> str | None:
        return None

    def cipher(self) -> tuple[str, str, int]:
        return "TLS by fiat", "TLSv1.3", 0

    def shared_ciphers(self) -> None:
        return None

    def compression(self) -> None:
        return None

    def version(self) -> str:
        return "TLSv1.3"

    def get_channel_binding(self, cb_type: str = "tls-unique") -> None:
        return None


_real_wrap_bio: Final = ssl.SSLContext.wrap_bio


def _wrap_bio(
    self: ssl.SSLContext,
    incoming: ssl.MemoryBIO,
    outgoing: ssl.MemoryBIO,
    server_side: bool = False,
    server_hostname: str | None = None,
    session: Any = None,
) -> Any:
    run = active()
    if run is None or run.loop.network is None:
        return _real_wrap_bio(self, incoming, outgoing, server_side, server_hostname, session)
    if self.check_hostname and not server_side and not server_hostname:
        raise ValueError("check_hostname requires server_hostname")
    return TlsByFiat(incoming, outgoing, self, server_side, server_hostname)


_real_poll: Final = select.poll


class _Poll:
    """A `select.poll` that knows simulated sockets; all others it asks the machine about."""

    def __init__(self, is_readable: Any) -> None:
        self._is_readable = is_readable
        self._simulated: dict[int, int] = {}
        self._real = _real_poll()

    def register(self, fd: Any, eventmask: int = select.POLLIN | select.POLLPRI | select.POLLOUT) -> None:
        number = fd if isinstance(fd, int) else fd.fileno()
        if self._is_readable(number) is None:
            self._real.register(fd, eventmask)
        else:
            self._simulated[number] = eventmask

    modify = register

    def unregister(self, fd: Any) -> None:
        number = fd if isinstance(fd, int) else fd.fileno()
        if self._simulated.pop(number, None) is None:
            self._real.unregister(fd)

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        """What is ready now; it never waits for a simulated socket."""
        found = []
        for number, mask in self._simulated.items():
            events = mask & select.POLLOUT | (mask & select.POLLIN if self._is_readable(number) else 0)
            if events:
                found.append((number, events))
        return found if self._simulated else self._real.poll(timeout)


def _poll() -> Any:
    run = active()
    if run is None or run.loop.network is None:
        return _real_poll()
    return _Poll(run.loop.network.is_readable)


REPLACED: Final[list[tuple[object, object]]] = [(_real_poll, _poll)]

ATTRIBUTES: Final[list[tuple[Any, str, object]]] = [(ssl.SSLContext, "wrap_bio", _wrap_bio)]
