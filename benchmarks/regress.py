"""A gate on what the product's paths cost: `make regress` (`python -m benchmarks.regress`), half a minute; exit 1 if one costs too much.

Two counts, neither of which is a time:

- Python's own instructions that one event takes, counted by the interpreter. The same on every machine and every day, so a needless loop
  shows at once; what Arrow or the C library does is not in it, and another Python has other instructions: they are judged on the one that
  the limits were written with.
- CPU seconds of the path beside those of a bare loop over the same rows in the same process, in turns, the least of each. It holds what the
  first does not, and wavers, so its limit is wide.

The limits are in limits.toml. `--write` writes them anew, for a change that is meant to cost more (the commit says why) or that made
something cheaper; `--profile PATH` shows where a path's time goes.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

LIMITS: Final = Path(__file__).with_name("limits.toml")

MORE_INSTRUCTIONS: Final = 1.05
"""So many times what was written down a path may take of Python's instructions."""

MORE_SECONDS: Final = 1.6
"""And of the bare loop's time: what two busy cores made of one and the same code was within 1.3."""

EVENTS: Final = 20_000
SKIPPED: Final = 200_000
"""For the path that is not shown each event."""

ROUNDS: Final = 5
AGAIN: Final = 2
"""So often a path that seems to take too long is measured once more: whatever else the machine did may have been why."""


@dataclass(frozen=True)
class Trail:
    """One path through the product.

    Attributes:
        play: one run; how many events there were.
        bare: the loop it is measured beside.
    """

    what: str
    play: Callable[[], int]
    bare: Callable[[], object]


def trails(folder: Path) -> dict[str, Trail]:
    """By the name that limits.toml has. Where an index is wanted it is made, in `folder`."""
    import shutil

    from benchmarks import test_wire
    from benchmarks.bots import SYMBOL, Watcher
    from benchmarks.market import bench_tape
    from benchmarks.peers.with_papertape import now_and_then
    from benchmarks.test_replay import bare, play
    from papertape.bots import MarketMaker
    from papertape.model.units import SECOND
    from papertape.tape.index.store import make
    from papertape.tape.reader import open_tape

    short, long = bench_tape(EVENTS), folder / "long.parquet"
    shutil.copy(bench_tape(SKIPPED), long)
    opened = open_tape(long)
    assert make(opened) is not None
    minutes = {"minutes": (opened.last_ns - opened.first_ns) // SECOND // 60}

    def wire() -> int:
        result = test_wire.play("builtin:btc-usd", "wire", end="60s")
        return result.events + 2 * result.virtual_ns // SECOND

    return {
        "trades": Trail("a callback for each trade, the book kept", lambda: play(short, Watcher, None).events, lambda: bare(short)),
        "maker": Trail("the market maker", lambda: play(short, MarketMaker, {"symbol": SYMBOL}).events, lambda: bare(short)),
        "indexed": Trail("ten orders an hour over an indexed tape", lambda: play(long, now_and_then, minutes).events, lambda: bare(long)),
        "wire": Trail("messages at wire depth", wire, lambda: bare(short)),
    }


class Counter:
    """Counts the instructions of all Python code that begins while it is on, in this thread."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, frame: FrameType, event: str, arg: object) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self.instruction

    def instruction(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "opcode":
            self.count += 1
        return self.instruction


def instructions(work: Callable[[], int]) -> float:
    """Python's instructions an event."""
    counter = Counter()
    gc.collect()
    gc.disable()
    sys.settrace(counter)
    try:
        events = work()
    finally:
        sys.settrace(None)
        gc.enable()
    return counter.count / events


def beside(trail: Trail) -> float:
    """CPU seconds of the path in those of the bare loop, the least of each."""
    least = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for place, work in enumerate((trail.play, trail.bare)):
            gc.collect()
            begun = time.process_time()
            work()
            least[place] = min(least[place], time.process_time() - begun)
    return least[0] / least[1]


def judged(name: str, trail: Trail, found: dict[str, float], limits: dict[str, Any]) -> list[str]:
    """What is too much, a sentence each.

    >>> trail = Trail("the market maker", lambda: 1, lambda: None)
    >>> judged("maker", trail, {"instructions": 130.0}, {"maker": {"instructions": 100.0, "times_bare": 9.0}})
    ['maker (the market maker): 130 instructions an event, 1.30 times the 100 of limits.toml; 1.05 times are allowed']
    >>> judged("maker", trail, {"times_bare": 9.9}, {"maker": {"instructions": 100.0, "times_bare": 9.0}})
    []
    """
    known = limits.get(name)
    if known is None:
        return [f"{name} ({trail.what}): limits.toml has no limit for it; `python -m benchmarks.regress --write` writes one"]
    allowed = {"instructions": (MORE_INSTRUCTIONS, "instructions an event"), "times_bare": (MORE_SECONDS, "times the bare loop's CPU time")}
    return [
        f"{name} ({trail.what}): {value:.4g} {allowed[key][1]}, {value / known[key]:.2f} times the {known[key]:g} of limits.toml; "
        f"{allowed[key][0]:g} times are allowed"
        for key, value in found.items()
        if value > known[key] * allowed[key][0]
    ]


def written(found: dict[str, dict[str, float]]) -> str:
    """The limits as a file."""
    lines = [
        "# What the product's paths cost, as `python -m benchmarks.regress --write` measured it; see there.",
        "# Python's instructions an event, and CPU time beside a bare loop's over the same rows.",
        f'python = "{_python()}"',
    ]
    for name, its in found.items():
        lines += ["", f"[{name}]", f"instructions = {its['instructions']:.1f}", f"times_bare = {its['times_bare']:.2f}"]
    return "\n".join(lines) + "\n"


def profile(trail: Trail) -> None:
    import cProfile
    import pstats

    trail.play()
    profiler = cProfile.Profile()
    profiler.runcall(trail.play)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(30)


def _python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0], prog="python -m benchmarks.regress")
    options.add_argument("--write", action="store_true", help="write limits.toml anew")
    options.add_argument("--profile", metavar="PATH", help="show where a path's time goes: trades, maker, indexed or wire")
    options.add_argument("--only", metavar="PATH", help="measure one path")
    given = options.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks.regress", *sys.argv[1:]])
    os.environ["PAPERTAPE_ENGINE"], os.environ["PAPERTAPE_INDEX"] = "fast", "auto"
    limits: dict[str, Any] = tomllib.loads(LIMITS.read_text()) if LIMITS.exists() else {}
    same_python = limits.get("python") == _python()
    with tempfile.TemporaryDirectory() as folder:
        every = trails(Path(folder))
        for name in (given.profile, given.only):
            if name is not None and name not in every:
                options.error(f'no path is called "{name}"; there are: {", ".join(every)}')
        if given.profile is not None:
            profile(every[given.profile])
            return 0
        found: dict[str, dict[str, float]] = {}
        wrong: dict[str, list[str]] = {}
        for name, trail in every.items():
            if given.only in (None, name):
                trail.play()  # what is loaded and kept by the first run of a process is not the path's
                its = found[name] = {"instructions": instructions(trail.play), "times_bare": beside(trail)}
                for _ in range(AGAIN):
                    if judged(name, trail, {"times_bare": its["times_bare"]}, limits) and not given.write:
                        its["times_bare"] = min(its["times_bare"], beside(trail))
                print(
                    f"{name:>8}: {its['instructions']:8.1f} instructions an event, {its['times_bare']:6.2f} times the bare loop", flush=True
                )
                wrong[name] = judged(name, trail, its if same_python else {"times_bare": its["times_bare"]}, limits)
    if given.write:
        LIMITS.write_text(written(found))
        return 0
    if not same_python:
        print(f"instructions not judged: limits.toml is of Python {limits.get('python', 'none')}, this is {_python()}")
    for name, sentences in wrong.items():
        for sentence in sentences:
            print(f"TOO SLOW: {sentence}. Where its time goes: python -m benchmarks.regress --profile {name}")
    return 1 if any(wrong.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
