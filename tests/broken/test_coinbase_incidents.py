"""Coinbase's own stories told at depth `wire`, to the live adapter and to one with the bug that the story is about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import papertape
from broken.test_broken_on_purpose import gaps_are_never_noticed, subscriptions_are_forgotten
from broken.test_incidents import BREAKS as OF_INCIDENTS
from broken.test_incidents import (
    INCIDENTS,
    an_error_frame_is_logged_and_that_is_that,
    silence_is_a_quiet_market,
    silence_is_golden,
)
from papertape.links.coinbase import stream as coinbase_stream
from papertape.model.event import Trade
from papertape.model.units import SECOND
from papertape.resilience import backoff, feed, sequence
from papertape.scenario.load import load_scenario
from papertape.session.result import RunResult, Status
from papertape.venues.coinbase import frame

Break = Callable[[pytest.MonkeyPatch], None]
COINBASE = Path(__file__).parents[2] / "scenarios" / "coinbase"

AT_WIRE = (
    "snapshot_too_big_silent", "l2_mute_trades_alive", "subscribe_rate_limited", "reset_then_flapping", "sequence_gap_under_load",
    "one_gap_resets_all_books", "stale_book_after_reconnect", "update_before_snapshot",
)  # fmt: skip
"""Incidents of Coinbase's whose files are at depth `interface`, and last a few minutes; of the long ones `coinbase` has a short form."""


# ---- what a client can get wrong about the dialect


def old_trades_are_news(patch: pytest.MonkeyPatch) -> None:
    _reading(patch, lambda data: data.replace(b'"type":"snapshot","trades"', b'"type":"update","trades"'))


def asks_are_called_ask(patch: pytest.MonkeyPatch) -> None:
    _reading(patch, lambda data: data.replace(b'"side":"offer"', b'"side":"bid"'))


def a_trade_tells_the_takers_side(patch: pytest.MonkeyPatch) -> None:
    hear = coinbase_stream.CoinbaseStream._hear

    def turned(self: coinbase_stream.CoinbaseStream, told: frame.Frame) -> None:
        messages = tuple(
            msgspec.structs.replace(each, taker=each.taker.opposite) if isinstance(each, Trade) else each for each in told.messages
        )
        hear(self, msgspec.structs.replace(told, messages=messages))

    patch.setattr(coinbase_stream.CoinbaseStream, "_hear", turned)


def what_says_nothing_has_no_number(patch: pytest.MonkeyPatch) -> None:
    """Acknowledgements and history are dropped, and the hole that they leave is a gap, again and again."""
    hear = coinbase_stream.CoinbaseStream._hear

    def forgetful(self: coinbase_stream.CoinbaseStream, told: frame.Frame) -> None:
        hear(self, told)
        self._silent = 0

    patch.setattr(coinbase_stream.CoinbaseStream, "_hear", forgetful)


def _reading(patch: pytest.MonkeyPatch, misread: Callable[[bytes], bytes]) -> None:
    decode = coinbase_stream.decode
    patch.setattr(coinbase_stream, "decode", lambda data, *others: decode(misread(bytes(data)), *others))


# ---- and about its lines


def numbers_go_on_over_connections(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sequence.Sequence, "restart", lambda self: None)


def nobody_asks_rest_instead(patch: pytest.MonkeyPatch) -> None:
    on = feed.Feed.on

    def only_streams(self: feed.Feed, signal: feed.FeedSignal) -> Any:
        return None if signal is feed.FeedSignal.ANSWERED else on(self, signal)

    patch.setattr(feed.Feed, "on", only_streams)


def nobody_hurries_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(backoff.Backoff, "__call__", lambda self, failures: 60 * SECOND)


BREAKS: tuple[tuple[str, Break, str], ...] = (
    ("the_dialect", old_trades_are_news, "is history, and was told as news"),
    ("the_dialect", asks_are_called_ask, "book_matches"),
    ("the_dialect", a_trade_tells_the_takers_side, "on the other side of the book than they said"),
    ("the_dialect", what_says_nothing_has_no_number, "resubscribed"),
    ("numbers_belong_to_a_connection", numbers_go_on_over_connections, "reconciled_after_reconnect"),
    ("shut_streams_are_polled", nobody_asks_rest_instead, "streaming_again"),
    ("black_holed_lanes", silence_is_golden, "stale_lane_dropped"),
    ("black_holed_lanes", nobody_hurries_back, "recovers_within"),
    ("reset_with_10054", subscriptions_are_forgotten, "resubscribed"),
    ("closed_every_minute", subscriptions_are_forgotten, "recovers_within"),
    ("trades_hole", silence_is_a_quiet_market, "recovers_within"),
    ("error_frame_mid_stream", an_error_frame_is_logged_and_that_is_that, "recovers_within"),
    ("error_frame_mid_stream", gaps_are_never_noticed, "gap_detected"),
)


@pytest.mark.parametrize(("name", "broken", "found_by"), BREAKS, ids=[f"{name}-{broken.__name__}" for name, broken, _ in BREAKS])
def test_the_story_does_not_end_well_for_an_adapter_with_that_bug(
    name: str, broken: Break, found_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    assert_found(papertape.simulate(COINBASE / f"{name}.scenario.toml"), found_by)


@pytest.mark.parametrize("name", AT_WIRE)
def test_an_incident_ends_well_at_wire_depth_and_not_with_its_bug(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same files as at depth `interface`, over ccxt, websockets and the real URLs."""
    scenario = load_scenario(INCIDENTS / f"{name}.scenario.toml", depth="wire")
    result = papertape.simulate(scenario)
    assert result.is_passed, result.failures
    broken, found_by = next((broken, found_by) for incident, broken, found_by in OF_INCIDENTS if incident == name)
    broken(monkeypatch)
    assert_found(papertape.simulate(scenario), found_by)


def test_every_story_has_its_break() -> None:
    told = dict.fromkeys(name for name, _, _ in BREAKS)
    assert sorted(told) == sorted(path.name.removesuffix(".scenario.toml") for path in COINBASE.glob("*.toml"))


def assert_found(result: RunResult, found_by: str) -> None:
    """By an invariant, a key of [expect], what the bot says, or what had to happen and did not."""
    if result.status is Status.FAILED:
        assert found_by in result.broken or any(found_by in told for told in result.failures), result.failures
    else:
        assert result.status is Status.VACUOUS
        assert any(f'"{found_by}" had to happen and did not' in told for told in result.failures), result.failures
