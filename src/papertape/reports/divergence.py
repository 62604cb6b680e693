"""Where two journals part: the first line that differs, what stood before it, and which facts are not the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.model.errors import ConfigError
from papertape.model.units import format_duration

CONTEXT: Final = 3
"""How many equal lines to show before the first that differs."""


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """The first difference of two journals.

    Attributes:
        line: its number in both files, from 1.
        before: the last equal entries.
        left, right: the entries that differ; None where that journal had ended.
        keys: the facts in them that are not the same.
    """

    line: int
    before: tuple[dict[str, Any], ...]
    left: dict[str, Any] | None
    right: dict[str, Any] | None

    @property
    def keys(self) -> tuple[str, ...]:
        left, right = self.left or {}, self.right or {}
        return tuple(key for key in [*left, *(key for key in right if key not in left)] if left.get(key) != right.get(key))

    def render(self, left_name: str, right_name: str) -> str:
        """For a person."""
        entry = self.left or self.right or {}
        at = format_duration(entry.get("t", 0))
        rows = [f"{left_name} and {right_name} part at line {self.line}, event {entry.get('n', '?')}, run time {at}:"]
        rows += [f"    {_row(each)}" for each in self.before]
        rows.append(f"  - {_row(self.left) if self.left else 'the journal ends here'}")
        rows.append(f"  + {_row(self.right) if self.right else 'the journal ends here'}")
        if self.left and self.right:
            rows.append(f"  differs in: {', '.join(self.keys)}")
        return "\n".join(rows)


def first_divergence(left: Path, right: Path) -> Divergence | None:
    """The first difference of two journal files, or None; reads no further than that.

    Raises:
        ConfigError: a file is missing or is no journal.
    """
    before: deque[dict[str, Any]] = deque(maxlen=CONTEXT)
    entries, others = _entries(left), _entries(right)
    line = 0
    while True:
        line += 1
        one, other = next(entries, None), next(others, None)
        if one is None and other is None:
            return None
        if one != other:
            return Divergence(line=line, before=tuple(before), left=one, right=other)
        if one is not None:
            before.append(one)


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    entry = decode(line)
                    known = isinstance(entry["n"], int) and isinstance(entry["t"], int) and isinstance(entry["kind"], str)
                except (msgspec.DecodeError, KeyError):
                    known = False
                if not known:
                    raise ConfigError(
                        f"{path.as_posix()}: line {number} is no journal line; `papertape run … --journal FILE` writes journals"
                    )
                yield entry
    except FileNotFoundError:
        raise ConfigError(f"{path.as_posix()}: there is no such file") from None
    except IsADirectoryError:
        raise ConfigError(f"{path.as_posix()}: is a folder; expected a journal, one file") from None


def _row(entry: dict[str, Any]) -> str:
    facts = " ".join(f"{key}={_value(value)}" for key, value in entry.items() if key not in ("n", "t", "kind"))
    return f"{entry['n']:>6}  {format_duration(entry['t']):>14}  {entry['kind']:<10} {facts}"


def _value(value: Any) -> str:
    return value if isinstance(value, str) and " " not in value else msgspec.json.encode(value).decode()
