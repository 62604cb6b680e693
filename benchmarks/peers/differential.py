"""`python -m benchmarks.peers.differential`: the same orders on real Binance captures, here and in hftbacktest; each difference explained.

For every order whose fills differ it looks for the fewest of the rules in `rules.py` that, taken the way papertape has them, turn what
hftbacktest's rules give into what papertape gave. That the rules are hftbacktest's is checked too: with all of them on, every order must
come out as hftbacktest had it. It fails where an order is left over. Needs $PAPERTAPE_REALDATA; hftbacktest has an environment of its own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from benchmarks.peers.environments import HERE, KEPT, ROOT, environment
from benchmarks.peers.market import LATENCY_NS, converted, kept, orders
from benchmarks.peers.rules import RULES, Outcome, Replay
from papertape.importers import import_capture, import_foreign
from papertape.model.instrument import Instrument
from papertape.tape.reader import Tape, open_tape

SPOT: Final = ("hftbacktest/spot/btcusdt_20240808.gz", "hftbacktest/spot/btcusdt_20240809.gz")
FUTURES: Final = "hftbacktest/usdm/btcusdt_20240808.gz"
RUNS: Final = (
    ("spot", 1, 60), ("spot", 2, 150), ("spot", 3, 400),
    ("usdm", 1, 60), ("usdm", 2, 150), ("usdm", 3, 400),
)  # fmt: skip
"""(capture, seed, orders): few orders live long, many live short."""

_LOTS: Final = {"spot": (20, 3_000), "usdm": (1, 200)}
_STEPS: Final = {"spot": ("0.01", "0.00001"), "usdm": ("0.1", "0.001")}
_FILLED: Final = 3  # hftbacktest's word for an order that is filled whole


@dataclass(frozen=True)
class Compared:
    """One order in both systems.

    Attributes:
        here, there: lots filled, and when the last of them if that was all of it, else 0.
        by_rules: what the rules give with all of them as hftbacktest has them.
        explained: the fewest rules that make the difference; None if none do, empty if there is none.
    """

    order: dict[str, Any]
    here: Outcome
    there: Outcome
    by_rules: Outcome
    explained: tuple[str, ...] | None

    @property
    def is_sound(self) -> bool:
        return self.explained is not None and self.by_rules == self.there


def tape_of(capture: str, data: Path, python: Path) -> Path:
    """A capture as a tape. That of USD-M futures comes by way of hftbacktest's own converter."""
    folder = KEPT / "data" / "real"
    path = folder / f"{capture}.parquet"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    tick, lot = (Decimal(step) for step in _STEPS[capture])
    steps = Instrument(symbol="BTC/USDT", venue_symbol="BTCUSDT", tick=tick, lot=lot)
    if capture == "spot":
        import_capture("binance", [data / name for name in SPOT], path, instruments=[steps])
    else:
        table = folder / f"{capture}.npz"
        words = "import sys; from hftbacktest.data.utils.binancefutures import convert; convert(sys.argv[1], output_filename=sys.argv[2])"
        subprocess.run([python, "-c", words, data / FUTURES, table], check=True, capture_output=True)
        import_foreign("hftbacktest", [table], path, venue="binance", instruments=[steps])
    return path


def compare(capture: str, seed: int, count: int, data: Path, python: Path) -> Iterator[Compared]:
    """Every order of a run."""
    path = tape_of(capture, data, python)
    tape = open_tape(path)
    wanted = orders(tape, seed=seed, count=count, hold=0.85, lots=_LOTS[capture])
    file = kept(f"{capture}-{seed}.json", wanted)
    here, there = (_asked(words, tape, converted(path)[system], file) for system, words in _programs(python))
    messages = list(tape.messages())

    def by(rules: frozenset[str], some: Sequence[dict[str, Any]]) -> dict[int, Outcome]:
        return {number: _whole(found, wanted[number - 1]) for number, found in Replay(rules, LATENCY_NS).run(messages, some).items()}

    reference = by(frozenset(RULES), wanted)
    open_ = [each for each in wanted if here[each["number"]] != there[each["number"]]]
    explained: dict[int, tuple[str, ...]] = {}
    for size in range(1, len(RULES) + 1):
        for off in itertools.combinations(RULES, size):
            left = [each for each in open_ if each["number"] not in explained]
            if left:
                found = by(frozenset(RULES) - frozenset(off), left)
                explained |= {number: off for number, outcome in found.items() if outcome == here[number]}
    for each in wanted:
        number = each["number"]
        why = explained.get(number) if here[number] != there[number] else ()
        yield Compared(each, here[number], there[number], reference[number], why)


def _programs(python: Path) -> tuple[tuple[str, list[str]], ...]:
    mine = [sys.executable, "-m", "benchmarks.peers.with_papertape"]
    return ("papertape", mine), ("hftbacktest", [str(python), str(HERE / "with_hftbacktest.py")])


def _asked(words: Sequence[str], tape: Tape, data: str, file: str) -> dict[int, Outcome]:
    steps = tape.instruments[0]
    job = {"work": "orders", "orders": file, "data": data, "latency_ns": LATENCY_NS, "venue": tape.venue, "tick": float(steps.tick),
           "lot": float(steps.lot)}  # fmt: skip
    done = subprocess.run([*words, json.dumps(job)], capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"{words[-1]} ended with {done.returncode}:\n{done.stderr[-3_000:]}")
    outcomes = json.loads(done.stdout.splitlines()[-1])["outcomes"]
    return {each["number"]: (each["lots"], each["at_ns"] if each["status"] in (_FILLED, "closed") else 0) for each in outcomes}


def _whole(found: Outcome, order: dict[str, Any]) -> Outcome:
    """When the last lot was filled counts where it was the last that was wanted; else both systems tell when the rest was cancelled."""
    return found if found[0] == order["lots"] else (found[0], 0)


def said(it: Compared) -> str:
    """An order, in a line: what became of it there, and here, and why."""
    number, side, ticks, lots = (it.order[name] for name in ("number", "side", "ticks", "lots"))
    if it.by_rules != it.there:
        why = f"UNEXPLAINED: by hftbacktest's rules as written down it would be {it.by_rules}"
    elif it.explained is None:
        why = "UNEXPLAINED"
    else:
        why = " + ".join(it.explained) or "alike"
    return f"{number:>4} {side:<4} {lots:>5} at {ticks:>8}: there {_told(it.there):<28} here {_told(it.here):<28} {why}"


def _told(outcome: Outcome) -> str:
    return f"{outcome[0]} by {outcome[1]}" if outcome[1] else f"{outcome[0]}"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0], prog="python -m benchmarks.peers.differential")
    options.add_argument("--all", action="store_true", help="list every order, also those that came out alike")
    options.add_argument("--run", type=int, action="append", help=f"only this of the {len(RUNS)} runs, from 1")
    given = options.parse_args()
    data = os.environ.get("PAPERTAPE_REALDATA")
    try:
        python = environment("hftbacktest") if data else None
    except subprocess.CalledProcessError as error:
        print(f"NOTHING WAS COMPARED: hftbacktest's environment cannot be made here: {error}", file=sys.stderr)
        return 1
    if data is None or python is None:
        print("NOTHING WAS COMPARED: $PAPERTAPE_REALDATA is not set; real captures are not part of the repository", file=sys.stderr)
        return 1
    counts: Counter[str] = Counter()
    wrong = 0
    for number, (capture, seed, count) in enumerate(RUNS, 1):
        if given.run and number not in given.run:
            continue
        found = list(compare(capture, seed, count, Path(data), python))
        alike = sum(each.here == each.there for each in found)
        same_lots = sum(each.here[0] == each.there[0] for each in found)
        filled = sum(each.here[0] > 0 for each in found)
        print(
            f"run {number}, {capture}: {len(found)} orders, {filled} filled here; {same_lots} of as many lots as there, {alike} also then"
        )
        for each in found:
            if given.all or each.explained != () or not each.is_sound:
                print(said(each))
            wrong += not each.is_sound
            if each.is_sound and each.explained:
                counts[" + ".join(each.explained)] += 1
    print()
    for rules, times in counts.most_common():
        print(f"{times:>5} times {rules}")
    for name, words in RULES.items():
        print(f"{name}: {words}")
    print(f"\n{wrong} orders are not explained" if wrong else "\nevery difference is explained")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
