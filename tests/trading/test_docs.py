"""What docs/configuration.md and docs/live.md show works as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import msgspec
import pytest

from papertape.cli.commands import COMMANDS
from papertape.cli.main import find_command
from papertape.trading.config import Config, VenueConfig, load_config
from papertape.trading.config.layers import KEYS, TABLES

ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("configuration.md", "live.md")}
BLOCKS = [block for page in PAGES.values() for block in re.findall(r"```(\w+)\n(.*?)```", page, flags=re.DOTALL)]


def test_the_file_that_is_shown_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = [text for language, text in BLOCKS if language == "toml"]
    monkeypatch.chdir(tmp_path)
    Path("papertape.toml").write_text(text)
    config = load_config(environment={})
    assert config.limits is not None
    assert set(config.layers.raw) == set(KEYS) | set(TABLES)


def test_each_key_is_explained() -> None:
    page = PAGES["configuration.md"]
    for key in (*KEYS, *(field.name for field in msgspec.structs.fields(VenueConfig))):
        assert f"`{key}" in page or f".{key}" in page or f"`{key}`" in page, key
    assert {field.name for field in msgspec.structs.fields(Config)} >= {"mode", "exchange", "state"}


def test_the_commands_that_are_shown_are_commands() -> None:
    lines = [line.partition("#")[0].strip() for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
    assert len(lines) > 4
    for line in lines:
        found = find_command(shlex.split(line)[1:])
        assert not isinstance(found, str), line
        assert found[0] in COMMANDS


def test_the_program_that_is_shown_compiles() -> None:
    for text in [text for language, text in BLOCKS if language == "python"]:
        compile(text, "docs", "exec")
