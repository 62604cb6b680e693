"""Where libraries prepare real connections by themselves: sockets and name servers in aiohttp, certificates in ssl."""

from __future__ import annotations

import ssl
from types import ModuleType
from typing import Any, Final

from papertape.runtime.patch.active import active


def of_eyeballs(module: ModuleType) -> list[tuple[Any, Any]]:
    """How aiohttp opens the socket that it hands to the loop."""
    return [(module.start_connection, _start_connection(module.start_connection))]


def of_resolver(module: ModuleType) -> list[tuple[Any, Any]]:
    """How aiohttp looks hosts up: through the loop, where aiodns would ask real name servers, from C."""
    threaded = module.ThreadedResolver
    return [] if module.DefaultResolver is threaded else [(module.DefaultResolver, type(threaded.__name__, (threaded,), {}))]


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
        delay, interleave = options.get("happy_eyeballs_delay"), options.get("interleave")
        try:
            return await run.loop.network.connected_socket(addr_infos, delay=delay, interleave=interleave)
        except ExceptionGroup as group:
            errors = group.exceptions
        if all(str(error) == str(errors[0]) for error in errors):
            raise errors[0]
        told = f"Multiple exceptions: {', '.join(str(error) for error in errors)}"
        codes = {getattr(error, "errno", None) for error in errors}
        raise OSError(codes.pop(), told) if len(codes) == 1 else OSError(told)

    return start_connection
