"""Checks that a client makes of a served venue, one line of JSON for each; runs in the client's environment, on nothing but Python."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

PATIENCE_S = 30
"""For what has to come in the end: a fill, a message, a market that stands still."""

Check = Callable[[Any], Any]


class Claim(NamedTuple):
    """A check as it is told of: what part of the venue it is about, the function's name, and its docstring."""

    area: str
    name: str
    words: str


class Checks:
    """What is claimed, in the order in which it stands in the file.

    A check is a function of the readiness line, and fails by raising; its docstring is the claim. It has to put each thing that it says
    of an answer to the test: that nothing was raised proves nothing.
    """

    def __init__(self) -> None:
        self._checks: list[tuple[str, Check]] = []

    def __call__(self, area: str) -> Callable[[Check], Check]:
        def add(check: Check) -> Check:
            self._checks.append((area, check))
            return check

        return add

    def run(self, package: str) -> None:
        """Make every check of the venue whose readiness line is the first argument, and print a line for each."""
        ready = json.loads(sys.argv[1])
        claims = [Claim(area, check.__name__, " ".join((check.__doc__ or "").split())) for area, check in self._checks]
        print(json.dumps({"version": f"{package} {version(package)}", "claims": claims}), flush=True)
        for claim, (_, check) in zip(claims, self._checks, strict=True):
            print(json.dumps({"name": claim.name, "failed": made(check, ready)}), flush=True)
        os._exit(0)  # a thread of the client's that is stuck is no reason to wait


def made(check: Check, ready: Any) -> str:
    """What went wrong; empty if nothing did."""
    try:
        answer = check(ready)
        if inspect.iscoroutine(answer):
            asyncio.run(asyncio.wait_for(answer, 2 * PATIENCE_S))
    except Exception:
        return traceback.format_exc()
    return ""


def until(ask: Callable[[], Any], what: str) -> Any:
    """What `ask` says as soon as that is something; fails when patience is at its end."""
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        if found := ask():
            return found
        time.sleep(0.25)  # the venue counts requests
    raise AssertionError(f"waited {PATIENCE_S} s for {what}")


def name_of_order(word: str) -> str:
    """A client order id that no other check has, the same each time."""
    return f"{Path(sys.argv[0]).stem}-{word}"
