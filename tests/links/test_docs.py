"""docs/developer/adding_exchanges.md names files and names that are there."""

from __future__ import annotations

import re
from pathlib import Path

import papertape.testing.contract as contract
from papertape.exchanges.factory import OFFERS, ExchangeFactory

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/developer/adding_exchanges.md").read_text(encoding="utf-8")


def test_every_path_is_there() -> None:
    """As it is written, from the repository's root."""
    paths = re.findall(r"`((?:src|tests)/[^`]+)`", PAGE)
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).is_file()] == []


def test_every_main_name_is_defined_in_its_file() -> None:
    """A class, a function or a constant."""
    rows = re.findall(r"^\| `(src/[^`]+)` \| .* \| `(\w+)` \|$", PAGE, flags=re.MULTILINE)
    assert len(rows) == PAGE.count("\n| `src/")
    for path, name in rows:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(?:class|def|async def) {name}\b|^{name}\b.* = ", text, flags=re.MULTILINE), f"{path}: {name}"


def test_other_names_are_there_as_well() -> None:
    """Those in running text, and what the example imports."""
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src/papertape").rglob("*.py"))
    names = {name for name in re.findall(r"`(\w+)`", PAGE) if name not in ("kraken", "binance", "words", "request")}
    assert sorted(name for name in names if not re.search(rf"\b{name}\b", text)) == []
    assert f"`{OFFERS}`" in PAGE
    assert ExchangeFactory.register_exchange
    assert {"ExchangeContract", "Subject"} <= set(contract.__all__)
