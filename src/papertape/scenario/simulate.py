"""`papertape.simulate`: the one entry point under the command line, tests and sweeps."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import msgspec

from papertape.faults.base import Fault
from papertape.model.errors import ConfigError
from papertape.scenario.load import load_scenario
from papertape.scenario.make import make_scenario
from papertape.scenario.quick import DEFAULT_VENUE, DEFAULT_VENUE_TABLE
from papertape.scenario.served import make_servers
from papertape.session.result import RunResult
from papertape.session.run import run_scenario
from papertape.session.servers import NetworkResult, run_servers
from papertape.session.spec import Depth, Scenario, VenueSpec

FaultLike = Fault | Mapping[str, Any] | str


@overload
def simulate(
    scenario: Scenario | Path | str | Callable[..., Any],
    *,
    venues: Mapping[str, VenueSpec | Mapping[str, Any]] | None = None,
    faults: Sequence[FaultLike] = (),
    heal: Mapping[str, Any] | str | None = None,
    expect: Mapping[str, Any] | None = None,
    hosts: Mapping[str, str] | None = None,
    bot_config: Mapping[str, Any] | None = None,
    title: str = "",
    seed: int | None = None,
    depth: Depth | str | None = None,
    journal_path: Path | str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RunResult: ...


@overload
def simulate(
    scenario: Callable[..., Any],
    *,
    servers: Mapping[str, Callable[..., Any]],
    faults: Sequence[FaultLike] = (),
    heal: Mapping[str, Any] | str | None = None,
    hosts: Mapping[str, str] | None = None,
    title: str = "",
    seed: int | None = None,
    depth: Depth | str | None = None,
    journal_path: Path | str | None = None,
    limit: str | None = None,
    trace: bool = False,
    must_hit: bool = True,
) -> NetworkResult: ...


def simulate(
    scenario: Scenario | Path | str | Callable[..., Any],
    *,
    venues: Mapping[str, VenueSpec | Mapping[str, Any]] | None = None,
    servers: Mapping[str, Callable[..., Any]] | None = None,
    faults: Sequence[FaultLike] = (),
    heal: Mapping[str, Any] | str | None = None,
    expect: Mapping[str, Any] | None = None,
    hosts: Mapping[str, str] | None = None,
    bot_config: Mapping[str, Any] | None = None,
    title: str = "",
    seed: int | None = None,
    depth: Depth | str | None = None,
    journal_path: Path | str | None = None,
    progress: Callable[[int, int], None] | None = None,
    limit: str | None = None,
    trace: bool = False,
    must_hit: bool = True,
) -> RunResult | NetworkResult:
    """Run a scenario, or a program with its own servers, in virtual time and say what came of it. Synchronous: it makes its own event loop.

    Args:
        scenario: a `Scenario`, the path of a scenario file, or the bot itself: a Bot class or `async def main(exchange, **bot_config)`.
            With `servers`: `async def main(world)`.
        venues: with a bot: tables in the shape of the file's [venue.NAME]; Coinbase on the builtin market if left out.
        servers: instead of venues: a handler for each url, ws(s), http(s), tcp or tls; see `session.servers`.
        faults: with a bot or servers: faults, tables in the shape of [[fault]], or bare kinds; with servers those of the network.
        heal, expect, hosts, bot_config, title: with a bot: as in the file; with servers `heal` may be a bare duration, and there is neither
            `expect` nor `bot_config`.
        seed: instead of the scenario's.
        depth: instead of the scenario's.
        journal_path: where to write the journal.
        progress: called now and then with (run time, the feed's end), both nanoseconds.
        limit: with servers: the virtual time within which main must end, such as "6h"; 2 hours if left out.
        trace: with servers: keep the bytes of each connection for `world.trace`.
        must_hit: with servers: whether a fault that hit nothing makes the run vacuous.

    Raises:
        ConfigError: something in the scenario or the call must be edited.
        TapeError: a tape is missing or damaged.
    """
    if servers is not None:
        not_here = {"venues": venues, "expect": expect, "bot_config": bot_config, "progress": progress}
        spec = make_servers(
            scenario, servers, faults=faults, heal=heal, hosts=hosts, seed=seed, depth=depth, title=title, limit=limit, trace=trace,
            must_hit=must_hit, not_here=[key for key, value in not_here.items() if value], where=_where(scenario),
        )  # fmt: skip
        return run_servers(spec, journal_path=None if journal_path is None else Path(journal_path))
    for key, value in {"limit": limit, "trace": trace, "must_hit": not must_hit}.items():
        if value:
            raise ConfigError(f"simulate(): `{key}` goes with `servers`")
    if isinstance(heal, str):
        heal = {"at": heal}
    in_code = {"venues": venues, "faults": faults, "heal": heal, "expect": expect, "hosts": hosts, "bot_config": bot_config, "title": title}
    if isinstance(scenario, Scenario | str | Path):
        given = [key for key, value in in_code.items() if value]
        if given:
            raise ConfigError(f"simulate(): `{given[0]}` goes with a bot; a scenario brings its own, so edit that")
        made = load_scenario(scenario, seed=seed, depth=depth) if not isinstance(scenario, Scenario) else _changed(scenario, seed, depth)
    elif callable(scenario):
        tables: dict[str, Any] = {"title": title, "bot": scenario, "bot_config": bot_config, "seed": seed, "depth": depth}
        tables |= {"venue": venues or {DEFAULT_VENUE: DEFAULT_VENUE_TABLE}, "fault": list(faults)}
        tables |= {"heal": heal, "expect": expect, "hosts": hosts}
        raw = {key: value for key, value in tables.items() if value is not None and value != ""}
        made = make_scenario(raw, source="simulate()", folder=Path(), repro=_call(scenario, seed or 0))
    else:
        raise ConfigError(f"simulate(): the first argument is {scenario!r}; expected a Scenario, the path of one, or a bot")
    return run_scenario(made, journal_path=None if journal_path is None else Path(journal_path), progress=progress)


def _changed(scenario: Scenario, seed: int | None, depth: Depth | str | None) -> Scenario:
    seed = scenario.seed if seed is None else seed
    return msgspec.structs.replace(scenario, seed=seed, depth=scenario.depth if depth is None else Depth(depth))


def _call(bot: object, seed: int) -> str:
    """No command line can name a function in somebody's program; say which call it was."""
    return f"papertape.simulate({getattr(bot, '__qualname__', repr(bot))}, …, seed={seed}) in {_where(bot)}"


def _where(bot: object) -> str:
    module = inspect.getmodule(bot)
    return module.__name__ if module else "your program"
