"""`papertape run`, as a process: verdicts, reports, exit codes, and what a person reads whose bot is at fault."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from papertape.reports.divergence import first_divergence

HEAD = "import asyncio\n\n\nasync def main(exchange):\n"

BUYS_THREE = HEAD + (
    "    for _ in range(3):\n"
    '        order = await exchange.place_order("BTC/USD", "market", "buy", "0.01")\n'
    '        print("bought", order.filled)\n'
    "        await asyncio.sleep(10)\n"
)

DEPENDS_ON_HASHES = HEAD + (
    '    for size in {"0.01", "0.02", "0.03", "0.04", "0.05", "0.06"}:\n'
    '        await exchange.place_order("BTC/USD", "market", "buy", size)\n'
)

Done = subprocess.CompletedProcess[str]


def papertape(folder: Path, *words: str, **environment: str) -> Done:
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONHASHSEED"}
    command = [sys.executable, "-m", "papertape", *words]
    return subprocess.run(command, cwd=folder, env=clean | environment, capture_output=True, text=True, check=False)


def write_bot(folder: Path, text: str) -> None:
    (folder / "bot.py").write_text(text, encoding="utf-8")


def first(done: Done) -> dict[str, object]:
    result: dict[str, object] = json.loads(done.stdout.splitlines()[0])
    return result


def test_a_bot_file_runs_on_the_builtin_market(tmp_path: Path) -> None:
    """No scenario file: a venue, a fault, throwaway money; what the bot prints is no result."""
    write_bot(tmp_path, BUYS_THREE)
    done = papertape(tmp_path, "run", "bot.py", "--venue", "coinbase", "--fault", "lost_reply", "--json")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    result = json.loads(line)
    assert result["status"] == "passed"
    assert result["orders"] == 3
    assert [fault["fired"] for fault in result["faults"]] == [1]
    assert done.stderr.count("bought") == 3


def test_the_repro_command_gives_the_same_digest(tmp_path: Path) -> None:
    """What a failure ends with is not decoration."""
    write_bot(tmp_path, BUYS_THREE)
    words = (
        "run",
        "bot.py",
        "--fault",
        "lost_reply,nth=2,where.side=buy",
        "--fault",
        "disconnect,at=5s,lasts=2s,clean=true",
        "--seed",
        "3",
    )
    result = first(papertape(tmp_path, *words, "--json"))
    again = first(papertape(tmp_path, *shlex.split(str(result["repro"]))[1:], "--json", PYTHONHASHSEED="77"))
    assert result["seed"] == 3
    assert again["digest"] == result["digest"]


def test_a_fault_that_hits_nothing_makes_the_run_vacuous(tmp_path: Path) -> None:
    """Exit code 1, and the table says what it was waiting for and how to see it again."""
    write_bot(tmp_path, BUYS_THREE)
    done = papertape(tmp_path, "run", "bot.py", "--fault", "lost_reply,nth=9")
    assert done.returncode == 1
    assert "fault 1 (lost_reply) hit nothing" in done.stdout
    assert "again: papertape run bot.py --venue coinbase --fault lost_reply,nth=9 --seed 0" in done.stdout


def test_the_hash_seed_is_pinned(tmp_path: Path) -> None:
    """A program that iterates over a set of strings repeats itself from one process to the next."""
    write_bot(tmp_path, DEPENDS_ON_HASHES)
    digests = [first(papertape(tmp_path, "run", "bot.py", "--json"))["digest"] for _ in range(2)]
    assert digests[0] == digests[1]


def test_check_determinism_finds_what_depends_on_hashes(tmp_path: Path) -> None:
    """Exit code 3 and the first divergent event; the command at the end shows it again."""
    write_bot(tmp_path, DEPENDS_ON_HASHES)
    done = papertape(tmp_path, "run", "bot.py", "--check-determinism")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "two runs differ: the first run and the second part at record" in done.stdout
    assert "differs in: " in done.stdout
    assert "again: papertape run bot.py --venue coinbase --seed 0 --check-determinism" in done.stdout


def test_check_determinism_passes_what_does_not(tmp_path: Path) -> None:
    """Two processes, two hash seeds, one digest."""
    write_bot(tmp_path, BUYS_THREE)
    done = papertape(tmp_path, "run", "bot.py", "--check-determinism", "--fault", "lost_reply")
    assert done.returncode == 0, done.stdout + done.stderr


def test_journal_and_junit_are_written_beside_the_results(tmp_path: Path) -> None:
    """A journal for each run, that `diff` can compare; JUnit for the pipeline."""
    write_bot(tmp_path, BUYS_THREE)
    for seed, name in (("0", "a.jsonl"), ("0", "b.jsonl"), ("1", "c.jsonl")):
        papertape(tmp_path, "run", "bot.py", "--seed", seed, "--journal", name, "--junit", "out.xml")
    assert first_divergence(tmp_path / "a.jsonl", tmp_path / "b.jsonl") is None
    assert papertape(tmp_path, "diff", "a.jsonl", "b.jsonl").returncode == 0
    parted = papertape(tmp_path, "diff", "a.jsonl", "c.jsonl")
    assert parted.returncode == 3
    assert parted.stdout.startswith("a.jsonl and c.jsonl part at line 1, event 0, run time 0s:")
    suites = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert suites.attrib["tests"] == "1"


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    """Each scenario has its own verdict; the exit code is the highest."""
    good = '[venue.coinbase]\nfeed = { tape = "builtin:btc-usd", end = "20s" }\naccount = { USD = "100000" }\n'
    write_bot(tmp_path, BUYS_THREE)
    (tmp_path / "a.scenario.toml").write_text('title = "bad"\nbott = "x:y"\n' + good, encoding="utf-8")
    (tmp_path / "b.scenario.toml").write_text('title = "good"\nbot = "bot.py:main"\n' + good, encoding="utf-8")
    done = papertape(tmp_path, "run", ".", "--json", "--journal", "journals")
    assert done.returncode == 2
    assert [path.name for path in (tmp_path / "journals").iterdir()] == ["b.jsonl"]
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result["status"] for result in results] == ["error", "passed"]
    assert results[0]["failures"] == ["a.scenario.toml: key `bott`: there is no such key; did you mean `bot`?"]


CLINGS = """
    while True:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            pass
"""

BAD_BOTS = [
    ("raises", '    raise RuntimeError("no idea")', 1, "the bot raised RuntimeError: no idea (bot.py:5"),
    ("balance", '    await exchange.place_order("BTC/USD", "market", "buy", "1000")', 1, "InsufficientFunds"),
    ("minimum", '    await exchange.place_order("BTC/USD", "limit", "buy", "0.00000001", "60000")', 1, "InvalidOrder"),
    ("tick", '    await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "60000.001")', 1, "price 60000.001 is not a"),
    ("spins", "    while True:\n        await asyncio.sleep(0)", 1, "bot.py:6"),
    ("clings", CLINGS, 1, "the bot did not end"),
    ("syntax", "    await await", 2, "bot.py: is no valid Python (line 5): "),
    ("imports", "    pass\n\n\nimport nowhere", 2, 'key `bot`: "bot.py:main" does not import: '),
]  # fmt: skip


@pytest.mark.parametrize(("body", "code", "message"), [bad[1:] for bad in BAD_BOTS], ids=[bad[0] for bad in BAD_BOTS])
def test_a_bot_at_fault_is_told_where(tmp_path: Path, body: str, code: int, message: str) -> None:
    """One line that names the bot's own line or file, the command to see it again, and never a traceback."""
    write_bot(tmp_path, HEAD + body + "\n")
    done = papertape(tmp_path, "run", "bot.py")
    assert done.returncode == code, done.stdout + done.stderr
    assert message in done.stdout
    assert "again: papertape run bot.py" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_program_that_asks_nothing_proves_nothing(tmp_path: Path) -> None:
    """A script without `async def main(exchange)` is run as a program; one that never reaches the venue is vacuous."""
    write_bot(tmp_path, "import asyncio\n\n\nasync def main():\n    pass\n\n\nasyncio.run(main())\n")
    done = papertape(tmp_path, "run", "bot.py")
    assert done.returncode == 1
    assert "the program never reached the venue" in done.stdout


def test_a_tape_cut_short_is_named(tmp_path: Path) -> None:
    """Exit code 4: the data is damaged."""
    cache = tmp_path / "cache"
    write_bot(tmp_path, BUYS_THREE)
    papertape(tmp_path, "run", "bot.py", PAPERTAPE_CACHE=str(cache))
    (tape,) = cache.glob("btc-usd*.parquet")
    (tmp_path / "short.parquet").write_bytes(tape.read_bytes()[:5000])
    text = '[venue.coinbase]\nfeed = { tape = "short.parquet" }\naccount = { USD = "100000" }\n'
    (tmp_path / "a.scenario.toml").write_text('bot = "bot.py:main"\n' + text, encoding="utf-8")
    done = papertape(tmp_path, "run", "a.scenario.toml")
    assert done.returncode == 4
    assert "short.parquet" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
