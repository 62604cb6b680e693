"""What a marked test that failed says: the seed, the plan to paste, the verdict, the command that does it again."""

from __future__ import annotations

import textwrap
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from papertape.faults.base import as_table
from papertape.model.units import format_duration
from papertape.reports.table import explanation, timeline_lines
from papertape.session.judge import NO_ORDER, NOTHING_JUDGED, led_there
from papertape.session.result import RunResult, Status
from papertape.testing.plan import as_python

if TYPE_CHECKING:
    from papertape.testing.marked import Asked
    from papertape.testing.trial import Trial

REASONS_MAX: Final = 3
"""How many reasons the exception itself names; the report below it has them all."""


class RunFailed(AssertionError):
    """The test itself was content; what its session came to was not.

    Attributes:
        result: what the session came to.
    """

    def __init__(self, message: str, result: RunResult) -> None:
        super().__init__(message)
        self.result = result


def failure_of(result: RunResult) -> RunFailed | None:
    """What to raise where the test itself raised nothing and the verdict is against it; None where it is not."""
    if is_content(result):
        return None
    reasons = list(result.failures[:REASONS_MAX])
    more = len(result.failures) - len(reasons)
    return _of_kind(result.broken)("\n".join([*reasons, *([f"… and {more} more"] if more > 0 else [])]), result)


def is_content(result: RunResult) -> bool:
    """Whether the verdict lets the test pass: a session with nothing to judge is the test's own affair, a fault that hit nothing is not."""
    return result.is_passed or (result.status is Status.VACUOUS and all(reason in (NOTHING_JUDGED, NO_ORDER) for reason in result.failures))


def report(trial: Trial, asked: Asked, result: RunResult) -> str:
    """Everything to know of a run that failed."""
    scenario = trial.scenario
    heal = "" if scenario.heal is None else f", heal={scenario.heal.at!r}"
    plan = textwrap.indent(as_python(scenario.faults), "    ").lstrip()
    lines = [f"seed {scenario.seed}, {format_duration(result.virtual_ns)} of virtual time; this run, to be pasted:"]
    lines += [f"    @pytest.mark.papertape(seed={scenario.seed}{heal}, {plan})"]
    lines += [f"    # at {format_duration(each.at_ns)}: fault_plan.add({as_table(each.fault)!r})" for each in trial.added]
    if is_content(result):
        lines += [f"verdict: {result.status}, by the session's own judges"]
        worlds = trial.session.worlds
        ids = [order.client_order_id for world in worlds for order in world.door.truth().orders]
        moments = timeline_lines(led_there(worlds, [", ".join(ids)])) if ids else []
        lines += ["  what led there:", *moments] if moments else []
    else:
        lines += [f"verdict: {result.status}", explanation(result).rstrip()]
    lines += [f"again: {asked.repro}"]
    return "\n".join(line for line in lines if line)


@lru_cache(maxsize=64)
def _of_kind(broken: tuple[str, ...]) -> type[RunFailed]:
    """A class for each kind of failure: Hypothesis tells one bug from another by it, and does not shrink from the one to the other."""
    return type("RunFailed", (RunFailed,), {"__doc__": ", ".join(broken), "__module__": RunFailed.__module__})
