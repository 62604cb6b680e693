"""`--papertape-check-determinism`: a marked test once more, and where the two runs part."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from papertape.reports.divergence import first_divergence

if TYPE_CHECKING:
    from papertape.testing.marked import Asked


class NotTheSame(AssertionError):
    """Two runs of one test with one seed were not the same."""


def check_repeats(once: Callable[[Path], None], asked: Asked) -> None:
    """Run the test twice more, each with its journal; raises `NotTheSame` with the first line that differs."""
    __tracebackhide__ = True
    with tempfile.TemporaryDirectory(prefix="papertape-") as folder:
        first, second = Path(folder, "first.jsonl"), Path(folder, "second.jsonl")
        once(first)
        once(second)
        parted = first_divergence(first, second)
    if parted is not None:
        raise NotTheSame(
            f"{parted.render('the first run', 'the second')}\nthe test takes something from outside of its session: what an earlier run "
            f"left, an address in memory, a file\nagain: {asked.repro} --papertape-check-determinism"
        )
