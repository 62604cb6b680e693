"""A table of a scenario, together with its address, so that every complaint says file, table, key, what it held and what was expected."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from papertape.model.errors import ConfigError
from papertape.model.units import exact, parse_duration

S = TypeVar("S", bound=msgspec.Struct)
E = TypeVar("E", bound=StrEnum)

_AT: re.Pattern[str] = re.compile(r" - at `\$\.?(\w*).*`$")
_WITHIN: re.Pattern[str] = re.compile(r" - at `\$\.(\w+)\[(\d+)\](?:\.(\w+))?`$")
_UNKNOWN: re.Pattern[str] = re.compile(r"Object (contains unknown|missing required) field `(\w+)`")
_NAMED: re.Pattern[str] = re.compile(r"key `(\w+)`: (.*)")
_CALLED: Mapping[type, str] = {
    str: "text", int: "a whole number", bool: "true or false", float: "a number", dict: "a table", list: "a list", tuple: "a list",
    Decimal: "a number",
}  # fmt: skip


class Table:
    """A mapping from a file, a call or a command line, that knows where it stands.

    >>> table = Table({"seed": "seven"}, "lost.scenario.toml")
    >>> table.whole("seed", 0)
    Traceback (most recent call last):
    papertape.model.errors.ConfigError: lost.scenario.toml: key `seed`: holds "seven"; expected a whole number, such as 7
    """

    def __init__(self, raw: Mapping[str, Any], source: str, where: str = "") -> None:
        self.raw = raw
        self.source = source
        self.where = where

    def problem(self, key: str, complaint: str) -> ConfigError:
        """The error to raise about `key`."""
        place = f"{self.source}: {self.where}, " if self.where else f"{self.source}: "
        return ConfigError(f"{place}key `{key}`: {complaint}")

    def allow(self, *known: str) -> None:
        """Raise for the first key that is none of `known`."""
        for key in self.raw:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                raise self.problem(
                    key, f"there is no such key; did you mean `{near[0]}`?" if near else f"there is no such key; {_keys(known)}"
                )

    def text(self, key: str, default: str | None = None) -> str | None:
        value = self.raw.get(key, default)
        if value is not None and (not isinstance(value, str) or not value):
            raise self.problem(key, f"holds {shown(value)}; expected text")
        return value

    def whole(self, key: str, default: int) -> int:
        value = self.raw.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.problem(key, f"holds {shown(value)}; expected a whole number, such as 7")
        return value

    def claim(self, key: str, default: bool) -> bool:
        value = self.raw.get(key, default)
        if not isinstance(value, bool):
            raise self.problem(key, f"holds {shown(value)}; expected true or false")
        return value

    def duration(self, key: str) -> str | None:
        """A duration as it was written, known to be one."""
        value = self.raw.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.problem(key, f'holds {shown(value)}; expected text with a unit, such as "250ms" or "2m"')
        try:
            parse_duration(value)
        except ValueError as error:
            raise self.problem(key, str(error)) from None
        return value

    def number(self, key: str) -> Decimal:
        value = self.raw[key]
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
            raise self.problem(key, f'holds {shown(value)}; expected a number as text, such as "0.1"')
        try:
            return exact(value)
        except ValueError as error:
            raise self.problem(key, str(error)) from None

    def choice(self, key: str, words: type[E], default: E) -> E:
        """A member of an enum by its word."""
        value = self.raw.get(key, default)
        names = [str(word) for word in words]
        if value not in names:
            raise self.problem(key, f"holds {shown(value)}; expected {_either(names)}{_near(value, names)}")
        return words(value)

    def names(self, key: str, known: Iterable[str], noun: str, command: str) -> tuple[str, ...] | None:
        """A list of names out of `known`; None if the key is not there."""
        if key not in self.raw:
            return None
        value = self.raw[key]
        if not isinstance(value, list | tuple):
            raise self.problem(key, f"holds {shown(value)}; expected a list of names")
        for name in value:
            self.known(key, name, known, noun, command)
        return tuple(value)

    def known(self, key: str, name: Any, known: Iterable[str], noun: str, command: str) -> None:
        """Raise unless `name` is one of `known`."""
        known = list(known)
        if name not in known:
            near = _near(name, known)
            raise self.problem(key, f"no {noun} is called {shown(name)}{near}{'' if near else ';'} `{command}` shows all.")

    def table(self, key: str) -> Table | None:
        """A table within this one."""
        value = self.raw.get(key)
        if value is None:
            return None
        return self.within(key, value)

    def within(self, key: str, value: Any) -> Table:
        """`value`, found under `key`, as a table."""
        if not isinstance(value, Mapping):
            raise self.problem(key, f"holds {shown(value)}; expected a table")
        inner = f"{self.where[1:-1]}.{key}" if self.where.startswith("[") and not self.where.startswith("[[") else key
        return Table(value, self.source, f"[{inner}]")

    def member(self, shelf: Mapping[str, type[S]], noun: str, command: str) -> S:
        """The shelf member that `kind` names, with its settings from this table."""
        kind = self.raw.get("kind")
        if kind is None:
            raise self.problem("kind", f"is missing; expected the name of a {noun}; `{command}` shows all")
        self.known("kind", kind, shelf, noun, command)
        member = shelf[kind]
        known = _keys_of(member)
        for key in self.raw:
            if key != "kind" and key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                what = f"{noun} {shown(kind)} has no such key"
                raise self.problem(key, f"{what}; did you mean `{near[0]}`?" if near else f"{what}; {_keys(known)}")
        try:
            return msgspec.convert(dict(self.raw), member)
        except msgspec.ValidationError as error:
            raise self._explained(member, str(error), noun, shown(kind)) from None

    def _explained(self, member: type[msgspec.Struct], complaint: str, noun: str, kind: str) -> ConfigError:
        missing, within = _UNKNOWN.search(complaint), _WITHIN.search(complaint)
        if within:
            return self._explained_entry(member, within[1], int(within[2]), within[3], missing)
        if missing:
            key = missing[2]
            return self.problem(key, f"is missing; {noun} {kind} needs it: expected {_expected(member, key)}")
        named = _NAMED.search(complaint)  # a member's own check says which key it means
        if named:
            return self.problem(named[1], _AT.sub("", named[2]))
        found = _AT.search(complaint)
        if not found or not found[1]:
            return self.problem("kind", f"{noun} {kind}: {_AT.sub('', complaint)}")
        key = found[1]
        text = _AT.sub("", complaint)
        if text.startswith(("Expected", "Invalid")):
            text = f"holds {shown(self.raw.get(key))}; expected {_expected(member, key)}"
        return self.problem(key, text)

    def _explained_entry(
        self, member: type[msgspec.Struct], key: str, place: int, inner: str | None, missing: re.Match[str] | None
    ) -> ConfigError:
        """What is wrong with one entry of a list, which is a value or a table itself."""
        entry, of = self.raw[key][place], get_args(get_type_hints(member)[key])[0]
        if missing is not None and isinstance(of, type) and issubclass(of, msgspec.Struct):
            has = "has a key" if missing[1].startswith("contains") else "lacks"
            return self.problem(key, f"entry {place + 1} {has} `{missing[2]}`; {_keys(_keys_of(of)).replace('one of ', '')}")
        if inner is not None:
            return self.problem(key, f"entry {place + 1}, `{inner}`: holds {shown(entry[inner])}; expected {_expected(of, inner)}")
        return self.problem(key, f"entry {place + 1} holds {shown(entry)}; expected {_CALLED.get(of, 'a table')}")


@cache
def _keys_of(member: type[msgspec.Struct]) -> list[str]:
    """What a table for this member may hold; a sweep asks thousands of times."""
    return [field.encode_name for field in msgspec.structs.fields(member)]


def shown(value: Any) -> str:
    """A value as it stands in TOML.

    >>> shown("x"), shown(True), shown([1])
    ('"x"', 'true', '[1]')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, datetime | date):
        return value.isoformat()
    return repr(value)


def _near(value: Any, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(value), list(known), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def _keys(known: Iterable[str]) -> str:
    return "expected one of " + ", ".join(f"`{key}`" for key in known)


def _either(names: list[str]) -> str:
    return " or ".join([", ".join(f'"{name}"' for name in names[:-1]), f'"{names[-1]}"']) if len(names) > 1 else f'"{names[0]}"'


def _expected(member: type[msgspec.Struct], key: str) -> str:
    """What a key of a struct may hold, in words."""
    name = next((field.name for field in msgspec.structs.fields(member) if field.encode_name == key), key)
    hint = get_type_hints(member).get(name, str)
    options = [option for option in get_args(hint) if option is not type(None)] if get_origin(hint) is not Literal else []
    if options and get_origin(hint) not in (list, dict, tuple):
        hint = options[0]
    if get_origin(hint) is Literal:
        return _either([str(word) for word in get_args(hint)])
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _either([str(word) for word in hint])
    return _CALLED.get(get_origin(hint) or hint, "something else")
