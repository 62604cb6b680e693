"""hftbacktest's tables, out and in: what a run would hear of a tape is what it hears of the tape that comes back."""

from __future__ import annotations

import math
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from importers.markets import Arrived, book, books, delivered, tapes, trades, write
from papertape.cli.main import main
from papertape.importers import ImportReport, import_capture, import_foreign
from papertape.importers.npy import read_table
from papertape.importers.source import FloatSteps
from papertape.model.errors import TapeError
from papertape.model.event import BookSnapshot, BookUpdate, MarketEvent, Side, Ticker
from papertape.tape import open_tape
from papertape.tape.export import EXPORTERS, Export
from papertape.tape.export.exporter import COUNT_MAX, Floats
from papertape.tape.export.hftbacktest import BEST, BUY, CLEAR, DEPTH, EXCH, FIELDS, LAYOUT, LOCAL, SELL, SNAPSHOT, TRADE, Row
from papertape.tape.export.npy import write_table
from tape.strategies import BTC

BOTH = EXCH | LOCAL
MS = 1_000_000


def export(path: Path, out: Path) -> list[Row]:
    EXPORTERS["hftbacktest"](Export(tape=open_tape(path), out=out))
    return list(read_table(out, FIELDS, LAYOUT, made_by="a test"))


def bring(table: Path, out: Path) -> ImportReport:
    return import_foreign("hftbacktest", [table], out, venue="coinbase", instruments=[BTC])


@given(tapes())
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_what_goes_out_comes_back(arrived: Arrived) -> None:
    """A client of the tape that comes back hears the same at the same times; the table is sorted for both of its readers, and holds what
    each of them would see of the tape. Sent out again, the client's rows are the same.
    """
    with tempfile.TemporaryDirectory() as folder:
        tape, table = write(Path(folder) / "a.parquet", arrived), Path(folder) / "a.npz"
        messages = list(open_tape(tape).messages())
        assume(len({deliver_ns for _, _, deliver_ns, _ in messages}) == len(messages))  # one time is one message there
        rows = export(tape, table)
        bring(table, Path(folder) / "b.parquet")
        assert delivered(Path(folder) / "b.parquet") == delivered(tape)
        exch, local = [[row for row in rows if row[0] & mark] for mark in (EXCH, LOCAL)]
        assert [row[1] for row in exch] == sorted(row[1] for row in exch)
        assert [row[2] for row in local] == sorted(row[2] for row in local)
        assert len(exch) == len(local)
        assert all(row[0] & BOTH for row in rows)
        assert list(dict.fromkeys(row[1] for row in exch)) == sorted({reach_ns for _, reach_ns, _, _ in messages})
        again = export(Path(folder) / "b.parquet", Path(folder) / "b.npz")
        assert [unmarked(row) for row in again if row[0] & LOCAL] == [unmarked(row) for row in local]


@given(st.sampled_from(["0.01", "0.00000001", "0.05", "0.0000003", "1", "2.5", "100", "1E-12"]).map(Decimal), st.integers(0, COUNT_MAX - 1))
@settings(deadline=None)
def test_a_float_counts_as_what_it_was(step: Decimal, count: int) -> None:
    """Steps of whatever size become the nearest float, and are counted from it again."""
    number = Floats(step)(count)
    assert number == float(step * count)
    assert FloatSteps(step)(number) == count


def unmarked(row: Row) -> tuple:
    """The client's half of a row; the venue of the tape that came back has it as late as its connections made it."""
    return (row[0] & ~BOTH, *row[2:])


@given(tapes())
@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_one_connection_comes_back_whole(arrived: Arrived) -> None:
    """Where nothing overtakes, the table of the tape that comes back is the same file, though messages of one time have become one."""
    with tempfile.TemporaryDirectory() as folder:
        export(write(Path(folder) / "a.parquet", [(each, 0) for each, _ in arrived]), Path(folder) / "a.npz")
        bring(Path(folder) / "a.npz", Path(folder) / "b.parquet")
        export(Path(folder) / "b.parquet", Path(folder) / "b.npz")
        bring(Path(folder) / "b.npz", Path(folder) / "c.parquet")
        assert open_tape(Path(folder) / "c.parquet").content_hash == open_tape(Path(folder) / "b.parquet").content_hash
        assert all(row[0] & BOTH == BOTH for row in read_table(Path(folder) / "b.npz", FIELDS, LAYOUT, made_by="a test"))


def row(ev: int, px: float = 1.0, qty: float = 0.5, *, at: int = 5 * MS, late: int = 2 * MS, marks: int = BOTH, order_id: int = 0) -> Row:
    return (marks | ev, at, at + late, px, qty, order_id, 0, 0.0)


@pytest.fixture
def imported(tmp_path: Path) -> Callable[..., tuple[ImportReport, list[MarketEvent]]]:
    """Makes a tape of rows."""

    def make(*rows: Row) -> tuple[ImportReport, list[MarketEvent]]:
        table = tmp_path / "a.npy"
        write_table(table, FIELDS, LAYOUT, rows)
        report = bring(table, tmp_path / "a.parquet")
        return report, [message[3] for message in open_tape(report.out).messages()]

    return make


Make = Callable[..., tuple[ImportReport, list[MarketEvent]]]


def test_a_clear_goes_as_deep_as_it_says(imported: Make) -> None:
    """Of one side: from the best price to its own, deeper levels stay; of both, in one message, the whole is a snapshot."""
    begin = [row(DEPTH | BUY, px) for px in (0.97, 0.98, 0.99)] + [row(DEPTH | SELL, px) for px in (1.01, 1.02)]
    _, events = imported(*begin, row(CLEAR | BUY, 0.98, 0, at=9 * MS), row(SNAPSHOT | BUY, 0.98, 0.25, at=9 * MS))
    assert [type(each) for each in events] == [BookUpdate, BookUpdate]
    assert book(events) == ({97: 50_000_000, 98: 25_000_000}, {101: 50_000_000, 102: 50_000_000})
    both = [row(CLEAR | BUY, 0.98, 0, at=9 * MS), row(SNAPSHOT | BUY, 0.98, at=9 * MS), row(CLEAR | SELL, math.inf, 0, at=9 * MS)]
    _, events = imported(*begin, *both)
    assert events[-1] == BookSnapshot(
        venue_ns=9 * MS, local_ns=11 * MS, symbol="BTC/USD", bids=((98, 50_000_000), (97, 50_000_000)), asks=()
    )
    _, events = imported(*begin, row(CLEAR, math.nan, math.nan, at=9 * MS))
    assert book(events) == ({}, {})


def test_a_file_may_begin_with_a_snapshot_without_a_time(imported: Make) -> None:
    """hftbacktest's own initial snapshots have neither clear nor times: they get those of the first row that has them."""
    report, events = imported(row(SNAPSHOT | BUY, at=0, late=0), row(SNAPSHOT | SELL, 1.01, at=0, late=0), row(DEPTH | SELL, 1.02))
    assert isinstance(events[0], BookSnapshot)
    assert (events[0].venue_ns, events[0].local_ns) == (5 * MS, 7 * MS)
    assert book(events) == ({100: 50_000_000}, {101: 50_000_000, 102: 50_000_000})
    assert "2 rows without a time" in "".join(f"{count} {why}" for why, count in report.adjusted.items())


def test_rows_that_stand_twice_count_once(imported: Make) -> None:
    """What the exchange and the client see in another order comes by the client's row; what only one of them sees is said."""
    slow = {"at": 5 * MS, "late": 90 * MS}
    twice = (
        row(TRADE | BUY, order_id=7, marks=EXCH, **slow),
        row(TRADE | SELL, at=6 * MS),
        row(TRADE | BUY, order_id=7, marks=LOCAL, **slow),
    )
    report, events = imported(*twice, row(DEPTH | BUY, at=7 * MS, late=99 * MS, marks=EXCH), row(DEPTH | BUY, at=200 * MS, marks=0))
    assert [(each.taker, each.trade_id) for each in events] == [(Side.SELL, ""), (Side.BUY, "7")]
    assert report.skipped == {
        "rows that reached the exchange and never the client": 1,
        "rows that neither the exchange nor the client handles": 1,
    }


def test_what_a_row_may_hold(imported: Make) -> None:
    """Best prices are a ticker; floats off by less than a millionth of a step are snapped; what makes no sense is told with its row."""
    near = 3 * 0.1 / 3 + 0.9 + 1e-9
    report, events = imported(
        row(BEST | BUY, 0.99, 2.0), row(BEST | SELL, near, 1.0), row(10 | BUY), row(200),
        row(DEPTH | BUY, 1.005), row(DEPTH), row(DEPTH | BUY | SELL), row(DEPTH | BUY, -1.0), row(DEPTH | BUY, math.nan),
        row(TRADE | BUY, qty=0.0), row(DEPTH | BUY, 0.98, 0.123456785),
    )  # fmt: skip
    tickers = [each for each in events if isinstance(each, Ticker)]
    assert [(each.bid_ticks, each.bid_lots, each.ask_ticks, each.ask_lots) for each in tickers] == [(99, 200_000_000, 100, 100_000_000)]
    assert book(events)[0] == {98: 12_345_678}  # never rounded up
    assert report.adjusted == {"amounts between two lots, rounded down": 1}
    assert report.skipped == {"rows about single orders (an L3 feed)": 1, "rows of kind 200, which is a user's own": 1}
    assert [(each.line, each.why) for each in report.unparsed] == [
        (5, "1.005 is not a multiple of 0.01"), (6, "ev 0xc0000001: neither buy nor sell"), (7, "ev 0xf0000001: both buy and sell"),
        (8, "-1.0 is no number from 0 up"), (9, "nan is no number from 0 up"), (10, "a trade of nothing"),
    ]  # fmt: skip


def damage(path: Path) -> Iterator[tuple[str, Path]]:
    """(what the message says, a file that is wrong in that way), of a good table."""
    whole = path.read_bytes()
    begin, old = whole[:512], path.with_name("old.npy")
    header = str({"descr": "<f8", "fortran_order": False, "shape": (3, 6)}).encode().ljust(117) + b"\n"
    wrong = {
        "cut short: 2 rows were promised, after row 1 it ends": whole[:-1],
        "no table of NumPy's: it begins with b''": b"",
        "no table of NumPy's: it begins with b'PAR1": b"PAR1 not",
        "its header does not read": begin[:10] + b"import os".ljust(502),
        "it holds plain numbers (<f8), expected one row each of ev <u8": begin[:8] + struct.pack("<H", 118) + header,
    }
    for said, held in wrong.items():
        old.write_bytes(held)
        yield said, old
    packed = path.with_name("old.npz")
    packed.write_bytes(whole)
    yield "does not read: File is not a zip file", packed
    for name, said in (("a.npy", ""), ("other.txt", "has no array `data`; it holds nothing")):
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(name, whole)
        if said:
            yield said, packed
    half = path.with_name("half.npz")
    half.write_bytes(packed.read_bytes()[:-30])
    yield "does not read: File is not a zip file", half


def test_damaged_tables_are_one_message(tmp_path: Path) -> None:
    """Each tells what it found; none leaves a tape."""
    good = tmp_path / "a.npy"
    write_table(good, FIELDS, LAYOUT, [row(DEPTH | BUY), row(DEPTH | SELL, 1.01)])
    for said, path in damage(good):
        with pytest.raises(TapeError) as caught:
            bring(path, tmp_path / "a.parquet")
        assert said in str(caught.value)
        assert str(path) in str(caught.value)
    assert not list(tmp_path.glob("*.parquet*"))


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("import a.npz --venue coinbase --out t --format hftbacktes", 2, 'no format is called "hftbacktes"'),
        ("import a.npz --venue coinbse --out t --format hftbacktest --instrument BTC/USD", 2, 'did you mean "coinbase"?'),
        ("import a.npz --venue coinbase --out t --format hftbacktest", 2, "exactly one `--instrument`"),
        ("import a.npz --venue coinbase --out t --format hftbacktest --instrument FOO/USD", 2, "the table of coinbase has BTC/USD"),
        ("import gone.npz --venue coinbase --out t --format hftbacktest --instrument BTC/USD", 4, "gone.npz: there is no such file"),
        ("import . --venue coinbase --out t --format hftbacktest --instrument BTC/USD", 4, "is a folder"),
        ("import a.npz --out t --format hftbacktest --instrument BTC/USD", 2, "--venue"),
        ("tape export builtin:btc-usd t --format hftbacktest", 2, "ends in .npz"),
        ("tape export builtin:btc-usd t.npz --format hfbacktest", 2, 'did you mean "hftbacktest"?'),
        ("tape export builtin:btc-usd t.npz --format hftbacktest --symbol BTC/EUR", 2, "has BTC/USD"),
        ("tape export builtin:btc-usd t.npz --format hftbacktest --start 99h", 4, "nothing to export"),
        ("tape export builtin:btc-usd t.npz --format hftbacktest --start soon", 2, "soon"),
        ("tape export gone.parquet t.npz --format hftbacktest", 4, "there is no such file"),
        ("tape export builtin:btc-usd a.npz/t.npz --format hftbacktest", 4, "could not be written"),
    ],
)
def test_mistakes_are_one_message(
    words: str, code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong and what was expected; nothing is left behind."""
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "a.npz", FIELDS, LAYOUT, [row(DEPTH | BUY)])
    assert main(words.split()) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert [each.name for each in tmp_path.iterdir()] == ["a.npz"]


def test_a_real_market_goes_out_and_comes_back(realdata: Callable[[str], Path], tmp_path: Path) -> None:
    """A Binance capture: as many trades, with their ids, and the same book after every message, at the same times."""
    steps = msgspec.structs.replace(BTC, symbol="BTC/USDT", venue_symbol="BTCUSDT", lot=Decimal("0.00001"))
    first = import_capture("binance", [realdata("hftbacktest/spot/btcusdt_20240808.gz")], tmp_path / "a.parquet", instruments=[steps])
    export(first.out, tmp_path / "a.npz")
    second = import_foreign("hftbacktest", [tmp_path / "a.npz"], tmp_path / "b.parquet", venue="binance", instruments=[steps])
    assert trades(first.out) == trades(second.out)
    assert books(first.out) == books(second.out)
    assert second.counts["trade"] == first.counts["trade"] > 1_000
