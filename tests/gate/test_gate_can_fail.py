"""A gate that nothing fails to pass guards nothing: with the shell broken, its first seeds say so."""

from __future__ import annotations

import pytest

from broken.test_broken_on_purpose import Break, nothing_is_reconciled_after_a_reconnect, retry_after_is_ignored, timeout_means_failure
from gate.seeds import FIRST, PIECE, complaint, results_of
from papertape.scenario.seed_result import SeedResult

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("broken", [timeout_means_failure, nothing_is_reconciled_after_a_reconnect, retry_after_is_ignored])
def test_a_broken_shell_does_not_get_through(monkeypatch: pytest.MonkeyPatch, broken: Break) -> None:
    """Within the first two pieces of the market maker's."""
    broken(monkeypatch)
    seeds = results_of("market_maker", range(FIRST, FIRST + 2 * PIECE))
    failed: SeedResult | None = next((each for each in seeds if each.is_failure), None)
    assert failed is not None
    assert f"again: papertape sweep {failed.scenario} --seeds 1 --first {failed.seed}" in complaint(failed)
