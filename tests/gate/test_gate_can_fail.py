"""A gate that nothing fails to pass guards nothing: with the shell broken, its first seeds say so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gate.seeds import FIRST, PIECE, complaint, results_of
from papertape.exchanges import account, line, requests
from papertape.model.errors import ExchangeError
from papertape.scenario.seed_result import SeedResult

pytestmark = pytest.mark.timeout(600)

Break = Callable[[pytest.MonkeyPatch], None]


def timeout_means_failure(patch: pytest.MonkeyPatch) -> None:
    def lost(self: account.Account, intent: Any, why: str) -> None:
        self.refused(intent, ExchangeError(why))

    patch.setattr(account.Account, "lost", lost)


def nothing_is_reconciled_after_a_reconnect(patch: pytest.MonkeyPatch) -> None:
    async def reconcile(*_: Any) -> int:
        return 0

    patch.setattr(line, "reconcile", reconcile)


def retry_after_is_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(requests, "retry_after_ns", lambda error: 0)


@pytest.mark.parametrize("broken", [timeout_means_failure, nothing_is_reconciled_after_a_reconnect, retry_after_is_ignored])
def test_a_broken_shell_does_not_get_through(monkeypatch: pytest.MonkeyPatch, broken: Break) -> None:
    """Within the first two pieces of the market maker's."""
    broken(monkeypatch)
    seeds = results_of("market_maker", range(FIRST, FIRST + 2 * PIECE))
    failed: SeedResult | None = next((each for each in seeds if each.is_failure), None)
    assert failed is not None
    assert f"again: papertape sweep {failed.scenario} --seeds 1 --first {failed.seed}" in complaint(failed)
