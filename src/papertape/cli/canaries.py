"""`papertape canaries`: bots with one known bug each, run where yours runs. What catches none of them proves nothing by passing."""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path
from typing import Final

import msgspec

from papertape.bots.canaries import CANARIES
from papertape.cli.progress import Tally
from papertape.model.errors import ConfigError
from papertape.reports.canaries import write as write_report
from papertape.scenario.catching import HEALTHY, hunt
from papertape.scenario.crew import Crew
from papertape.scenario.sweep import bases_of
from papertape.session.result import ExitCode

DEFAULT: Final = Path("builtin:btc-usd")


def canaries(
    path: Path = DEFAULT,
    /,
    *,
    only: list[str] | None = None,
    seeds: int = 300,
    first: int = 0,
    workers: int | None = None,
    depth: str = "",
    thorough: bool = False,
    json: bool = False,
) -> int:
    """See whether bots with one known bug each are caught: proof that your scenario, its faults and what it expects can fail.

    Each canary takes the place of the scenario's bot and is run with seeds of the swarm until one catches it. A seed counts where the
    healthy market maker passes it. Exit code 1 if one gets away.

    Parameters
    ----------
    path
        A scenario file, or a builtin tape.
    only
        Which canaries; all of them if left out. `papertape list canaries` shows them.
    seeds
        With how many seeds each is tried at most.
    first
        The first of them.
    workers
        How many processes; as many as there are cores if left out. The results do not depend on it.
    depth
        Instead of the scenario's own: interface or wire.
    thorough
        Run every canary with every seed, to see how often each is caught.
    json
        One JSON object a canary instead of the report.
    """
    for option, value, least in (("--seeds", seeds, 1), ("--first", first, 0), ("--workers", 1 if workers is None else workers, 1)):
        if value < least:
            raise ConfigError(f"{option} {value}: expected {least} or more")
    names = list(dict.fromkeys(only or CANARIES))
    for name in names:
        if name not in CANARIES:
            near = difflib.get_close_matches(name, CANARIES, n=1)
            hint = f'did you mean "{near[0]}"?' if near else "`papertape list canaries` shows all"
            raise ConfigError(f"--only {name}: there is no canary of that name; {hint}")
    bases = bases_of([path], depth=depth, bot=HEALTHY)
    if len(bases) != 1:
        raise ConfigError(f"canaries: {path.as_posix()} holds {len(bases)} scenarios; name one")
    bases[0].load()
    tally = Tally("runs")
    try:
        with Crew(workers or os.cpu_count() or 1) as crew:
            hunts, ill = hunt(
                bases[0], names, range(first, first + seeds), crew, is_thorough=thorough,
                told=lambda done, found: tally.say(f"{done:,} runs, {found} of {len(names)} canaries caught"),
            )  # fmt: skip
    finally:
        tally.end()
    if json:
        for each in hunts:
            sys.stdout.write(msgspec.json.encode(each).decode() + "\n")
    else:
        write_report(hunts, ill, sys.stdout)
    return ExitCode.PASSED if all(each.first is not None for each in hunts) else ExitCode.FAILED
