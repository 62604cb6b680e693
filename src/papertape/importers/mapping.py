"""A file that says which column of a table is what: read, and checked."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from papertape.model.errors import ConfigError
from papertape.model.units import MICROSECOND, MILLISECOND, SECOND, Nanos, parse_duration

KINDS: Final = {
    "trades": (("ts_venue", "price", "amount", "side"), ("ts_local", "id")),
    "book": (("ts_venue", "price", "amount", "side"), ("ts_local", "is_snapshot")),
    "quotes": (("ts_venue", "bid_price", "ask_price"), ("ts_local", "bid_amount", "ask_amount")),
    "bars": (("ts_venue", "open", "high", "low", "close", "volume"), ("ts_local",)),
}
"""Of each kind, which columns it must have and which it may."""

UNITS: Final = {"s": SECOND, "ms": MILLISECOND, "us": MICROSECOND, "ns": 1}
_WORDS: Final = {"buy": ["buy", "bid", "b", "true", "1"], "sell": ["sell", "ask", "a", "s", "false", "0"]}


@dataclass(frozen=True, slots=True)
class Column:
    """Where one thing stands: its column, and how what is there is read."""

    key: str
    name: str
    unit: str = ""
    buy: tuple[str, ...] = ()
    sell: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mapped:
    """A file of columns, read and checked.

    Attributes:
        source: what messages call it.
        symbol: of all rows; empty where `symbol_from` has it.
        span_ns: of a bar.
    """

    source: str
    kind: str
    symbol: str
    symbol_from: str
    span_ns: Nanos
    columns: Mapping[str, Column]


def read_columns(told: Path | Mapping[str, Any]) -> Mapped:
    """Read a file of columns, or the table itself; ConfigError names the key that makes no sense, what it held and what was expected."""
    path, given = ("columns", told) if isinstance(told, Mapping) else (str(told), _read(told))
    _known(path, "", given, ("kind", "symbol", "span", "columns"))
    kind = given.get("kind")
    if kind not in KINDS:
        raise ConfigError(f"{path}: key `kind`: holds {kind!r}; expected {', '.join(KINDS)}")
    needed, optional = KINDS[kind]
    table = given.get("columns")
    if not isinstance(table, Mapping):
        raise ConfigError(f"{path}: [columns]: is missing; expected {', '.join(needed)}")
    _known(path, "[columns], ", table, (*needed, *optional))
    missing = [key for key in needed if key not in table]
    if missing:
        raise ConfigError(f"{path}: [columns]: no {', '.join(f'`{key}`' for key in missing)}; {kind} need {', '.join(needed)}")
    symbol = given.get("symbol", "")
    symbol_from = symbol.get("from", "") if isinstance(symbol, Mapping) else ""
    if not isinstance(symbol_from, str) or not (symbol_from or (isinstance(symbol, str) and symbol)):
        raise ConfigError(f'{path}: key `symbol`: holds {symbol!r}; expected "BTC/USDT" or the column that has it, {{ from = "s" }}')
    columns = {key: _column(path, key, value) for key, value in table.items()}
    return Mapped(path, kind, "" if symbol_from else symbol, symbol_from, _span(path, kind, given.get("span")), columns)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; expected a file that says which column is what.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is no TOML: {error}") from None


def _span(path: str, kind: str, text: object) -> Nanos:
    if kind != "bars":
        if text is not None:
            raise ConfigError(f"{path}: key `span`: goes with bars, and the kind is {kind}")
        return 0
    try:
        return parse_duration(str(text))
    except ValueError:
        raise ConfigError(f'{path}: key `span`: holds {text!r}; expected how long a bar is, such as "1m"') from None


def _known(path: str, where: str, given: Mapping[str, object], known: Sequence[str]) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            raise ConfigError(f"{path}: {where}key `{key}`: is not known; expected some of {', '.join(known)}{hint}")


def _column(path: str, key: str, value: object) -> Column:
    where = f"{path}: [columns], key `{key}`:"
    table: Mapping[str, Any] = value if isinstance(value, Mapping) else {"from": value}
    is_time, is_side = key.startswith("ts_"), key == "side"
    _known(path, f"[columns], key `{key}`, ", table, ("from", *(("unit",) if is_time else ("buy", "sell") if is_side else ())))
    name = table.get("from")
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{where} holds {value!r}; expected the name of a column")
    unit = table.get("unit", "")
    if is_time and unit not in (*UNITS, "iso"):
        raise ConfigError(f'{where} `unit` holds {unit!r}; expected {", ".join(UNITS)} or iso, as in {{ from = "{name}", unit = "ms" }}')
    words = {}
    for side in ("buy", "sell"):
        told = table.get(side, _WORDS[side] if is_side else [])
        told = told if isinstance(told, list) else [told]
        words[side] = tuple(str(word).lower() for word in told)
    return Column(key, name, unit, words["buy"], words["sell"])
