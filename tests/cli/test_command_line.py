"""The command line as people meet it: help, lists, messages, exit codes; never a traceback for what a person can mend."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from papertape.cli.commands import COMMANDS
from papertape.cli.main import guarded, main
from papertape.model.errors import ConfigError, EscapedSimulation, TapeError


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """One page, one line for each."""
    assert main(["--help"]) == 0
    page = capsys.readouterr().out
    assert all(command.name in page and command.summary in page for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_explains_itself(command: object, capsys: pytest.CaptureFixture[str]) -> None:
    """`papertape COMMAND --help` works for all of them."""
    name = command.name  # type: ignore[attr-defined]  # cyclopts' commands have one
    assert main([*name.split(), "--help"]) == 0
    assert f"papertape {name}" in capsys.readouterr().out


def test_help_loads_nothing_heavy() -> None:
    """The help page is quick because neither the parser nor any of the heavy libraries is imported for it."""
    heavy = "{'ccxt', 'aiohttp', 'pyarrow', 'websockets', 'rich', 'cyclopts', 'msgspec', 'cryptography'}"
    code = f"import sys; from papertape.cli.main import main; main(['--help']); print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_importing_papertape_loads_nothing_heavy() -> None:
    """`import papertape` costs next to nothing; names are looked up when used."""
    code = "import sys, papertape; print(sorted({'ccxt', 'aiohttp', 'pyarrow', 'rich', 'msgspec', 'asyncio'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_run_loads_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    """Libraries of the other depth, traces, and pandas, which pyarrow asks for where one makes a column the short way."""
    (tmp_path / "bot.py").write_text("async def main(exchange):\n    await exchange.fetch_balance()\n")
    unneeded = "{'ccxt.base.exchange', 'aiohttp', 'websockets', 'cryptography', 'pandas', 'importlib.metadata', 'papertape.runtime.trace'}"
    words = ["run", "bot.py", "--json"]
    code = f"import sys; from papertape.cli.main import main; main({words}); print(sorted({unneeded} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert '"digest"' in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rnu"], 'there is no command "rnu"; did you mean "run"? `papertape --help` shows all'),
        (["tape"], "tape is one of: tape info, tape check, "),
        (["tape", "inof"], 'there is no "tape inof"; tape is one of: tape info, '),
        (["run"], "run: what? Name a scenario file, a folder of them, or a bot.py"),
        (["run", "nowhere.scenario.toml"], "nowhere.scenario.toml: there is no such file or folder"),
        (["run", "--sed", "7", "x"], "`papertape run --help` explains"),
        (["run", "x", "--seed", "seven"], "`papertape run --help` explains"),
        (
            ["run", "x.py", "--fault", "lost_replay"],
            '--fault lost_replay: lost_replay, key `kind`: no fault is called "lost_replay"; did you mean',
        ),
        (["run", "x.toml", "--venue", "coinbase"], "--venue coinbase: goes with a bot file; x.toml says itself which venues it has"),
        (["list", "fault"], 'list: "fault" is nothing to list; did you mean "faults"?'),
        (["explain", "lost_replay"], 'explain: nothing is called "lost_replay"; did you mean "lost_reply"?'),
        (["diff", "a.jsonl", "b.jsonl"], "a.jsonl: there is no such file"),
        (["diff", "a.jsonl"], "`papertape diff --help` explains"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_message_and_exit_code_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was wrong and what to do, on stderr; nothing on stdout."""
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("papertape: ")
    assert message in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConfigError("x"), 2), (TapeError("x"), 4), (EscapedSimulation("x"), 5), (ZeroDivisionError("x"), 5), (KeyboardInterrupt(), 130)],
    ids=lambda value: type(value).__name__,
)
def test_what_went_wrong_decides_the_exit_code(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    """2 mend your file, 4 the data, 5 us, 130 you."""

    def work() -> int:
        raise error

    assert guarded(work) == code
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("what", ["", "faults", "invariants", "models", "venues", "bots", "ops", "lanes", "marks", "tapes"])
def test_list_shows_what_can_be_named(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every name with the first line of what it is."""
    assert main(["list", *([what] if what else [])]) == 0
    listed = capsys.readouterr().out
    wanted = {
        "faults": "lost_reply", "invariants": "position_matches", "models": "queue", "venues": "coinbase", "ops": "order.create",
        "bots": "papertape.bots:MarketMaker", "lanes": "market", "marks": "reconciled_after_lost_reply", "tapes": "builtin:btc-usd",
    }  # fmt: skip
    assert all(name in listed for kind, name in wanted.items() if what in ("", kind))


def test_explain_shows_a_faults_docstring_and_keys(capsys: pytest.CaptureFixture[str]) -> None:
    """What it does at both depths, and every key with its default."""
    assert main(["explain", "lost_reply"]) == 0
    said = capsys.readouterr().out
    assert "The venue does what was asked; its answer never arrives." in said
    assert "wire:" in said
    assert "nth_intent = (not set)" in said


def test_help_that_nobody_reads_to_its_end_is_no_traceback() -> None:
    """`papertape --help | head -1`: the reader has gone before anything was written."""
    reader, writer = os.pipe()
    os.close(reader)
    told = subprocess.run([sys.executable, "-m", "papertape", "--help"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (told.returncode, told.stderr) == (1, "")
