"""Where libraries prepare real connections by themselves: sockets and name servers in aiohttp, certificates in ssl."""

from __future__ import annotations

import ssl
import sys
from typing import Any, Final

from papertape.runtime.patch.active import active


def replaced() -> list[tuple[Any, Any]]:
    """(what aiohttp uses, what a run with a network uses); empty while aiohttp is not loaded."""
    pairs: list[tuple[Any, Any]] = []
    eyeballs = sys.modules.get("aiohappyeyeballs")
    if eyeballs is not None:
        pairs.append((eyeballs.start_connection, _start_connection(eyeballs.start_connection)))
    resolver = sys.modules.get("aiohttp.resolver")
    if resolver is not None and resolver.DefaultResolver is not resolver.ThreadedResolver:
        pairs.append((resolver.DefaultResolver, resolver.ThreadedResolver))  # the other asks real name servers, from C
    return pairs


def _unless_simulated(name: str) -> Any:
    real = getattr(ssl.SSLContext, name)

    def load(self: ssl.SSLContext, *args: Any, **options: Any) -> None:
        run = active()
        if run is None or run.loop.network is None:
            real(self, *args, **options)

    load.__name__ = load.__qualname__ = name
    return load


ATTRIBUTES: Final[list[tuple[Any, str, object]]] = [
    # No certificate is looked at on a simulated network, and reading all of them from disk takes longer than many a run.
    (ssl.SSLContext, name, _unless_simulated(name))
    for name in ("load_verify_locations", "load_default_certs", "set_default_verify_paths")
]


def _start_connection(real: Any) -> Any:
    async def start_connection(addr_infos: Any, **options: Any) -> Any:
        run = active()
        if run is None or run.loop.network is None:
            return await real(addr_infos, **options)
        from papertape.runtime.network.address import SocketStub

        return SocketStub((), addr_infos[0][4])

    return start_connection
