"""Every scenario in the gallery holds, at its own depth and seed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import papertape

GALLERY = Path(__file__).parents[2] / "scenarios"
SCENARIOS = sorted(GALLERY.rglob("*.scenario.toml"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name.removesuffix(".scenario.toml"))
def test_the_story_ends_well(path: Path) -> None:
    """It passes: every fault hit something, everything demanded happened, every invariant was judged and held."""
    result = papertape.simulate(path)
    assert result.is_passed, result.failures
    assert result.faults
    assert result.orders


def test_the_gallery_is_not_empty() -> None:
    """Ten stories, each with a sentence for a title."""
    assert len(SCENARIOS) >= 10
    assert all(len(papertape.load_scenario(path).title.split()) > 4 for path in SCENARIOS)


def test_each_incident_cites_its_thread() -> None:
    """Whose story it is, owner/repository#number, in the first lines, before what our shell does about it."""
    for path in [path for folder in ("incidents", "coinbase") for path in sorted((GALLERY / folder).glob("*.scenario.toml"))]:
        text = path.read_text(encoding="utf-8")
        told = text.partition("title = ")[0]
        assert all(line.startswith("# ") for line in told.splitlines()), path.name
        assert re.search(r"[\w.-]+/[\w.-]+#\d+", told), path.name
        scenario = papertape.load_scenario(path)
        assert scenario.expect.invariants, path.name
        assert scenario.expect.must_hit, path.name
