"""Rounds that nobody can see are passed over, and nobody sees it: the journal is that of a run in which each of them happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.session.both_engines import Sleeper, journal

from papertape.model.units import SECOND
from papertape.session import run
from papertape.session.world import VenueWorld, build_venue
from papertape.sim.stream import Stream
from papertape.tape.synth import Synth, write_synth

FAULTS: list[dict[str, Any]] = [
    {"kind": "disconnect", "at": "40s", "connection": "user", "lasts": "20s"},
    {"kind": "disconnect", "at": "200s", "connection": "market", "lasts": "3s"},
    {"kind": "latency", "at": "60s", "connection": "market", "add": "2s", "shape": "drift", "lasts": "60s"},
    {"kind": "latency", "at": "90s", "connection": "user", "add": "700ms", "lasts": "45s"},
    {"kind": "gap", "at": "70s", "connection": "user", "channel": "orders"},
    {"kind": "gap", "at": "110s", "connection": "market", "count": 2},
    {"kind": "gap", "at": "50s", "connection": "user", "count": 7},
    {"kind": "stall", "at": "100s", "connection": "user", "lasts": "4s"},
    {"kind": "stall", "at": "150s", "connection": "market", "lasts": "12s"},
    {"kind": "duplicate", "at": "30s", "connection": "user", "count": 2},
    {"kind": "reorder", "at": "20s"},
    {"kind": "mute", "at": "80s", "channel": "orders", "lasts": "1s"},
    {"kind": "clock_skew", "at": "85s", "by": "30s", "drift_ppm": 500, "lasts": "50s"},
    {"kind": "clock_skew", "at": "45s", "by": "1s", "drift_ppm": 20000, "direction": "ahead", "lasts": "200s"},
    {"kind": "mute", "at": "75s", "channel": "trades", "lasts": "60s"},
    {"kind": "short_lived", "at": "160s", "connection": "market", "lives": "7s", "lasts": "40s"},
    {"kind": "lost_reply", "on": "order.create", "nth": 1},
    {"kind": "outage", "at": "120s", "lasts": "15s"},
]


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("passing") / "quiet.parquet"
    write_synth(Synth(seed=5, duration_ns=300 * SECOND, events_per_second=1), path)
    return path


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    faults=st.lists(st.sampled_from(FAULTS), max_size=4, unique_by=str),
    latency=st.sampled_from([{}, {"market": {"kind": "constant", "value": "40ms"}}, {"order": {"kind": "constant", "value": "1s"}}]),
    venue=st.sampled_from(["coinbase", "coinbase", "binance"]),
)
@example(seed=1, faults=[], latency={}, venue="coinbase")
def test_a_run_that_passes_rounds_over_is_like_one_in_which_each_happens(
    tape: Path, seed: int, faults: list[dict[str, Any]], latency: dict[str, Any], venue: str
) -> None:
    """Line by line, and so does the bot see its lanes; wherever a fault begins or ends, and however the bot waits."""
    passing, plain = (told_and_counted(tape, asked, seed, faults, latency, venue) for asked in ("fast", "plain"))
    assert passing == plain


def told_and_counted(tape: Path, asked: str, seed: int, faults: list[dict[str, Any]], latency: dict[str, Any], venue: str) -> list[Any]:
    """The journal, what the bot saw, how each connection counted, and how often the observer looked."""
    worlds: list[VenueWorld] = []
    streams: list[Stream] = []

    def built(*args: Any, **options: Any) -> VenueWorld:
        world = build_venue(*args, **options)
        before = world.door.broadcast.on_opened
        world.door.broadcast.on_opened = lambda stream: (streams.append(stream), before(stream))[1]
        worlds.append(world)
        return world

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "build_venue", built)
        lines = journal(tape, asked, seed, faults, latency, Sleeper, venue)
    counted = [(stream.number, stream.sequence, stream.heartbeats) for stream in streams]
    watches = [each.watching.watches for each in worlds if each.watching is not None]
    return [*lines, *counted, *({name: watch.looks for name, watch in its.items()} for its in watches)]
