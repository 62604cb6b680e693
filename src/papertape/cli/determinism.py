"""`--check-determinism`: the same run once more, in a process of its own where Python hashes strings otherwise.

Both runs are traced. Where the traces part, both are run again, and looked at closely around that place: see `reports.divergence`.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.model.errors import PapertapeError
from papertape.reports.divergence import Parted, first_divergence, is_prefix, parted
from papertape.runtime.trace import Trace
from papertape.runtime.trace.record import first_difference
from papertape.runtime.trace.trace import RECORDS
from papertape.session.result import ExitCode, RunResult, Status

LOOKS_MAX: Final = 3
"""How often two runs that part at another place each time are run again."""

_FOLDER: Final = "PAPERTAPE_TRACE"  # as in cli.run
_AT: Final = "PAPERTAPE_TRACE_AT"

Once = Callable[[Path, Trace], RunResult]
"""Runs the scenario once: journal and trace in, result out."""


def checked(once: Once, journal_path: Path | None) -> RunResult:
    """The result of `once` if a second run is the same, else an error with the first thing that differs, and where it came from."""
    with tempfile.TemporaryDirectory(prefix="papertape-") as name:
        folder = Path(name)
        journal = journal_path or folder / "first.jsonl"
        with Trace(folder / "first") as trace:
            result = once(journal, trace)
        return _compared(result, journal, folder)


def trace_asked_for() -> Trace | None:
    """The trace that whoever started this process wants of its run; asked only once."""
    folder, at = os.environ.pop(_FOLDER, None), os.environ.pop(_AT, None)
    return None if folder is None else Trace(Path(folder), at=None if at is None else int(at))


def _compared(result: RunResult, journal: Path, folder: Path) -> RunResult:
    second = folder / "second.jsonl"
    words = shlex.split(result.repro)[1:]
    again = _repeat(words, second, folder / "second", _other_seed())
    if again is None:
        raise PapertapeError("the second run, for --check-determinism, did not get as far as a result")
    difference = first_difference(folder / "first" / RECORDS, folder / "second" / RECORDS)
    divergence = first_divergence(journal, second)
    if difference is not None:
        found = _look(words, folder, difference.index).render("the first run", "the second")
        more = "" if divergence is None else f"\n  so {divergence.render('the journal of the first run', 'that of the second')}"
        return _differed(result, found + more)
    if divergence is not None:
        return _differed(result, divergence.render("the first run", "the second"))
    if again["digest"] != result.digest:
        return _differed(result, f"the journals are the same, the digests are not: {result.digest} and {again['digest']}")
    if again["wire_digest"] != result.wire_digest:
        return _differed(result, "every draw, call, event and piece is the same, but the digests of the wire are not")
    if again["status"] != result.status or tuple(again["failures"]) != result.failures:
        return _differed(result, f"every event is the same, but the second run is {again['status']}: {'; '.join(again['failures'])}")
    return result


def _look(words: Sequence[str], folder: Path, index: int) -> Parted:
    """Run both again, and see where they part this time and what they did there."""
    left, right = folder / "first", folder / "second"
    repeats = True
    for look in range(LOOKS_MAX):
        near, far = folder / f"left-{look}", folder / f"right-{look}"
        for place, seed in ((near, None), (far, _other_seed())):
            _repeat(words, folder / "again.jsonl", place, seed, at=index)
        if not (near / RECORDS).is_file() or not (far / RECORDS).is_file():
            break
        repeats = repeats and is_prefix(left, near, index) and is_prefix(right, far, index)
        again = first_difference(near / RECORDS, far / RECORDS)
        if again is None:  # by luck, or because what an earlier run left behind is there now
            continue
        left, right = near, far
        if again.index == index:
            break
        index = again.index
    return parted(left, right, repeats=repeats)


def _repeat(words: Sequence[str], journal: Path, trace: Path, hash_seed: str | None, *, at: int | None = None) -> dict[str, Any] | None:
    """The result of running `words` in another process; None where it had none."""
    command = [sys.executable, "-m", "papertape", words[0], "--json", "--journal", str(journal), *words[1:]]
    asked = {_FOLDER: str(trace), **({} if at is None else {_AT: str(at)}), **({} if hash_seed is None else {"PYTHONHASHSEED": hash_seed})}
    done = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    lines = done.stdout.splitlines()
    if not lines or not journal.is_file():
        return None
    result: dict[str, Any] = msgspec.json.decode(lines[-1])
    return result


def _other_seed() -> str:
    return "1" if os.environ.get("PYTHONHASHSEED", "") != "1" else "2"


def _differed(result: RunResult, how: str) -> RunResult:
    failures = (f"two runs differ: {how}", *result.failures)
    repro = _with_check(result.repro)
    return msgspec.structs.replace(result, status=Status.ERROR, failures=failures, error_exit=ExitCode.DIFFERED, repro=repro)


def _with_check(repro: str) -> str:
    """The command with the option in it, which must stand before the arguments of a program.

    >>> _with_check("papertape run bot.py"), _with_check("papertape run bot.py -- --fast")
    ('papertape run bot.py --check-determinism', 'papertape run bot.py --check-determinism -- --fast')
    """
    ours, dashes, theirs = repro.partition(" -- ")
    return f"{ours} --check-determinism{dashes}{theirs}"
