"""The canaries say what they are: which bug, from where, and what must find it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from papertape.bots.canaries import CANARIES, bot_of
from papertape.bots.canaries.base import BrokenShell, Canary, line_of
from papertape.bots.market_maker import MarketMaker
from papertape.model.errors import ConfigError
from papertape.session.botfile import load_bot


@pytest.mark.parametrize("name", CANARIES)
def test_a_canary_tells_its_bug_its_origin_and_who_finds_it(name: str) -> None:
    """The docstring cites a thread, and names what the class says."""
    text = CANARIES[name].__doc__ or ""
    assert "The bug:" in text
    assert re.search(r"From: [\w.-]+/[\w.-]+#\d+", text)
    assert f"Caught by `{CANARIES[name].caught_by[0]}`" in text


@pytest.mark.parametrize("name", CANARIES)
def test_a_scenario_can_name_each(name: str) -> None:
    assert load_bot(bot_of(name), Path()) is CANARIES[name]


def test_a_canary_takes_the_keys_of_the_healthy_bot() -> None:
    """So that it can take its place in any scenario."""
    for canary in CANARIES.values():
        bot = canary(symbol="ETH/USD", size="0.02", every="1s")
        assert isinstance(bot, MarketMaker)
        assert (bot.symbol, str(bot.size)) == ("ETH/USD", "0.02")


def test_only_our_own_shell_can_be_broken() -> None:
    """On somebody's own adapter a broken shell would break nothing, and prove nothing."""
    theirs: Any = object()
    with pytest.raises(ConfigError, match="object has none: run it on a ResilientExchange"):
        line_of(theirs)


def test_there_are_bugs_of_both_kinds() -> None:
    """In the bot's own code, and in what it trades through."""
    shells = [canary for canary in CANARIES.values() if issubclass(canary, BrokenShell)]
    assert 0 < len(shells) < len(CANARIES)
    assert all(issubclass(canary, Canary) for canary in CANARIES.values())
