"""A scenario as the file that loads as the same scenario: what a sweep finds, a person keeps.

Only what differs from the defaults is written, in the order in which people write it. Paths are written as seen from the file's own folder.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.faults.base import as_table
from papertape.model.errors import ConfigError
from papertape.model.units import plain
from papertape.scenario.shelves import BUILTIN
from papertape.session.spec import Depth, Expect, ExpectVenue, FeedSpec, ModelSpec, Scenario, VenueSpec
from papertape.tape.files import BUCKETS, Files

_PLAIN: Final = Files(format="", path=())
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


def scenario_text(scenario: Scenario, folder: Path | None = None) -> str:
    """The TOML that `load_scenario` reads back as `scenario`, from a file in `folder`; in the scenario's own if left out.

    Raises:
        ConfigError: its bot is an object, which no file can name.
    """
    away = _Away(scenario.folder, scenario.folder if folder is None else folder)
    head: dict[str, Any] = {"title": scenario.title}
    if scenario.seed:
        head["seed"] = scenario.seed
    if scenario.depth is not (Depth.INTERFACE if scenario.program is None else Depth.WIRE):
        head["depth"] = str(scenario.depth)
    if scenario.program is not None:
        head["program"] = away.path(scenario.program)
        head |= {"program_args": list(scenario.program_args)} if scenario.program_args else {}
    else:
        head["bot"] = _bot(scenario, away)
        head |= {"bot_config": scenario.bot_config} if scenario.bot_config else {}
    blocks = [_lines(head)]
    blocks += [[f"[venue.{_key(name)}]", *_lines(_venue(spec, away))] for name, spec in scenario.venues.items()]
    blocks += [["[[fault]]", *_lines(as_table(fault))] for fault in scenario.faults]
    if scenario.heal is not None:
        heal: dict[str, Any] = {"at": scenario.heal.at}
        blocks.append(["[heal]", *_lines(heal | ({"only": [str(lane) for lane in scenario.heal.only]} if scenario.heal.only else {}))])
    expect = _expect(scenario.expect)
    blocks += [["[expect]", *_lines(expect)]] if expect else []
    limits = _limits(scenario.expect.venue)
    blocks += [["[expect.venue]", *_lines(limits)]] if limits else []
    blocks += [["[hosts]", *_lines({name: str(policy) for name, policy in scenario.hosts.items()})]] if scenario.hosts else []
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _limits(venue: ExpectVenue) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if venue.max_position is not None:
        limits["max_position"] = f"{plain(venue.max_position.amount)} {venue.max_position.currency}"
    if venue.max_open_orders is not None:
        limits["max_open_orders"] = venue.max_open_orders
    if venue.max_order_notional is not None:
        limits["max_order_notional"] = f"{plain(venue.max_order_notional.amount)} {venue.max_order_notional.currency}"
    return limits


def value_text(value: Any) -> str:
    """A value as it stands in TOML, on one line.

    >>> value_text({"size": "0.01", "levels": [1, 2], "say \\"hi\\"": True})
    '{ size = "0.01", levels = [1, 2], "say \\\\"hi\\\\"" = true }'
    """
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case int():
            return str(value)
        case float():
            return repr(value) if isfinite(value) else str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return f'"{plain(value)}"'
        case Mapping():
            inner = ", ".join(f"{_key(key)} = {value_text(each)}" for key, each in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case list() | tuple():
            return f"[{', '.join(value_text(each) for each in value)}]"
    raise ConfigError(f"{value!r} cannot stand in a scenario file; TOML has texts, numbers, true and false, times, lists and tables")


class _Away:
    """Paths from one folder as seen from another."""

    def __init__(self, origin: Path, folder: Path) -> None:
        self._origin = origin
        self._folder = folder
        self.is_here = origin.resolve() == folder.resolve()

    def path(self, text: str) -> str:
        path = Path(text).expanduser()
        if self.is_here or path.is_absolute():
            return text
        return Path(os.path.relpath((self._origin / path).resolve(), self._folder.resolve())).as_posix()

    def has_file(self, text: str) -> bool:
        return (self._origin / text).is_file()


def _bot(scenario: Scenario, away: _Away) -> str:
    if not isinstance(scenario.bot, str):
        raise ConfigError(f'{scenario.name}: its bot is an object in a program; a file can name only "module:Name" or "bot.py:main"')
    module, _, name = scenario.bot.rpartition(":")
    if module.endswith(".py"):
        return f"{away.path(module)}:{name}"
    neighbour = module.replace(".", "/") + ".py"
    return f"{away.path(neighbour)}:{name}" if not away.is_here and away.has_file(neighbour) else scenario.bot


def _venue(spec: VenueSpec, away: _Away) -> dict[str, Any]:
    feeds = [_feed(feed, away) for feed in spec.feed]
    table: dict[str, Any] = {"feed": feeds[0] if len(feeds) == 1 else feeds, "account": spec.account}
    model = _model(spec.model)
    return table | ({"model": model} if model else {})


def _feed(feed: FeedSpec, away: _Away) -> dict[str, Any]:
    table: dict[str, Any]
    if feed.files is None:
        table = {"tape": feed.tape if feed.tape.startswith(BUILTIN) else away.path(feed.tape)}
    else:
        table = _files(feed.files, away)
    table |= {key: value for key, value in (("start", feed.start), ("end", feed.end)) if value is not None}
    return table if feed.outages else table | {"outages": False}


def _files(files: Files, away: _Away) -> dict[str, Any]:
    table = {key: value for key, value in msgspec.to_builtins(files).items() if key != "venue" and value != getattr(_PLAIN, key)}
    paths = [path if path.startswith(BUCKETS) else away.path(path) for path in files.path]
    table |= {"format": files.format, "path": paths[0] if len(paths) == 1 else paths}
    return table | ({"columns": away.path(files.columns)} if isinstance(files.columns, str) else {})


def _model(model: ModelSpec) -> dict[str, Any]:
    members = {"fills": model.fills, "fees": model.fees}
    laws = {way: getattr(model.latency, way) for way in ("market", "order", "answer")}
    table = {key: msgspec.to_builtins(member) for key, member in members.items() if member is not None}
    latency = {way: msgspec.to_builtins(law) for way, law in laws.items() if law is not None}
    return table | ({"latency": latency} if latency else {})


def _expect(expect: Expect) -> dict[str, Any]:
    table: dict[str, Any] = {}
    if expect.invariants:
        table["invariants"] = list(expect.invariants)
    if expect.recovers_within is not None:
        table["recovers_within"] = expect.recovers_within
    if expect.must_happen:
        table["must_happen"] = [str(mark) for mark in expect.must_happen]
    return table if expect.must_hit else table | {"must_hit": False}


def _lines(table: Mapping[str, Any]) -> list[str]:
    return [f"{_key(key)} = {value_text(value)}" for key, value in table.items()]


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else value_text(key)
