"""A scenario without a file: somebody's bot, the builtin market, some money, and the faults named on the command line."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from papertape.faults.base import Fault
from papertape.model.errors import ConfigError
from papertape.scenario.fault_text import rerun_command
from papertape.scenario.make import make_scenario
from papertape.session.spec import Depth, Scenario

ENTRY: Final = "main"

DEFAULT_VENUE: Final = "coinbase"

DEFAULT_VENUE_TABLE: Final[dict[str, Any]] = {
    "feed": {"tape": "builtin:btc-usd"},
    "account": {"USD": "100000", "BTC": "1"},
}
"""What a venue is if nobody says: the builtin market, and enough money to trade both ways."""


def bot_scenario(
    path: Path, *, venue: str = DEFAULT_VENUE, seed: int = 0, depth: Depth | str | None = None, faults: Sequence[Fault] = ()
) -> Scenario:
    """The scenario that `papertape run BOT.py` stands for.

    Raises:
        ConfigError: no such file, no Python, no `async def main(exchange, …)` in it, or no such venue.
    """
    if not has_entry(path):
        raise ConfigError(
            f"{path.as_posix()}: has no `async def {ENTRY}(exchange, …)` at its top level, so there is no bot to run; "
            "whole programs cannot be run yet"
        )
    raw: dict[str, Any] = {"title": path.name, "seed": seed, "venue": {venue: DEFAULT_VENUE_TABLE}, "bot": f"{path.name}:{ENTRY}"}
    if depth is not None:
        raw |= {"depth": depth}
    command = rerun_command(path, seed=seed, depth=depth, faults=faults, venue=venue)
    return make_scenario(raw, source=path.as_posix(), folder=path.parent, path=path, repro=command, more_faults=faults)


def has_entry(path: Path) -> bool:
    """Whether a script has a top-level `async def main(exchange, …)`; it is read, not run."""
    try:
        tree = ast.parse(path.read_bytes(), path.as_posix())
    except FileNotFoundError:
        raise ConfigError(f"{path.as_posix()}: there is no such file") from None
    except (SyntaxError, ValueError) as error:
        where = f" (line {error.lineno})" if isinstance(error, SyntaxError) and error.lineno else ""
        raise ConfigError(f"{path.as_posix()}: is no valid Python{where}: {getattr(error, 'msg', error)}") from None
    return any(isinstance(node, ast.AsyncFunctionDef) and node.name == ENTRY and bool(node.args.args) for node in tree.body)
