"""What the README shows works as it stands there."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
BOT, BUYS_TWICE, BUY_ONCE, SERVERS, BUYER, PROGRAM = [text for language, text in BLOCKS if language == "python"]
(SCREEN,) = [text for language, text in BLOCKS if language == "text" and "suspect" in text]
(TESTED,) = [text for language, text in BLOCKS if language == "text" and "--papertape-seed" in text]
BOTS = Path(__file__).parents[1] / "programs/bots"
(SCENARIO,) = [text for language, text in BLOCKS if language == "toml"]
FAILING = ["papertape run buys_twice.py --fault lost_reply", "pytest test_buyer.py"]
SCENARIOS = Path(__file__).parents[2] / "scenarios"
COMMANDS = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the README's files in it, and nothing else."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "bot.py").write_text(BOT, encoding="utf-8")
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    (folder / "servers.py").write_text(SERVERS, encoding="utf-8")
    (folder / "buys_twice.py").write_text(BUYS_TWICE, encoding="utf-8")
    (folder / "test_buyer.py").write_text(BUYER, encoding="utf-8")
    (folder / "scenarios").symlink_to(SCENARIOS, target_is_directory=True)
    (folder / "lost.scenario.toml").write_text(SCENARIO, encoding="utf-8")
    return folder


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONHASHSEED"}
    return subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False, env=environment)


def test_the_readme_has_something_to_run() -> None:
    """Snippets that nobody found would all pass."""
    assert len(COMMANDS) > 8


def test_its_commands_succeed(folder: Path) -> None:
    """Each line of its sh blocks, in order, ends with exit code 0."""
    for line in COMMANDS:
        if line in FAILING:
            continue
        done = run(["-m", *shlex.split(line)], folder)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("name", ["program.py", "servers.py"])
def test_its_programs_run(folder: Path, name: str) -> None:
    """The Python blocks with `papertape.simulate`, assertions and all."""
    done = run([name], folder)
    assert done.returncode == 0, done.stderr


def test_its_second_screen_is_what_one_sees(folder: Path) -> None:
    """The program with the classic bug, and what is said of it, line for line; some lines are left out."""
    line = FAILING[0]
    assert set(FAILING) <= set(COMMANDS)
    done = run(["-m", *shlex.split(line)], folder)
    told = iter([each.rstrip() for each in done.stdout.splitlines()])
    assert done.returncode == 1
    assert [each for each in SCREEN.splitlines() if each.rstrip() not in told] == [], done.stdout


def test_its_test_fails_as_it_says(folder: Path) -> None:
    """The pytest file has under forty lines, and what a person sees of it is what stands there; some lines are left out."""
    assert len(BUYER.splitlines()) < 40
    done = run(["-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", "test_buyer.py", "--papertape-seed", "7"], folder)
    assert done.returncode == 1
    told = iter([each.rstrip() for each in done.stdout.splitlines()])
    assert [each for each in TESTED.splitlines() if each.rstrip() not in told] == [], done.stdout


def test_its_two_buyers_are_those_that_the_tests_run() -> None:
    """What is shown is what is tested: the one with the bug whole, of the other the function that was mended."""
    assert (BOTS / "buys_twice.py").read_text(encoding="utf-8").partition("\n\n")[2] == BUYS_TWICE
    assert BUY_ONCE in (BOTS / "buys_once.py").read_text(encoding="utf-8")


def test_its_table_is_what_the_scenarios_come_to(folder: Path) -> None:
    """Each row that it shows is a row of today's, both its lines: the same counts, money and digest."""
    lines = [line.split() for line in README.read_text(encoding="utf-8").splitlines()]
    rows = [(words, below) for words, below in itertools.pairwise(lines) if "passed" in words and "×" in "".join(words)]
    assert rows
    for words, below in rows:
        done = run(["-m", "papertape", "run", str(README.parent / f"scenarios/{words[0]}.scenario.toml")], folder)
        told = [line.split() for line in done.stdout.splitlines()]
        assert (words, below) in itertools.pairwise(told), f"{words}, {below} is not in\n{done.stdout}"
