"""The fast engine's journal is that of the plain one, line by line, whatever the bot does and the faults are."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import papertape
from papertape.exchanges.base import BaseExchange
from papertape.model.errors import BaseError, ConfigError
from papertape.model.units import SECOND
from papertape.runtime.chance import Chance
from papertape.session.engine import VARIABLE, engine
from papertape.session.lag import Tuning
from papertape.tape.block import read_blocks
from papertape.tape.index.store import VARIABLE as INDEX
from papertape.tape.index.store import Tuning as Indexing
from papertape.tape.index.store import make, places
from papertape.tape.reader import Tape, open_tape
from papertape.tape.synth import Synth, write_synth

SYMBOL = "BTC/USD"
FAULTS: list[dict[str, Any]] = [
    {"kind": "disconnect", "at": "4s", "connection": "market", "lasts": "2s"},
    {"kind": "latency", "at": "6s", "connection": "market", "add": "300ms", "lasts": "2s"},
    {"kind": "gap", "at": "9s", "connection": "market", "channel": "book"},
    {"kind": "stall", "at": "11s", "connection": "user", "lasts": "1s"},
    {"kind": "lost_reply", "on": "order.create", "nth": 2},
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
    monkeypatch.setattr(Indexing, "rows_min", 0)
    monkeypatch.setattr(Indexing, "block_rows", 180)


class Fickle:
    """Does whatever a seed says: orders near the market and far from it, cancels, questions, subscriptions that come and go."""

    def __init__(self, seed: int = 0) -> None:
        self.random = Chance(seed).stream("fickle")
        self.heard = 0

    async def start(self, exchange: BaseExchange) -> None:
        random, subscriptions, orders = self.random, [], []
        for _ in range(25):
            await asyncio.sleep(random.choice((0.01, 0.2, 0.9)))
            try:
                match random.below(10):
                    case 0 | 1 | 2 | 3:
                        close = (await exchange.fetch_ohlcv(SYMBOL, "1m"))[-1].close
                        side, away = random.choice(("buy", "sell")), random.choice((-3, 0, 0, 1, 5, 40))
                        price = close + (-away if side == "buy" else away) * Decimal("0.01")
                        orders.append(await exchange.place_order(SYMBOL, "limit", side, "0.004", price, **random.choice(self.terms(close))))
                    case 4:
                        await exchange.place_order(SYMBOL, "market", random.choice(("buy", "sell")), "0.003")
                    case 5 if orders:
                        await exchange.cancel_order(orders.pop().id, SYMBOL)
                    case 6:
                        subscriptions.append(await exchange.subscribe_trades(SYMBOL, self.on_anything))
                    case 7:
                        subscriptions.append(await exchange.subscribe_order_book(SYMBOL, self.on_anything))
                    case 8 if subscriptions:
                        await subscriptions.pop().unsubscribe()
                    case _:
                        await exchange.fetch_ohlcv(SYMBOL, "5m")
            except BaseError:
                continue

    def terms(self, close: Decimal) -> tuple[dict[str, Any], ...]:
        """Beside the price; most have none."""
        return {}, {}, {}, {"post_only": True}, {"time_in_force": "IOC"}, {"trigger_price": close + Decimal("0.02"), "stop_direction": "up"}

    async def on_anything(self, what: object) -> None:
        self.heard += 1


def journal(tape: Path, asked: str, seed: int, faults: list[dict[str, Any]], latency: dict[str, Any], index: str = "none") -> list[str]:
    """Line by line; the fast engine without an index, while it makes one, or with the one that it made."""
    path, file = tape.with_suffix(f".{asked}.jsonl"), places(open_tape(tape))[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, asked)
        patch.setenv(INDEX, "off" if index == "none" else "auto")
        if index == "made":
            file.unlink(missing_ok=True)
        elif index == "kept":
            assert make(open_tape(tape)) == file
        result = papertape.simulate(
            Fickle, bot_config={"seed": seed}, seed=seed, faults=faults, journal_path=path,
            venues={"coinbase": {"feed": {"tape": str(tape)}, "account": {"USD": "10000", "BTC": "1"}, "model": {"latency": latency}}},
        )  # fmt: skip
    assert not [failure for failure in result.failures if "the bot raised" in failure]
    return path.read_text().splitlines()


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
        assert journal(tape, "fast", seed, faults, latency, index) == journal(tape, "plain", seed, faults, latency)


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
    with pytest.raises(ConfigError, match='holds "quick"; expected "fast" or "plain"'):
        engine()
