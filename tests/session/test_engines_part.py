"""A part of a tape, by its index or without, gives the plain engine's journal."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import papertape
from papertape.exchanges.base import BaseExchange
from papertape.model.errors import BaseError
from papertape.model.units import SECOND
from papertape.runtime.chance import Chance
from papertape.session.engine import VARIABLE
from papertape.session.lag import Tuning
from papertape.tape.index.store import VARIABLE as INDEX
from papertape.tape.index.store import Tuning as Indexing
from papertape.tape.index.store import make
from papertape.tape.reader import open_tape
from papertape.tape.synth import Synth, write_synth

SYMBOL = "BTC/USD"


async def dealer(exchange: BaseExchange, seed: int) -> None:
    """Take a little, or rest close to the last price for a while, as a seed says."""
    random = Chance(seed).stream("dealer")
    while True:
        await asyncio.sleep(random.choice((0.05, 0.2, 0.7)))
        try:
            bars = await exchange.fetch_ohlcv(SYMBOL, "1m")
            side = random.choice(("buy", "sell"))
            if not bars or random.below(3) == 0:
                await exchange.place_order(SYMBOL, "market", side, "0.003")
                continue
            order = await exchange.place_order(SYMBOL, "limit", side, "0.004", bars[-1].close + random.choice((-2, 0, 1)) * Decimal("0.01"))
            await asyncio.sleep(random.choice((0.1, 1.0)))
            await exchange.cancel_order(order.id, SYMBOL)
        except BaseError:
            continue


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("parts") / "short.parquet"
    write_synth(Synth(seed=12, duration_ns=20 * SECOND, events_per_second=120, wander_ticks=9), path)
    return path


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), start=st.integers(1, 12_000), length=st.integers(1_000, 9_000))
def test_a_part_gives_one_journal(tape: Path, seed: int, start: int, length: int) -> None:
    """From wherever to wherever it is played, and whatever is known of the tape."""
    journals = []
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("few", 1), ("look_min", 7)):
            patch.setattr(Tuning, name, value)
        for name, value in (("rows_min", 0), ("is_patient", False), ("block_rows", 180)):
            patch.setattr(Indexing, name, value)
        for engine, index in (("plain", "off"), ("fast", "off"), ("fast", "auto")):
            patch.setenv(VARIABLE, engine)
            patch.setenv(INDEX, index)
            if index == "auto":
                assert make(open_tape(tape)) is not None
            feed = {"tape": str(tape), "start": f"{start}ms", "end": f"{start + length}ms"}
            path = tape.with_suffix(".jsonl")
            papertape.simulate(
                dealer, bot_config={"seed": seed}, seed=seed, journal_path=path,
                faults=[{"kind": "disconnect", "at": "1s", "connection": "market", "lasts": "2s"}],
                venues={"coinbase": {"feed": feed, "account": {"USD": "10000", "BTC": "1"}}},
            )  # fmt: skip
            journals.append(path.read_text().splitlines())
    plain, unknown, known = journals
    assert len(plain) > 3
    assert unknown == plain
    assert known == plain
