"""The engine that is chosen by itself: it skips as long as that gains something."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from papertape.session.lag import Tuning
from papertape.session.yielding import Yielding


def walked(monkeypatch: pytest.MonkeyPatch, wants: list[bool]) -> list[str]:
    """Who walked, where somebody wants nearly every row at those walks, with patience for two."""
    monkeypatch.setattr(Tuning, "patience", 2)
    found: list[str] = []
    asked = iter(wants)
    plain: Any = SimpleNamespace(walk=lambda loop, until: found.append("plain"))
    skipping: Any = SimpleNamespace(
        walk=lambda loop, until: found.append("fast"), is_wanted_whole=lambda: next(asked), leave_off=lambda: (iter(()), None)
    )
    cursors = Yielding(skipping, lambda rows, standing: plain)
    for _ in wants:
        cursors.walk(None, (0, 0))  # type: ignore[arg-type]  # the cursors above need no road
    return found


def test_the_plain_engine_takes_over_once_nearly_every_row_was_wanted_often_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """And then for good: it cannot skip again what it has not counted."""
    assert walked(monkeypatch, [True, False, True, True, False]) == ["fast", "fast", "fast", "plain", "plain"]


def test_it_skips_to_the_end_where_rows_are_wanted_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    assert walked(monkeypatch, [True, False, True, False, False, False]) == ["fast"] * 6
