"""Any table in, by a file that says which column is what; whatever is wrong with either is told by its place."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from importers.test_tables import BEGIN_US, USDT, events, written
from papertape.cli.main import main
from papertape.importers import COLUMNS, FORMATS, ImportReport, import_foreign
from papertape.importers.mapping import KINDS, read_columns
from papertape.model.errors import ConfigError, TapeError
from papertape.model.event import BookSnapshot, BookUpdate, CandleEvent, Side, Ticker, Trade
from papertape.model.units import MILLISECOND, MINUTE

BEGIN_MS = BEGIN_US // 1_000
TRADES = """
kind = "trades"
symbol = "BTC/USDT"
[columns]
ts_venue = { from = "E", unit = "ms" }
price = "p"
amount = "q"
side = { from = "m", buy = "false", sell = "true" }
id = "t"
"""


def bring(folder: Path, columns: str, path: Path) -> ImportReport:
    (folder / "map.toml").write_text(columns)
    return import_foreign("columns", [path], folder / "tape.parquet", venue="binance", instruments=[USDT], columns=folder / "map.toml")


@pytest.mark.parametrize("kind", ["text", "floats", "times"])
def test_a_table_of_trades_is_the_same_from_csv_and_from_parquet(tmp_path: Path, kind: str) -> None:
    """Whatever the types of its columns are."""
    rows = [[BEGIN_MS + at, "100.25", "0.5", at % 2 == 0, at] for at in range(3)]
    if kind == "text":
        path = written(
            tmp_path / "trades.csv.gz", ["E", "p", "q", "m", "t"], [[each[0], *each[1:3], str(each[3]), each[4]] for each in rows]
        )
    else:
        times: Sequence[Any] = [each[0] for each in rows]
        if kind == "times":
            times = pa.array(times, pa.timestamp("ms", tz="UTC"))
        prices = pa.array([100.25] * 3) if kind == "floats" else pa.array([Decimal("100.25")] * 3)
        table = pa.table({"t": [0, 1, 2], "E": times, "p": prices, "q": [0.5] * 3, "m": [True, False, True], "other": ["x"] * 3})
        path = tmp_path / "trades.parquet"
        pq.write_table(table, path)
    bring(tmp_path, TRADES, path)
    told = events(tmp_path / "tape.parquet")
    assert [(each.price_ticks, each.qty_lots, each.taker, each.trade_id) for each in told if isinstance(each, Trade)] == [
        (10_025, 50_000, side, str(at)) for at, side in enumerate([Side.SELL, Side.BUY, Side.SELL])
    ]
    assert [each.venue_ns for each in told] == [(BEGIN_MS + at) * MILLISECOND for at in range(3)]


def test_rows_of_a_book_of_one_time_are_one_message(tmp_path: Path) -> None:
    """The first time's begin it, unless a column says which rows do."""
    columns = """
        kind = "book"
        symbol = { from = "s" }
        [columns]
        ts_venue = { from = "time", unit = "iso" }
        ts_local = { from = "got", unit = "s" }
        price = "price"
        amount = "size"
        side = "side"
    """
    base = datetime.fromtimestamp(BEGIN_MS // 1_000, UTC)
    time, got = base.strftime("%Y-%m-%d %H:%M:%S+00:00"), BEGIN_MS // 1_000
    rows = [
        ["BTCUSDT", time, f"{got}.25", "bid", 100, 1], ["BTCUSDT", time, f"{got}.25", "ask", 101, 2],
        ["ETHUSDT", time, f"{got}.25", "ask", 1, 2],
        ["BTCUSDT", time, f"{got}.5", "ASK", 101, 0], ["BTCUSDT", time, f"{got}.5", "ask", 102, 3],
    ]  # fmt: skip
    report = bring(tmp_path, columns, written(tmp_path / "book.csv", ["s", "time", "got", "side", "price", "size"], rows))
    snapshot, update = events(tmp_path / "tape.parquet")
    assert isinstance(snapshot, BookSnapshot)
    assert (snapshot.bids, snapshot.asks) == (((10_000, 100_000),), ((10_100, 200_000),))
    assert isinstance(update, BookUpdate)
    assert update.asks == ((10_100, 0), (10_200, 300_000))
    assert update.local_ns == BEGIN_MS * MILLISECOND + 500 * MILLISECOND
    assert report.skipped == {"rows of ETHUSDT, of which no `--instrument` is": 1}


def test_quotes_and_bars(tmp_path: Path) -> None:
    """What is empty is not known; a bar is seen when it is over."""
    quotes = 'kind = "quotes"\nsymbol = "BTC/USDT"\n[columns]\nts_venue = { from = "t", unit = "us" }\nbid_price = "b"\nask_price = "a"\n'
    bring(tmp_path, quotes, written(tmp_path / "quotes.csv", ["t", "b", "a"], [[BEGIN_US, "", 101]]))
    (quote,) = events(tmp_path / "tape.parquet")
    assert isinstance(quote, Ticker)
    assert (quote.bid_ticks, quote.ask_ticks) == (None, 10_100)
    bars = 'kind = "bars"\nspan = "1m"\nsymbol = "BTC/USDT"\n[columns]\nts_venue = { from = "t", unit = "us" }\n'
    bars += "".join(f'{key} = "{key}"\n' for key in ("open", "high", "low", "close", "volume"))
    path = written(
        tmp_path / "bars.csv", ["t", "open", "high", "low", "close", "volume"], [[BEGIN_US, 1, 3, 1, 2, 9], [BEGIN_US + 1, 5, 3, 1, 2, 9]]
    )
    report = bring(tmp_path, bars, path)
    (bar,) = events(tmp_path / "tape.parquet")
    assert isinstance(bar, CandleEvent)
    assert bar.venue_ns == bar.open_ns + MINUTE
    assert [each.line for each in report.unparsed] == [3]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('kind = "trades"', 'kind = "trade"', "key `kind`: holds 'trade'; expected trades, book, quotes, bars"),
        ("kind =", "kinds =", "key `kinds`: is not known; expected some of kind, symbol, span, columns; did you mean `kind`"),
        (
            'price = "p"',
            'pirce = "p"',
            "[columns], key `pirce`: is not known; expected some of ts_venue, price, amount, side, ts_local",
        ),
        ('price = "p"\n', "", "[columns]: no `price`"),
        ('price = "p"', "price = 3", "key `price`: holds 3; expected the name of a column"),
        (', unit = "ms"', "", "key `ts_venue`: `unit` holds ''; expected s, ms, us, ns or iso"),
        ("unit =", "units =", "did you mean `unit`?"),
        ('symbol = "BTC/USDT"', "", "key `symbol`: holds ''; expected \"BTC/USDT\" or the column"),
        ('symbol = "BTC/USDT"', 'symbol = "BTC/USDT"\nspan = "1m"', "key `span`: goes with bars"),
        ("[columns]", "[columns", "is no TOML"),
        ("[columns]", "[[columns]]", "[columns]: is missing"),
    ],
)
def test_a_file_of_columns_is_checked(tmp_path: Path, old: str, new: str, words: str) -> None:
    """The key, what it held, what was expected, and what was perhaps meant."""
    (tmp_path / "map.toml").write_text(TRADES.replace(old, new))
    with pytest.raises(ConfigError) as told:
        read_columns(tmp_path / "map.toml")
    assert words in str(told.value)
    assert "map.toml" in str(told.value)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ([str(BEGIN_MS), "1.005", "1", "true", "1"], "column `p`: 1.005 is not a multiple of 0.01"),
        ([str(BEGIN_MS), "1", "1", "maybe", "1"], 'column `m`: holds "maybe"; expected false, true'),
        (["now", "1", "1", "true", "1"], 'column `E`: "now" is no time in ms'),
        ([str(BEGIN_US * 1_000), "1", "1", "true", "1"], "is no date that a tape can hold"),
        ([str(BEGIN_MS)], "is no number from 0 up"),
    ],
)
def test_a_row_that_makes_no_sense_is_told_with_its_column(tmp_path: Path, row: list[str], why: str) -> None:
    """The others are kept."""
    good = [str(BEGIN_MS), "1", "1", "true", "1"]
    report = bring(tmp_path, TRADES, written(tmp_path / "trades.csv", ["E", "p", "q", "m", "t"], [good, row, good]))
    assert [(each.line, why in each.why) for each in report.unparsed] == [(3, True)]
    assert report.rows == 2


def test_a_table_without_the_column_is_refused(tmp_path: Path) -> None:
    """With what it has, and the one that was perhaps meant; at the command line without a traceback."""
    path = written(tmp_path / "trades.csv", ["E", "price", "qty", "m", "t"], [["1"] * 5])
    with pytest.raises(TapeError, match='has no column "p", which'):
        bring(tmp_path, TRADES, path)


def test_the_command_line_wants_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And says so; with it, a tape comes out."""
    path = written(tmp_path / "trades.csv", ["E", "p", "q", "m", "t"], [[BEGIN_MS, 1, 1, "true", 1]])
    words = [
        "import",
        "--venue",
        "binance",
        "--format",
        "columns",
        "--instrument",
        "BTC/USDT=0.01,0.00001",
        "--out",
        str(tmp_path / "a.parquet"),
    ]
    assert main([*words, str(path)]) == 2
    assert "--columns FILE" in capsys.readouterr().err
    (tmp_path / "map.toml").write_text(TRADES)
    assert main([*words, "--columns", str(tmp_path / "map.toml"), str(path)]) == 0
    assert "1 trade from 1 rows" in capsys.readouterr().out
    assert main([*words, "--columns", str(tmp_path / "nap.toml"), str(path)]) == 2
    assert "nap.toml: cannot be read" in capsys.readouterr().err


def test_the_page_on_importing_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its table of formats has every format, its table of columns every column, and its example runs as it stands there."""
    page = (Path(__file__).parents[2] / "docs" / "importing.md").read_text(encoding="utf-8")
    assert [name for name in (*FORMATS, COLUMNS) if f"| `{name}` |" not in page] == []
    for kind, (needed, optional) in KINDS.items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{kind}` | `ts_venue`")]
        assert [key for key in (*needed, *optional) if f"`{key}`" not in row] == []
    columns, table, command = [block.partition("\n")[2] for block in page.split("```")[3::2]]
    monkeypatch.chdir(tmp_path)
    Path("trades.toml").write_text(columns)
    Path("trades.csv").write_text(table)
    assert main(shlex.split(command)[1:]) == 0
    assert "2 trade from 2 rows" in capsys.readouterr().out
