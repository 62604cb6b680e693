"""`--check-determinism`: the same run once more, in a process of its own where Python hashes strings otherwise."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from papertape.model.errors import PapertapeError
from papertape.reports.divergence import first_divergence
from papertape.session.result import ExitCode, RunResult, Status


def differs_when_repeated(result: RunResult, first: Path, second: Path) -> RunResult:
    """`result` itself if the second run is the same, else an error with the first divergent event.

    Args:
        result: of the first run; its `repro` is what is run again.
        first: the first run's journal.
        second: where to write the second's.
    """
    again = _repeat(shlex.split(result.repro)[1:], second)
    found = first_divergence(first, second)
    if found is not None:
        return _differed(result, found.render("the first run", "the second"))
    if again["digest"] != result.digest:
        return _differed(result, f"the journals are the same, the digests are not: {result.digest} and {again['digest']}")
    if again["wire_digest"] != result.wire_digest:
        return _differed(result, "every event is the same, but the bytes on the wire are not")
    if again["status"] != result.status or tuple(again["failures"]) != result.failures:
        return _differed(result, f"every event is the same, but the second run is {again['status']}: {'; '.join(again['failures'])}")
    return result


def _repeat(words: list[str], journal: Path) -> dict[str, Any]:
    mine = os.environ.get("PYTHONHASHSEED", "")
    seed = "1" if mine != "1" else "2"
    command = [sys.executable, "-m", "papertape", *words, "--json", "--journal", str(journal)]
    done = subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    lines = done.stdout.splitlines()
    if not lines or not journal.is_file():
        raise PapertapeError(f"the second run, for --check-determinism, did not get as far as a journal: {done.stderr.strip()}")
    again: dict[str, Any] = msgspec.json.decode(lines[-1])
    return again


def _differed(result: RunResult, how: str) -> RunResult:
    failures = (f"two runs differ: {how}", *result.failures)
    repro = f"{result.repro} --check-determinism"
    return msgspec.structs.replace(result, status=Status.ERROR, failures=failures, error_exit=ExitCode.DIFFERED, repro=repro)
