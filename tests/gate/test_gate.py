"""Two hundred seeds of the swarm, every invariant: nothing is taken into papertape that fails one of them.

Each piece is ten seeds of one bot, so that processes share the work. A failure ends with the command that runs its seed again, and shrinks
it: the same with `--shrink 1`.
"""

from __future__ import annotations

import pytest

from gate.seeds import BASES, MUST_HAPPEN, PIECE, PIECES, SEEDS, Ledger, complaint, results_of
from papertape.scenario.summary import summarize
from papertape.scenario.swarm import kinds_drawn
from papertape.session.result import Status

VACUOUS_MAX = 20
"""Seeds that may prove nothing: a fault that the bot's end cut short, say."""


@pytest.fixture(scope="session")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return Ledger.of(tmp_path_factory)


@pytest.mark.parametrize(("name", "start"), PIECES)
def test_no_seed_breaks_anything(name: str, start: int, ledger: Ledger) -> None:
    """And whichever piece is the last sees to it that the gate as a whole proved something."""
    results = list(results_of(name, range(start, start + PIECE)))
    ledger.note(name, start, results)
    broken = [complaint(result) for result in results if result.is_failure]
    assert not broken, "\n\n".join(broken)
    everything = ledger.all()
    if everything is not None:
        whole = summarize(everything, kinds_drawn(is_wire=True))
        assert whole.shortfalls(at_least=1, must_happen=MUST_HAPPEN) == []
        assert whole.never_judged() == []
        assert whole.statuses.get(str(Status.VACUOUS), 0) <= VACUOUS_MAX, whole.hollow


def test_there_are_two_hundred() -> None:
    assert sum(SEEDS.values()) == 200
    assert {BASES[name].load().depth for name in SEEDS} == {"interface", "wire"}
