"""Digests of two synthetic scenarios: they move on purpose or not at all, and CHANGELOG says why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import papertape

GOLDENS: dict[str, str] = json.loads((Path(__file__).parent / "goldens.json").read_text())
REMEDY = "if that is on purpose, `python tests/session/goldens.py` writes them anew, and a line in CHANGELOG says why"


@pytest.mark.parametrize("scenario", list(GOLDENS))
def test_the_digest_is_the_one_that_was_committed(scenario: str) -> None:
    assert papertape.simulate(scenario).digest == GOLDENS[scenario], REMEDY


PYTHONS = [path for path in os.environ.get("PAPERTAPE_PYTHONS", "").split(os.pathsep) if path] or [sys.executable]


@pytest.mark.parametrize("python", PYTHONS)
def test_the_digest_is_the_same_on_every_python_of_the_machine(python: str) -> None:
    code = f"import papertape; print([papertape.simulate(path).digest for path in {list(GOLDENS)!r}])"
    told = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() == repr(list(GOLDENS.values()))


@pytest.mark.parametrize("python", PYTHONS)
def test_the_digest_over_the_wire_is_the_same_on_every_python_too(python: str) -> None:
    """What was said and done, that is; the bytes may differ, as libraries put their Python's version into them."""
    scenario = "scenarios/real_adapter.scenario.toml"
    code = f"import papertape; print(papertape.simulate({scenario!r}).digest)"
    told = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() == papertape.simulate(scenario).digest
