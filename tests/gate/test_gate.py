"""Two hundred seeds of the swarm, every invariant: nothing is taken into papertape that fails one of them.

Each piece is ten seeds of one bot, so that processes share the work. A failure ends with the command that runs its seed again, and shrinks
it: the same with `--shrink 1`.
"""

from __future__ import annotations

import msgspec
import pytest

from gate.seeds import BASES, MUST_HAPPEN, PIECE, PIECES, SEEDS, Ledger, complaint, results_of
from papertape.invariants import INVARIANTS
from papertape.scenario.seed_result import SeedResult
from papertape.scenario.summary import summarize
from papertape.scenario.swarm import kinds_drawn
from papertape.session.result import Status

pytestmark = pytest.mark.timeout(600)  # a piece takes three seconds, on a machine that has nothing else to do

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
        assert not shortfalls(everything)


def shortfalls(results: list[SeedResult]) -> list[str]:
    """Why the gate as a whole proved nothing."""
    whole = summarize(results, kinds_drawn(is_wire=True))
    found = whole.shortfalls(at_least=1, must_happen=MUST_HAPPEN)
    found += [f"{name} was judged in no seed" for name in whole.never_judged()]
    vacuous = whole.statuses.get(str(Status.VACUOUS), 0)
    return found + ([f"{vacuous} seeds proved nothing: {whole.hollow}"] if vacuous > VACUOUS_MAX else [])


def test_a_gate_that_proves_nothing_is_shut() -> None:
    """Two hundred passes without a fault that hit, a mark that was seen or an invariant that was judged are no pass."""
    hollow = SeedResult(scenario="x", seed=1, status=Status.PASSED, not_judged=tuple(INVARIANTS))
    told = " ".join(shortfalls([hollow] * 200))
    for word in ("lost_reply", "half_open", "outcome_unknown", "position_matches was judged in no seed"):
        assert word in told
    assert "200 seeds proved nothing" in shortfalls([msgspec.structs.replace(hollow, status=Status.VACUOUS)] * 200)[-1]


def test_there_are_two_hundred() -> None:
    assert sum(SEEDS.values()) == 200
    assert {BASES[name].load().depth for name in SEEDS} == {"interface", "wire"}
