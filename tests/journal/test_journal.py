"""The digest is equal exactly where the lines are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from papertape.exchanges.factory import ExchangeFactory
from papertape.journal import Journal
from papertape.scenario.make import make_scenario
from papertape.session.run import run_scenario

OF_DOORS = ("command", "answered", "order", "stream", "subscribed", "told", "delivered")
"""Kinds of lines that a venue's door writes."""

facts = st.dictionaries(st.sampled_from(["op", "filled", "symbol"]), st.integers() | st.text(), max_size=3)
entries = st.lists(st.tuples(st.integers(0, 2**40), st.sampled_from(["command", "fault", "told"]), facts), max_size=8)


def written(lines: list[tuple[int, str, dict[str, object]]]) -> Journal:
    journal = Journal({"seed": 1})
    for now_ns, kind, more in lines:
        journal.write(now_ns, kind, **more)
    return journal


@given(entries, entries)
def test_equal_digests_mean_equal_lines(one: list, other: list) -> None:
    first, second = written(one), written(other)
    assert (first.digest == second.digest) == (list(first.lines) == list(second.lines))


@given(entries)
def test_every_line_moves_the_digest(lines: list) -> None:
    journal = written(lines)
    before = journal.digest
    journal.write(0, "end")
    assert journal.digest != before


def test_the_file_holds_what_was_digested(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Journal({"seed": 1}, path) as journal:
        journal.write(5, "fault", fault="gap")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["n"] for line in lines] == [0, 1]
    assert lines[1] == {"n": 1, "t": 5, "kind": "fault", "fault": "gap"}


def test_what_is_gathered_is_written_before_the_next_line() -> None:
    """Deliveries are ranges of rows; a command must not move ahead of what was delivered before it."""
    journal = Journal({})
    gathered = [(3, 9)]

    def flush() -> None:
        while gathered:
            first, last = gathered.pop()
            journal.write_gathered(1, "delivered", first=first, last=last)

    journal.before_write(flush)
    journal.write(2, "command")
    assert [json.loads(line)["kind"] for line in journal.lines] == ["header", "delivered", "command"]


def test_of_several_venues_each_line_names_its_own(tmp_path: Path) -> None:
    """Requests and connections are counted by each venue from 1 on; where there is one venue, nothing is added."""

    async def bot(exchange: Any, venues: tuple[str, ...]) -> None:
        for each in map(ExchangeFactory.get_exchange, venues):
            await each.subscribe_order_book("BTC/USD", lambda book: None)
            await each.place_order("BTC/USD", "limit", "buy", "0.01", "50000")

    def lines(*venues: str) -> list[dict[str, Any]]:
        spec = {"feed": {"tape": "builtin:btc-usd", "end": "10s"}, "account": {"USD": "100000"}}
        raw = {"title": "Here and there", "bot": bot, "bot_config": {"venues": venues}, "venue": dict.fromkeys(venues, spec)}
        path = tmp_path / "j.jsonl"
        run_scenario(make_scenario(raw, source="here", folder=tmp_path), journal_path=path)
        return [json.loads(line) for line in path.read_text().splitlines()]

    several = [line for line in lines("coinbase", "binance") if line["kind"] in OF_DOORS]
    assert {line["kind"] for line in several} == set(OF_DOORS)
    assert {line["venue"] for line in several} == {"coinbase", "binance"}
    assert not any("venue" in line for line in lines("coinbase") if line["kind"] in OF_DOORS)
