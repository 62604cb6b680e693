"""The real adapter reads frames as captures of Coinbase hold them, where ours are tidier: the same facts in odder words.

What a story comes to must not depend on how it was worded: where nothing else changes, the digest is that of the tidy one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import papertape
from papertape.links.coinbase import stream as coinbase_stream
from papertape.scenario.load import load_scenario
from papertape.session.result import RunResult

STORY = Path(__file__).parents[2] / "scenarios" / "coinbase" / "the_dialect.scenario.toml"
END = "80s"
"""As far as the first of its cuts, and a little."""

Frame = dict[str, Any]
NEVER, BEGINNING = "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"


def tell(patch: pytest.MonkeyPatch, reword: Callable[[Frame], object]) -> RunResult:
    """The story, each frame of which is reworded before it is read."""
    decode = coinbase_stream.decode

    def reading(data: bytes, *others: Any) -> Any:
        told = json.loads(data)
        reword(told)
        return decode(json.dumps(told).encode(), *others)

    patch.setattr(coinbase_stream, "decode", reading)
    return told()


def told() -> RunResult:
    scenario = load_scenario(STORY)
    (spec,) = scenario.venues.values()
    spec = msgspec.structs.replace(spec, feed=tuple(msgspec.structs.replace(feed, end=END) for feed in spec.feed))
    return papertape.simulate(msgspec.structs.replace(scenario, venues={"coinbase": spec}, faults=scenario.faults[:1]))


@pytest.fixture(scope="module")
def tidy() -> RunResult:
    return told()


def test_what_means_nothing_changes_nothing(tidy: RunResult, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `client_id`, keys that nobody knows, Go's clock behind a heartbeat's time, counters as text, products in any order, levels told
    twice of which the last counts, a level of nobody's taken away, and stamps of the year 1 where Coinbase has none.
    """
    seen: Counter[str] = Counter()

    def reword(told: Frame) -> None:
        if "channel" not in told:
            return
        del told["client_id"]
        told["a_key_of_next_year"] = {"nested": [1, None]}
        for event in told["events"]:
            seen[f"{told['channel']} {event.get('type', '')}"] += 1
            match told["channel"]:
                case "heartbeats":
                    event["current_time"] += " m=+41691.260485341"
                    event["heartbeat_counter"] = str(event["heartbeat_counter"])
                case "subscriptions":
                    for names in event["subscriptions"].values():
                        names.reverse()
                    event["subscriptions"]["futures_balance_summary"] = ["futures_balance_summary"]
                case "ticker":
                    for row in event["tickers"]:
                        row["price_percentage_change_24h"] = None
                case "user":
                    for row in event["orders"]:
                        row["end_time"] = row.get("end_time") or NEVER
                case "l2_data" if event["type"] == "update":
                    first = event["updates"][0]
                    nobodys = {**first, "price_level": "1.01" if first["side"] == "bid" else "999999.01", "new_quantity": "0.00"}
                    event["updates"] += [nobodys, {**first, "new_quantity": "7.0"}, first]

    result = tell(monkeypatch, reword)
    assert result.is_passed, result.failures
    assert result.digest == tidy.digest
    assert all(seen[name] for name in ("heartbeats ", "subscriptions ", "user snapshot", "user update", "l2_data update"))


def test_a_snapshot_whose_levels_have_no_time_is_as_old_as_its_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would be older than all that was heard, doubted, and asked for again for ever."""
    stamps = [NEVER, BEGINNING]

    def reword(told: Frame) -> None:
        for event in told.get("events", ()) if told.get("channel") == "l2_data" else ():
            stamp = stamps.pop() if event["type"] == "snapshot" else BEGINNING
            for row in event["updates"]:
                row["event_time"] = stamp

    result = tell(monkeypatch, reword)
    assert result.is_passed, result.failures
    assert "snapshot_doubted" not in result.marks
    assert not stamps


def test_an_update_that_changes_nothing_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message may hold several events, and an event no levels at all."""
    seen: Counter[str] = Counter()

    def reword(told: Frame) -> None:
        if told.get("channel") == "l2_data" and told["events"][0]["type"] == "update":
            seen["updates"] += 1
            if seen["updates"] % 10 == 0:
                told["events"].append({"type": "update", "product_id": "BTC-USD", "updates": []})

    result = tell(monkeypatch, reword)
    assert result.is_passed, result.failures
    assert seen["updates"] > 1_000


class Batches:
    """Every second message of trades holds the one before it too, newest first, as one that sweeps levels is told of."""

    def __init__(self, *, newest_first: bool) -> None:
        self.told = 0
        self._held: list[Frame] = []
        self._newest_first = newest_first

    def __call__(self, told: Frame) -> None:
        if told.get("channel") != "market_trades" or told["events"][0]["type"] == "snapshot":
            return
        event = told["events"][0]
        if not self._held:
            self._held, event["trades"] = event["trades"], []
            return
        now, self._held, before = event["trades"], [], self._held
        event["trades"] = now + before if self._newest_first else before + now
        self.told += 1


def test_trades_in_one_message_come_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """And are told oldest first; the bot of the story ends where one comes after a later one."""
    batches = Batches(newest_first=True)
    result = tell(monkeypatch, batches)
    assert result.is_passed, result.failures
    assert batches.told > 20


def test_that_bot_notices_when_they_are_told_the_other_way_round(monkeypatch: pytest.MonkeyPatch) -> None:
    result = tell(monkeypatch, Batches(newest_first=False))
    assert any("came after a later one" in why for why in result.failures), result.failures
