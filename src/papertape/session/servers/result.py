"""What came of a run with servers."""

from __future__ import annotations

from typing import Any

import msgspec

from papertape.model.units import Nanos
from papertape.session.result import EXIT_CODES, ExitCode, FaultResult, Status


class NetworkResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one run of a main and its servers.

    Attributes:
        value: what main returned; None if it did not get that far.
        status: passed; failed; vacuous, where a fault hit nothing; error, where something left the simulation.
        failures: one sentence for each thing that was not as it must be; empty if passed.
        error: main's own exception, if it raised one.
        digest: hex, over connections, faults and the end, each with its instant: the same on every Python.
        wire_digest: hex, over every byte that arrived: the same for one interpreter and one set of library versions.
        connections: how many were opened, by "host:port".
        faults: what each fault of the plan did, in its order.
        intercepted: what was asked of the machine and came from the simulation: the call, how often, and the line of the first.
        virtual_ns: how long the run lasted for main.
        wall_s: how long it took.
        repro: the call or command that gives this run again.
    """

    title: str
    seed: int | str
    status: Status
    value: Any = None
    failures: tuple[str, ...] = ()
    error: Exception | None = None
    digest: str = ""
    wire_digest: str = ""
    connections: dict[str, int] = {}
    faults: tuple[FaultResult, ...] = ()
    intercepted: tuple[tuple[str, int, str], ...] = ()
    virtual_ns: Nanos = 0
    wall_s: float = 0.0
    repro: str = ""

    @property
    def is_passed(self) -> bool:
        return self.status is Status.PASSED

    @property
    def exit_code(self) -> ExitCode:
        return EXIT_CODES.get(self.status, ExitCode.INTERNAL)

    def raise_for_failure(self) -> None:
        """Raise AssertionError with every failure and how to repeat the run, from main's own exception where it raised one."""
        __tracebackhide__ = True  # pytest then points at whoever asked
        if self.is_passed:
            return
        lines = [f"{self.title}: {self.status}", *(f"  {failure}" for failure in self.failures), f"repeat: {self.repro}"]
        error = AssertionError("\n".join(lines))
        error.__context__ = self.error  # Hypothesis tells one bug from another by it
        raise error from self.error
