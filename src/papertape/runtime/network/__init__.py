"""A network inside the process: hosts, names, TCP in virtual time, TLS by fiat, and faults on cue. No real socket is ever opened."""

# Loaded before a run so that a run can replace what they do: websockets asks the one for proxies, aiohttp the other for sockets.
import contextlib
import urllib.request  # noqa: F401 - so that it is there before it is changed

from papertape.runtime.network.network import Network, Policy

with contextlib.suppress(ImportError):
    import aiohappyeyeballs  # noqa: F401 - so that it is there before it is changed

__all__ = ["Network", "Policy"]
