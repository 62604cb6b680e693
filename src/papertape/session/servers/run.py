"""Run somebody's main against somebody's servers, from a new network to a verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import localcontext
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.faults import NetworkFault
from papertape.faults.base import as_table
from papertape.journal import Journal
from papertape.model.errors import EscapedSimulation, StuckSimulation
from papertape.model.units import HOUR, SECOND, Nanos
from papertape.runtime.chance import Chance
from papertape.runtime.clock import wall_seconds
from papertape.runtime.loop import TimeIsUp, VirtualLoop
from papertape.runtime.network import Network, Policy
from papertape.runtime.patch.active import active
from papertape.runtime.rank import END
from papertape.runtime.world import virtual_world
from papertape.session.blame import told_in_full, whole_line_of
from papertape.session.result import FaultResult, Status
from papertape.session.servers.endpoint import Endpoint, Handler, read_servers
from papertape.session.servers.result import NetworkResult
from papertape.session.servers.world import ServedWorld
from papertape.session.unseen import died_unseen, tell_of_context, tell_of_task
from papertape.version import VERSION

EPOCH_NS: Final = 1_767_225_600 * SECOND
"""What the wall clock shows when a run begins: 2026-01-01T00:00:00Z."""

LIMIT_NS: Final = 2 * HOUR

_THROUGH: Final = ("hypothesis", "_pytest")
"""Packages whose exceptions are no failure of main but a word to the test's own runner."""

Main = Callable[[ServedWorld], Awaitable[Any]]


class ServersSpec(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides a run with servers.

    Attributes:
        heal_ns: when all faults end; None leaves them to themselves.
        limit_ns: how long main may take; a connection that is kept alive would keep a run going for ever.
        trace: keep the bytes of every connection.
        must_hit: a fault that hit nothing makes the run vacuous.
    """

    main: Main
    servers: Mapping[str, Handler]
    faults: Sequence[NetworkFault] = ()
    heal_ns: Nanos | None = None
    hosts: Mapping[str, Policy] = {}
    seed: int | str = 0
    limit_ns: Nanos = LIMIT_NS
    trace: bool = False
    must_hit: bool = True
    title: str = ""
    repro: str = ""


def run_servers(spec: ServersSpec, *, journal_path: Path | None = None) -> NetworkResult:
    """Run main in virtual time; synchronous.

    Raises:
        ConfigError: something in the call must be edited.
    """
    ports = read_servers(spec.servers, "simulate()")
    import papertape.session.servers.listen  # noqa: F401 - what it imports takes long, and must be there before virtual time begins

    started = wall_seconds()
    with localcontext(), Journal(_header(spec), journal_path) as journal:
        run = _Run(spec, ports, journal)
        try:
            run.live(VirtualLoop(epoch_ns=EPOCH_NS, limit_ns=spec.limit_ns))
        except TimeIsUp as late:
            run.failures.append(f"deadlock: main never ended; {late}. If it needs longer than that, say how long with `limit`")
        except StuckSimulation as stuck:
            run.failures.append(f"deadlock: {stuck}")
        except EscapedSimulation as escaped:
            run.escaped = escaped
        except SystemExit as left:
            run.failures.append(f"main called sys.exit({'' if left.code is None else left.code}); return from it instead")
        except asyncio.CancelledError:
            run.failures.append("main was cancelled, and not by us: of `asyncio.all_tasks()`, cancel only those that it made")
        finally:
            run.forget()
        return run.result(wall_seconds() - started)


class _Run:
    """What main needs, and what it leaves behind."""

    def __init__(self, spec: ServersSpec, ports: dict[tuple[str, int], list[Endpoint]], journal: Journal) -> None:
        self.spec = spec
        self.failures: list[str] = []
        self.escaped: EscapedSimulation | None = None
        self._ports = ports
        self._journal = journal
        self._loop: VirtualLoop | None = None
        self._network: Network | None = None
        self._is_over = False
        self._is_cleared_away = False
        self._value: Any = None
        self._error: Exception | None = None
        self._ended_ns: Nanos = 0
        self._opened: dict[str, int] = {}
        self._faults: list[FaultResult] = []
        self._intercepted: tuple[tuple[str, int, str], ...] = ()
        self._wire_digest = ""

    def live(self, loop: VirtualLoop) -> None:
        with virtual_world(loop, seed=self.spec.seed):
            try:
                loop.run_until_complete(self.body(loop))
            finally:
                self._is_cleared_away = True  # whatever is raised from here on comes of being cancelled, and is nobody's fault

    async def body(self, loop: VirtualLoop) -> None:
        spec = self.spec
        self._loop = loop
        task = asyncio.current_task()
        assert task is not None
        task.set_name("main")  # for the message that says who waits
        network = Network(loop, hosts=spec.hosts, faults=spec.faults, chance=Chance(spec.seed), trace_bytes=spec.trace)
        loop.network = self._network = network
        if spec.heal_ns is not None:
            loop.schedule_ns(spec.heal_ns, END, network.heal)
        world = ServedWorld(network, seed=spec.seed, keeps_bytes=spec.trace, has_heal=spec.heal_ns is not None)
        for (host, port), endpoints in self._ports.items():
            from papertape.session.servers.listen import listen

            await listen(host, port, endpoints, loop, self._handler_crashed)
        try:
            self._value = await spec.main(world)
        except (EscapedSimulation, StuckSimulation):
            raise
        except Exception as error:
            if type(error).__module__.partition(".")[0] in _THROUGH:
                raise
            if not self._is_cleared_away:
                self._error = error
                self.failures.append(f"main raised {told_in_full(error)}")
        finally:
            self._end(loop, network)
        self.failures += [tell_of_task(error, line=whole_line_of) for error in died_unseen([loop])]

    def _end(self, loop: VirtualLoop, network: Network) -> None:
        """Keep what the run came to, before it is cleared away."""
        self._is_over = True
        self._ended_ns = now_ns = loop.now_ns
        self._wire_digest = network.digest()
        run = active()
        if run is not None:
            self._intercepted = tuple((each.what, each.count, each.first) for each in run.intercepted)
        for each in network.facts():
            place = f"{each.host}:{each.port}"
            self._opened[place] = self._opened.get(place, 0) + 1
            self._journal.write(each.opened_ns, "connection", connection=each.number, to=place, closed=each.closed_ns)
        for armed in () if network.troubles is None else network.troubles.all:
            self._faults.append(FaultResult(kind=armed.trouble.kind, fired=armed.fired))
            self._journal.write(now_ns, "fault", fault=armed.trouble.kind, fired=armed.fired, first=armed.first_ns, last=armed.last_ns)
        self._journal.write(now_ns, "end", connections=self._opened, failures=len(self.failures))

    def _handler_crashed(self, endpoint: Endpoint, error: Exception) -> None:
        if self._loop is None or self._is_over or self._is_cleared_away:
            return
        self.failures.append(f"the handler of {endpoint.url} crashed (it, not main): {told_in_full(error)}")
        self._journal.write(self._loop.now_ns, "handler_crashed", url=endpoint.url, error=type(error).__name__)

    def forget(self) -> None:
        """The run is over and its loop closed: what was left open is closed, whatever outlives it."""
        for connection in [] if self._network is None else self._network.connections():
            for transport in (connection.client, connection.server):  # a traceback may hold a StreamWriter, which would complain later
                transport._is_closing = True

    def result(self, wall_s: float) -> NetworkResult:
        loop, spec = self._loop, self.spec
        if loop is not None:
            # asyncio of 3.11 calls a server's handler that was cancelled with the run an error.
            told = [context for context in loop.unhandled if not isinstance(context.get("exception"), asyncio.CancelledError)]
            self.failures += [tell_of_context(context, whole_line_of) for context in told]
            self.escaped = self.escaped or next(iter(loop.escapes), None)
        hollow = [f"fault {place} ({fault.kind}) hit nothing" for place, fault in enumerate(self._faults, start=1) if not fault.fired]
        status, failures = Status.PASSED, tuple(self.failures)
        if self.escaped is not None:
            status, failures = Status.ERROR, (f"something left the simulation: {self.escaped}", *failures)
        elif failures:
            status = Status.FAILED
        elif hollow and spec.must_hit:
            status, failures = Status.VACUOUS, (*hollow, "say must_hit=False where faults are drawn at random and may miss")
        return NetworkResult(
            title=spec.title, seed=spec.seed, status=status, value=self._value, failures=failures, error=self._error,
            digest=self._journal.digest, wire_digest=self._wire_digest, connections=self._opened, faults=tuple(self._faults),
            intercepted=self._intercepted, virtual_ns=self._ended_ns, wall_s=wall_s, repro=spec.repro,
        )  # fmt: skip


def _header(spec: ServersSpec) -> dict[str, Any]:
    """What the digest begins with: all that decides the run, and nothing about the machine."""
    return {
        "papertape": VERSION,
        "main": getattr(spec.main, "__qualname__", ""),
        "seed": spec.seed,
        "servers": list(spec.servers),
        "faults": [as_table(fault) for fault in spec.faults],
        "heal": spec.heal_ns,
        "hosts": {host: str(policy) for host, policy in spec.hosts.items()},
    }
