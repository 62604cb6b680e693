"""Where aiohttp opens sockets and looks up names by itself."""

from __future__ import annotations

import sys
from typing import Any

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


def _start_connection(real: Any) -> Any:
    async def start_connection(addr_infos: Any, **options: Any) -> Any:
        run = active()
        if run is None or run.loop.network is None:
            return await real(addr_infos, **options)
        from papertape.runtime.network.address import SocketStub

        return SocketStub((), addr_infos[0][4])

    return start_connection
