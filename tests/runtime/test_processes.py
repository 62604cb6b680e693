"""The same program does the same in every process, whatever its hash seed and its addresses in memory."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROBES = Path(__file__).parent / "probes.py"


def run_probes(hash_seed: str) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run([sys.executable, PROBES], env=environment, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]  # as it was printed


@pytest.fixture(scope="module")
def results() -> list[dict[str, Any]]:
    return [run_probes(hash_seed) for hash_seed in ("0", "1", "42", "random")]


def test_every_order_is_the_same_in_every_process(results: list[dict[str, Any]]) -> None:
    """asyncio's sets, timers, groups and conditions, and all entropy, give one result for four hash seeds."""
    for other in results[1:]:
        assert other == results[0]


@pytest.mark.parametrize(
    "probe",
    ["wait_for_all", "as_completed", "task_group", "a_set_of_futures", "equal_timers", "conditions", "async_generators", "leftovers"],
)
def test_the_order_is_that_of_creation(results: list[dict[str, Any]], probe: str) -> None:
    """Not merely the same order each time, but the one a reader expects."""
    assert results[0][probe] == list(range(12))


def test_the_orders_are_the_same_on_every_python(results: list[dict[str, Any]]) -> None:
    """Spelled out, so that another version of Python that disagrees is noticed."""
    first = results[0]
    assert first["wait_for_the_first"] == [[0], list(range(1, 12))]  # what the first timer causes is done before the second rings
    assert first["all_tasks"] == ["Task-1"] + [f"mine {number}" for number in range(12)]
    assert first["a_set_of_tasks"] == [str(number) for number in range(12)]
    assert first["gather"] == [*range(12), *range(12)]
    assert first["equal_timeouts"] == [["timed out", number] for number in range(6)]
    assert first["entropy"][0] == 0.5656543440729972
