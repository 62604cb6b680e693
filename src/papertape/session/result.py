"""What came of a run, in the shape that every report is made from."""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any, Final

import msgspec

from papertape.model.units import Nanos, plain


class Status(StrEnum):
    """The verdict on a run; of several that apply the gravest: error, failed, suspect, vacuous.

    suspect: a program sent an order again before it could know what had become of the first.
    vacuous: it proved nothing, because a fault hit nothing, a must-happen did not, or nothing was judged.
    error: it could not be carried out.
    """

    PASSED = "passed"
    FAILED = "failed"
    SUSPECT = "suspect"
    VACUOUS = "vacuous"
    ERROR = "error"


class ExitCode(IntEnum):
    """What the command line returns; of several, the highest."""

    PASSED = 0
    FAILED = 1
    CONFIG = 2
    DIFFERED = 3
    DATA = 4
    INTERNAL = 5
    INTERRUPTED = 130


EXIT_CODES: Final = {
    Status.PASSED: ExitCode.PASSED,
    Status.FAILED: ExitCode.FAILED,
    Status.SUSPECT: ExitCode.FAILED,
    Status.VACUOUS: ExitCode.FAILED,
}


class FaultResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one fault of the plan did.

    Attributes:
        fired: how many requests, messages, connections and attempts to connect it hit.
        recovery_ns: the longest time from its end until trading was allowed and the subscribed books were valid; None if it never fired, if
            health was never lost, or if it did not come back.
    """

    kind: str
    fired: int
    recovery_ns: Nanos | None = None


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a client, and what came of it.

    Attributes:
        at_ns: run time at which it left the client.
        venue: which venue was asked.
        line: which line of a program asked, such as "bot.py:31"; empty where nobody knows.
        what: what was asked for, such as "order.create buy 0.01 BTC/USD".
        outcome: what the venue did, and what the client heard of it.
    """

    at_ns: Nanos
    venue: str
    line: str
    what: str
    outcome: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that client and venue both have a word on.

    Attributes:
        what: a client order id, or such as "position BTC/USD".
        client: what the client believes at the end; "-" where it knows nothing of it.
        truth: what the venue has in its books; "-" where it has nothing.
        differs: they are not the same.
    """

    venue: str
    what: str
    client: str
    truth: str
    differs: bool


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one run.

    Attributes:
        scenario: the scenario's file as the user named it, else its title.
        failures: one sentence for each thing that was not as it must be; empty if passed.
        broken: what kind of failure these are, each kind once, such as an invariant's name; two runs that fail alike share it.
        notes: what is worth knowing and decides nothing, a sentence each.
        timeline: of a run that failed or is suspect the few requests that led there, oldest first.
        sides: of a run that failed, where the client's belief and the venue's books part, and the few orders around; not of programs.
        intercepted: what a program asked of the machine and got from the simulation: the call, how often, and the line of the first (""
            where nobody knows), such as ("time.time", 12, "bot.py:31").
        digest: hex; equal digests mean equal runs. Empty if the run did not get that far.
        wire_digest: hex, over the bytes of the network; None at interface depth.
        events: market messages that reached the venue.
        orders: orders that the venue accepted.
        fills: executions of those.
        marks: how often each `model.notes.Mark` was seen, by its name.
        balances: totals at the end, by venue and currency.
        fees: paid in the run, by currency, over all venues.
        pnl: gain after fees in each quote currency, what we hold taken at the last middle price; empty if there never was a price.
        virtual_ns: how long the run lasted for the bot.
        wall_s: how long it took; the one figure that differs from run to run.
        repro: the command that gives this run again.
        error_exit: the exit code to use where status is error.
    """

    scenario: str
    title: str = ""
    seed: int
    depth: str = "interface"
    status: Status
    failures: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    not_judged: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    timeline: tuple[Moment, ...] = ()
    sides: tuple[Row, ...] = ()
    intercepted: tuple[tuple[str, int, str], ...] = ()
    digest: str = ""
    wire_digest: str | None = None
    events: int = 0
    orders: int = 0
    fills: int = 0
    faults: tuple[FaultResult, ...] = ()
    marks: dict[str, int] = {}
    balances: dict[str, dict[str, Decimal]] = {}
    fees: dict[str, Decimal] = {}
    pnl: dict[str, Decimal] = {}
    virtual_ns: Nanos = 0
    wall_s: float = 0.0
    repro: str = ""
    error_exit: ExitCode = ExitCode.INTERNAL

    @property
    def exit_code(self) -> ExitCode:
        return EXIT_CODES.get(self.status, self.error_exit)

    @property
    def is_passed(self) -> bool:
        return self.status is Status.PASSED

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: decimals as text, keys in a fixed order.

        >>> list(RunResult(scenario="x", seed=7, status=Status.PASSED).to_dict())[:6]
        ['scenario', 'title', 'seed', 'depth', 'status', 'failures']
        """
        return {
            "scenario": self.scenario, "title": self.title, "seed": self.seed, "depth": self.depth, "status": str(self.status),
            "failures": list(self.failures), "broken": list(self.broken), "not_judged": list(self.not_judged), "notes": list(self.notes),
            "timeline": [msgspec.to_builtins(moment) for moment in self.timeline],
            "sides": [msgspec.to_builtins(row) for row in self.sides],
            "intercepted": [{"what": what, "count": count, "line": line} for what, count, line in self.intercepted],
            "digest": self.digest, "wire_digest": self.wire_digest,
            "events": self.events, "orders": self.orders, "fills": self.fills,
            "faults": [{"kind": fault.kind, "fired": fault.fired, "recovery_ns": fault.recovery_ns} for fault in self.faults],
            "marks": dict(self.marks), "balances": {venue: _texts(amounts) for venue, amounts in self.balances.items()},
            "fees": _texts(self.fees), "pnl": _texts(self.pnl), "virtual_ns": self.virtual_ns, "wall_s": round(self.wall_s, 6),
            "repro": self.repro,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> RunResult:
        """The result that `to_dict` made these values of; raises `msgspec.ValidationError` where it did not.

        >>> result = RunResult(scenario="x", seed=7, status=Status.PASSED, pnl={"USD": Decimal("0.10")}, intercepted=(("time", 2, ""),))
        >>> RunResult.from_dict(result.to_dict()).to_dict() == result.to_dict()
        True
        """
        calls = [(each["what"], each["count"], each["line"]) for each in table.get("intercepted", ())]
        return msgspec.convert({**table, "intercepted": calls}, cls, strict=False)


def _texts(amounts: dict[str, Decimal]) -> dict[str, str]:
    return {currency: plain(amount) for currency, amount in amounts.items()}
