"""What counts as caught: a failure that names the bug, with a seed that the healthy bot passes, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import pytest

from papertape.cli.main import main
from papertape.scenario.catching import HEALTHY, Hunt, hunt, is_caught
from papertape.scenario.crew import Crew
from papertape.scenario.seed_result import SeedResult
from papertape.scenario.worker import Base, Job
from papertape.session.result import Status

BASE = Base("builtin:btc-usd", bot=HEALTHY)
PASSED = SeedResult(scenario="a", seed=0, status=Status.PASSED)
CAUGHT = SeedResult(scenario="a", seed=0, status=Status.FAILED, broken=("every_order_known", "rate_respected"), failures=("too fast",))
OTHERWISE = msgspec.structs.replace(CAUGHT, broken=("every_order_known",))


class Played(Crew):
    """Answers by the bot and the seed instead of running anything."""

    def __init__(self, answers: Callable[[str, int], SeedResult]) -> None:
        self.jobs: list[Job] = []
        self._answers = answers

    def do(self, jobs: Iterable[Job], done: Callable[[int, SeedResult], None]) -> None:
        numbered = list(enumerate(jobs))
        for index, job in reversed(numbered):  # in any order
            self.jobs.append(job)
            done(index, msgspec.structs.replace(self._answers(job.base.bot, job.seed), seed=job.seed))


@pytest.mark.parametrize(
    ("result", "counts"),
    [
        (CAUGHT, True),
        (PASSED, False),
        (OTHERWISE, False),
        (msgspec.structs.replace(CAUGHT, status=Status.VACUOUS), False),
        (msgspec.structs.replace(CAUGHT, status=Status.ERROR), False),
        (msgspec.structs.replace(CAUGHT, status=Status.SUSPECT), False),
    ],
)
def test_only_a_failure_that_names_the_bug_counts(result: SeedResult, counts: bool) -> None:
    assert is_caught(result, ("rate_respected",)) is counts


def test_a_seed_that_the_healthy_bot_does_not_pass_counts_for_nothing() -> None:
    """Where everything fails, nothing was caught."""
    crew = Played(lambda bot, seed: CAUGHT if bot != HEALTHY or seed < 7 else PASSED)
    (found,), ill = hunt(BASE, ["ignores_retry_after"], range(10), crew)
    assert found.first is not None
    assert (found.first.seed, found.tried, found.caught) == (7, 1, 1)
    assert [result.seed for result in ill] == list(range(7))


def test_who_is_caught_is_run_no_more_unless_the_rates_are_wanted() -> None:
    """The first catch is the same either way."""

    def answers(bot: str, seed: int) -> SeedResult:
        return CAUGHT if bot.endswith("IgnoresRetryAfter") and seed % 3 == 2 else OTHERWISE if bot != HEALTHY else PASSED

    hasty, thorough = Played(answers), Played(answers)
    names = ["ignores_retry_after", "resends_under_a_new_id"]
    (quick, never), _ = hunt(BASE, names, range(30), hasty)
    (slow, _), _ = hunt(BASE, names, range(30), thorough, is_thorough=True)
    assert quick.first == slow.first
    assert (quick.tried, slow.tried, slow.caught, slow.broken["rate_respected"]) == (3, 30, 10, 10)
    assert (never.first, never.caught, never.tried) == (None, 0, 30)
    assert len(hasty.jobs) < len(thorough.jobs) == 90


SCENARIO = """\
title = "Asked to wait, and nobody expects anybody to come back"
bot = "papertape.bots:MarketMaker"

[venue.coinbase]
feed = { tape = "builtin:btc-usd", end = "10s" }
account = { USD = "100000", BTC = "1" }

[[fault]]
kind = "rate_limit"
nth = 1
retry_after = "4s"
"""


def test_the_command_says_who_was_caught_and_who_got_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A scenario without `recovers_within` cannot see that nobody subscribes again; that is no pass."""
    path = tmp_path / "wait.scenario.toml"
    path.write_text(SCENARIO, encoding="utf-8")
    words = ["--seeds", "3", "--workers", "1", "--only", "ignores_retry_after", "--only", "forgets_to_resubscribe"]
    assert main(["canaries", str(path), *words]) == 1
    out = capsys.readouterr().out
    assert "forgets_to_resubscribe was never caught by recovers_within: this swarm, or what is expected, cannot see its bug" in out
    assert "1 of 2 canaries caught" in out
    assert main(["canaries", str(path), *words[:-2], "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = msgspec.json.decode(line, type=Hunt)
    assert (found.canary, found.caught, found.broken["rate_respected"]) == ("ignores_retry_after", 1, 1)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--only", "ignores_retry_aftr"], 'there is no canary of that name; did you mean "ignores_retry_after"?'),
        (["--seeds", "0"], "--seeds 0: expected 1 or more"),
        (["builtin:btc-us"], 'no tape is called "builtin:btc-us"; did you mean "builtin:btc-usd"?'),
        (["nowhere.scenario.toml"], "there is no such file or folder"),
        (["scenarios"], "scenarios; name one"),
    ],
)
def test_a_mistake_is_one_message(words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["canaries", *words]) == 2
    assert complaint in capsys.readouterr().err
