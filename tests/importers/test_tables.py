"""Tardis' and Binance's tables in: what was written comes back as events, and what makes no sense is told with its row."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import zipfile
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importers.markets import Arrived, event_of, heard
from papertape.cli.main import main
from papertape.importers import ImportReport, import_foreign
from papertape.importers.source import TextLots, TextSteps
from papertape.model.errors import ConfigError, TapeError
from papertape.model.event import BookSnapshot, BookUpdate, CandleEvent, MarketEvent, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.units import MICROSECOND, MINUTE
from papertape.tape import open_tape
from tape.strategies import BTC

BEGIN_US = 1_767_571_200_000_000
HEAD = ["exchange", "symbol", "timestamp", "local_timestamp"]
USDT = Instrument(symbol="BTC/USDT", venue_symbol="BTCUSDT", tick=Decimal("0.01"), lot=Decimal("0.00001"))


def written(path: Path, header: Sequence[str] | None, rows: Iterable[Sequence[Any]]) -> Path:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *rows] if header else rows)
    data = text.getvalue().encode()
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{path.stem}.csv", data)
    else:
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def tardis(folder: Path, arrived: Arrived) -> list[Path]:
    """The same as Tardis would have it: two files, floats as JavaScript writes them."""
    books, trades = [], []
    for event, _ in arrived:
        head = ["coinbase", "BTC-USD", event.venue_ns // MICROSECOND, event.local_ns // MICROSECOND]
        if isinstance(event, Trade):
            trades.append([*head, event.trade_id, str(event.taker), price(event.price_ticks), amount(event.qty_lots)])
        elif isinstance(event, BookSnapshot | BookUpdate):
            is_snapshot = str(isinstance(event, BookSnapshot)).lower()
            for side, levels in (("bid", event.bids), ("ask", event.asks)):
                books += [[*head, is_snapshot, side, price(ticks), amount(lots)] for ticks, lots in levels]
    return [
        written(
            folder / "coinbase_incremental_book_L2_2026-01-05_BTC-USD.csv.gz", [*HEAD, "is_snapshot", "side", "price", "amount"], books
        ),
        written(folder / "coinbase_trades_2026-01-05_BTC-USD.csv", [*HEAD, "id", "side", "price", "amount"], trades),
    ]


def price(ticks: int) -> str:
    return f"{BTC.tick * ticks:f}"


def amount(lots: int) -> str:
    return f"{BTC.lot * lots:f}"


def events(path: Path) -> list[MarketEvent]:
    return [event for _, _, _, event in open_tape(path).messages()]


def bring(
    format: str, paths: Sequence[Path], out: Path, instruments: Sequence[Instrument] = (BTC,), venue: str = "coinbase"
) -> ImportReport:
    return import_foreign(format, paths, out, venue=venue, instruments=instruments)


@st.composite
def streams(draw: st.DrawFn) -> Arrived:
    """Messages at times of whole microseconds, no two at one; a book that begins with a snapshot, and no snapshot right after another."""
    local_ns, out = BEGIN_US * MICROSECOND, []
    is_snapshot = False
    for each in [("snapshot", {10: 5}, {20: 5}), *draw(st.lists(heard, max_size=20))]:
        if each[0] == "snapshot" and (is_snapshot or not any([*each[1].values(), *each[2].values()])):
            continue
        is_snapshot = each[0] == "snapshot" or (is_snapshot and each[0] == "trade")
        local_ns += draw(st.integers(1, 5_000)) * MICROSECOND
        out.append((event_of(each, local_ns - draw(st.integers(0, 400_000)) * MICROSECOND, local_ns), 0))
    return out


@given(streams())
@settings(deadline=None, max_examples=40)
def test_what_tardis_would_write_comes_back(tmp_path_factory: pytest.TempPathFactory, arrived: Arrived) -> None:
    """Trades and messages of the book, in the order of arrival, at their own times."""
    folder = tmp_path_factory.mktemp("tardis")
    report = bring("tardis", tardis(folder, arrived), folder / "tape.parquet")
    assert not report.unparsed_count
    assert sorted_levels(events(folder / "tape.parquet")) == sorted_levels([event for event, _ in arrived])


def sorted_levels(told: list[MarketEvent]) -> list[Any]:
    """A message's levels have no order."""
    return [
        (type(each), each.venue_ns, each.local_ns, dict(each.bids), dict(each.asks))
        if isinstance(each, BookUpdate | BookSnapshot)
        else each
        for each in told
    ]


def test_a_book_begins_with_its_snapshot_and_begins_anew_with_the_next(tmp_path: Path) -> None:
    """What comes before belongs to a book that nobody knows; a snapshot in two messages is one."""
    rows = [
        (BEGIN_US, BEGIN_US, "false", "bid", 1, 1), (BEGIN_US, BEGIN_US + 1, "true", "bid", "100.0", "0.5"),
        (BEGIN_US, BEGIN_US + 2, "true", "ask", 101, 2), (BEGIN_US, BEGIN_US + 3, "false", "bid", 99, 0),
        (BEGIN_US, BEGIN_US + 4, "true", "ask", 102, 1),
    ]  # fmt: skip
    header = [*HEAD, "is_snapshot", "side", "price", "amount"]
    path = written(tmp_path / "incremental_book_L2.csv", header, [["coinbase", "BTC-USD", *row] for row in rows])
    report = bring("tardis", [path], tmp_path / "tape.parquet")
    told = events(tmp_path / "tape.parquet")
    assert [type(each) for each in told] == [BookSnapshot, BookUpdate, BookUpdate, BookSnapshot]
    assert told[2].bids == ((9_900, 0),)  # never there, and harmless
    assert report.skipped == {"messages before the first snapshot of the book": 1}


def test_the_other_kinds_of_tardis(tmp_path: Path) -> None:
    """The top of a book, quotes, and the last price of a derivative; what is empty is not known, and liquidations are no trades."""
    top = [f"{side}[{at}].{what}" for at in range(2) for side in ("asks", "bids") for what in ("price", "amount")]
    paths = [
        written(tmp_path / "book_snapshot_5.csv", [*HEAD, *top], [["x", "BTC-USD", BEGIN_US, BEGIN_US, 101, 1, 100, 2, 102, 3, "", ""]]),
        written(
            tmp_path / "quotes.csv", [*HEAD, "ask_amount", "ask_price", "bid_price", "bid_amount"],
            [["x", "BTC-USD", BEGIN_US, BEGIN_US + 1, 1, 101, "", ""]],
        ),
        written(
            tmp_path / "derivative_ticker.csv", [*HEAD, "funding_timestamp", "funding_rate", "last_price"],
            [["x", "BTC-USD", BEGIN_US, BEGIN_US + 2, "", "0.0001", "100.5"], ["x", "BTC-USD", BEGIN_US, BEGIN_US + 3, "", "0.0001", ""]],
        ),
        written(
            tmp_path / "x_liquidations_2026-01-05_BTC-USD.csv", [*HEAD, "id", "side", "price", "amount"],
            [["x", "BTC-USD", BEGIN_US, BEGIN_US + 4, "", "buy", 100, 1]],
        ),
    ]  # fmt: skip
    report = bring("tardis", paths, tmp_path / "tape.parquet")
    snapshot, quote, last = events(tmp_path / "tape.parquet")
    assert isinstance(snapshot, BookSnapshot)
    assert (snapshot.bids[0][0], [ticks for ticks, _ in snapshot.asks]) == (10_000, [10_100, 10_200])
    assert isinstance(quote, Ticker)
    assert (quote.bid_ticks, quote.ask_ticks, quote.last_ticks) == (None, 10_100, None)
    assert isinstance(last, Ticker)
    assert (last.last_ticks, last.bid_ticks) == (10_050, None)
    assert sum(report.skipped.values()) == 2


@pytest.mark.parametrize("is_new", [False, True])
@pytest.mark.parametrize("has_header", [False, True])
@pytest.mark.parametrize("is_future", [False, True])
def test_trades_of_the_archive(tmp_path: Path, is_new: bool, has_header: bool, is_future: bool) -> None:
    """With a header or without, in either unit, of spot or futures, raw or aggregated; the taker is the other side of the maker."""
    unit = 1_000_000 if is_new else 1_000
    begin = BEGIN_US // 1_000_000 * unit
    names = ["id", "price", "qty", "quoteQty", "time", "isBuyerMaker", "isBestMatch"][: 6 if is_future else 7]
    rows = [[7 + at, "100.5", "0.00123", "0.1", begin + at, str(at % 2 == 0), "True"][: len(names)] for at in range(3)]
    path = written(tmp_path / "BTCUSDT-trades-2026-01-05.zip", names if has_header else None, rows)
    folded = ["agg", "price", "quantity", "first", "last", "transact_time", "is_buyer_maker", "best"][: 7 if is_future else 8]
    more = [[900, "100.25", "2", 7, 9, begin + 5, "false", "True"][: len(folded)]]
    aggregated = written(tmp_path / "BTCUSDT-aggTrades-2026-01-05.csv", folded if has_header else None, more)
    report = bring("binance-vision", [path, aggregated], tmp_path / "tape.parquet", [USDT], "binance")
    assert report.frames == 4
    told = events(tmp_path / "tape.parquet")
    assert [(each.price_ticks, each.qty_lots, each.taker, each.trade_id) for each in told if isinstance(each, Trade)] == [
        (10_050, 123, Side.SELL, "7"), (10_050, 123, Side.BUY, "8"), (10_050, 123, Side.SELL, "9"), (10_025, 200_000, Side.BUY, "900"),
    ]  # fmt: skip
    assert told[0].venue_ns == told[0].local_ns == BEGIN_US * MICROSECOND


def test_a_bar_of_the_archive_is_seen_when_it_is_over(tmp_path: Path) -> None:
    """Not before: candles never contain the future."""
    begin = BEGIN_US // 1_000
    rows = [[begin + at * 60_000, 100, 102, "99.5", 101, "3.5", begin + (at + 1) * 60_000 - 1, 350, 9, 1, 100, 0] for at in range(2)]
    path = written(tmp_path / "BTCUSDT-1m-2026-01-05.zip", None, rows)
    bring("binance-vision", [path], tmp_path / "tape.parquet", [USDT], "binance")
    told = events(tmp_path / "tape.parquet")
    assert [each.venue_ns - each.open_ns for each in told if isinstance(each, CandleEvent)] == [MINUTE, MINUTE]
    first = told[0]
    assert isinstance(first, CandleEvent)
    assert (first.open_ticks, first.high_ticks, first.low_ticks, first.close_ticks) == (10_000, 10_200, 9_950, 10_100)


@given(st.permutations(range(8)))
@settings(deadline=None, max_examples=20)
def test_best_prices_of_the_archive_are_put_in_order(tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
    """However they lie in the file."""
    folder = tmp_path_factory.mktemp("best")
    begin = BEGIN_US // 1_000
    rows = [[at, 100 + at, 1, 200, 1, begin + at, begin + at + 1] for at in order]
    path = written(folder / "BTCUSDT-bookTicker-2026-01-05.csv", None, rows)
    report = bring("binance-vision", [path], folder / "tape.parquet", [USDT], "binance")
    assert not report.unparsed_count
    assert [each.bid_ticks for each in events(folder / "tape.parquet") if isinstance(each, Ticker)] == [
        10_000 + 100 * at for at in range(8)
    ]


TRADE = ["coinbase", "BTC-USD", BEGIN_US, BEGIN_US + 1, "1", "buy", "100.00", "0.5"]


@pytest.mark.parametrize(
    ("place", "text", "why"),
    [
        (2, "1767571200000", "is no time in microseconds"),
        (1, "ETH-USD", "is of ETH-USD, and the file of BTC-USD"),
        (5, "offer", '`side` holds "offer"'),
        (6, "100.005", "100.005 is not a multiple of 0.01"),
        (6, "-1", "is no number from 0 up"),
        (7, "0", "a trade of nothing"),
        (7, "nan", "is no number from 0 up"),
        (3, str(BEGIN_US - 9), "its time goes back"),
    ],
)
def test_a_row_that_makes_no_sense_is_told_with_its_number(tmp_path: Path, place: int, text: str, why: str) -> None:
    """The others are kept."""
    broken = [*TRADE[:place], text, *TRADE[place + 1 :]]
    path = written(tmp_path / "trades.csv", [*HEAD, "id", "side", "price", "amount"], [TRADE, broken, TRADE])
    report = bring("tardis", [path], tmp_path / "tape.parquet")
    assert [(each.line, why in each.why) for each in report.unparsed] == [(3, True)]
    assert report.rows == 2


def test_a_float_near_its_tick_is_snapped() -> None:
    """Within a millionth of a tick, from either side; an amount between two lots is rounded down, but never to nothing."""
    ticks, lots = TextSteps(Decimal("0.1")), TextLots(Decimal("0.01"))
    assert [ticks(text) for text in ("0.30000000000000004", "0.29999999999999999", "3e-1", "0.3000000999")] == [3, 3, 3, 3]
    with pytest.raises(ValueError, match="not a multiple"):
        ticks("0.30000011")
    assert [lots(text) for text in ("0", "0.001", "0.019", "0.0299999999999")] == [0, 1, 1, 3]
    assert lots.rounded == 2


@pytest.mark.parametrize(
    ("format", "name", "header", "error", "words"),
    [
        ("tardis", "a.csv", ["a", "b"], TapeError, "no header of a kind"),
        ("tardis", "book_L3.csv", ["exchange", "is_snapshot", "side", "price", "amount"], TapeError, "no column `symbol`, `timestamp`"),
        ("tardis", "b.csv", [*HEAD, "id", "side", "price", "amount"], TapeError, "trades and liquidations look alike"),
        ("binance-vision", "trades.csv", None, TapeError, "its name does not say what it is"),
        ("binance-vision", "BTCUSDT-fundingRate-2026-01.zip", None, TapeError, "fundingRate is nothing that can be imported"),
        ("binance-vision", "ETHBTC-trades-2026-01-05.zip", None, ConfigError, "--instrument ETH/BTC="),
        ("binance-vision", "BTCUSD-trades-2026-01-05.zip", None, TapeError, "row 1: 3 columns; expected 7 or 6"),
    ],
)
def test_a_file_that_is_something_else_is_refused(
    tmp_path: Path, format: str, name: str, header: list[str] | None, error: type[Exception], words: str
) -> None:
    """By its name, and with what was expected."""
    path = written(tmp_path / name, header, [["1", "2", "3"]])
    with pytest.raises(error, match=words) as told:
        bring(format, [path], tmp_path / "tape.parquet")
    assert name in str(told.value)
    assert not (tmp_path / "tape.parquet").exists()


@pytest.mark.parametrize("damage", ["cut", "no zip", "empty"])
def test_a_damaged_archive_is_told_of(tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    """At the command line, in a sentence, and no tape is left."""
    rows = [[at, "100.5", "0.1", "1", BEGIN_US + at, "True", "True"] for at in range(5_000)]
    path = written(tmp_path / "BTCUSDT-trades-2026-01-05.zip", None, rows)
    data = path.read_bytes()
    path.write_bytes({"cut": data[: len(data) // 2], "no zip": b"<html>404</html>", "empty": b""}[damage])
    out = tmp_path / "tape.parquet"
    code = main(
        [
            "import",
            "--venue",
            "binance",
            "--format",
            "binance-vision",
            "--instrument",
            "BTC/USDT=0.01,0.00001",
            "--out",
            str(out),
            str(path),
        ]
    )
    said = capsys.readouterr().err
    assert code in (2, 4)
    assert path.name in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == [path]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Rows are read one by one, and written in groups."""
    import tracemalloc

    peaks = []
    for count in (2_000, 20_000):
        rows = ([at, "100.5", "0.1", "1", BEGIN_US + at, "True", "True"] for at in range(count))
        path = written(tmp_path / f"BTCUSDT-trades-2026-01-{count // 2_000:02}.zip", None, itertools.islice(rows, count))
        tracemalloc.start()
        report = bring("binance-vision", [path], tmp_path / "tape.parquet", [USDT], "binance")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert report.rows == count
    assert peaks[1] < 30_000_000


BARS = [[BEGIN_US // 1_000 + at * 60_000, 100, 102.5, 99.5, 101, 3.5] for at in range(5)]


@pytest.mark.parametrize("name", ["bars.json", "bars.jsonl", "bars.csv", "bars.csv.gz"])
@pytest.mark.parametrize("has_header", [False, True])
def test_bars_of_ccxt_are_seen_when_they_are_over(tmp_path: Path, name: str, has_header: bool) -> None:
    """As lists or as CSV; how long they are is told from them, and the last is left out, since it may not have been over."""
    path = tmp_path / name
    if "json" in name:
        path.write_bytes(msgspec.json.encode(BARS) if name.endswith("json") else b"\n".join(map(msgspec.json.encode, BARS)))
    else:
        written(path, ["time", "o", "h", "l", "c", "v"] if has_header else None, BARS)
    report = bring("ohlcv", [path], tmp_path / "tape.parquet")
    told = [each for each in events(tmp_path / "tape.parquet") if isinstance(each, CandleEvent)]
    assert [each.venue_ns - each.open_ns for each in told] == [MINUTE] * 4
    assert (told[0].open_ticks, told[0].high_ticks, told[0].low_ticks, told[0].close_ticks) == (10_000, 10_250, 9_950, 10_100)
    assert list(report.skipped.values()) == [1]


@pytest.mark.parametrize(
    ("bar", "why"),
    [
        ([BEGIN_US // 1_000 + 60_000, 100, 99, 99.5, 101, 3.5], "are in no order"),
        ([5, 100, 102, 99.5, 101, 3.5], "is no time in seconds"),
        ([BEGIN_US // 1_000 + 60_000, 100, 102, None, 101, 3.5], "is no number from 0 up"),
        ([BEGIN_US // 1_000 + 60_000, 100], "2 numbers; expected 6"),
        ({"open": 1}, "0 numbers; expected 6"),
    ],
)
def test_a_bar_that_makes_no_sense_is_told_of(tmp_path: Path, bar: Any, why: str) -> None:
    """By its place in the list."""
    path = tmp_path / "bars.json"
    path.write_bytes(msgspec.json.encode([BARS[0], bar, *BARS[2:]]))
    report = bring("ohlcv", [path], tmp_path / "tape.parquet")
    assert [(each.line, why in each.why) for each in report.unparsed] == [(2, True)]
