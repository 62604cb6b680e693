"""A scenario without a file: somebody's bot, the builtin market, some money, and the faults named on the command line."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.faults.base import Fault
from papertape.scenario.fault_text import rerun_command
from papertape.scenario.feed import read_feeds
from papertape.scenario.load import read_toml
from papertape.scenario.make import make_scenario
from papertape.scenario.table import Table
from papertape.session.botfile import load_bot
from papertape.session.opening import opened
from papertape.session.script import read_python
from papertape.session.spec import Depth, Scenario
from papertape.tape.builtin import PREFIX
from papertape.tape.files import BUCKETS
from papertape.venues import canonical

ENTRY: Final = "main"

DEFAULT_VENUE: Final = "coinbase"

MUCH: Final = "100000"
SOME: Final = "1"

DEFAULT_VENUE_TABLE: Final[dict[str, Any]] = {
    "feed": {"tape": "builtin:btc-usd"},
    "account": {"USD": MUCH, "BTC": SOME},
}
"""What a venue is if nobody says: the builtin market, and enough money to trade both ways."""


def bot_scenario(
    path: Path,
    *,
    venue: str = DEFAULT_VENUE,
    tape: str | None = None,
    seed: int = 0,
    depth: Depth | str | None = None,
    faults: Sequence[Fault] = (),
    program_args: Sequence[str] | None = None,
) -> Scenario:
    """The scenario that `papertape run BOT.py` stands for.

    Args:
        tape: instead of the builtin market: a tape, "builtin:NAME", or a TOML file with the keys of a feed. There is money for all its
            instruments.
        program_args: run it as a program, with these in its `sys.argv`. None lets the file decide: one that has
            `async def main(exchange, …)` at its top level is a bot, unless it runs itself and knows nothing of papertape; any other a
            program.

    Raises:
        ConfigError: no such file, no Python, or no such venue.
        TapeError: no such tape.
    """
    table = DEFAULT_VENUE_TABLE if tape is None else _venue_table(tape, venue)
    raw: dict[str, Any] = {"title": path.name, "seed": seed, "venue": {venue: table}}
    if program_args is None and has_entry(path):
        raw |= {"bot": f"{path.name}:{ENTRY}"}
    else:
        raw |= {"program": path.name, "program_args": list(program_args or ())}
    if depth is not None:
        raw |= {"depth": depth}
    command = rerun_command(path, seed=seed, depth=depth, faults=faults, venue=venue, tape=tape, program_args=program_args)
    return make_scenario(raw, source=path.as_posix(), folder=path.parent, path=path, repro=command, more_faults=faults)


def _venue_table(tape: str, venue: str) -> dict[str, Any]:
    """A venue that plays what `--tape` names, with money for it."""
    source = f"--tape {tape}"
    value: Any = tape if tape.startswith(PREFIX) else Path(tape).expanduser().absolute().as_posix()
    folder = Path()
    if tape.endswith(".toml"):
        source, folder = tape, Path(value).parent
        value = read_toml(Path(tape))
    table = Table({"feed": value}, source, f"[venue.{venue}]")
    (feed,) = read_feeds(table, folder, canonical(venue))
    named = [text.partition("=")[0] for text in ([] if feed.files is None else feed.files.instrument)]
    symbols = named or [each.symbol for each in opened(feed, folder, source).tape.instruments]
    account: dict[str, str] = {}
    for base, _, quote in (symbol.partition("/") for symbol in symbols):
        account[quote] = MUCH
        account.setdefault(base, SOME)
    return {"feed": _moved(value, folder) if isinstance(value, dict) else value, "account": account}


def _moved(feed: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A feed's table, as seen from anywhere."""

    def place(text: str) -> str:
        return text if text.startswith((BUCKETS, PREFIX)) else (folder / Path(text).expanduser()).as_posix()

    paths = {key: feed[key] for key in ("path", "tape", "columns") if key in feed}
    return feed | {
        key: [place(each) for each in told] if isinstance(told, list) else place(told) if isinstance(told, str) else told
        for key, told in paths.items()
    }


def market_scenario(tape: str, bot: str, *, venue: str = DEFAULT_VENUE, depth: Depth | str | None = None) -> Scenario:
    """A bot of the installed packages on a builtin tape; it is expected to be well again within a minute of whatever happens to it.

    Raises:
        ConfigError: no such tape or venue.
    """
    raw: dict[str, Any] = {"title": f"{bot} on {tape}", "bot": bot, "venue": {venue: DEFAULT_VENUE_TABLE | {"feed": {"tape": tape}}}}
    raw |= {"expect": {"recovers_within": "60s"}} | ({} if depth is None else {"depth": depth})
    return make_scenario(raw, source=tape, folder=Path())


def with_bot(scenario: Scenario, bot: str) -> Scenario:
    """The scenario with another bot, which gets the old one's settings where it is of the same make, and else at most its symbol."""
    config = scenario.bot_config
    if not _is_kin(scenario, bot):
        config = {key: value for key, value in config.items() if key == "symbol"}
    return msgspec.structs.replace(scenario, bot=bot, bot_config=config, program=None, program_args=(), repro="")


def _is_kin(scenario: Scenario, bot: str) -> bool:
    """Whether one bot's class is made from the other's."""
    old, new = (load_bot(each, scenario.folder) for each in (scenario.bot or bot, bot))
    return isinstance(old, type) and isinstance(new, type) and (issubclass(new, old) or issubclass(old, new))


def has_entry(path: Path) -> bool:
    """Whether a script has a top-level `async def main(exchange, …)`; it is read, not run."""
    tree = read_python(path)
    is_there = any(isinstance(node, ast.AsyncFunctionDef) and node.name == ENTRY and bool(node.args.args) for node in tree.body)
    return is_there and (_knows_us(tree) or not _runs_itself(tree))


def _knows_us(tree: ast.Module) -> bool:
    """Whether papertape is imported anywhere in a script."""
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return any(name.split(".")[0] == "papertape" for name in names)


def _runs_itself(tree: ast.Module) -> bool:
    """Whether a script calls `main` by itself, as in `asyncio.run(main(ccxt.coinbase()))`."""
    outside = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    calls = [node for each in outside for node in ast.walk(each) if isinstance(node, ast.Call)]
    return any(isinstance(call.func, ast.Name) and call.func.id == ENTRY for call in calls)
