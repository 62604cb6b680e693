"""Broken on purpose, and seen to fail: a check that cannot fail proves nothing.

Each test breaks one thing that papertape relies on, in the client's machinery, in the venue or in the harness, and shows that the run which
guards it does not pass.
"""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import papertape
from papertape.exchanges import account, comparing, line, placing, polling, requests, streams, watching
from papertape.exchanges.base import BaseExchange
from papertape.model.errors import ExchangeError
from papertape.resilience import outbox, sequence, silence
from papertape.runtime.chance import Chance
from papertape.session import world
from papertape.session.engine import VARIABLE as ENGINE
from papertape.session.engine import Engine
from papertape.session.replay import Cursors
from papertape.session.result import RunResult, Status
from papertape.session.skipping import SkippingCursors
from papertape.sim import venue
from papertape.sim.fees import FlatFees
from papertape.sim.matcher import Matcher

Break = Callable[[pytest.MonkeyPatch], None]


# ---- what a client can get wrong


def timeout_means_failure(patch: pytest.MonkeyPatch) -> None:
    """The classic: no answer, so it did not happen."""

    def lost(self: account.Account, intent: Any, why: str) -> None:
        self.refused(intent, ExchangeError(why))

    patch.setattr(account.Account, "lost", lost)


def nothing_is_reconciled_after_a_reconnect(patch: pytest.MonkeyPatch) -> None:
    async def reconcile(*_: Any) -> int:
        return 0

    patch.setattr(line, "reconcile", reconcile)
    patch.setattr(polling, "reconcile", reconcile)


def subscriptions_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    repair, times = streams.Streams.repair, itertools.count()

    async def forgetful(self: streams.Streams) -> int:
        return await repair(self) if next(times) == 0 else 0

    patch.setattr(streams.Streams, "repair", forgetful)


def a_goodbye_is_taken_for_the_end(patch: pytest.MonkeyPatch) -> None:
    closed = line.Line.on_closed

    def on_closed(self: line.Line, lane: Any, reason: str) -> None:
        if "1001" not in reason:
            closed(self, lane, reason)

    patch.setattr(line.Line, "on_closed", on_closed)


def retry_after_is_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(requests, "retry_after_ns", lambda error: 0)


async def nobody_looks(*_: Any) -> None:
    return


def books_are_never_compared(patch: pytest.MonkeyPatch) -> None:
    """With REST's, which would find out by itself."""
    patch.setattr(comparing.Comparing, "_keep", nobody_looks)


def silence_is_never_noticed(patch: pytest.MonkeyPatch) -> None:
    books_are_never_compared(patch)
    patch.setattr(silence.Silence, "is_dead", lambda *_, **__: False)
    patch.setattr(watching.Watching, "keep", nobody_looks)


def gaps_are_never_noticed(patch: pytest.MonkeyPatch) -> None:
    def on(self: sequence.Sequence, number: int) -> sequence.Succession:
        self.expected = number + 1
        return sequence.Succession.NEXT

    patch.setattr(sequence.Sequence, "on", on)


def what_must_wait_is_dropped(patch: pytest.MonkeyPatch) -> None:
    ask = outbox.Outbox.ask

    def impatient(*arguments: Any, **named: Any) -> outbox.Verdict:
        verdict = ask(*arguments, **named)
        return outbox.Verdict.EXPIRED if verdict is outbox.Verdict.WAIT else verdict

    patch.setattr(outbox.Outbox, "ask", impatient)


def an_intent_is_sent_again_under_a_new_id(patch: pytest.MonkeyPatch) -> None:
    import msgspec

    create = placing._create

    def renamed(intent: Any) -> Any:
        request = create(intent)
        if request.attempt == 1:
            return request
        return msgspec.structs.replace(request, client_order_id=f"{request.client_order_id}-{request.attempt}")

    patch.setattr(placing, "_create", renamed)


# ---- what the venue can get wrong


def stale_quotes_may_take(patch: pytest.MonkeyPatch) -> None:
    """A post-only order that would take is let through."""
    import msgspec

    check_book = venue.check_book

    def lenient(wanted: Any, *others: Any) -> None:
        check_book(msgspec.structs.replace(wanted, post_only=False), *others)

    patch.setattr(venue, "check_book", lenient)


@pytest.mark.parametrize(
    ("scenario", "broken"),
    [
        ("lost_reply", timeout_means_failure),
        ("user_line_drops_on_a_buy", nothing_is_reconciled_after_a_reconnect),
        ("market_line_resets", subscriptions_are_forgotten),
        ("polite_goodbye", a_goodbye_is_taken_for_the_end),
        ("too_many_requests", retry_after_is_ignored),
        ("silent_market", silence_is_never_noticed),
        ("missing_message", gaps_are_never_noticed),
        ("outage_during_a_twap", what_must_wait_is_dropped),
        ("everything_at_once", an_intent_is_sent_again_under_a_new_id),
        ("real_adapter", timeout_means_failure),
        ("slow_market", stale_quotes_may_take),
        ("refusal_to_cancel_is_lost", subscriptions_are_forgotten),
    ],
)
def test_each_scenario_fails_when_what_it_guards_is_broken(scenario: str, broken: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"scenarios/{scenario}.scenario.toml"
    assert papertape.simulate(path).status is Status.PASSED
    broken(monkeypatch)
    result = papertape.simulate(path)
    assert result.status is not Status.PASSED
    assert result.failures


def test_every_scenario_has_its_break() -> None:
    """A scenario without one would be a check that nobody has seen fail."""
    (mark,) = test_each_scenario_fails_when_what_it_guards_is_broken.pytestmark
    guarded = {name for name, _ in mark.args[1]}
    assert guarded == {path.name.removesuffix(".scenario.toml") for path in Path("scenarios").glob("*.scenario.toml")}


def test_a_resend_under_a_new_id_is_called_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    an_intent_is_sent_again_under_a_new_id(monkeypatch)
    result = papertape.simulate("scenarios/everything_at_once.scenario.toml")
    assert result.status is Status.FAILED
    assert any("which no intent has" in failure for failure in result.failures), result.failures


def test_a_timeout_taken_for_a_failure_is_called_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot was told "no", and the venue has the order."""
    timeout_means_failure(monkeypatch)
    result = papertape.simulate("scenarios/everything_at_once.scenario.toml")
    assert result.status is Status.FAILED
    assert any("calls that were told no apart" in failure for failure in result.failures), result.failures


# ---- what the venue can get wrong: the audit makes every run an error


async def buys_below_the_market(exchange: BaseExchange) -> None:
    """A limit order that cannot fill at once, and one that can."""
    import asyncio

    await asyncio.sleep(1)
    await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "63000.00", time_in_force="IOC")
    await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "65000.00", time_in_force="IOC")


def small_run() -> RunResult:
    feed = {"tape": "builtin:btc-usd", "end": "20s"}
    return papertape.simulate(buys_below_the_market, venues={"coinbase": {"feed": feed, "account": {"USD": "100000", "BTC": "1"}}})


def test_the_small_run_itself_passes() -> None:
    result = small_run()
    assert (result.status, result.orders, result.fills) == (Status.PASSED, 2, 1), result.failures


def test_matching_through_the_limit_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    levels = Matcher.open_levels
    monkeypatch.setattr(Matcher, "open_levels", lambda self, side, limit: levels(self, side, None))
    result = small_run()
    assert result.status is Status.ERROR
    assert any("beyond the limit" in failure for failure in result.failures), result.failures


def test_a_forgotten_fee_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from decimal import Decimal

    monkeypatch.setattr(FlatFees, "fee", lambda *_: Decimal(0))
    result = small_run()
    assert result.status is Status.ERROR
    assert any("paid a fee of 0" in failure for failure in result.failures), result.failures


# ---- what the harness can get wrong about time and chance: the claims of tests/session fail


@pytest.fixture
def claims() -> ModuleType:
    path = Path(__file__).parent.parent / "session" / "test_run.py"
    spec = importlib.util.spec_from_file_location("claims_of_session", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_an_order_matched_at_a_past_price_is_found_out(claims: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The venue is shown rows only when the client is: then an order pays what the client saw, which is gone."""

    class Late(Cursors):
        def __init__(self, rows: Any, **named: Any) -> None:
            apply, deliver = named.pop("apply"), named.pop("deliver")
            clock = named.pop("clock")

            def late(index: int, event: Any) -> None:
                deliver(apply(event, clock()), event)

            super().__init__(rows, apply=lambda event, now_ns: 0, deliver=late, **named)

    monkeypatch.setenv(ENGINE, Engine.PLAIN)
    monkeypatch.setattr(world, "Cursors", lambda rows, **named: Late(rows, clock=_now, **named))
    with pytest.raises(AssertionError):
        claims.test_two_cursors_show_the_venue_ahead_of_the_client(tmp_path)


def test_so_it_is_where_rows_are_skipped(claims: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same mistake of the fast engine: what is worked in as an order comes is what the client was told, not what has happened."""
    monkeypatch.setenv(ENGINE, Engine.FAST)
    monkeypatch.setattr(SkippingCursors, "reached", lambda self: self._delivered.settle())
    with pytest.raises(AssertionError):
        claims.test_two_cursors_show_the_venue_ahead_of_the_client(tmp_path)


def _now() -> int:
    import asyncio

    return asyncio._get_running_loop().now_ns  # type: ignore[union-attr, no-any-return]  # it runs in a loop of ours


def test_a_draw_that_shifts_when_the_tape_is_cut_is_found_out(claims: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn one after another instead of by the row's number."""
    keyed, counters = Chance.keyed, {}

    def shifting(self: Chance, name: str, key: int) -> int:
        counter = counters.setdefault((id(self), name), itertools.count())
        return keyed(self, name, next(counter))

    monkeypatch.setattr(Chance, "keyed", shifting)
    with pytest.raises(AssertionError):
        claims.test_a_draw_does_not_shift_when_the_tape_is_cut()


def test_the_claims_themselves_hold(claims: ModuleType, tmp_path: Path) -> None:
    claims.test_two_cursors_show_the_venue_ahead_of_the_client(tmp_path)
    claims.test_a_draw_does_not_shift_when_the_tape_is_cut()
