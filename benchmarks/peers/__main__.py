"""`python -m benchmarks.peers`: all systems on one tape, interleaved in one run; ratios printed and written to benchmarks/peers.md.

Every measurement is a process of its own and counts its CPU seconds, so that a busy machine distorts less. The rounds of the systems
alternate, and medians are compared: only ratios hold from one machine to the next.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.peers.environments import PEERS, ROOT, environment
from benchmarks.peers.market import LATENCY_NS, converted, kept, orders, synthetic
from benchmarks.peers.page import page
from benchmarks.peers.rows import MEASURED, Measured
from papertape.tape.reader import open_tape

PAGE: Final = ROOT / "benchmarks" / "peers.md"
ORDERS: Final = 200
AGREE_MIN: Final = {"hftbacktest": 0.9, "nautilus": 0.85}
"""Of the orders so many must have been filled alike, or the speeds are not of the same work. The rules that differ are told in the page."""

PROGRAMS: Final = {"hftbacktest": "with_hftbacktest.py", "nautilus": "with_nautilus.py"}


class Systems:
    """Asks each system for one measurement at a time."""

    def __init__(self, pythons: dict[str, Path], tapes: dict[bool, dict[str, str]]) -> None:
        self.pythons = pythons
        self.tapes = tapes
        self.versions: dict[str, str] = {}

    def ask(self, system: str, job: dict[str, Any], *, is_long: bool, cache: Path | None = None) -> dict[str, Any]:
        """What the system says of a job; a run that fails ends all of this."""
        tape = open_tape(self.tapes[is_long]["papertape"])
        steps = tape.instruments[0]
        known = {"latency_ns": LATENCY_NS, "tick": float(steps.tick), "lot": float(steps.lot), "venue": tape.venue}
        full = json.dumps({**known, "data": self.tapes[is_long][system], **job})
        words = [sys.executable, "-m", "benchmarks.peers.with_papertape"]
        if system in PROGRAMS:
            words = [str(self.pythons[system]), str(Path(__file__).with_name(PROGRAMS[system]))]
        known_env = {**os.environ, "PYTHONHASHSEED": "0"}
        if cache is not None:
            known_env["XDG_CACHE_HOME"] = str(cache)
        done = subprocess.run([*words, full], capture_output=True, text=True, check=False, cwd=ROOT, env=known_env)
        if done.returncode:
            raise SystemExit(f"{system}, {job}: ended with {done.returncode}:\n{done.stderr[-3_000:]}")
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        self.versions[system] = said["version"]
        return said


def measure(systems: Systems, row: Measured) -> dict[str, Any]:
    """One round of a row. What may keep an index for the next time starts without one, unless the row is about having it."""
    with tempfile.TemporaryDirectory() as folder:
        if not row.keeps:
            return systems.ask(row.system, dict(row.job), is_long=row.is_long)
        cache, mine = Path(folder) / "cache", Path(folder) / "tape.parquet"
        shutil.copy(systems.tapes[row.is_long]["papertape"], mine)
        job = {**row.job, "data": str(mine)}
        first = systems.ask(row.system, job, is_long=row.is_long, cache=cache)
        if row.keeps == "not yet":
            if first["indexed"]:
                raise SystemExit(f"{row.name}: it had an index, so it was seen before")
            return first
        systems.ask(row.system, job, is_long=row.is_long, cache=cache)  # the second run is the one that leaves an index
        third = systems.ask(row.system, job, is_long=row.is_long, cache=cache)
        if not third["indexed"]:
            print(f"{row.name}: the runs before left no index, so this is a tape not seen before", file=sys.stderr)
        return third


def compare(systems: Systems) -> dict[str, Any]:
    """The same orders in all systems: how many were filled alike."""
    tape = open_tape(systems.tapes[False]["papertape"])
    file = kept(f"orders-{tape.content_hash[:12]}.json", orders(tape, seed=1, count=ORDERS, lots=(100_000, 5_000_000)))
    job: dict[str, Any] = {"work": "orders", "orders": file}
    mine = systems.ask("papertape", job, is_long=False)["outcomes"]
    found: dict[str, Any] = {"orders": len(mine), "papertape": sum(each["lots"] > 0 for each in mine)}
    for peer in systems.pythons:
        theirs = systems.ask(peer, job if peer == "hftbacktest" else {**job, "queue": True}, is_long=False)["outcomes"]
        pairs = list(zip(mine, theirs, strict=True))
        found[peer] = {
            "filled": sum(each["lots"] > 0 for each in theirs),
            "alike": sum(one["lots"] == other["lots"] for one, other in pairs) / len(pairs),
            "more": sum(one["lots"] > other["lots"] for one, other in pairs),
            "less": sum(one["lots"] < other["lots"] for one, other in pairs),
        }
    return found


def started(words: Sequence[str]) -> float:
    """Wall seconds of a process of ours."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *words], capture_output=True, check=True, cwd=ROOT)
    return time.perf_counter() - begun


def starts(rounds: int) -> dict[str, float]:
    """The command line, from start to finish."""
    from benchmarks.test_command_line import SMALLEST

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bot.py").write_text("async def main(exchange):\n    await exchange.fetch_balance()\n")
        scenario = Path(folder) / "smallest.scenario.toml"
        scenario.write_text(SMALLEST)
        commands = {"help": ["-m", "papertape", "--help"], "smallest": ["-m", "papertape", "run", str(scenario)]}
        for words in commands.values():
            started(words)  # the first time compiles
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, words in commands.items():
                taken[name].append(started(words))
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0], prog="python -m benchmarks.peers")
    options.add_argument("--events", type=int, default=2_000_000, help="of the tape for whom needs not see each event (default 2,000,000)")
    options.add_argument("--each", type=int, default=200_000, help="of the tape for whom is shown each event (default 200,000)")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--check", action="store_true", help="compare the fills only, and write nothing")
    given = options.parse_args()
    try:
        pythons = {peer: environment(peer) for peer in PEERS}
    except subprocess.CalledProcessError as error:  # no index, or one without these packages
        print(f"NOTHING WAS MEASURED: an environment cannot be made here: {error}", file=sys.stderr)
        return 1
    print("the same tape for all of them", file=sys.stderr)
    tapes = {False: converted(synthetic(given.each))}
    tapes[True] = tapes[False] if given.check else converted(synthetic(given.events))
    systems = Systems(pythons, tapes)
    fills = compare(systems)
    wrong = [
        f"{peer}: {fills[peer]['alike']:.1%} of {fills['orders']} orders were filled as here, less than {least:.0%}: not the same work"
        for peer, least in AGREE_MIN.items()
        if fills[peer]["alike"] < least
    ]
    print("\n".join(f"{peer}: {fills[peer]}" for peer in pythons), file=sys.stderr)
    if given.check or wrong:
        print("\n".join(wrong) or "fills are comparable")
        return 1 if wrong else 0
    rounds: dict[str, list[dict[str, Any]]] = {row.name: [] for row in MEASURED}
    for number in range(given.rounds):
        for row in MEASURED:
            rounds[row.name].append(measure(systems, row))
            last = rounds[row.name][-1]
            print(f"{number + 1}/{given.rounds} {row.name}: {last['rows'] / last['seconds']:,.0f} a second", file=sys.stderr, flush=True)
    text = page(rounds, fills, starts(given.rounds), systems.versions, sizes=(given.events, given.each))
    PAGE.write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
