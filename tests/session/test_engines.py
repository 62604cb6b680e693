"""The fast engine's journal is that of the plain one, line by line, whatever the bot does and the faults are."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.session.both_engines import SYMBOL, Onlooker, Protected, journal

from papertape.bots import MarketMaker, PatientMaker
from papertape.model import lazy_book
from papertape.model.errors import ConfigError
from papertape.model.event import BookSnapshot, BookUpdate, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.units import MILLISECOND, SECOND
from papertape.runtime.chance import Chance
from papertape.session.engine import VARIABLE, engine
from papertape.session.lag import Tuning
from papertape.tape import changes, tops
from papertape.tape.block import read_blocks
from papertape.tape.index.store import Tuning as Indexing
from papertape.tape.reader import Tape, open_tape
from papertape.tape.synth import Synth, write_synth
from papertape.tape.writer import TapeWriter

FAULTS: list[dict[str, Any]] = [
    {"kind": "disconnect", "at": "4s", "connection": "market", "lasts": "2s"},
    {"kind": "latency", "at": "6s", "connection": "market", "add": "300ms", "lasts": "2s"},
    {"kind": "gap", "at": "9s", "connection": "market", "channel": "book"},
    {"kind": "stall", "at": "11s", "connection": "user", "lasts": "1s"},
    {"kind": "lost_reply", "on": "order.create", "nth": 2},
    {"kind": "market_phase", "at": "13s", "phase": "post_only", "lasts": "2s"},
]
OTHERS = ("fast", "auto")
"""The engines that are held against the plain one, by turns."""

OF_BOOKS: list[dict[str, Any]] = [
    {"kind": "duplicate", "at": "3s", "connection": "market", "count": 3},
    {"kind": "mute", "at": "5s", "channel": "book", "lasts": "1s"},
    {"kind": "empty_snapshot", "at": "0s"},
    {"kind": "stale_snapshot", "at": "2s"},
    {"kind": "short_lived", "at": "7s", "connection": "market", "lives": "1500ms", "lasts": "4s"},
]


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("engines") / "short.parquet"
    write_synth(Synth(seed=11, duration_ns=20 * SECOND, events_per_second=120, wander_ticks=9), path)
    return path


@pytest.fixture(autouse=True)
def restless(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is worth doing for many rows only is done for few, so that short tapes come to it."""
    monkeypatch.setattr(Tuning, "few", 1)
    monkeypatch.setattr(Tuning, "look_min", 7)
    monkeypatch.setattr(Tuning, "patience", 4)
    monkeypatch.setattr(lazy_book, "LOOKS", 2)
    monkeypatch.setattr(changes, "AHEAD_MIN", 1)
    monkeypatch.setattr(changes, "AHEAD_MAX", 40)
    monkeypatch.setattr(tops, "NEAR_MAX", 3)
    monkeypatch.setattr(Indexing, "rows_min", 0)
    monkeypatch.setattr(Indexing, "is_patient", False)
    monkeypatch.setattr(Indexing, "block_rows", 180)


def draw_tape(seed: int, path: Path) -> Path:
    """A market as no generator makes it: several levels a message, or none, two instruments, snapshots and tickers between, late stamps."""
    random = Chance(seed).stream("tape")
    at_ns, local_ns, middle = 1_700_000_000 * SECOND, 0, 100_000
    instruments = [
        Instrument(symbol=symbol, venue_symbol=symbol.replace("/", "-"), tick=Decimal("0.01"), lot=Decimal("0.00001"))
        for symbol in (SYMBOL, "ETH/USD")
    ]
    most = random.choice((1, 1, 3))
    with TapeWriter(path, venue="coinbase", instruments=instruments, connections=["drawn"], source="drawn", group_rows=500) as writer:
        for number in range(2_500):
            at_ns += random.below(12_000_000)
            stamp_ns = at_ns - random.choice((0, 0, 0, 40_000_000))
            local_ns = max(local_ns, at_ns + random.below(3_000_000))
            middle += random.choice((-1, 0, 0, 0, 1))
            times: dict[str, Any] = {"venue_ns": stamp_ns, "local_ns": local_ns, "symbol": SYMBOL if random.below(6) else "ETH/USD"}

            def side(step: int, count: int, middle: int = middle) -> tuple[tuple[int, int], ...]:
                prices = dict.fromkeys(middle + step * (1 + random.below(8)) for _ in range(count))
                return tuple((ticks, random.choice((0, 1_000, 40_000))) for ticks in prices)

            event: Any
            match random.below(12) if number > 1 else 11:
                case 0 | 1:
                    taker = random.choice((Side.BUY, Side.SELL))
                    price = middle + random.choice((-1, 1))
                    event = Trade(**times, price_ticks=price, qty_lots=500, taker=taker, trade_id=str(number))
                case 2:
                    event = Ticker(**times, last_ticks=middle)
                case 11 if number < 2 or random.below(30) == 0:
                    times["symbol"] = (SYMBOL, "ETH/USD")[number] if number < 2 else times["symbol"]
                    levels = [tuple((middle + step * away, 9_000) for away in range(1, 9)) for step in (-1, 1)]
                    event = BookSnapshot(**times, bids=levels[0], asks=levels[1])
                case _:
                    bids = side(-1, random.below(most + 1))
                    asks = side(1, random.below(most + 1)) if most > 1 else side(1, 0 if bids else 1)
                    event = BookUpdate(**times, bids=bids, asks=asks)
            writer.write(event)
    writer.close()
    return path


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    faults=st.lists(st.sampled_from(FAULTS), unique_by=lambda fault: fault["kind"]),
    latency=st.sampled_from([{}, {"market": {"kind": "constant", "value": "40ms"}}]),
    tail_ns=st.sampled_from([0, 30_000_000, 150_000_000]),
    index=st.sampled_from(["none", "made", "kept", "kept"]),
)
@example(seed=3, faults=FAULTS, latency={}, tail_ns=0, index="kept")
@example(seed=3, faults=FAULTS, latency={}, tail_ns=0, index="none")
@example(seed=3557481463, faults=[FAULTS[4], FAULTS[3]], latency={}, tail_ns=30_000_000, index="made")  # orders that fill by trades alone
@example(seed=1601774474, faults=[FAULTS[1]], latency={"market": {"kind": "constant", "value": "40ms"}}, tail_ns=150_000_000, index="kept")
def test_both_engines_write_one_journal(
    tape: Path, seed: int, faults: list[dict[str, Any]], latency: dict[str, Any], tail_ns: int, index: str
) -> None:
    """Also where what the book has yet to tell must be looked for in rows that were skipped, and whatever is known of the tape before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tuning, "tail_ns", tail_ns)
        assert journal(tape, OTHERS[seed % 2], seed, faults, latency, index=index) == journal(tape, "plain", seed, faults, latency)


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    bot=st.sampled_from([Onlooker, Onlooker, MarketMaker, PatientMaker]),
    faults=st.lists(st.sampled_from(FAULTS + OF_BOOKS), unique_by=lambda fault: fault["kind"]),
    latency=st.sampled_from([{}, {"market": {"kind": "constant", "value": "40ms"}}]),
    venue=st.sampled_from(["coinbase", "binance"]),
    is_drawn=st.booleans(),
    index=st.sampled_from(["none", "made", "kept"]),
)
@example(seed=1, bot=Onlooker, faults=[], latency={}, venue="coinbase", is_drawn=False, index="kept")
@example(seed=2, bot=Onlooker, faults=FAULTS, latency={}, venue="binance", is_drawn=True, index="kept")
@example(seed=3, bot=MarketMaker, faults=OF_BOOKS, latency={}, venue="coinbase", is_drawn=False, index="none")
@example(seed=5, bot=Onlooker, faults=[], latency={}, venue="coinbase", is_drawn=True, index="none")  # who waits while another is shown
@example(seed=3, bot=PatientMaker, faults=OF_BOOKS, latency={}, venue="coinbase", is_drawn=False, index="none")
def test_who_keeps_a_book_sees_the_same(
    tape: Path, seed: int, bot: Any, faults: list[dict[str, Any]], latency: dict[str, Any], venue: str, is_drawn: bool, index: str
) -> None:
    """At each look, in each callback, after each fault, whether changes came one by one or many at a time; and the journal is the same."""
    played = draw_tape(seed, tape.with_name("drawn.parquet")) if is_drawn else tape
    fast, plain = (journal(played, asked, seed, faults, latency, bot, venue, index=index) for asked in (OTHERS[seed % 2], "plain"))
    assert fast == plain


def test_a_halt_is_one_for_stops_and_for_what_rests(tape: Path) -> None:
    """Nothing is set off within it by either engine, and whatever comes of it after it as by the other; without it a stop would be."""
    halt = {"kind": "market_phase", "at": "2500ms", "lasts": "8s"}
    fast, plain, free = (
        journal(tape, asked, 1, faults, {}, Protected) for asked, faults in (("fast", [halt]), ("plain", [halt]), ("fast", []))
    )
    assert fast == plain
    first = [next(entry["t"] for entry in map(json.loads, lines) if entry.get("is_triggered")) for lines in (plain, free)]
    assert first[0] >= 10_500 * MILLISECOND > first[1]


@settings(max_examples=15, deadline=None)
@given(begin=st.integers(-1, 20 * SECOND), end=st.integers(0, 21 * SECOND), rows_max=st.sampled_from([7, 131, 5_000, 131_072]))
def test_blocks_hold_the_messages_of_the_tape(tape: Path, begin: int, end: int, rows_max: int) -> None:
    """Each once and in order, wherever a part of it begins and ends, and however a block cuts through a message's rows."""
    opened = open_tape(tape)
    begin_ns, end_ns = opened.first_ns + begin, opened.first_ns + end
    assert blocks_of(opened, begin_ns, end_ns, rows_max) == list(opened.messages(begin_ns, end_ns))


def blocks_of(tape: Tape, begin_ns: int, end_ns: int, rows_max: int) -> list[Any]:
    found: list[Any] = []
    block = read_blocks(tape, begin_ns, end_ns, rows_max=rows_max)
    while block is not None:
        assert block.first == len(found)
        messages = list(block.messages(0, block.count))
        trades = [(place, event) for place, (_, _, _, event) in enumerate(messages) if event.__struct_config__.tag == "trade"]
        assert [each for each in block.chosen(0, block.count, (1,)) if each[1].__struct_config__.tag == "trade"] == trades
        found += messages
        block = block.following()
    return found


def test_an_engine_that_there_is_none_of_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "quick")
    with pytest.raises(ConfigError, match='holds "quick"; expected "auto" \\(which it is without it\\), "fast" or "plain"'):
        engine()
