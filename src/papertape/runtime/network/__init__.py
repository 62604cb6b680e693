"""A network inside the process: hosts, names, TCP in virtual time, TLS by fiat, and faults on cue. No real socket is ever opened."""

# websockets asks it for proxies; loaded before a run, a run can replace what it answers.
import urllib.request  # noqa: F401

from papertape.runtime.network.network import Network, Policy

__all__ = ["Network", "Policy"]
