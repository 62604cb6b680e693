"""Counting what was left out or changed, and why."""

from __future__ import annotations


class Tally(dict[str, int]):
    """Counts by reason, in the order the reasons first came up."""

    def add(self, reason: str, count: int = 1) -> None:
        self[reason] = self.get(reason, 0) + count
