"""Pages of a list that goes from new to old: a page ends at a row, and the next begins after it, whatever has come or gone meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Row = TypeVar("Row")


def is_cursor(text: str) -> bool:
    """Whether a text is one that a page ended with, or "" for the first page."""
    ns, dot, name = text.partition(".")
    return not text or bool(dot and name and ns.isascii() and ns.isdigit() and len(ns) < 40)


def page(rows: Sequence[Row], cursor: str, limit: int | None, cursor_of: Callable[[Row], str]) -> tuple[Sequence[Row], str]:
    """The rows that follow a cursor, and where the next page goes on; "" if it was the last.

    Args:
        rows: from new to old.
        cursor: "time.name" of the last row that was shown; "" to begin.
        limit: no more rows than that; None for all.
        cursor_of: "time.name" of a row, time in nanoseconds.

    A row that is gone is found by its time: what came at that very time is shown again rather than left out.

    >>> page(["9.c", "8.b", "7.a"], "9.c", 1, str)
    (['8.b'], '8.b')
    >>> page(["7.a"], "8.b", 1, str)
    (['7.a'], '')
    """
    start = 0
    if cursor:
        names = [cursor_of(row) for row in rows]
        if cursor in names:
            start = names.index(cursor) + 1
        else:
            at_ns = _time(cursor)
            start = next((place for place, name in enumerate(names) if _time(name) <= at_ns), len(rows))
    end = len(rows) if limit is None else min(start + limit, len(rows))
    shown = rows[start:end]
    return shown, cursor_of(shown[-1]) if shown and end < len(rows) else ""


def _time(cursor: str) -> int:
    return int(cursor.partition(".")[0])
