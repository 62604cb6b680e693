"""docs/coinbase.md lists what is served, no more and no less."""

from __future__ import annotations

import re
from pathlib import Path

from broken.test_coinbase_incidents import AT_WIRE, COINBASE, INCIDENTS
from papertape.scenario.load import load_scenario
from papertape.session.spec import Depth
from papertape.venues.coinbase.api import BROKERAGE, ENDPOINTS
from papertape.wire.coinbase.stream import CHANNELS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/coinbase.md").read_text(encoding="utf-8")


def test_the_page_lists_every_endpoint_with_its_right_and_parameters() -> None:
    """In the order of the table that the parser reads by."""
    listed = re.findall(r"^\| (GET|POST) \| `([^`]+)` \| (\S+) \| (.+) \|$", PAGE, flags=re.MULTILINE)
    served = [
        (
            each.method,
            each.path.replace(BROKERAGE, "…"),
            str(each.right or "–"),
            ", ".join(f"`{param.name}`" for param in each.params if f"{{{param.name}}}" not in each.path) or "–",
        )
        for each in ENDPOINTS
    ]
    assert listed == served


def test_the_page_lists_every_channel() -> None:
    """By the name that it is subscribed to under."""
    section = PAGE.partition("## Streams")[2].partition("## What differs")[0]
    assert sorted(re.findall(r"^\| `(\w+)`", section, flags=re.MULTILINE)) == sorted(CHANNELS)


def test_every_oddity_has_a_story_that_is_told_at_wire_depth() -> None:
    """Each scenario that the page names is there, and is run over the real adapter; each of ours is named, and each test too."""
    section = PAGE.partition("## Where its oddities are tried")[2]
    rows = re.findall(r"^\| (?!oddity|incident)(.+) \| (.+) \| (.+) \|$", section, flags=re.MULTILINE)
    assert len(rows) > 30
    told: dict[str, None] = {}
    for oddity, where, _ in rows:
        tests = re.findall(r"\[`(\w+)`\]\(\.\./(\S+)\)", where)
        stories = re.findall(r"(?<!\[)`(\w+)`", where.partition("(the hours")[0])
        assert tests or stories, oddity
        assert all((ROOT / path).is_file() and Path(path).stem == name for name, path in tests), oddity
        for story in stories:
            folder = next(folder for folder in (COINBASE, INCIDENTS) if (folder / f"{story}.scenario.toml").is_file())
            scenario = load_scenario(folder / f"{story}.scenario.toml")
            assert scenario.depth is Depth.WIRE or story in AT_WIRE, story
            told[story] = None
    ours = [path.name.removesuffix(".scenario.toml") for path in COINBASE.glob("*.toml")]
    assert [name for name in (*ours, *AT_WIRE) if name not in told] == []
