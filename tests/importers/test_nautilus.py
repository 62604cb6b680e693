"""nautilus' catalogs, out and in: trades and books of the tape that comes back are those that went out, at the same times."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings

from importers.markets import Arrived, books, tapes, trades, write
from papertape.cli.main import main
from papertape.importers import ImportReport, import_foreign
from papertape.model.errors import ConfigError, TapeError
from papertape.model.event import BookSnapshot, BookUpdate, CandleEvent, MarketEvent, Side, Ticker, Trade
from papertape.tape import TapeWriter, open_tape
from papertape.tape.export import EXPORTERS, Export
from papertape.tape.export.nautilus import DELTAS, QUOTES, TRADES
from tape.strategies import BTC

T = 1_767_571_200_000_000_000
ID = "BTC-USD.COINBASE"


def export(path: Path, out: Path) -> tuple[Path, ...]:
    return EXPORTERS["nautilus"](Export(tape=open_tape(path), out=out)).paths


def bring(catalog: Path, out: Path, **more: object) -> ImportReport:
    return import_foreign("nautilus", [catalog], out, **{"venue": "coinbase", **more})


def events(report: ImportReport) -> list[MarketEvent]:
    return [message[3] for message in open_tape(report.out).messages()]


@given(tapes())
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_what_goes_out_comes_back(arrived: Arrived) -> None:
    """A client of the tape that comes back hears the same trades and has the same book at every time."""
    with tempfile.TemporaryDirectory() as folder:
        tape, back = write(Path(folder) / "a.parquet", arrived), Path(folder) / "b.parquet"
        messages = list(open_tape(tape).messages())
        assume(any(isinstance(each, Trade | BookSnapshot) for each, _ in arrived))  # only deletes of nothing are nothing to export
        assume(len({deliver_ns for _, _, deliver_ns, _ in messages}) == len(messages))  # what is of one time has no order there
        export(tape, Path(folder) / "catalog")
        report = bring(Path(folder) / "catalog", back)
        assert report.unparsed_count == 0
        assert open_tape(back).instruments == (msgspec.structs.replace(BTC, valid_from_ns=0),)
        told = [(at_ns, msgspec.structs.replace(each, trade_id=each.trade_id or "none")) for at_ns, each in trades(tape)]
        ids = [(at_ns, msgspec.structs.replace(each, trade_id="none" if each.trade_id.startswith("row-") else each.trade_id))
               for at_ns, each in trades(back)]  # fmt: skip
        assert ids == told
        known = {at_ns: held for at_ns, held in books(tape).items() if at_ns in books(back)}
        assert known == books(back)  # a message that changes nothing is none
        left = [held for at_ns, held in books(tape).items() if at_ns not in known]
        assert all(held in (0, *books(tape).values()) for held in left)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A snapshot, a change of it, a trade and a quote."""
    folder = tmp_path_factory.mktemp("made")
    times = {"symbol": "BTC/USD"}
    with TapeWriter(folder / "a.parquet", venue="coinbase", instruments=[BTC]) as writer:
        writer.write(BookSnapshot(**times, venue_ns=T, local_ns=T, bids=((100, 5), (99, 6)), asks=((101, 7),)))
        writer.write(BookUpdate(**times, venue_ns=T + 5, local_ns=T + 5, bids=((100, 0), (98, 1)), asks=((102, 2),)))
        writer.write(Trade(**times, venue_ns=T + 6, local_ns=T + 6, price_ticks=101, qty_lots=3, taker=Side.BUY, trade_id="x"))
        writer.write(Ticker(**times, venue_ns=T + 7, local_ns=T + 7, bid_ticks=99, bid_lots=6, ask_ticks=101, ask_lots=4))
    export(folder / "a.parquet", folder / "catalog")
    return folder / "catalog"


@pytest.fixture
def copy(catalog: Path, tmp_path: Path) -> Path:
    shutil.copytree(catalog, tmp_path / "catalog")
    return tmp_path / "catalog"


def rewrite(root: Path, kind: str, change: Callable[[pa.Table], pa.Table], to: str | None = None) -> Path:
    """Change a type's only file, or move it to where another type would be."""
    (path,) = (root / "data" / kind).rglob("*.parquet")
    table = change(pq.read_table(path))
    if to is not None:
        path.unlink()
        path = root / "data" / to / path.parent.name / path.name
        path.parent.mkdir(parents=True)
    pq.write_table(table, path)
    return path


def narrow(width: int) -> Callable[[pa.Table], pa.Table]:
    """The same numbers as 8 bytes, or (0) as plain integers, as other builds of nautilus have them."""

    def change(table: pa.Table) -> pa.Table:
        for at, field in enumerate(table.schema):
            if str(field.type).startswith("fixed"):
                numbers = [int.from_bytes(each, "little", signed=True) // 10**7 for each in table.column(at).to_pylist()]
                kind = pa.binary(8) if width else pa.int64()
                values = [each.to_bytes(8, "little", signed=True) for each in numbers] if width else numbers
                table = table.set_column(at, pa.field(field.name, kind), pa.array(values, kind))
        return table

    return change


@pytest.mark.parametrize("width", [8, 0])
def test_the_columns_say_what_a_file_is(width: int, catalog: Path, copy: Path, tmp_path: Path) -> None:
    """Numbers of another width, and folders of another name, make the same tape."""
    for kind in (DELTAS, TRADES, QUOTES):
        rewrite(copy, kind, narrow(width), f"some_{kind}")
    assert bring(copy, tmp_path / "b.parquet").content_hash == bring(catalog, tmp_path / "a.parquet").content_hash


def test_what_is_not_defined_is_as_fine_as_its_decimals(copy: Path, tmp_path: Path) -> None:
    """Without a definition the metadata's precision is tick and lot, and the venue's table knows the symbol; what the user says wins."""
    shutil.rmtree(copy / "data" / "currency_pair")
    plain = bring(copy, tmp_path / "a.parquet").instruments[0]
    assert (plain.symbol, plain.venue_symbol, plain.tick, plain.lot) == ("BTC/USD", "BTC-USD", Decimal("0.01"), Decimal("1E-8"))
    given = msgspec.structs.replace(BTC, tick=Decimal("0.005"))
    assert events(bring(copy, tmp_path / "b.parquet", instruments=[given]))[0].bids == ((200, 5), (198, 6))
    coarse = bring(copy, tmp_path / "c.parquet", instruments=[msgspec.structs.replace(BTC, tick=Decimal("0.02"))])
    assert [each.why for each in coarse.unparsed][:2] == [
        "price 0.99 is not a multiple of 0.02",
        "bid_price 0.99 is not a multiple of 0.02",
    ]


def test_messages_without_flags_end_with_their_time(catalog: Path, copy: Path, tmp_path: Path) -> None:
    """Older catalogs flag nothing: a clear begins a snapshot, equal times are one message."""

    def unflagged(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index("flags")
        return table.set_column(at, table.schema.field(at), pa.array([0] * len(table), pa.uint8()))

    rewrite(copy, DELTAS, unflagged)
    assert events(bring(copy, tmp_path / "b.parquet")) == events(bring(catalog, tmp_path / "a.parquet"))


def test_bars_and_depths_come_in(copy: Path, tmp_path: Path) -> None:
    """A bar is stamped with its close; the ten best levels are a snapshot; what has no place on a tape is counted."""
    number = pa.binary(16)
    one = (10**16).to_bytes(16, "little")
    names = ("open", "high", "low", "close", "volume")
    bar = pa.table({name: pa.array([one], number) for name in names} | {"ts_event": [T + 60 * 10**9], "ts_init": [T + 61 * 10**9]})
    kind = f"{ID}-1-MINUTE-LAST-EXTERNAL"
    place = copy / "data" / "bar" / kind
    place.mkdir(parents=True)
    about = {"bar_type": kind, "instrument_id": ID, "price_precision": "2", "size_precision": "8"}
    pq.write_table(bar.replace_schema_metadata(about), place / "a.parquet")
    levels = {}
    for side, first in (("bid", 100), ("ask", 101)):
        for at in range(10):
            price = (first + at if side == "ask" else first - at) * 10**14
            levels[f"{side}_price_{at}"] = pa.array([price.to_bytes(16, "little")], number)
            levels[f"{side}_size_{at}"] = pa.array([(10**8 * at).to_bytes(16, "little")], number)
    depth = pa.table(levels | {"ts_event": [T + 62 * 10**9], "ts_init": [T + 62 * 10**9]})
    place = copy / "data" / "order_book_depths" / ID
    place.mkdir(parents=True)
    pq.write_table(depth.replace_schema_metadata(about), place / "a.parquet")
    place = copy / "data" / "funding_rate_update" / ID
    place.mkdir(parents=True)
    pq.write_table(pa.table({"rate": ["0.1"], "ts_event": [T], "ts_init": [T]}), place / "a.parquet")
    report = bring(copy, tmp_path / "a.parquet")
    (candle,) = (each for each in events(report) if isinstance(each, CandleEvent))
    assert (candle.open_ns, candle.span_ns, candle.close_ticks, candle.volume_lots) == (T, 60 * 10**9, 100, 10**8)
    last = events(report)[-1]
    assert isinstance(last, BookSnapshot)
    assert (last.bids[0], last.asks[0], len(last.bids), len(last.asks)) == ((99, 1), (102, 1), 9, 9)
    assert report.skipped == {"rows of funding_rate_update": 1}


def test_what_makes_no_sense_is_told_with_its_row(copy: Path, tmp_path: Path) -> None:
    """A trade without a taker, a feed of single orders; the rest comes in."""

    def column(name: str, values: list[int]) -> Callable[[pa.Table], pa.Table]:
        return lambda table: table.set_column(table.schema.get_field_index(name), table.schema.field(name),
                                              pa.array(values, table.schema.field(name).type))  # fmt: skip

    trade = rewrite(copy, TRADES, column("aggressor_side", [0]))
    deltas = rewrite(copy, DELTAS, column("order_id", [0, 7, 7, 7, 9, 7, 7]))
    report = bring(copy, tmp_path / "a.parquet")
    assert sorted((each.file, each.line, each.why) for each in report.unparsed) == [
        (str(deltas), 5, "another order at the same price: this is a feed of single orders (L3), a tape has levels"),
        (str(trade), 1, "a trade without a taker (aggressor_side 0)"),
    ]
    rewrite(copy, DELTAS, lambda table: table.take(list(range(len(table)))[::-1]))
    with pytest.raises(TapeError, match=r"row 4: `ts_init` goes back from"):
        bring(copy, tmp_path / "b.parquet")
    assert not (tmp_path / "b.parquet").exists()


def test_a_tape_is_of_one_venue(copy: Path, tmp_path: Path) -> None:
    """Of a catalog with several venues' instruments those of the named one come in, and the others are counted; no guess is made."""
    (path,) = (copy / "data" / TRADES).rglob("*.parquet")
    other = copy / "data" / TRADES / "BTC-USD.KRAKEN" / path.name
    other.parent.mkdir()
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"instrument_id": b"BTC-USD.KRAKEN"}), other)
    assert bring(copy, tmp_path / "a.parquet").skipped == {"rows of BTC-USD.KRAKEN, of another venue": 1}
    with pytest.raises(ConfigError, match="has instruments of COINBASE, KRAKEN; a tape is of one venue"):
        bring(copy, tmp_path / "b.parquet", venue="binance")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("import gone --venue coinbase --out t --format nautilus", 4, "gone: there is no such file"),
        ("import empty --venue coinbase --out t --format nautilus", 4, "no book, trade, quote or bar; there is no Parquet file"),
        ("import other --venue coinbase --out t --format nautilus", 4, "there is a.parquet"),
        ("import text.parquet --venue coinbase --out t --format nautilus", 4, "text.parquet: does not read"),
        (
            "import floats --venue coinbase --out t --format nautilus",
            4,
            "price double, size double: prices and sizes should be whole numbers",
        ),
        ("tape export builtin:btc-usd text.parquet --format nautilus", 4, "is a file; a catalog is a folder"),
        ("tape export builtin:btc-usd catalog --format nautilus", 4, "is there already"),
        ("tape export builtin:btc-usd t --format nautilus --symbol BTC/EUR", 2, "has BTC/USD"),
        ("tape export builtin:btc-usd t --format nautilus --start 99h", 4, "nothing to export"),
    ],
)
def test_mistakes_are_one_message(
    words: str, code: int, message: str, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong and what was expected; nothing is left behind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other" / "a.parquet")
    (tmp_path / "text.parquet").write_text("no Parquet")
    (tmp_path / "floats").mkdir()
    both = {"price": [1.0], "size": [1.0], "aggressor_side": [1], "trade_id": ["1"], "ts_event": [T], "ts_init": [T]}
    pq.write_table(pa.table(both), tmp_path / "floats" / "a.parquet")
    before = sorted(tmp_path.rglob("*"))
    assert main(words.split()) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert sorted(tmp_path.rglob("*")) == before
