"""Where two runs part: the first line of their journals that differs, or, of runs that were traced, the first thing at all.

A journal tells which facts are not the same. A trace tells what the program did first that it did not do again, on which of its lines, and
which of its own values had been another just before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.journal.reading import whole_journal
from papertape.model.units import format_duration
from papertape.runtime.trace.record import Record, first_difference
from papertape.runtime.trace.stack import Line, read_stack, render, short
from papertape.runtime.trace.steps import RETURNED, Parting, first_parting
from papertape.runtime.trace.trace import CLOSE, RECORDS, STACKS, STEPS, Close
from papertape.runtime.trace.value import without_digests

CONTEXT: Final = 3
"""How many equal lines to show before the first that differs."""

EXCERPT: Final = 48
"""How many characters of a piece to show on each side of the first that differs."""

_HASHES: Final = (
    "each of them repeats itself under its own PYTHONHASHSEED, so the order of a set or a `hash()` decides: "
    "walk `sorted(…)`, a list or a dict instead"
)
_MACHINE: Final = (
    "neither repeats itself, so the program takes something from this machine that the simulation does not stand in for: the real clock "
    "(a file's time of change, say), entropy, an address in memory, or what an earlier run left in a file"
)


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
            rows += _other_feeds(self.left, self.right)
        return "\n".join(rows)


def _other_feeds(left: dict[str, Any], right: dict[str, Any]) -> Iterator[str]:
    """Of two headers, a sentence about each feed that plays another market in one than in the other."""
    for name, venue in (left.get("venues") or {}).items() if left.get("kind") == right.get("kind") == "header" else ():
        other = (right.get("venues") or {}).get(name) or {}
        for number, (feed, now) in enumerate(zip(venue.get("feed", ()), other.get("feed", ()), strict=False), start=1):
            if feed.get("content") != now.get("content"):
                yield (
                    f"  feed {number} of {name} holds another market: its content hash is {feed.get('content', '')[:16]} in one and "
                    f"{now.get('content', '')[:16]} in the other; its files, or its tape, were changed between the two runs"
                )


def first_divergence(left: Path, right: Path) -> Divergence | None:
    """The first difference of two journal files, or None; reads no further than that.

    Raises:
        ConfigError: a file is missing or is no journal.
    """
    before: deque[dict[str, Any]] = deque(maxlen=CONTEXT)
    entries, others = whole_journal(left), whole_journal(right)
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


def _row(entry: dict[str, Any]) -> str:
    facts = " ".join(f"{key}={_value(value)}" for key, value in entry.items() if key not in ("n", "t", "kind"))
    return f"{entry['n']:>6}  {format_duration(entry['t']):>14}  {entry['kind']:<10} {facts}"


def _value(value: Any) -> str:
    return value if isinstance(value, str) and " " not in value else msgspec.json.encode(value).decode()


class Parted(msgspec.Struct, frozen=True, kw_only=True):
    """Two traced runs, where they part.

    Attributes:
        index: how many records are the same.
        left, right: the first that are not; None where that run had no more.
        stacks: what each was running then, innermost line first.
        closer: what was seen of each record in a closer look; None where there was none.
        step: where the program's own lines and values first differed, if that was seen.
        repeats: whether each run was the same again in the same circumstances.
    """

    index: int
    left: Record | None
    right: Record | None
    stacks: tuple[list[Line], list[Line]]
    closer: tuple[Close | None, Close | None]
    step: Parting | None
    repeats: bool

    def render(self, left_name: str, right_name: str) -> str:
        """For a person."""
        record = self.left or self.right
        assert record is not None
        rows = [f"{left_name} and {right_name} part at record {self.index}, run time {format_duration(record.ns)}: {_told(record)}"]
        rows += [f"  {row}" for row in _step_rows(self.step, left_name, right_name)]
        rows += [f"  {row}" for row in self._value_rows()]
        if self.stacks[0] == self.stacks[1] or not self.right or not self.left:
            who = "both were" if self.left and self.right else f"{left_name if self.left else right_name} was"
            rows += _stack_rows(who, self.stacks[0] or self.stacks[1], self.closer[0] or self.closer[1])
        else:
            rows += _stack_rows(f"{left_name} was", self.stacks[0], self.closer[0])
            rows += _stack_rows(f"{right_name} was", self.stacks[1], self.closer[1])
        return "\n".join([*rows, f"  {_HASHES if self.repeats else _MACHINE}"])

    def _value_rows(self) -> list[str]:
        left, right = self.left, self.right
        rows = [f"- {_outline(left)}", f"+ {_outline(right)}"]
        one, other = (close.text if close is not None else None for close in self.closer)
        if left is None or right is None or one is None or other is None:
            return [row if each is None else f"{row} ({each.digest})" for row, each in zip(rows, (left, right), strict=True)]
        if (left.kind, left.what, one) == (right.kind, right.what, other) and left.digest != right.digest:
            return [*rows, "they differ only in what is not shown: keys, tokens and signatures"]
        at = first_unlike(one, other)
        rows = [f"{row}: {_excerpt(text, at)}" for row, text in zip(rows, (one, other), strict=True)]
        return rows if one == other or (left.kind, left.what) != (right.kind, right.what) else [*rows, f"differs from character {at} on"]


def parted(left: Path, right: Path, *, repeats: bool) -> Parted:
    """Where the runs part whose traces are in these two folders; they must."""
    found = first_difference(left / RECORDS, right / RECORDS)
    assert found is not None
    sides = ((left, found.left), (right, found.right))
    stacks = [[] if record is None else read_stack(folder / STACKS, record.stack) for folder, record in sides]
    closer = [_close(folder, found.index) for folder, _ in sides]
    step = first_parting(left / STEPS, right / STEPS)
    return Parted(
        index=found.index, left=found.left, right=found.right, stacks=(stacks[0], stacks[1]), closer=(closer[0], closer[1]),
        step=step, repeats=repeats,
    )  # fmt: skip


def is_prefix(earlier: Path, later: Path, index: int) -> bool:
    """Whether the traces in two folders are the same up to record `index` and that one too."""
    found = first_difference(earlier / RECORDS, later / RECORDS)
    return found is None or found.index > index


def first_unlike(left: str, right: str) -> int:
    """How many characters two texts begin with in common.

    >>> first_unlike("abc", "abd"), first_unlike("ab", "abc")
    (2, 2)
    """
    return next((at for at, (one, other) in enumerate(zip(left, right, strict=False)) if one != other), min(len(left), len(right)))


def _close(folder: Path, index: int) -> Close | None:
    path = folder / CLOSE
    close = msgspec.json.decode(path.read_bytes(), type=Close) if path.is_file() else None
    return close if close is not None and close.index == index else None


def _told(record: Record) -> str:
    return f"{record.kind}, {record.what}"


def _outline(record: Record | None) -> str:
    if record is None:
        return "nothing more happens"
    size = f", {record.size} bytes" if record.size else ""
    return f"{_told(record)}{size} at {format_duration(record.ns)}"


def _excerpt(text: str, at: int) -> str:
    begin, end = max(0, at - EXCERPT), at + EXCERPT
    shown = text[begin:end].replace("\r", "\\r").replace("\n", "\\n").replace("\t", "\\t")
    return ("…" if begin else "") + shown + ("…" if end < len(text) else "")


def _stack_rows(who: str, stack: list[Line], close: Close | None) -> list[str]:
    rows = [f"  {who} at", *(f"    {row}" for row in render(stack))]
    if not any(line.users for line in stack) and close is not None and close.waiting:
        rows.append(f"    while these waited: {close.waiting}")
    return rows


def _step_rows(step: Parting | None, left_name: str, right_name: str) -> list[str]:
    if step is None or step.left is None or step.right is None:
        return []
    name = step.name
    if name is not None:
        where = f"{short(step.left.file)}:{step.left.line} in {step.left.function}"
        one, other = (each.changed.get(name, "what it was before") for each in (step.left, step.right))
        at = first_unlike(one, other)
        one, other = (without_digests(text if len(text) <= 2 * EXCERPT else _excerpt(text, at)) for text in (one, other))
        what = "what it returns" if name == RETURNED else f"`{name}`"
        return [f"{where}: {what} is {one} in {left_name}, {other} in {right_name}; nothing of the program differs before that"]
    if (step.left.file, step.left.line) == (step.right.file, step.right.line):
        return []
    before = "its first line" if step.before is None else f"{short(step.before.file)}:{step.before.line} in {step.before.function}"
    ways = [f"{short(each.file)}:{each.line}" for each in (step.left, step.right)]
    return [f"after {before}, {left_name} goes on to {ways[0]}, {right_name} to {ways[1]}"]
