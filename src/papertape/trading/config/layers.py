"""Where each setting comes from: the file, over it the environment, over that the command line."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.model.errors import ConfigError
from papertape.scenario.load import read_toml

FILE: Final = "papertape.toml"

PREFIX: Final = "PAPERTAPE_"

KEYS: Final = ("mode", "exchange", "bot", "bot_config", "state", "cancel_on_exit", "cancel_on_halt", "venue", "limits")
"""The keys at the top of the file."""

TABLES: Final = ("bot_config", "venue", "limits")

OTHERS: Final = (
    "PYTHONS",
    "REALDATA",
    "TRACE",
    "TRACEBACK",
    "KEYS_FILE",
    "KEYS_PASSWORD",
    "CONFIG",
    "CACHE",
    "ENGINE",
    "INDEX",
    "THOROUGH",
)
"""What else there is behind `PREFIX`, and is no setting of the file; so is all that begins with one of `OTHER_BEGINNINGS`."""

OTHER_BEGINNINGS: Final = ("BENCH_", "TRACE_")

CURRENCIES: Final = "account"
"""The table of a venue whose keys are currencies; a variable's name does not tell their case, so they are taken in capitals."""


class Layered(msgspec.Struct, frozen=True, kw_only=True):
    """Settings, one layer over the other.

    Attributes:
        raw: in the shape of the file.
        origins: which layer each came from, by its dotted name; for people.
        folder: what paths in it are relative to.
        source: the file, or what stands for it where there is none.
    """

    raw: dict[str, Any]
    origins: dict[str, str]
    folder: Path
    source: str

    def said(self, key: str) -> str:
        """Where a setting comes from; a table's is that of its keys."""
        found = dict.fromkeys(origin for name, origin in self.origins.items() if name == key or name.startswith(f"{key}."))
        return ", ".join(found) or "left out"


def layered(path: Path | None, environment: Mapping[str, str], settings: Sequence[str] = ()) -> Layered:
    """What is in force.

    Args:
        path: the file; None for $PAPERTAPE_CONFIG, or else `papertape.toml` in the current folder, which need not be there.
        environment: `PAPERTAPE_MODE`, `PAPERTAPE_LIMITS__POSITION` and the like; words that TOML does not know are text.
        settings: "limits.position=0.1 BTC" and the like, from the command line.

    Raises:
        ConfigError: the file is missing or no TOML, or something names no setting.
    """
    named = environment.get(f"{PREFIX}CONFIG")
    path = Path(named) if path is None and named else path
    file = Path(FILE) if path is None else path
    has_file = path is not None or file.is_file()
    raw = read_toml(file) if has_file else {}
    origins = {name: file.as_posix() for name in _names(raw)}
    for name in environment:
        rest = name.removeprefix(PREFIX)
        if rest != name and rest not in OTHERS and not rest.startswith(OTHER_BEGINNINGS):
            place = _spelt(_place(name), raw)
            _put(raw, origins, place, _in_capitals(place, _value(environment[name])), f"${name}")
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f'--set {setting}: expected NAME=VALUE, such as mode=paper or "limits.position=0.1 BTC"')
        place = name.strip().split(".")
        _check_first(place, f"--set {setting}")
        _put(raw, origins, place, _value(value.strip()), f"--set {name.strip()}")
    return Layered(raw=raw, origins=origins, folder=file.parent, source=file.as_posix() if has_file else f"{FILE} (there is none)")


def _place(variable: str) -> list[str]:
    place = variable.removeprefix(PREFIX).lower().split("__")
    _check_first(place, f"${variable}")
    return place


def _spelt(place: list[str], raw: Mapping[str, Any]) -> list[str]:
    """Variables are written in capitals: what the file has already is meant as the file spells it."""
    within: Any = raw
    found: list[str] = []
    for key in place:
        names = list(within) if isinstance(within, dict) else []
        otherwise = key.upper() if _is_account(found) else key
        name = next((each for each in names if each.lower() == key), otherwise)
        within = within.get(name) if isinstance(within, dict) else None
        found.append(name)
    return found


def _is_account(place: Sequence[str]) -> bool:
    return len(place) == 3 and place[0] == "venue" and place[2] == CURRENCIES


def _in_capitals(place: Sequence[str], value: Any) -> Any:
    """A value from the environment, with the currencies in it as those in a variable's name are taken.

    >>> _in_capitals(["venue", "coinbase"], {"account": {"usd": "7"}}), _in_capitals(["bot_config"], {"account": {"usd": "7"}})
    ({'account': {'USD': '7'}}, {'account': {'usd': '7'}})
    """
    if not isinstance(value, dict):
        return value
    if _is_account(place):
        return {key.upper() if key.islower() else key: amount for key, amount in value.items()}
    return {key: _in_capitals([*place, key], inner) for key, inner in value.items()}


def _check_first(place: list[str], where: str) -> None:
    if place[0] not in KEYS:
        is_variable = where.startswith("$")
        near = difflib.get_close_matches(place[0], (*KEYS, *(each.lower() for each in OTHERS if is_variable)), n=1)
        table = next((each for each in TABLES if is_variable and place[0].startswith(f"{each}_")), "")
        if table:
            variable = f"{PREFIX}{table}__{place[0].removeprefix(table + '_')}".upper()
            raise ConfigError(f"{where}: two underscores lead into a table; did you mean ${variable}?")
        if near and near[0] not in KEYS:
            raise ConfigError(f'{where}: there is no setting "{place[0]}"; did you mean ${PREFIX}{near[0].upper()}?')
        hint = f'; did you mean "{near[0]}"?' if near else f"; expected one of {', '.join(KEYS)}"
        raise ConfigError(f'{where}: there is no setting "{place[0]}"{hint}')
    is_table = place[0] in TABLES
    if is_table != (len(place) > 1):
        wanted = f"which of its settings, such as {place[0]}.NAME" if is_table else "no more than its name"
        raise ConfigError(f'{where}: "{place[0]}" is {"a table" if is_table else "one setting"}; say {wanted}')


def _put(raw: dict[str, Any], origins: dict[str, str], place: list[str], value: Any, origin: str) -> None:
    within = raw
    for key in place[:-1]:
        inner = within.get(key, {})
        if not isinstance(inner, dict):
            raise ConfigError(f'{origin}: "{key}" is no table in the file; expected one')
        within[key] = inner = dict(inner)
        within = inner
    within[place[-1]] = value
    name = ".".join(place)
    for under in [each for each in origins if each.startswith(f"{name}.")]:
        del origins[under]
    origins[name] = origin


def _value(text: str) -> Any:
    """A value as it would stand in the file, or else the text itself: nobody wants to quote within quotes.

    >>> _value("30"), _value("true"), _value('{ USD = "1" }'), _value("0.1 BTC"), _value("paper")
    (30, True, {'USD': '1'}, '0.1 BTC', 'paper')
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _names(raw: Mapping[str, Any], before: str = "") -> list[str]:
    """Dotted names of all that is no table, in order."""
    found: list[str] = []
    for key, value in raw.items():
        name = f"{before}{key}"
        found += _names(value, f"{name}.") if isinstance(value, dict) and value else [name]
    return found
