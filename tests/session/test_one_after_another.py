"""A process plays many runs: what came before makes no difference to a run, and of each nothing is left but its result."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any, Final

from papertape.scenario.make import make_scenario
from papertape.scenario.swarm import swarm
from papertape.session.run import run_scenario
from papertape.session.spec import Scenario
from papertape.session.world import KeptRows, VenueWorld

SPAN_NS: Final = 20_000_000_000

RAW: Final[dict[str, Any]] = {
    "title": "One after another",
    "depth": "wire",
    "bot": "papertape.bots:MarketMaker",
    "venue": {"coinbase": {"feed": {"tape": "builtin:btc-usd", "end": "20s"}, "account": {"USD": "100000", "BTC": "1"}}},
    "expect": {"recovers_within": "60s"},
}
"""The real adapter, for twenty seconds."""

SUBJECT: Final = 1

OTHERS: Final = (5, 9, 13)
"""Seeds that die and start anew, or whose lines break, before the subject's turn."""


def of_seed(seed: int) -> Scenario:
    """What a sweep would draw."""
    return swarm(make_scenario(RAW, source="a test", folder=Path()), seed, SPAN_NS)


def digests(*seeds: int) -> tuple[str, str | None]:
    """Of the last of these seeds, over what was said and done and over every byte."""
    kept = KeptRows()
    result = [run_scenario(of_seed(seed), kept=kept) for seed in seeds][-1]
    return result.digest, result.wire_digest


def test_a_run_alone_in_its_process_is_the_same_as_after_others() -> None:
    """To the last byte: others have spent numbers and randomness, filled caches, crashed and left libraries as they leave them."""
    here = Path(__file__).parent
    code = f"import sys; sys.path.insert(0, {str(here)!r}); import {Path(__file__).stem} as it; print(it.digests({SUBJECT}))"
    alone = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert alone.returncode == 0, alone.stderr
    assert alone.stdout.strip() == repr(digests(*OTHERS, SUBJECT))


def test_a_world_is_gone_when_its_run_is_over() -> None:
    """Also one whose bot has died and whose lines broke, and without waiting for somebody to look through all of memory."""
    worlds: list[weakref.ref[VenueWorld]] = []
    gc.disable()
    try:
        for seed in OTHERS:
            run_scenario(of_seed(seed), inspect=lambda found: worlds.extend(map(weakref.ref, found)))
            assert [world() for world in worlds] == [None] * len(worlds)
        assert len(worlds) == len(OTHERS)
    finally:
        gc.enable()
