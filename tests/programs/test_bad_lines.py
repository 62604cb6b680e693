"""Every fault on a program that does not expect it: it may fail, but our side never does, nothing hangs, and it is the same again."""

from __future__ import annotations

from pathlib import Path

import pytest

from papertape.faults import FAULTS
from papertape.scenario.fault_text import parse_fault
from papertape.scenario.quick import bot_scenario
from papertape.session.result import RunResult, Status
from papertape.session.run import run_scenario
from papertape.venues.coinbase.asked import Asked
from papertape.wire.coinbase import handler

BOTS = Path(__file__).parent / "bots"
REST, MARKET = "host=api.coinbase.com", "host=advanced-trade-ws.coinbase.com"

ON_THE_LINE = [
    ("buys_twice", f"dns_failure,{REST}"),
    ("buys_twice", f"dns_slow,{REST}"),
    ("buys_twice", f"connect_refused,{REST}"),
    ("buys_twice", f"connect_timeout,{REST}"),
    ("buys_twice", f"slow_connect,{REST}"),
    ("buys_twice", f"tls_expired,{REST}"),
    ("buys_twice", f"tls_wrong_host,{REST}"),
    ("buys_twice", f"tls_slow,{REST}"),
    ("buys_twice", f"reset,{REST},after_frames=3"),
    ("signing_bot", f"reset,{MARKET},after_frames=3"),
    ("buys_twice", f"close,{REST},after_frames=3"),
    ("signing_bot", f"half_close,{MARKET},after_frames=2"),
    ("buys_twice", f"half_open,{REST},direction=to_server"),
    ("buys_twice", f"black_hole,{REST},at=1s,lasts=20s"),
    ("signing_bot", f"black_hole,{MARKET},direction=to_client,after_frames=1"),
    ("signing_bot", f"bandwidth,{MARKET}"),
    ("buys_twice", f"split,{REST}"),
    ("buys_twice", f"corrupt,{REST}"),
    ("signing_bot", f"corrupt,{REST},direction=to_server,skip=400"),
    ("buys_twice", f"lag,{REST}"),
]
AT_THE_VENUE = [
    ("buys_twice", "disconnect,at=1s,lasts=2s,connection=rest"),
    ("ccxtpro_bot", "disconnect,at=5s,lasts=2s,connection=market"),
    ("buys_twice", "stall,at=1s,lasts=15s,connection=rest"),
    ("buys_twice", "lost_reply"),
    ("ccxtpro_bot", "gap,at=5s,lasts=2s"),
    ("buys_twice", "rate_limit,at=1s,lasts=3s"),
    ("buys_twice", "latency,at=0s,lasts=10s,add=1s,connection=rest"),
    ("buys_twice", "late_reply,delay=30s"),
    ("buys_twice", "reject,reason=unavailable"),
    ("buys_twice", "outage,at=1s,lasts=3s,connections=rest,executes=true"),
    ("ccxtpro_bot", "outage,at=5s,lasts=2s"),
    ("book_bot", "duplicate,at=2s,connection=market,channel=book,number=kept"),
    ("book_bot", "empty_snapshot,at=2s"),
    ("book_bot", "stale_snapshot,at=2s"),
    ("ccxtpro_bot", "drop,at=0s"),
    ("ccxtpro_bot", "reorder,at=0s"),
    ("ccxtpro_bot", "late_visibility,nth=1,times=20,hides_for=20s"),
    ("ccxtpro_bot", "foreign_order,at=2s"),
    ("buys_twice", "ban,at=1s,lasts=5s"),
    ("book_bot", "mute,at=2s,lasts=5s"),
    ("book_bot", "short_lived,at=0s,lasts=20s,lives=2s"),
    ("book_bot", "late_snapshot,at=0s"),
    ("book_bot", "crossed_snapshot,at=0s"),
    ("book_bot", "lost_snapshot,at=0s"),
    ("book_bot", "lost_subscription,at=0s"),
    ("book_bot", "refused_subscription,at=0s"),
    ("buys_twice", "market_phase,at=0s,phase=cancel_only,lasts=20s"),
    ("ccxtpro_bot", "late_release,held_for=3s"),
]

OF_BOTS_ONLY = {"crash", "clock_skew"}
"""A program is not started anew, and its clock is the run's; papertape says so."""


def run(name: str, fault: str) -> RunResult:
    return run_scenario(bot_scenario(BOTS / f"{name}.py", faults=[parse_fault(fault)]))


@pytest.mark.parametrize(("name", "fault"), ON_THE_LINE + AT_THE_VENUE)
def test_no_fault_is_too_much_for_our_side(
    name: str, fault: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """No error of ours, no end that is no end, no log of a server's or a task's that nobody asked; and all of it twice the same."""
    results = []
    for _ in range(2):
        result = run(name, fault)
        heard = capsys.readouterr()
        assert result.status is not Status.ERROR, result.failures
        assert not any("stuck" in each for each in result.failures), result.failures
        assert [each.fired > 0 for each in result.faults] == [True]
        assert "papertape/wire" not in heard.err
        assert "never retrieved" not in heard.err
        results.append((result.status, result.failures, result.digest, result.wire_digest, heard.out, heard.err))
    assert results[0] == results[1]
    assert [record for record in caplog.records if record.name.startswith(("aiohttp.server", "papertape"))] == []


def test_every_fault_is_tried() -> None:
    """A new one must be thought of here."""
    tried = {text.partition(",")[0] for _, text in ON_THE_LINE + AT_THE_VENUE}
    assert set(FAULTS) - tried == OF_BOTS_ONLY


def test_a_mistake_of_our_server_is_no_fault_of_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program sees 500, as it would; the verdict says whose mistake it was."""

    def broken(*args: object) -> Asked:
        raise ZeroDivisionError("just so")

    monkeypatch.setattr(handler, "parse_at", broken)
    result = run("buys_once", f"lag,{REST}")
    assert result.status is Status.ERROR
    assert result.failures[0].startswith("papertape's own server failed, please report it: Error handling request from ")
    assert result.failures[0].endswith("ZeroDivisionError: just so")
