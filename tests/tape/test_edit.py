"""Cutting and merging change nothing of what is kept."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.model.book import Book
from papertape.model.errors import TapeError
from papertape.model.event import BookSnapshot, BookUpdate, ConnectionEvent, ConnectionKind, Side, Trade
from papertape.model.instrument import Instrument
from papertape.tape import Connection, TapeWriter, merge, open_tape
from papertape.tape.check import check_tape
from papertape.tape.edit import cut_tape, merge_tapes
from tape.strategies import BTC, ETH, Arrived, arrivals, write


@given(arrivals(), st.integers(0, 10**6), st.none() | st.integers(0, 10**6))
@settings(deadline=None, max_examples=50)
def test_a_cut_is_the_same_to_a_reader(arrived: Arrived, start_ns: int, end_ns: int | None) -> None:
    """A cut tape gives exactly what the whole one gives between these times: rows by number, times of reach and delivery, events."""
    with tempfile.TemporaryDirectory() as folder:
        whole, cut = Path(folder) / "whole.parquet", Path(folder) / "cut.parquet"
        write(whole, arrived)
        expected = list(open_tape(whole).messages(start_ns, end_ns))
        if not expected:
            with pytest.raises(TapeError, match="nothing happens between these times"):
                cut_tape(whole, cut, start_ns=start_ns, end_ns=end_ns)
            return
        cut_tape(whole, cut, start_ns=start_ns, end_ns=end_ns)
        assert list(open_tape(cut).messages()) == expected
        assert check_tape(cut) == []


@given(arrivals(), st.integers(0, 10**6), st.integers(0, 10**6), st.none() | st.integers(0, 10**6))
@settings(deadline=None, max_examples=50)
def test_cutting_twice_is_cutting_once(arrived: Arrived, first_ns: int, second_ns: int, end_ns: int | None) -> None:
    """A cut of a cut differs from the one cut in nothing but where its books were last told."""
    first_ns, second_ns = sorted((first_ns, second_ns))
    with tempfile.TemporaryDirectory() as folder:
        whole, once, twice = (Path(folder) / f"{name}.parquet" for name in ("whole", "once", "twice"))
        write(whole, arrived)
        if not list(open_tape(whole).messages(second_ns, end_ns)):
            return
        cut_tape(whole, once, start_ns=first_ns)
        cut_tape(once, twice, start_ns=second_ns, end_ns=end_ns)
        assert list(open_tape(twice).messages()) == list(open_tape(whole).messages(second_ns, end_ns))


@given(arrivals(), st.integers(0, 10**6))
@settings(deadline=None, max_examples=50)
def test_a_late_start_has_the_books_as_they_stood(arrived: Arrived, start_ns: int) -> None:
    """Started late, every book that was known by then is what it is when all is played from the beginning; rows keep their numbers."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "a.parquet", arrived)
        tape = open_tape(Path(folder) / "a.parquet")
        everything, late = list(tape.messages()), list(tape.messages(start_ns))
    kept = [message for message in everything if message[1] >= start_ns]
    opening = late[: len(late) - len(kept)]
    assert late[len(opening) :] == kept
    books = {it.symbol: Book(it) for it in (BTC, ETH)}
    for _, reach_ns, _, event in everything:
        if reach_ns < start_ns and isinstance(event, BookSnapshot | BookUpdate):
            books[event.symbol].apply(event)
    down = [message[3] for message in opening if isinstance(message[3], ConnectionEvent)]  # lanes that were down by then are told too
    assert all(event.what is ConnectionKind.DROPPED for event in down)
    shown = [message for message in opening if message[3] not in down]
    complete = [symbol for symbol, book in books.items() if book.is_complete]
    breaks = (ConnectionKind.DROPPED, ConnectionKind.GAP)  # after which nobody knows the books of that connection
    broken = any(isinstance(event, ConnectionEvent) and event.what in breaks for _, reach_ns, _, event in everything if reach_ns < start_ns)
    if kept and start_ns > tape.first_ns:
        told = [message[3].symbol for message in shown]
        assert told == [symbol for symbol in complete if symbol in told] if broken else told == complete
    for _, reach_ns, deliver_ns, event in shown:
        assert reach_ns == event.venue_ns == start_ns < deliver_ns
        assert list(event.bids) == list(books[event.symbol].levels(Side.BUY))
        assert list(event.asks) == list(books[event.symbol].levels(Side.SELL))
    rows = [message[0] for message in late]
    assert rows == sorted(rows)
    assert all(row >= 0 for row in rows)


def trade(venue_ns: int, local_ns: int, symbol: str = "BTC/USD") -> Trade:
    return Trade(venue_ns=venue_ns, local_ns=local_ns, symbol=symbol, price_ticks=7, qty_lots=1, taker=Side.BUY)


def one_tape(path: Path, events: list[Trade], *, instrument: Instrument = BTC, venue: str = "coinbase") -> Path:
    with TapeWriter(path, venue=venue, instruments=[instrument], source=path.stem) as writer:
        for event in events:
            writer.write(event)
    return path


def test_merged_tapes_deliver_when_they_did(tmp_path: Path) -> None:
    """Two recorders whose clocks disagree by seconds: each message is delivered when it was, and they stand in the order of arrival."""
    a = one_tape(tmp_path / "a.parquet", [trade(100, 5_000_000_100), trade(9_000_000, 5_009_500_000)])
    b = one_tape(tmp_path / "b.parquet", [trade(4_000_000, 4_000_000, "ETH/USD"), trade(8_000_000, 8_000_000, "ETH/USD")], instrument=ETH)
    header = merge_tapes([a, b], tmp_path / "c.parquet")
    merged = list(open_tape(tmp_path / "c.parquet").messages())
    alone = [message for path in (a, b) for message in open_tape(path).messages()]
    assert [(event.symbol, event.venue_ns) for _, _, _, event in merged] == [
        ("BTC/USD", 100), ("ETH/USD", 4_000_000), ("ETH/USD", 8_000_000), ("BTC/USD", 9_000_000)
    ]  # fmt: skip
    assert sorted(message[2] for message in merged) == sorted(message[2] for message in alone)
    assert header.connections == (Connection("feed", 0),)
    assert header.source == "a; b"
    assert check_tape(tmp_path / "c.parquet") == []


def test_merging_refuses_what_does_not_belong_together(tmp_path: Path) -> None:
    """Other venues, other steps, or the same trades twice: each is one clear error."""
    a = one_tape(tmp_path / "a.parquet", [trade(100, 100), trade(200, 200)])
    twice = one_tape(tmp_path / "twice.parquet", [trade(150, 150)])
    binance = one_tape(tmp_path / "binance.parquet", [trade(300, 300)], venue="binance")
    coarse = one_tape(tmp_path / "coarse.parquet", [trade(300, 300)], instrument=msgspec.structs.replace(BTC, lot=BTC.tick))
    for other, words in ((twice, "every trade would be there twice"), (binance, "a tape holds one venue"), (coarse, "says otherwise than")):
        with pytest.raises(TapeError, match=words):
            merge_tapes([a, other], tmp_path / "c.parquet")


def test_two_days_of_one_instrument_merge(tmp_path: Path) -> None:
    """Consecutive tapes of one instrument become one, whichever is named first."""
    a = one_tape(tmp_path / "a.parquet", [trade(100, 110), trade(200, 210)])
    b = one_tape(tmp_path / "b.parquet", [trade(300, 330)])
    merge_tapes([b, a], tmp_path / "c.parquet")
    assert [message[1] for message in open_tape(tmp_path / "c.parquet").messages()] == [100, 200, 300]


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=4))
def test_feeds_merge_in_the_stated_order(times: list[list[int]]) -> None:
    """By reach, then by the feed's place, then by row; nothing is lost."""
    feeds = [[(row, reach, 99 - reach, trade(reach, reach)) for row, reach in enumerate(sorted(feed))] for feed in times]
    merged = list(merge(feeds))
    expected = sorted((reach, index, row) for index, feed in enumerate(feeds) for row, reach, _, _ in feed)
    assert [(message[1], index, message[0]) for index, message in merged] == expected
