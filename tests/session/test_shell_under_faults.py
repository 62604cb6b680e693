"""Whatever a venue does, at either depth: the shell and its bots come through, and no invariant is broken."""

from __future__ import annotations

from typing import Any

import pytest

import papertape
from papertape.bots import MarketMaker, MomentumTaker, twap
from papertape.scenario.fault_text import parse_fault
from papertape.session.result import RunResult, Status

VENUE = {"feed": {"tape": "builtin:btc-usd", "end": "2m"}, "account": {"USD": "100000", "BTC": "1"}}
INVARIANTS = ["no_duplicate_exposure", "every_order_known", "position_matches", "rate_respected"]
BOTS: dict[str, tuple[Any, dict[str, str]]] = {
    "maker": (MarketMaker, {"size": "0.01"}),
    "taker": (MomentumTaker, {"size": "0.05", "trigger_bps": "0.3", "rest": "3s"}),
    "twap": (twap, {"amount": "0.2", "over": "60s"}),
}


def run(bot: str, depth: str, *faults: str, recovers_within: str = "30s", must_happen: tuple[str, ...] = ()) -> RunResult:
    main, config = BOTS[bot]
    expect = {"invariants": INVARIANTS, "recovers_within": recovers_within, "must_happen": list(must_happen)}
    plan = [parse_fault(fault) for fault in faults]
    return papertape.simulate(main, bot_config=config, venues={"coinbase": VENUE}, faults=plan, expect=expect, depth=depth)


@pytest.mark.parametrize("depth", ["interface", "wire"])
@pytest.mark.parametrize(
    ("bot", "faults", "must_happen"),
    [
        ("maker", ["late_reply,nth=3"], ["reconciled_after_lost_reply"]),
        ("taker", ["late_reply,nth=2,times=2"], ["reconciled_after_lost_reply"]),
        ("twap", ["late_reply,at=20s,lasts=10s,delay=12s"], []),
        ("maker", ["reject,nth=2"], []),
        ("taker", ["reject,nth=2,reason=unavailable"], ["outcome_unknown"]),
        ("maker", ["reject,on=order.cancel,nth=2,reason=order_not_open"], []),
        # The first request is done, and its repetition refused, while nobody else could tell.
        (
            "taker",
            ["lost_reply,nth=2", "reject,nth=3", "disconnect,on=order.create,nth=2,connection=user,lasts=20s"],
            ["missed_fill_found"],
        ),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else str(value),
)
def test_the_shell_comes_through(bot: str, faults: list[str], must_happen: list[str], depth: str) -> None:
    result = run(bot, depth, *faults, must_happen=tuple(must_happen))
    assert result.status is Status.PASSED, result.failures
    assert all(fault.fired for fault in result.faults)
