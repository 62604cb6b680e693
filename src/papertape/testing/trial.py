"""One run of one marked test: a session whose bot is the test itself, and what the fixtures show of it while it lasts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.faults.base import Fault
from papertape.model.errors import ConfigError
from papertape.model.units import Nanos, format_duration
from papertape.scenario.make import make_fault
from papertape.session.result import RunResult
from papertape.session.spec import Scenario
from papertape.session.stepped import KEPT, SteppedSession
from papertape.session.world import KeptRows, VenueWorld

_ALIVE: Final[list[Trial]] = []
"""The trial that is going on, if one is; there is never a second, since a trial has its thread to itself."""

NO_BOT: Final = (
    "ends the bot and starts it again, and in a marked test the test itself is the bot; "
    "give a Bot class and the fault to `papertape.simulate`"
)


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that the test added by hand, and the run time at which it did."""

    at_ns: Nanos
    fault: Fault


class Trial:
    """See the module.

    Attributes:
        added: what the test itself did to the venue, oldest first.
        session: the session; it is open between `with` and the end of the block.
    """

    def __init__(
        self, scenario: Scenario, *, roots: Sequence[Any] = (), journal_path: Path | None = None, kept: KeptRows | None = KEPT
    ) -> None:
        self.scenario = scenario
        self.session = SteppedSession(scenario, roots=roots, journal_path=journal_path, kept=kept)
        self.added: list[Added] = []

    def __enter__(self) -> Trial:
        if _ALIVE:
            raise ConfigError(
                f"{self.scenario.title}: another simulated session ({_ALIVE[0].scenario.title}) is going on, and its time stands still "
                "until this one is over; end that first"
            )
        self.session.__enter__()
        _ALIVE.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            self.session.__exit__(kind, error, trace)
        finally:
            _ALIVE.clear()

    @property
    def result(self) -> RunResult:
        """What came of it, once it is over."""
        assert self.session.result is not None, "the block has ended"
        return self.session.result

    def world(self, venue: str = "") -> VenueWorld:
        """A venue of the session; the first if none is named."""
        worlds = {world.name: world for world in self.session.worlds}
        if venue and venue not in worlds:
            raise ConfigError(f'there is no venue "{venue}" in this test, which has {", ".join(worlds)}')
        return worlds[venue] if venue else self.session.worlds[0]

    def add(self, fault: Any, venue: str = "") -> Fault:
        """One more fault from now on, at the Door of one venue; one that goes by time and says none begins at once."""
        if isinstance(fault, str):
            fault = {"kind": fault}
        if isinstance(fault, dict):
            fault = self._begun_now(fault)
        made = make_fault(fault, self.scenario.title, "fault_plan.add()")
        if getattr(made, "needs_wire", False):
            raise ConfigError(
                f'fault_plan.add(): "{made.kind}" is a fault of the network, which has to know before it begins; use `faults=`'
            )
        if made.crash() is not None:
            raise ConfigError(f'fault_plan.add(): "{made.kind}" {NO_BOT}')
        self.world(venue or made.venue or "").door.plan.add(made)
        self.added.append(Added(at_ns=self.session.now_ns, fault=made))
        return made

    def _begun_now(self, table: dict[str, Any]) -> dict[str, Any]:
        from papertape.faults import FAULTS

        member = FAULTS.get(str(table.get("kind")))
        has_start = any(key in table for key in ("at", "from", "on", "nth", "nth_intent"))
        if member is None or has_start or (member.default_on is not None and "lasts" not in table):
            return table
        return {**table, "at": format_duration(self.session.now_ns)}


def alive(what: str) -> Trial:
    """The trial that is going on; raises `ConfigError` where `what` is asked for outside of one."""
    __tracebackhide__ = True
    if not _ALIVE:
        raise ConfigError(
            f"{what} is alive only while a test runs that is marked @pytest.mark.papertape, and this one is not; mark the test (or "
            "the class, or `pytestmark` of the module)"
        )
    return _ALIVE[0]
