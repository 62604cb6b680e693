"""ARCHITECTURE.md: short, and its pictures are the code's."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from papertape.resilience import feed, reconnect, tracker

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def printed(table: Mapping[tuple[Enum, Enum], Enum]) -> str:
    """A state table as the document shows it: a line for each state, its moves in the table's order."""
    rows: dict[str, list[str]] = {}
    for (state, signal), after in table.items():
        rows.setdefault(state.name, []).append(f"{signal.name} ▶ {after.name}")
    width = max(len(name) for name in rows)
    return "\n".join(f"{name.ljust(width)}  {' · '.join(moves)}" for name, moves in rows.items())


def test_it_can_be_read_in_one_sitting() -> None:
    """Fewer than 200 lines."""
    assert len(TEXT.splitlines()) < 200


def test_a_lanes_life_is_the_reconnect_table() -> None:
    """The picture is printed from the table; where they differ, one of them is wrong."""
    assert printed(reconnect.NEXT) in TEXT


def test_a_feeds_life_is_the_feed_table() -> None:
    """Likewise."""
    assert printed(feed.NEXT) in TEXT


def test_an_intents_life_is_the_tracker_table() -> None:
    """Likewise."""
    assert printed(tracker.NEXT) in TEXT


def test_the_layers_are_those_that_are_checked() -> None:
    """The layers that import-linter holds, top to bottom, are the first words of the lines in the picture."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    checked = config["tool"]["importlinter"]["contracts"][0]["layers"]
    picture = TEXT.split("## Layers")[1].split("```")[1].splitlines()
    drawn = [" | ".join(word for word in line.split("  ")[0].split(" | ")) for line in picture if line]
    there = [[part for part in layer.replace(" ", "").split("|") if not part.startswith("(")] for layer in checked]
    assert drawn == [" | ".join(parts) for parts in there if parts]
