"""Programs for tests: a script's text becomes a run against half a minute of the builtin market."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from papertape.scenario.load import load_scenario
from papertape.session.result import RunResult
from papertape.session.run import run_scenario

SCENARIO = """
title = "A program of somebody's"
program = "bot.py"
program_args = ["--size", "0.01"]
{top}

[venue.coinbase]
feed = {{ tape = "builtin:btc-usd", end = "30s" }}
account = {{ USD = "100000", BTC = "1" }}
{tables}
"""

ASK = """
async def ask(path="/api/v3/brokerage/market/products", host="api.coinbase.com"):
    import aiohttp
    async with aiohttp.ClientSession() as session, session.get(f"https://{host}{path}") as response:
        return response.status
"""
"""One request without keys, for programs whose business is something else."""


NO_TRADING = '[expect]\ninvariants = ["rate_respected"]'
"""For programs that are not to trade: by what else they are judged."""


def run_program(folder: Path, text: str, *, top: str = "", tables: str = "", **options: Any) -> RunResult:
    """What comes of the program `text`; `ask()` is defined in it."""
    (folder / "bot.py").write_text(ASK + textwrap.dedent(text), encoding="utf-8")
    path = folder / "story.scenario.toml"
    path.write_text(SCENARIO.format(top=top, tables=tables), encoding="utf-8")
    return run_scenario(load_scenario(path), **options)
