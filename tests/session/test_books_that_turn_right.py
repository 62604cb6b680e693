"""What a client cannot tell of its book is not held against it, and neither is a book that has become right without its doing."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import papertape
from papertape.exchanges.comparing import Comparing
from papertape.exchanges.streams import Streams
from papertape.model.event import BookSnapshot, BookUpdate, MarketEvent
from papertape.model.instrument import Instrument
from papertape.model.units import SECOND, Nanos
from papertape.session.result import RunResult
from papertape.tape.writer import TapeWriter

BTC = Instrument(
    symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.001"), amount_min=Decimal("0.001"), cost_min=Decimal(1)
)
EPOCH: Nanos = 1_700_000_000 * SECOND
BEST, SECOND_BEST, BUSY = 10_000, 9_999, 9_000
"""Bids, in ticks."""


def tape(folder: Path, changes: list[tuple[float, int, int]]) -> Path:
    """A book of two minutes in which one level far from the best changes each second, and others at (second, ticks, lots)."""
    path = folder / "small.parquet"
    often = [(float(second), BUSY, 1 + second) for second in range(1, 121)]
    with TapeWriter(path, venue="coinbase", instruments=[BTC]) as writer:
        opening: MarketEvent = BookSnapshot(
            venue_ns=EPOCH, local_ns=EPOCH, symbol="BTC/USD", bids=((BEST, 50), (SECOND_BEST, 50)), asks=((10_001, 50),)
        )
        writer.write(opening)
        for second, ticks, lots in sorted(often + changes):
            ns = EPOCH + int(second * SECOND)
            writer.write(BookUpdate(venue_ns=ns, local_ns=ns, symbol="BTC/USD", bids=((ticks, lots),)))
    return path


async def watches_a_book(exchange: Any) -> None:
    """A book is looked at when an order leaves: once it is valid, and before the shell itself has compared it."""
    await asyncio.sleep(5)
    await exchange.subscribe_order_book("BTC/USD", lambda book: None)
    for _ in range(6):
        await asyncio.sleep(4)
        await exchange.place_order("BTC/USD", "limit", "buy", "0.1", "80")
    await asyncio.sleep(80)


def run(tape: Path, *faults: dict[str, object]) -> RunResult:
    venue = {"feed": {"tape": str(tape)}, "account": {"USD": "100000", "BTC": "1"}}
    return papertape.simulate(watches_a_book, venues={"coinbase": venue}, faults=list(faults), expect={"recovers_within": "20s"})


def test_an_old_change_that_a_late_snapshot_lets_in_shows_nowhere(tmp_path: Path) -> None:
    """It comes again after a later one of its level, both wait for the snapshot, and both are applied to it as they came."""
    path = tape(tmp_path, [(5.5, SECOND_BEST, 7), (5.9, SECOND_BEST, 9)])
    again: dict[str, object] = {"kind": "duplicate", "at": "5400ms", "connection": "market", "channel": "book", "after": "1s"}
    result = run(path, again, {"kind": "late_snapshot", "nth": 1, "delay": "3s"})
    assert result.is_passed, result.failures
    assert [fault.fired for fault in result.faults] == [1, 1]


def test_a_book_that_later_changes_have_made_right_has_recovered(tmp_path: Path) -> None:
    """The snapshot is old, and each level that it shows wrongly is told anew: by what was kept since it was asked for, or by what comes."""
    path = tape(tmp_path, [(9.55, SECOND_BEST, 6), (9.65, SECOND_BEST, 7)])
    result = run(path, {"kind": "gap", "at": "9500ms", "channel": "book"}, {"kind": "stale_snapshot", "at": "9600ms"})
    assert result.is_passed, result.failures
    assert [fault.fired for fault in result.faults] == [1, 1]
    assert all((fault.recovery_ns or 0) > SECOND // 2 for fault in result.faults), "not before the level was told anew"


async def finds_nothing(*_: object) -> dict[object, None]:
    return {}


def test_a_book_that_nothing_has_made_right_has_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that forgets what it missed, and never compares its books, keeps the level that was lost; the others are told anew."""
    monkeypatch.setattr(Streams, "missed", lambda self, symbol=None: None)
    monkeypatch.setattr(Comparing, "_compare", finds_nothing)
    path = tape(tmp_path, [(9.55, SECOND_BEST, 6)])
    result = run(path, {"kind": "gap", "at": "9500ms", "channel": "book"})
    assert "gap, over at 9.551s, was never recovered from; book BTC/USD: wrong since a message was lost" in " ".join(result.failures)
