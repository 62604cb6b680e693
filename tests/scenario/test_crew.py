"""Processes that die, hang and print; and results that do not care who made them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from papertape.model.errors import PapertapeError
from papertape.scenario.crew import Crew
from papertape.scenario.seed_result import DIED, TOOK_TOO_LONG, SeedResult
from papertape.scenario.worker import Base, Job
from papertape.session.result import ExitCode, Status

BASE = """\
title = "A few seconds"
bot = "bot.py:main"

[venue.coinbase]
feed = { tape = "builtin:btc-usd", end = "8s" }
account = { USD = "1000" }

[expect]
invariants = ["rate_respected"]
"""


def base(folder: Path, body: str) -> Base:
    (folder / "bot.py").write_text("import asyncio\nimport os\n\n\nasync def main(exchange):\n" + body, encoding="utf-8")
    (folder / "base.scenario.toml").write_text(BASE, encoding="utf-8")
    return Base((folder / "base.scenario.toml").as_posix())


def done(crew: Crew, made: Base, seeds: int) -> list[SeedResult]:
    found: dict[int, SeedResult] = {}
    crew.do([Job(made, seed) for seed in range(seeds)], found.__setitem__)
    return [found[index] for index in range(seeds)]


def test_a_process_that_dies_is_an_error_with_its_seed(tmp_path: Path) -> None:
    """The others go on; the line says how it died and what it said last."""
    body = "    if not os.path.exists(MARK):\n        open(MARK, 'w').close()\n        print('so long', flush=True)\n"
    body += "        ctypes.string_at(0)\n"
    made = base(tmp_path, f"    import ctypes\n    MARK = {str(tmp_path / 'once')!r}\n{body}")
    with Crew(1) as crew:
        first, second = done(crew, made, 2)
    assert (first.status, first.broken, first.exit_code) == (Status.ERROR, (DIED,), ExitCode.INTERNAL)
    assert first.failures == ("the process that ran seed 0 died (killed by SIGSEGV; the last it printed: so long)",)
    assert first.repro.endswith("base.scenario.toml --seeds 1 --first 0")
    assert second.status is not Status.ERROR


def test_a_process_killed_from_outside_costs_one_seed(tmp_path: Path) -> None:
    """As by a machine that runs out of memory: the seed that it was given next says so, and the one after has a new process."""
    made = base(tmp_path, "    await asyncio.sleep(1)\n")
    found: dict[int, SeedResult] = {}

    def took(index: int, result: SeedResult) -> None:
        found[index] = result
        if index == 0:
            os.kill(crew.process_ids[0], signal.SIGKILL)

    with Crew(1) as crew:
        crew.do([Job(made, seed) for seed in range(3)], took)
    assert [found[index].is_failure for index in range(3)] == [False, True, False]
    assert found[1].failures == ("the process that ran seed 1 died (killed by SIGKILL)",)


def test_a_seed_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    """Real time, which no virtual clock can see pass."""
    made = base(tmp_path, "    while True:\n        pass\n")
    with Crew(1, limit_s=1.0) as crew:
        (result,) = done(crew, made, 1)
    assert (result.status, result.broken) == (Status.ERROR, (TOOK_TOO_LONG,))
    assert result.failures == ("seed 0 took longer than 1 s of real time and was ended",)


def test_what_a_bot_prints_and_reads_is_not_the_crews(tmp_path: Path) -> None:
    """Its prints get mixed up with no result, and it finds nothing to read, in Python or below."""
    says = "    print('{\"seed\": 99}', flush=True)\n    os.write(1, b'ready\\n')\n"
    body = says + "    assert os.read(0, 10) == b''\n    await asyncio.sleep(1)\n"
    with Crew(1) as crew:
        results = done(crew, base(tmp_path, body), 2)
    assert [result.seed for result in results] == [0, 1]
    assert [result.failures for result in results] == [(), ()]


def test_what_is_wrong_with_a_scenario_is_said_and_no_process_dies(tmp_path: Path) -> None:
    made = base(tmp_path, "    pass\n")
    text = BASE.replace("bot.py:main", "bot.py:man")
    with Crew(1) as crew:
        result = crew.one(Job(made, 0, text, tmp_path.as_posix()))
    assert (result.status, result.exit_code) == (Status.ERROR, ExitCode.CONFIG)
    assert 'did you mean "' in result.failures[0]


def test_nobody_is_left_behind(tmp_path: Path) -> None:
    """However the crew is left, its processes are gone."""
    made = base(tmp_path, "    await asyncio.sleep(1)\n")
    with pytest.raises(KeyboardInterrupt), Crew(2) as crew:  # noqa: PT012 - where it is raised does not matter
        crew.one(Job(made, 0))
        ids = crew.process_ids
        raise KeyboardInterrupt
    assert ids
    for each in ids:
        with pytest.raises(ProcessLookupError):
            os.kill(each, signal.SIG_DFL)


def test_processes_that_cannot_begin_are_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not started over and over: after the third, what the last of them said."""
    monkeypatch.setenv("PYTHONHOME", (tmp_path / "nowhere").as_posix())
    with Crew(1) as crew, pytest.raises(PapertapeError, match="die before they begin"):
        crew.one(Job(Base("x"), 0))
