"""A run without a venue of ours: somebody's handlers behind real URLs, somebody's program, and a network that breaks when told."""

from papertape.session.servers.result import NetworkResult
from papertape.session.servers.run import ServersSpec, run_servers
from papertape.session.servers.world import Connections, ConnectionTrace, ServedWorld

__all__ = ["ConnectionTrace", "Connections", "NetworkResult", "ServedWorld", "ServersSpec", "run_servers"]
