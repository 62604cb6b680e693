"""The tape that the replay benchmarks play: generated once, kept in the cache folder.

About 86 % changes of one level and 14 % trades, some 1,000 live levels a side, 700 messages a second of venue time. The generator's tickers
are left out.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from papertape.model.errors import TapeError
from papertape.model.event import MarketEvent, Ticker
from papertape.model.units import SECOND
from papertape.tape.builtin import cache_folder
from papertape.tape.reader import open_tape
from papertape.tape.synth import GENERATOR_VERSION, Synth, synth
from papertape.tape.writer import TapeWriter

EVENTS: Final = int(os.environ.get("PAPERTAPE_BENCH_EVENTS", "2_000_000"))

MARKET: Final = Synth(seed=2, duration_ns=10_000_000 * SECOND, events_per_second=1_000, wander_ticks=62, reach_bits=15, orders=3_200)
"""Ends after `EVENTS` messages, not at its duration."""


def bench_tape(events: int = EVENTS) -> Path:
    """The path of the tape; two million messages take a minute the first time."""
    path = cache_folder() / f"bench-{events}-{GENERATOR_VERSION}.parquet"
    try:
        open_tape(path)
    except TapeError:
        _write(path, events)
    return path


def _write(path: Path, events: int) -> None:
    with TapeWriter(path, venue=MARKET.venue, instruments=[MARKET.instrument], connections=["synthetic"], source="benchmark") as writer:
        for event in itertools.islice(messages(), events):
            writer.write(event)
    writer.close()


def messages() -> Iterator[MarketEvent]:
    return (event for event in synth(MARKET) if type(event) is not Ticker)
