"""`papertape run` with somebody's program, as a process."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, os, sys
import aiohttp

async def main():
    async with aiohttp.ClientSession() as session:
        async with session.get("https://api.coinbase.com/api/v3/brokerage/market/products") as response:
            print("heard", response.status, *sys.argv[1:])

asyncio.run(main())
"""


def papertape(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONHASHSEED"}
    return subprocess.run([sys.executable, "-m", "papertape", *words], cwd=folder, env=clean, capture_output=True, text=True, check=False)


def test_what_stands_after_two_dashes_is_the_programs(tmp_path: Path) -> None:
    """Options too; what it prints is no result, and the command at the end runs the same again."""
    (tmp_path / "bot.py").write_text(PROGRAM)
    done = papertape(tmp_path, "run", "bot.py", "--seed", "4", "--json", "--", "--size", "0.01", "--json", "--", "-v")
    result = json.loads(done.stdout)
    assert "heard 200 --size 0.01 --json -- -v" in done.stderr
    assert result["repro"] == "papertape run bot.py --venue coinbase --seed 4 -- --size 0.01 --json -- -v"
    again = papertape(tmp_path, *shlex.split(result["repro"])[1:], "--help")
    assert "heard 200 --size 0.01 --json -- -v --help" in again.stderr


def test_a_scenario_takes_no_words_for_a_program(tmp_path: Path) -> None:
    """It has `program_args`."""
    (tmp_path / "a.scenario.toml").write_text('title = "x"\n')
    done = papertape(tmp_path, "run", "a.scenario.toml", "--", "--size", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "a.scenario.toml is none, a scenario has `program_args`" in done.stderr


def hears_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_persons_ctrl_c_is_theirs_even_if_the_program_swallows_it(tmp_path: Path) -> None:
    """Exit 130: the run was interrupted, whatever the program made of it."""
    (tmp_path / "bot.py").write_text(
        "import sys\nprint('ready', flush=True, file=sys.stderr)\n"
        "try:\n    while True:\n        pass\nexcept KeyboardInterrupt:\n    pass\n"
    )
    command = [sys.executable, "-m", "papertape", "run", "bot.py"]
    # A shell's background job, as a whole suite may be, is deaf to Ctrl-C, and so would be whatever it starts.
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=hears_ctrl_c)
    assert process.stderr is not None
    while "ready" not in (line := process.stderr.readline()):
        assert line, "it ended before it began"
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130


def test_a_secret_is_in_no_output(tmp_path: Path) -> None:
    """The throwaway key's private half, in a traceback's message: even that is not shown in what we write."""
    (tmp_path / "bot.py").write_text(PROGRAM + "\nraise ValueError('no ' + 'way')\n")
    done = papertape(tmp_path, "run", "bot.py", "--json", "--journal", "journal.jsonl")
    text = done.stdout + done.stderr + (tmp_path / "journal.jsonl").read_text()
    assert done.returncode == 1
    assert "PRIVATE KEY" not in text


def test_local_time_is_utc_wherever_the_machine_stands(tmp_path: Path) -> None:
    """Or a program that asks for it would be another on another machine."""
    (tmp_path / "bot.py").write_text(
        "import datetime, time\nprint(datetime.datetime.now(), time.strftime('%Z'), time.localtime().tm_hour)\n"
    )
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONHASHSEED"}
    command = [sys.executable, "-m", "papertape", "run", "bot.py"]
    done = subprocess.run(command, cwd=tmp_path, env=clean | {"TZ": "Asia/Tokyo"}, capture_output=True, text=True, check=False)
    assert "2026-01-05 00:00:00 UTC 0" in done.stderr
