"""docs/coinbase.md lists what is served, no more and no less."""

from __future__ import annotations

import re
from pathlib import Path

from papertape.venues.coinbase.api import BROKERAGE, ENDPOINTS
from papertape.wire.coinbase.stream import CHANNELS

PAGE = (Path(__file__).parents[2] / "docs/coinbase.md").read_text(encoding="utf-8")


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
