"""Whatever a venue does, at either depth: the shell and its bots come through, and no invariant is broken."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import papertape
from papertape.bots import MarketMaker, MomentumTaker, twap
from papertape.exchanges.base import BaseExchange
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
        ("maker", ["drop,at=10s,count=40"], []),
        ("taker", ["duplicate,at=10s,count=5,after=3s"], []),
        ("maker", ["duplicate,at=10s,count=40,number=kept"], []),
        ("maker", ["duplicate,at=10s,count=40,connection=market,channel=book,after=200ms"], []),
        ("maker", ["reorder,at=10s,count=20"], []),
        ("taker", ["reorder,at=10s,count=3,number=kept"], ["gap_detected", "resynced_after_gap"]),
        ("twap", ["reorder,on=order.create,nth=2,count=2", "lost_reply,nth=2"], ["reconciled_after_lost_reply"]),
        ("maker", ["outage,at=20s,lasts=20s"], ["reconnected"]),
        ("taker", ["outage,on=order.create,nth=2,lasts=15s,connections=rest,executes=true"], ["reconciled_after_lost_reply"]),
        ("maker", ["outage,on=order.create,nth=4,lasts=15s,connections=rest+user,executes=true"], ["reconnected"]),
        ("twap", ["outage,at=15s,lasts=20s,connections=market+user"], ["order_waited_in_outbox"]),
        ("maker", ["empty_snapshot,at=20s", "disconnect,at=30s,connection=market,lasts=5s"], ["snapshot_doubted"]),
        ("maker", ["stale_snapshot,at=20s", "disconnect,at=30s,connection=market,lasts=5s"], ["snapshot_doubted"]),
        ("maker", ["stale_snapshot,at=20s", "gap,at=30s,channel=book"], ["snapshot_doubted", "resynced_after_gap"]),
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


@pytest.mark.parametrize("depth", ["interface", "wire"])
def test_a_fill_that_nobody_told_of_is_found_by_asking(depth: str) -> None:
    """No number shows that a message is missing; the bot is told all the same, within the time after which orders are confirmed."""
    heard: list[tuple[str, float]] = []

    async def main(exchange: Any) -> None:
        books: list[Any] = []
        await exchange.subscribe_order_book("BTC/USD", lambda book: books.append(book.bid) if not books else None)
        await exchange.subscribe_orders(lambda order: heard.append((str(order.status), asyncio.get_running_loop().time())))
        await asyncio.sleep(5)
        await exchange.place_order("BTC/USD", "limit", "buy", "0.001", books[0])
        await asyncio.sleep(100)

    expect = {"invariants": INVARIANTS, "recovers_within": "40s", "must_happen": ["missed_fill_found"]}
    result = papertape.simulate(main, venues={"coinbase": VENUE}, faults=[parse_fault("drop,at=5500ms")], expect=expect, depth=depth)
    assert result.status is Status.PASSED, result.failures
    assert [status for status, _ in heard] == ["open", "closed"]


async def buys_three_times(exchange: BaseExchange) -> None:
    for _ in range(3):
        await exchange.place_order("BTC/USD", "market", "buy", "0.01")


def test_quiet_that_is_asked_for_in_the_middle_of_a_call_is_kept() -> None:
    """The order was taken, and the look at what became of it refused: the call says yes, and nothing is asked until the wait is over."""
    faults = [parse_fault("rate_limit,on=order.fetch,nth=1,retry_after=3s")]
    expect = {"invariants": INVARIANTS}
    result = papertape.simulate(buys_three_times, venues={"coinbase": VENUE}, faults=faults, expect=expect, depth="wire")
    assert result.is_passed, result.failures
    assert result.orders == 3
