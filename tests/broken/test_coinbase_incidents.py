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
    a_refused_order_is_tried_again_behind_the_bots_back,
    an_error_frame_is_logged_and_that_is_that,
    silence_is_a_quiet_market,
    silence_is_golden,
)
from papertape.links.coinbase import stream as coinbase_stream
from papertape.model.event import BookSnapshot, BookUpdate, MarketStatus, Side, Ticker, Trade
from papertape.model.units import SECOND
from papertape.resilience import backoff, feed, sequence
from papertape.scenario.load import load_scenario
from papertape.session.result import RunResult, Status
from papertape.session.spec import Scenario
from papertape.venues.coinbase import frame

Break = Callable[[pytest.MonkeyPatch], None]
COINBASE = Path(__file__).parents[2] / "scenarios" / "coinbase"

AT_WIRE = (
    "snapshot_too_big_silent", "l2_mute_trades_alive", "subscribe_rate_limited", "reset_then_flapping", "sequence_gap_under_load",
    "one_gap_resets_all_books", "stale_book_after_reconnect", "update_before_snapshot", "answered_after_ten_seconds",
    "timeout_is_not_failure", "timeouts_make_tons_of_orders", "the_money_is_out",
)  # fmt: skip
"""Incidents of Coinbase's whose files are at depth `interface`, and last a few minutes; of the long ones `coinbase` has a short form."""


ENOUGH = "165s"
"""By then each of these stories has come to its end."""

SOONER = {"timeouts_make_tons_of_orders": "no_duplicate_exposure"}
"""What is broken by then, where the position has yet to grow."""


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


def a_frame_ends_at_a_megabyte(patch: pytest.MonkeyPatch) -> None:
    """As it does with `websockets` unless it is told otherwise."""
    patch.setattr(coinbase_stream, "FRAME_MAX", 1024 * 1024)


def what_is_taken_away_must_be_there(patch: pytest.MonkeyPatch) -> None:
    """The levels are keys, and a key that is not there is an error that ends the reading."""
    _dropping(patch, lambda levels, message: not levels or _take_over(levels, message) or True)


def nobody_listens_before_the_book(patch: pytest.MonkeyPatch) -> None:
    _dropping(patch, lambda levels, message: not isinstance(message, Trade | Ticker) or bool(levels))


def news_from_the_future_are_thrown_away(patch: pytest.MonkeyPatch) -> None:
    _dropping(patch, lambda levels, message: not isinstance(message, BookUpdate) or message.venue_ns <= message.local_ns)


def what_the_status_says_is_no_news(patch: pytest.MonkeyPatch) -> None:
    _dropping(patch, lambda levels, message: not isinstance(message, MarketStatus))


def _dropping(patch: pytest.MonkeyPatch, is_told: Callable[[dict[tuple[Side, int], int], Any], bool]) -> None:
    """A stream that leaves some messages out; it knows the levels of its book."""
    hear = coinbase_stream.CoinbaseStream._hear
    books: dict[int, dict[tuple[Side, int], int]] = {}

    def choosy(self: coinbase_stream.CoinbaseStream, told: frame.Frame) -> None:
        levels, kept = books.setdefault(id(self), {}), []
        for message in told.messages:
            if is_told(levels, message):
                kept.append(message)
            if isinstance(message, BookSnapshot):
                _take_over(levels, message)
        hear(self, msgspec.structs.replace(told, messages=tuple(kept)))

    patch.setattr(coinbase_stream.CoinbaseStream, "_hear", choosy)


def _take_over(levels: dict[tuple[Side, int], int], message: Any) -> None:
    if isinstance(message, BookSnapshot | BookUpdate):
        for side, changes in ((Side.BUY, message.bids), (Side.SELL, message.asks)):
            for ticks, lots in changes:
                if lots:
                    levels[side, ticks] = lots
                else:
                    del levels[side, ticks]


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
    ("what_captures_hold", a_frame_ends_at_a_megabyte, "the first book had 2000 levels"),
    ("what_captures_hold", what_is_taken_away_must_be_there, "book_matches was not judged"),
    ("what_captures_hold", nobody_listens_before_the_book, "what never came before it: trade, ticker"),
    ("what_captures_hold", news_from_the_future_are_thrown_away, "book_matches"),
    ("numbers_belong_to_a_connection", numbers_go_on_over_connections, "reconciled_after_reconnect"),
    ("shut_streams_are_polled", nobody_asks_rest_instead, "streaming_again"),
    ("black_holed_lanes", silence_is_golden, "stale_lane_dropped"),
    ("black_holed_lanes", nobody_hurries_back, "recovers_within"),
    ("open_and_mute", silence_is_golden, "stale_lane_dropped"),
    ("breaks_off_with_1006", subscriptions_are_forgotten, "resubscribed"),
    ("reset_with_10054", subscriptions_are_forgotten, "resubscribed"),
    ("closed_every_minute", subscriptions_are_forgotten, "recovers_within"),
    ("trades_hole", silence_is_a_quiet_market, "recovers_within"),
    ("error_frame_mid_stream", an_error_frame_is_logged_and_that_is_that, "recovers_within"),
    ("cancel_only_for_a_minute", what_the_status_says_is_no_news, "what did not happen: trading resumed"),
    ("funds_held_after_a_cancel", a_refused_order_is_tried_again_behind_the_bots_back, "no_duplicate_exposure"),
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
    scenario = shortened(load_scenario(INCIDENTS / f"{name}.scenario.toml", depth="wire"))
    result = papertape.simulate(scenario)
    assert result.is_passed, result.failures
    broken, found_by = next((broken, found_by) for incident, broken, found_by in OF_INCIDENTS if incident == name)
    found_by = SOONER.get(name, found_by)
    broken(monkeypatch)
    assert_found(papertape.simulate(scenario), found_by)


def shortened(scenario: Scenario) -> Scenario:
    """The same without the quiet minutes after it."""
    (spec,) = scenario.venues.values()
    feeds = tuple(msgspec.structs.replace(feed, end=ENOUGH) for feed in spec.feed)
    return msgspec.structs.replace(scenario, venues={"coinbase": msgspec.structs.replace(spec, feed=feeds)})


def test_every_story_has_its_break() -> None:
    told = dict.fromkeys(name for name, _, _ in BREAKS)
    assert sorted(told) == sorted(path.name.removesuffix(".scenario.toml") for path in COINBASE.glob("*.toml"))


def assert_found(result: RunResult, found_by: str) -> None:
    """By an invariant, a key of [expect], what the bot says, or what had to happen, or to be judged, and was not."""
    if result.status is Status.FAILED:
        assert found_by in result.broken or any(found_by in told for told in result.failures), result.failures
    else:
        assert result.status is Status.VACUOUS
        unseen = f'"{found_by}" had to happen and did not'
        assert any(words in told for words in (unseen, found_by) for told in result.failures), result.failures
