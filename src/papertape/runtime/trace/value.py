"""Saying in a line what a value is, without running any code of whoever made it: looking must change nothing."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PosixPath
from types import NoneType
from typing import Any, Final
from uuid import UUID

from papertape.runtime.trace.record import digest
from papertape.runtime.trace.secret import mask, names_secret

TEXT_MAX: Final = 160
ITEMS_MAX: Final = 12
DEPTH_MAX: Final = 3

_PLAIN: Final = (NoneType, bool, int, float, complex, Decimal, Fraction, date, datetime, time, timedelta, UUID, PosixPath)
HARMLESS: Final = ("key", "keys", "sign")
"""Names that are a secret's only in what is sent: in a program they are a dictionary's key, and plus or minus."""

_SECRET: Final = re.compile(r"<secret [0-9a-f]+>")
_ADDRESS: Final = re.compile(r"\b0x[0-9a-f]{6,}")


def describe(value: Any, *, depth: int = DEPTH_MAX) -> str:
    """One line for a person; equal values have equal lines, also where they are sets or hold addresses. Secrets are starred out.

    >>> describe({"b": (1, Decimal("0.5")), "api_key": "hush"}), describe({"b", "a"}), describe(object())
    ("{'b': (1, Decimal('0.5')), 'api_key': '****'}", "{'a', 'b'}", '<object>')
    """
    text = _text(value, depth)
    return text if type(value) in _PLAIN else mask(_ADDRESS.sub("0x…", _cut(text)))


def describe_named(name: str, value: Any) -> str:
    """The same for what goes by a name: of a secret no more than whether it is another one.

    >>> describe_named("size", 5), describe_named("api_key", "hush") == describe_named("api_key", "mush")
    ('5', False)
    """
    if type(value) not in (str, bytes) or name in HARMLESS or not names_secret(name):
        return describe(value)
    return f"<secret {digest(value.encode() if type(value) is str else value)}>"


def without_digests(text: str) -> str:
    """A description for people: they are not to compare secrets either.

    >>> without_digests(describe_named("api_key", "hush"))
    '<secret>'
    """
    return _SECRET.sub("<secret>", text)


def changing(value: Any) -> bool:
    """Whether the same object may be described otherwise later.

    >>> changing("a"), changing([1])
    (False, True)
    """
    return type(value) not in (str, bytes, *_PLAIN)


def _text(value: Any, depth: int) -> str:
    kind = type(value)
    if kind in _PLAIN:
        return repr(value)
    if kind in (str, bytes):
        return repr(value[:TEXT_MAX])
    if isinstance(value, Enum):
        return f"{kind.__name__}.{value._name_}"
    if kind in (list, tuple, dict, set, frozenset):
        return _items(value, depth - 1) if depth else f"<{kind.__name__} of {len(value)}>"
    return f"<{kind.__name__}>"


def _items(value: Any, depth: int) -> str:
    if type(value) is dict:
        pairs = list(value.items())[:ITEMS_MAX]
        return _within("{", [f"{_text(key, depth)}: {_item(key, each, depth)}" for key, each in pairs], len(value), "}")
    if type(value) in (set, frozenset):  # in an order of their own: how one is stored is no difference until somebody walks it
        return _within("{", sorted(_text(each, depth) for each in value)[:ITEMS_MAX], len(value), "}")
    opened, closed = ("[", "]") if type(value) is list else ("(", ")")
    return _within(opened, [_text(each, depth) for each in value[:ITEMS_MAX]], len(value), closed)


def _item(key: Any, value: Any, depth: int) -> str:
    if type(key) is str and type(value) in (str, bytes) and names_secret(key):
        return repr("*" * len(value))
    return _text(value, depth)


def _within(opened: str, items: list[str], count: int, closed: str) -> str:
    more = [f"… {count} in all"] if count > len(items) else []
    return opened + ", ".join([*items, *more]) + closed


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}…"
