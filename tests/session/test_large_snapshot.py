"""A large book on a line so slow that its snapshot takes longer than any silence is borne: both a fifth of what BTC-USD might see."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

import papertape
from papertape.exchanges.base import BaseExchange
from papertape.links.coinbase.link import CoinbaseLink
from papertape.model.book import Book
from papertape.model.event import BookSnapshot, BookUpdate, Side
from papertape.model.instrument import Instrument
from papertape.model.units import SECOND
from papertape.session.result import RunResult, Status
from papertape.tape.writer import TapeWriter
from papertape.wire.coinbase.server import MARKET_HOST

BTC = Instrument(
    symbol="BTC/USD",
    venue_symbol="BTC-USD",
    tick=Decimal("0.01"),
    lot=Decimal("0.00000001"),
    amount_min=Decimal("0.00000001"),
    cost_min=Decimal(1),
)
EPOCH_NS = 1_786_309_548 * SECOND
LEVELS = 5_000
FIRST = 6_500_000


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten thousand levels, of about a hundred bytes each; then the best bid changes once a second for 90 seconds."""
    path = tmp_path_factory.mktemp("large") / "large.parquet"
    with TapeWriter(path, venue="coinbase", instruments=[BTC], source="a test") as writer:
        at = {"venue_ns": EPOCH_NS, "local_ns": EPOCH_NS, "symbol": "BTC/USD"}
        bids = tuple((FIRST - n, 10**6 + n) for n in range(LEVELS))
        writer.write(BookSnapshot(**at, bids=bids, asks=tuple((FIRST + 1 + n, 10**6 + n) for n in range(LEVELS))))
        for n in range(1, 90):
            at_ns = EPOCH_NS + n * SECOND
            writer.write(BookUpdate(venue_ns=at_ns, local_ns=at_ns, symbol="BTC/USD", bids=((FIRST, 10**6 + n),)))
    return path


def listen(tape: Path, bytes_per_second: int) -> tuple[RunResult, list[tuple[int, int]], list[str]]:
    """What a bot that only looks at the book heard: seconds of the run and levels on the bid side; and why the lane was lost."""
    heard: list[tuple[int, int]] = []
    told: list[str] = []

    async def main(exchange: BaseExchange) -> None:
        import asyncio

        loop = asyncio.get_running_loop()

        def on_book(book: Book) -> None:
            heard.append((int(loop.time()), sum(1 for _ in book.levels(Side.BUY))))

        await exchange.subscribe_order_book("BTC/USD", on_book)
        await asyncio.sleep(80)
        told.extend(lane.reason for lane in exchange.health.lanes if lane.reason)

    result = papertape.simulate(
        main,
        venues={"coinbase": {"feed": {"tape": str(tape)}, "account": {"USD": "100000"}}},
        faults=[{"kind": "bandwidth", "at": "0s", "lasts": "85s", "bytes_per_second": bytes_per_second, "host": MARKET_HOST}],
        depth="wire",
        expect={"invariants": ["book_matches", "stays_bounded", "nothing_left_behind"]},
    )
    return result, heard, told


def test_a_snapshot_that_takes_half_a_minute_arrives_and_the_line_is_not_taken_for_dead(tape: Path) -> None:
    """A megabyte at 40 kB/s: heartbeats stand in line behind it, and the lane is kept; then the book is there, whole, and lives."""
    result, heard, told = listen(tape, 40_000)
    assert result.status in (Status.PASSED, Status.VACUOUS), result.failures
    assert told == []
    first_s, levels = heard[0]
    assert 20 < first_s < 50
    assert levels == LEVELS
    assert len(heard) > 10


def test_without_looking_at_bytes_it_would_never_arrive(tape: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bug that this is about: the lane is dropped as silent in the middle of it, each time."""
    monkeypatch.setattr(CoinbaseLink, "volume", lambda self, lane: 0)
    _, _, told = listen(tape, 40_000)
    assert any("silent" in reason for reason in told)


def test_a_line_that_is_too_slow_for_it_is_given_up(tape: Path) -> None:
    """At 10 kB/s it would take two minutes, longer than one message may take: the lane is dialled anew, as without a snapshot at all."""
    _, _, told = listen(tape, 10_000)
    assert any("no snapshot" in reason for reason in told)
