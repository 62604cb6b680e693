"""TLS that fails, or takes its time. There are no secrets in a simulated connection: TLS is a round trip more, and these faults."""

from __future__ import annotations

from typing import ClassVar

from papertape.faults.network import NetworkFault, Slowing
from papertape.runtime.network.trouble import Act


class TlsExpired(NetworkFault, frozen=True, kw_only=True, tag="tls_expired"):
    """A server's certificate is out of date.

    A client whose SSLContext has verify_mode CERT_NONE does not look, and connects. Plain connections are not touched.

    interface: nothing; there is no TLS.
    wire: `create_connection` with ssl, `start_tls` and the handshake of `SSLContext.wrap_bio` (anyio, httpx) raise
    ssl.SSLCertVerificationError, verify_code 10; the server's program hears no byte.
    """

    act: ClassVar[Act] = Act.EXPIRE


class TlsWrongHost(NetworkFault, frozen=True, kw_only=True, tag="tls_wrong_host"):
    """A server's certificate is for another host.

    A client whose SSLContext has verify_mode CERT_NONE or check_hostname off does not look, and connects. Plain connections are not
    touched.

    interface: nothing; there is no TLS.
    wire: `create_connection` with ssl, `start_tls` and the handshake of `SSLContext.wrap_bio` (anyio, httpx) raise
    ssl.SSLCertVerificationError, verify_code 62, for an address 64; the server's program hears no byte.
    """

    act: ClassVar[Act] = Act.MISNAME


class TlsSlow(Slowing, frozen=True, kw_only=True, tag="tls_slow"):
    """The TLS handshake takes long.

    interface: nothing; there is no TLS.
    wire: `create_connection` with ssl, and `start_tls`, take `add` longer; after `ssl_handshake_timeout`, 60 s if the client gave none,
    they raise ConnectionAbortedError. The handshake of `SSLContext.wrap_bio` (anyio, httpx) takes as long, and has no patience of its own
    but TCP's.

    Attributes:
        add: how much longer.
    """

    act: ClassVar[Act] = Act.SLOW_TLS
