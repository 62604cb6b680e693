"""Somebody else's files as a feed: what is played is what an import of the same events would give, from a disk and from a bucket."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importers.bucket_server import KEY, SECRET, Store, serving
from importers.markets import MS, Arrived, tapes, write
from importers.test_frames import stamped
from papertape.bots import MarketMaker
from papertape.cli import bundle
from papertape.cli.main import main
from papertape.importers import import_foreign, inplace
from papertape.importers.bucket import settings
from papertape.importers.inplace import KINDS, InPlace, read_in_place
from papertape.importers.instrument import parse_instrument
from papertape.importers.span import Span, SpanOver, SpanWriter
from papertape.importers.template import filled
from papertape.model.errors import ConfigError, TapeError
from papertape.model.event import BookSnapshot, BookUpdate, MarketEvent
from papertape.model.order import iso
from papertape.model.units import SECOND, iso_after
from papertape.reports.divergence import first_divergence
from papertape.scenario.make import make_scenario
from papertape.scenario.quick import bot_scenario
from papertape.scenario.simulate import simulate
from papertape.scenario.swarm import swarm
from papertape.scenario.write import scenario_text, value_text
from papertape.session.result import RunResult
from papertape.tape import Tape, open_tape
from papertape.tape.export import EXPORTERS, Export
from papertape.tape.files import Files

FIXTURE = Path(__file__).parents[2] / "fixtures" / "btc-usd-30s.parquet"
STEPS = "BTC/USD=0.01,0.00000001"
USD = parse_instrument(STEPS, "coinbase")
BOOK = {
    "kind": "book",
    "symbol": "BTC/USD",
    "columns": {
        "ts_venue": {"from": "t", "unit": "ns"}, "ts_local": {"from": "got", "unit": "ns"}, "is_snapshot": "snap", "side": "side",
        "price": "price", "amount": "size",
    },
}  # fmt: skip
TRADES = {
    "kind": "trades",
    "symbol": "BTC/USD",
    "columns": {"ts_venue": {"from": "t", "unit": "ns"}, "side": "side", "price": "price", "amount": "size", "id": "id"},
}


def book_table(tape: Tape) -> pa.Table:
    """A tape's books as a table, a level a row; prices are the floats that other systems have."""
    rows = [
        (event.venue_ns, event.local_ns, isinstance(event, BookSnapshot), side, float(ticks * USD.tick), float(lots * USD.lot))
        for *_, event in tape.messages()
        if isinstance(event, BookSnapshot | BookUpdate)
        for side, levels in (("bid", event.bids), ("ask", event.asks))
        for ticks, lots in levels
    ]
    names = ("t", "got", "snap", "side", "price", "size")
    return pa.table({name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)})


def trade_table(first_ns: int, count: int, step_ns: int = SECOND) -> pa.Table:
    at = range(count)
    return pa.table(
        {
            "t": [first_ns + each * step_ns for each in at], "side": ["buy" if each % 2 else "sell" for each in at],
            "price": [64_000 + each % 7 * 0.01 for each in at], "size": [0.5 for _ in at], "id": [str(each) for each in at],
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return book_table(open_tape(FIXTURE))


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with serving() as found:
        yield found


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PAPERTAPE_CACHE", str(tmp_path / "cache"))


def signed(monkeypatch: pytest.MonkeyPatch, key: str = KEY, secret: str = SECRET) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)


def played(feed: dict[str, Any], **more: Any) -> RunResult:
    account = {"USD": "100000", "BTC": "1"}
    return simulate(MarketMaker, bot_config={"symbol": "BTC/USD"}, venues={"coinbase": {"feed": feed, "account": account}}, **more)


def columns(path: str | Path, mapping: dict[str, Any] = BOOK, **more: Any) -> dict[str, Any]:
    return {"format": "columns", "path": str(path), "columns": mapping, "instrument": STEPS, **more}


def contents(tape: Tape) -> list[tuple[int, int, MarketEvent]]:
    """A tape's messages, but for the numbers of their rows."""
    return [(reach_ns, deliver_ns, event) for _, reach_ns, deliver_ns, event in tape.messages()]


@pytest.mark.parametrize("format", ["columns", "csv", "hftbacktest", "nautilus"])
def test_a_feed_in_place_is_played_as_the_tape_that_its_import_makes(tmp_path: Path, table: pa.Table, format: str) -> None:
    """The same identity, the same digest, whole and of a part; the second time nothing is read."""
    mapping = None
    path = tmp_path / {"columns": "book.parquet", "csv": "book.csv", "hftbacktest": "book.npz", "nautilus": "catalog"}[format]
    if format in EXPORTERS:
        EXPORTERS[format](Export(tape=open_tape(FIXTURE), out=path, symbol="BTC/USD", start_ns=None, end_ns=None))
    else:
        mapping, format = BOOK, "columns"
        if path.suffix == ".csv":
            path.write_text("\n".join([",".join(table.column_names), *(",".join(map(str, row.values())) for row in table.to_pylist())]))
        else:
            pq.write_table(table, path, row_group_size=200)
    first_ns = open_tape(FIXTURE).first_ns
    for span in (Span(), Span(iso_after(first_ns + 7 * SECOND), iso_after(first_ns + 21 * SECOND))):
        out = tmp_path / "imported.parquet"
        report = import_foreign(format, [path], out, venue="coinbase", instruments=[USD], columns=mapping, span=span)
        part = {key: text for key, text in (("start", span.start), ("end", span.end)) if text is not None}
        feed = {"format": format, "path": str(path), "instrument": STEPS, **({"columns": mapping} if mapping else {}), **part}
        result = played(feed)
        assert result.digest == played({"tape": str(out), **part}).digest
        assert result.failures == ()
        (kept,) = (tmp_path / "cache" / "feeds").glob("*.parquet")
        assert open_tape(kept).content_hash == report.content_hash
        before = kept.stat().st_ino
        assert played(feed).digest == result.digest
        assert kept.stat().st_ino == before
        kept.unlink()


@given(tapes(), st.integers(-5, 130), st.integers(1, 130), st.booleans())
def test_a_span_that_is_written_tells_what_that_part_of_a_tape_tells(
    tmp_path_factory: pytest.TempPathFactory, arrived: Arrived, start: int, length: int, is_open: bool
) -> None:
    """Whatever came before: the books as they are by then, the same messages, at the same times."""
    folder = tmp_path_factory.mktemp("span")
    whole = open_tape(write(folder / "whole.parquet", arrived))
    start_ns = whole.first_ns + start * MS
    end_ns = None if is_open else start_ns + length * MS
    span = Span(iso_after(start_ns), None if end_ns is None else iso_after(end_ns))
    start_ns, end_ns = span.window(0)
    wanted = [(reach_ns, deliver_ns, event) for _, reach_ns, deliver_ns, event in whole.messages(start_ns, end_ns)]
    writer = SpanWriter(
        folder / "part.parquet", span, venue="coinbase", instruments=whole.instruments, connections=whole.connections, source=""
    )
    try:
        for event, connection in arrived:
            writer.write(event, connection)
    except SpanOver:
        pass
    assert writer.is_begun == bool(wanted)
    if writer.is_begun:
        writer.close()
        assert contents(open_tape(folder / "part.parquet")) == wanted
    else:
        with pytest.raises(TapeError, match="nothing happens from"):
            writer.check_begun([folder])
        writer.discard()


def test_row_groups_outside_of_the_span_are_not_fetched(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of trades none before or behind; of a book none before the last snapshot; and what is played is the same as from one group."""
    signed(monkeypatch)
    first_ns = 1_767_571_200 * SECOND
    trades = trade_table(first_ns, 40_000)
    at = range(40_000)
    times = [first_ns + each // 2 * 2 * SECOND for each in at]
    begins = [each % 10_000 < 2 for each in at]
    prices = [63_000.0 if each % 10_000 == 0 else 64_000.0 + each % 2 for each in at]  # a bid that only the snapshots tell of
    sides, sizes_of = ["ask" if each % 2 else "bid" for each in at], [0.5 + each % 13 for each in at]
    book = pa.table({"t": times, "got": times, "snap": begins, "side": sides, "price": prices, "size": sizes_of})
    span = {"start": iso_after(first_ns + 35_000 * SECOND), "end": iso_after(first_ns + 36_000 * SECOND)}
    for mapping, made in ((TRADES, trades), (BOOK, book)):
        sizes = []
        hashes = []
        for rows in (1_579, 40_000):  # with 1,579 the snapshot in the rows 30,000 and 30,001 begins in one group and ends in the next
            sink = pa.BufferOutputStream()
            pq.write_table(made, sink, row_group_size=rows, compression="none", use_dictionary=False)
            store.buckets["ticks"] = {"all.parquet": sink.getvalue().to_pybytes()}
            store.sent = 0
            feed = columns("s3://ticks/all.parquet", mapping, endpoint=store.endpoint, **span)
            hashes.append(content_of(feed, tmp_path))
            sizes.append(store.sent)
        assert hashes[0] == hashes[1]
        assert sizes[0] < sizes[1] / 3


def test_what_lies_outside_of_the_span_leaves_no_trace(tmp_path: Path) -> None:
    """Not in the skew of the recorder's clock, not in the numbers of the rows: the same rows alone give the same content."""
    first_ns = 1_767_571_200 * SECOND
    mapping = TRADES | {"columns": TRADES["columns"] | {"ts_local": {"from": "got", "unit": "ns"}}}
    table = trade_table(first_ns, 300)
    table = table.append_column(
        "got", pa.array([first_ns + at * SECOND + (1 if at < 100 or at > 200 else 7 + at % 5) * MS for at in range(300)])
    )
    pq.write_table(table, tmp_path / "whole.parquet", row_group_size=300)
    pq.write_table(table, tmp_path / "groups.parquet", row_group_size=10)
    pq.write_table(table.slice(120, 60), tmp_path / "part.parquet")
    span = {"start": iso_after(first_ns + 120 * SECOND), "end": iso_after(first_ns + 180 * SECOND)}
    contents = [content_of(columns(tmp_path / f"{name}.parquet", mapping, **span), tmp_path) for name in ("whole", "groups", "part")]
    assert len(dict.fromkeys(contents)) == 1


def content_of(feed: dict[str, Any], folder: Path) -> str:
    return open_tape(read(feed, folder).path).content_hash


def read(feed: dict[str, Any], folder: Path) -> InPlace:
    spec = make_scenario(
        {"title": "x", "bot": "papertape.bots:MarketMaker", "venue": {"coinbase": {"feed": feed, "account": {"USD": "1"}}}},
        source="x",
        folder=folder,
    )
    (one,) = spec.venues["coinbase"].feed
    assert one.files is not None
    return read_in_place(one.files, Span(one.start, one.end), folder=folder)


def test_a_bucket_is_read_as_a_folder_is(tmp_path: Path, table: pa.Table, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same content; a file of each day in the order of the days; the second time only asked whether anything changed."""
    signed(monkeypatch)
    days = {"2026-01-05": table.slice(0, 500), "2026-01-06": table.slice(500)}
    shift = pa.scalar(86_400 * SECOND, pa.int64())
    days["2026-01-06"] = days["2026-01-06"].set_column(0, "t", pc.add(days["2026-01-06"]["t"], shift))
    days["2026-01-06"] = days["2026-01-06"].set_column(1, "got", pc.add(days["2026-01-06"]["got"], shift))
    store.buckets["days"] = {}
    for day, part in days.items():
        pq.write_table(part, tmp_path / f"btc-{day}.parquet")
        store.buckets["days"][f"books/btc/{day}.parquet"] = (tmp_path / f"btc-{day}.parquet").read_bytes()
    span = {"start": "2026-01-05", "end": "2026-01-07"}
    there = columns("s3://days/books/{symbol}/{date}.parquet", symbol="btc", endpoint=store.endpoint, **span)
    content = content_of(there, tmp_path)
    assert content_of(columns(tmp_path / "{symbol}-{date}.parquet", symbol="btc", **span), tmp_path) == content
    assert content_of(there | {"path": "s3://days/books/*/2026*.parquet"}, tmp_path) == content
    assert content_of(there | {"path": "s3://days/**/*.parquet"}, tmp_path) == content
    text = "\n".join(",".join(map(str, row)) for row in [table.column_names, *zip(*table.to_pydict().values(), strict=True)])
    pq.write_table(table, tmp_path / "whole.parquet")
    store.buckets["days"]["packed/whole.csv.gz"] = gzip.compress(text.encode())
    whole = content_of(columns(tmp_path / "whole.parquet"), tmp_path)
    store.buckets["days"]["plain.csv"] = text.encode()
    assert content_of(columns("s3://days/packed/*", endpoint=store.endpoint), tmp_path) == whole
    store.asked.clear()
    assert content_of(columns("s3://days/plain.csv", endpoint=store.endpoint), tmp_path) == whole
    assert len(text) > 50_000
    assert len([path for method, path, _ in store.asked if method == "GET"]) < 5  # not one for every 8 kB
    rows = text.split("\n")
    place = table.column_names.index("size")
    cells = rows[-1].split(",")
    cells[place] = ("1" if cells[place][0] != "1" else "2") + cells[place][1:]
    store.buckets["days"]["plain.csv"] = "\n".join([*rows[:-1], ",".join(cells)]).encode()
    assert len(store.buckets["days"]["plain.csv"]) == len(text)  # as long as before, so that only the ETag tells
    assert content_of(columns("s3://days/plain.csv", endpoint=store.endpoint), tmp_path) != whole
    store.asked.clear()
    store.sent = 0
    assert content_of(there, tmp_path) == content
    assert store.sent == 0
    assert [path for method, path, _ in store.asked if method == "GET" and "list-type" not in path] == []


def test_a_missing_day_is_told(tmp_path: Path) -> None:
    """It is refused, unless it may be missing; then the result tells."""
    pq.write_table(trade_table(1_767_571_200 * SECOND, 100), tmp_path / "2026-01-05.parquet")
    pq.write_table(trade_table(1_767_744_000 * SECOND, 100), tmp_path / "2026-01-07.parquet")
    feed = columns(tmp_path / "{date}.parquet", TRADES, start="2026-01-05", end="2026-01-08")
    with pytest.raises(
        TapeError, match=r"\[venue.coinbase\], key `feed`: .*\{date\}.parquet: there is no file of 2026-01-06, and a market"
    ):
        played(feed)
    (note,) = read(feed | {"missing": "skip"}, tmp_path).notes
    assert note.endswith("played without the days that it has no file of: 2026-01-06")
    with pytest.raises(TapeError, match="there is no file of any day from 2026-02-05 to 2026-02-07"):
        played(feed | {"start": "2026-02-05", "end": "2026-02-08", "missing": "skip"})


def test_a_price_off_the_tick_is_snapped_or_refused_with_its_place(tmp_path: Path) -> None:
    """Within a millionth of a tick it is what a float has left; else file, row and column are told, or the row is left out and counted."""
    table = trade_table(1_767_571_200 * SECOND, 10).to_pydict()
    table["price"][3] = 64_000.010000000002
    pq.write_table(pa.table(table), tmp_path / "good.parquet")
    assert played(columns(tmp_path / "good.parquet", TRADES)).notes == ()
    table["price"][6] = 64_000.013
    pq.write_table(pa.table(table), tmp_path / "bad.parquet")
    with pytest.raises(TapeError, match=r"bad.parquet: row 7: column `price`: 64000.013 is not a multiple of 0.01. Mend the file"):
        played(columns(tmp_path / "bad.parquet", TRADES))
    (note,) = played(columns(tmp_path / "bad.parquet", TRADES, broken="skip")).notes
    assert "left out 1 rows that make no sense; the first is row 7 of" in note


def test_files_that_change_are_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And play another market, by another digest; what changes as it is read is refused; what is kept and damaged is made again."""
    path = tmp_path / "trades.parquet"
    pq.write_table(trade_table(1_767_571_200 * SECOND, 100), path)
    feed = columns(path, TRADES)
    first = played(feed, journal_path=tmp_path / "first.jsonl").digest
    pq.write_table(trade_table(1_767_571_200 * SECOND, 100, 2 * SECOND), path)
    second = played(feed, journal_path=tmp_path / "second.jsonl").digest
    assert second != first
    parted = first_divergence(tmp_path / "first.jsonl", tmp_path / "second.jsonl")
    assert parted is not None
    assert "feed 1 of coinbase holds another market: its content hash is" in parted.render("first", "second")
    kept = max((tmp_path / "cache" / "feeds").glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    content = kept.read_bytes()
    for damaged in (content[:-9], content[:300] + bytes([content[300] ^ 1]) + content[301:], b""):
        kept.write_bytes(damaged)
        assert played(feed).digest == second
        assert kept.read_bytes() == content
    kept.with_suffix(".json").write_text("{")
    half = kept.with_name(f".{kept.name}.1.1.part")
    half.write_text("left behind by somebody who was killed")
    assert played(feed).digest == second
    assert not half.exists()
    made = inplace.import_foreign

    def meddling(*args: Any, **more: Any) -> Any:
        report = made(*args, **more)
        path.write_bytes(path.read_bytes() + b" ")
        return report

    monkeypatch.setattr(inplace, "import_foreign", meddling)
    path.touch()
    with pytest.raises(TapeError, match="changed while it was read"):
        played(feed)


def test_what_is_kept_stays_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was used longest ago goes first; what may be in use stays."""
    monkeypatch.setattr(inplace, "KEPT_BYTES_MAX", 20_000)
    feeds = tmp_path / "cache" / "feeds"
    used_ns = 1_767_571_200 * SECOND
    for number in range(6):
        pq.write_table(trade_table(used_ns, 100 + number), tmp_path / f"{number}.parquet")
        content_of(columns(tmp_path / f"{number}.parquet", TRADES), tmp_path)
        newest = max(feeds.glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, ns=(used_ns, used_ns + number * SECOND))  # long ago, one after the other
    kept = sorted(feeds.glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    assert len(kept) == len(list(feeds.glob("*.json"))) < 6
    assert [path.stat().st_mtime_ns for path in kept] == [used_ns + number * SECOND for number in range(6 - len(kept), 6)]


def test_a_feed_in_place_is_written_as_it_was_read(tmp_path: Path) -> None:
    """Seen from another folder too."""
    feed = columns(
        "data/{symbol}/{date:%Y%m%d}.csv", symbol=["a", "b"], start="2026-01-05", end="2026-01-06", broken="skip", missing="skip"
    )
    raw = {"title": "x", "bot": "papertape.bots:MarketMaker", "venue": {"coinbase": {"feed": feed, "account": {"USD": "1"}}}}
    scenario = make_scenario(raw, source="x", folder=tmp_path)
    again = make_scenario(tomllib.loads(scenario_text(scenario)), source="x", folder=tmp_path)
    assert again.venues == scenario.venues
    away = make_scenario(tomllib.loads(scenario_text(scenario, tmp_path / "found")), source="x", folder=tmp_path / "found")
    assert away.venues["coinbase"].feed[0].files == msgspec.structs.replace(
        scenario.venues["coinbase"].feed[0].files, path=("../data/{symbol}/{date:%Y%m%d}.csv",)
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "vision"}, 'key `format`: no format is called "vision"; did you mean "binance-vision"?'),
        ({"format": None}, "key `format`: is missing; expected what the files are: hftbacktest, nautilus"),
        ({"path": None}, "key `path`: is missing"),
        ({"pth": "x"}, "key `pth`: there is no such key; did you mean `path`?"),
        ({"tape": "builtin:btc-usd"}, "goes with files that are read in place, and there is a `tape`"),
        ({"path": "{simbol}.csv"}, "there is no {simbol}; did you mean {symbol}?"),
        ({"path": "{symbol}.csv"}, "has {symbol}, and no key `symbol` says what stands for it"),
        ({"path": "{date}.csv"}, "has {date}, which wants `start` and `end` as dates"),
        ({"path": "{date.csv"}, "has a brace without its other half"),
        ({"path": "S3:/ticks/a.csv"}, 'expected a path on this machine, or s3://BUCKET/KEY; did you mean "s3://ticks/a.csv"?'),
        ({"path": "s3://ticks"}, "expected s3://BUCKET/KEY"),
        ({"path": "s3://me:hushhush@ticks/a.csv"}, "key `path`: holds credentials, which belong into the AWS_"),
        ({"endpoint": "http://me:hushhush@127.0.0.1/", "path": "s3://a/b"}, "key `endpoint`: holds credentials"),
        ({"endpoint": "127.0.0.1:9000", "path": "s3://a/b"}, 'key `endpoint`: holds "127.0.0.1:9000"; expected an address such as'),
        ({"region": "eu-west-1"}, "key `region`: goes with a path that begins with s3://"),
        ({"secret_key": "hushhush"}, "key `secret_key`: no credentials stand in a scenario"),
        ({"missing": "skp"}, 'key `missing`: holds "skp"; expected "refuse" or "skip"; did you mean "skip"?'),
        ({"columns": None}, "key `columns`: is missing; expected a file or a table"),
        ({"columns": "nap.toml"}, "key `columns`: nap.toml: cannot be read"),
        ({"columns": {"kind": "trade"}}, "key `columns`: columns: key `kind`: holds 'trade'; expected trades"),
        ({"columns": BOOK, "format": "tardis"}, 'key `columns`: goes with format = "columns", and the format is "tardis"'),
        ({"end": "2026-01-01", "start": "2026-01-02"}, 'key `end`: holds "2026-01-01", which is not after start'),
    ],
)
def test_a_key_that_makes_no_sense_is_told_before_anything_starts(change: dict[str, Any], words: str) -> None:
    """And nothing secret is repeated."""
    feed = {key: value for key, value in {**columns("a.csv"), **change}.items() if value is not None}
    with pytest.raises(ConfigError) as told:
        played(feed)
    assert words in str(told.value)
    assert "hushhush" not in str(told.value)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"path": "nowhere/*.csv"}, TapeError, "nowhere/*.csv: there is no such file; expected data of columns"),
        (
            {"start": "2027-01-01"},
            TapeError,
            "nothing happens from 2027-01-01 to the end; what was read goes from 2026-01-05T00:00:00.000Z to",
        ),
        ({"instrument": []}, ConfigError, 'say the steps by `instrument`, such as instrument = "BTC/USDT=0.01,0.00001"'),
        ({"instrument": "BTC/USD=1"}, ConfigError, 'key `instrument`: "BTC/USD=1": expected SYMBOL=TICK,LOT'),
        ({"instrument": [STEPS, STEPS]}, ConfigError, "key `instrument`: says twice what BTC/USD is"),
        ({"instrument": "ETH/USD"}, ConfigError, "key `symbol`: holds BTC/USD, and no `instrument` is of that"),
        ({"format": "tardis", "columns": None}, TapeError, "no header of a kind that can be imported"),
        ({"format": "nautilus", "columns": None}, TapeError, "trades.csv: does not read"),
        ({"format": "kraken", "columns": None}, TapeError, "trades.csv: nothing to import"),
    ],
)
def test_files_that_do_not_fit_are_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], kind: type[Exception], words: str
) -> None:
    """By file, key and what to do."""
    monkeypatch.chdir(tmp_path)
    table = trade_table(1_767_571_200 * SECOND, 10)
    Path("trades.csv").write_text(
        "\n".join([",".join(table.column_names), *(",".join(map(str, each.values())) for each in table.to_pylist())])
    )
    with pytest.raises(kind) as told:
        played({key: value for key, value in {**columns("trades.csv", TRADES), **change}.items() if value is not None})
    assert words in str(told.value)
    assert "[venue.coinbase], key `feed`: " in str(told.value)
    assert "--" not in str(told.value)


def test_a_bucket_that_does_not_let_itself_be_read_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which bucket, what is the matter, what to do; and no secret."""
    store.buckets |= {"open": {"a.csv": b"", "folder/a.csv": b""}, "shut": {"a.csv": b""}}
    store.public, store.closed = ["open"], ["shut"]

    def said(path: str, **more: Any) -> str:
        with pytest.raises((ConfigError, TapeError)) as told:
            played(columns(path, TRADES, **({"endpoint": store.endpoint} | more)))
        assert SECRET not in str(told.value)
        assert "hushhush" not in str(told.value)
        return f"{told.type.__name__}: {told.value}"

    nobody = said("s3://shut/*.csv")
    assert nobody.startswith("ConfigError")
    assert "there are no credentials for the bucket: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE" in nobody
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    assert "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not" in said("s3://shut/*.csv")
    signed(monkeypatch)
    assert "does not let whom the credentials belong to read it" in said("s3://shut/*.csv")
    assert "does not let anybody without credentials read it" in said("s3://shut/a.csv", anonymous=True)
    assert "s3://shoot: there is no such bucket" in said("s3://shoot/a.csv")
    assert "s3://open/folder: is a folder; expected files, such as s3://open/folder/*" in said("s3://open/folder", anonymous=True)
    store.buckets["open"]["403.csv"] = b""
    assert "s3://open/403.csv: has no column" in said("s3://open/403.csv", anonymous=True)
    assert "s3://open/b.csv: there is no such file" in said("s3://open/b.csv", anonymous=True)
    assert "s3://open/a.csv: has no column" in said("s3://open/a.csv", anonymous=True)
    assert "does not answer; is the endpoint right" in said("s3://open/a.csv", endpoint="http://127.0.0.1:9")
    signed(monkeypatch, secret="hushhushhushhush")
    assert "does not know the credentials; look at AWS_ACCESS_KEY_ID" in said("s3://open/*.csv")


def test_a_bucket_is_found_by_the_usual_variables() -> None:
    """What a scenario says comes first."""
    environment = {
        "AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": "http://b", "AWS_DEFAULT_REGION": "c", "AWS_NO_SIGN_REQUEST": "YES",
    }  # fmt: skip
    told = settings(None, None, None, environment)
    assert (told.endpoint, told.region, told.is_anonymous) == ("http://b", "c", True)
    with pytest.raises(ConfigError, match="AWS_ENDPOINT_URL holds credentials"):
        settings(None, None, True, {"AWS_ENDPOINT_URL": "http://me:hushhush@a"})
    with pytest.raises(ConfigError, match=r'AWS_ENDPOINT_URL holds "127\.0\.0\.1:9000"; expected an address'):
        settings(None, None, True, {"AWS_ENDPOINT_URL": "127.0.0.1:9000"})
    assert settings("http://x", "y", False, environment | {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}).keys == ("k", "s", "")


def test_the_page_on_feeds_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its example runs as it stands there, its other one is a feed, and its table has every format and key."""
    page = (Path(__file__).parents[2] / "docs" / "feeds.md").read_text(encoding="utf-8")
    scenario, mapping, table, bucket = [block.partition("\n")[2] for block in page.split("```")[1::2]]
    rows = page.partition("| key of `feed` |")[2].partition("\n\n")[0]
    assert [name for name in (*KINDS, *Files.__struct_fields__, "start", "end", "outages") if f"`{name}`" not in rows] == ["venue"]
    monkeypatch.chdir(tmp_path)
    Path("ticks").mkdir()
    Path("book.toml").write_text(mapping)
    Path("ticks/BTCUSDT-2026-01-05.csv").write_text(table)
    Path("maker.scenario.toml").write_text(scenario)
    for told in ("maker.scenario.toml: reading ticks/{symbol}-{date}.csv (1 files)", ""):
        assert main(["run", "maker.scenario.toml"]) == 0
        said = capsys.readouterr().err
        assert told in said
        assert ("reading" in said) == bool(told)  # once
    assert main(["sweep", "maker.scenario.toml", "--seeds", "2", "--workers", "1", "--shrink", "0"]) in (0, 1)
    assert "errors" not in capsys.readouterr().out
    (feed,) = (
        make_scenario(tomllib.loads(bucket) | {"title": "x", "bot": "papertape.bots:MarketMaker"}, source="x", folder=tmp_path)
        .venues["binance"]
        .feed
    )
    assert feed.files is not None
    assert len(list(filled(feed.files, Span(feed.start, feed.end)))) == 28


def own_feed(folder: Path, table: pa.Table) -> Path:
    """Somebody's files, how their columns are to be read, and a feed that names both."""
    folder.mkdir()
    pq.write_table(table, folder / "book.parquet")
    mapping = "\n".join(f"{key} = {value_text(each)}" for key, each in BOOK["columns"].items())
    (folder / "map.toml").write_text(f'kind = "book"\nsymbol = "BTC/USD"\n[columns]\n{mapping}\n')
    feed = folder / "feed.toml"
    feed.write_text(f'format = "columns"\npath = "*.parquet"\ncolumns = "map.toml"\ninstrument = "{STEPS}"\n')
    return feed


def test_a_bot_is_swept_and_packed_on_such_files_too(
    tmp_path: Path, table: pa.Table, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a seed finds runs again by its own command, as a small scenario; a bundle needs nobody's files."""
    monkeypatch.chdir(tmp_path)
    own_feed(tmp_path / "data", table)
    Path("bot.py").write_text("async def main(exchange):\n    raise ValueError(sorted((await exchange.fetch_balance()).currencies))\n")
    assert main(["sweep", "bot.py", "--tape", "data/feed.toml", "--seeds", "1", "--workers", "1", "--shrink", "1", "--out", "out"]) == 1
    (seed,) = [json.loads(line) for line in Path("out/seeds.jsonl").read_text().splitlines()]
    assert seed["failures"][0].startswith("the bot raised ValueError: ['BTC', 'USD']")
    assert seed["repro"] == "papertape sweep bot.py --tape data/feed.toml --seeds 1 --first 0"
    (found,) = Path("out").glob("*.scenario.toml")
    assert main(["run", found.as_posix()]) == 1
    assert bundle.scenario_of(Path("out/seeds.jsonl")) == swarm(bot_scenario(Path("bot.py"), tape="data/feed.toml"), 0)
    assert main(["bundle", "bot.py", "--tape", "data/feed.toml"]) == 0
    shutil.rmtree("data")
    capsys.readouterr()
    assert main(["run", "bot.bundle", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["failures"][0].startswith("the bot raised ValueError: ['BTC', 'USD']")


def test_a_bot_is_run_on_files_that_a_feed_of_its_own_names(tmp_path: Path, table: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    """From any folder, with money for what is traded there, and by a command that gives it again; what is wrong is told by its file."""
    feed = own_feed(tmp_path / "data", table)
    (tmp_path / "bot.py").write_text("async def main(exchange):\n    print((await exchange.fetch_balance()).currencies.keys())\n")
    assert main(["run", str(tmp_path / "bot.py"), "--tape", str(feed), "--json"]) in (0, 1)
    out, err = capsys.readouterr()
    assert "dict_keys(['USD', 'BTC'])" in err
    result = json.loads(out)
    assert f"--tape {feed}" in result["repro"]
    assert result["events"] > 0
    feed.write_text(feed.read_text().replace("format", "formt"))
    assert main(["run", str(tmp_path / "bot.py"), "--tape", str(feed), "--fault", "lost_reply", "--json"]) == 2
    refused = json.loads(capsys.readouterr().out)
    assert refused["failures"] == [f"{feed}: [venue.coinbase.feed], key `formt`: there is no such key; did you mean `format`?"]
    assert refused["repro"] == f"papertape run {tmp_path / 'bot.py'} --tape {feed} --fault lost_reply"
    assert main(["run", str(tmp_path / "bot.py"), "--tape", str(tmp_path / "nothing.parquet")]) == 4


def test_frames_of_a_venue_are_read_in_place_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As `papertape import --start --end` reads them; a line that makes no sense is refused with its place, or left out."""
    book = {"type": "snapshot", "product_id": "BTC-USD", "bids": [["100.00", "1"]], "asks": [["101.00", "1"]]}
    changes = [
        {"type": "l2update", "product_id": "BTC-USD", "changes": [["buy", f"{50 + at}.00", "1"]], "time": iso(at * SECOND)}
        for at in range(1, 40)
    ]
    path = stamped(tmp_path / "c.txt", book, *changes)
    out = tmp_path / "out.parquet"
    words = ["import", "--venue", "coinbase-exchange", "--instrument", STEPS, "--out", str(out), str(path)]
    assert main([*words, "--start", "9s", "--end", "19s"]) == 0
    feed = {"format": "coinbase-exchange", "path": str(path), "instrument": STEPS, "start": "9s", "end": "19s"}
    assert content_of(feed, tmp_path) == open_tape(out).content_hash
    opening, *rest = contents(open_tape(out))
    assert isinstance(opening[2], BookSnapshot)
    assert len(opening[2].bids) == 10
    assert len(rest) == 10
    assert main([*words, "--start", "soon"]) == 2
    assert '--start: "soon" is no duration' in capsys.readouterr().err
    path.write_text("?\n" + path.read_text())
    with pytest.raises(TapeError, match=r"c\.txt:1: expected `<recv_ns> <frame>`. Mend the file, or let rows"):
        read(feed, tmp_path)
    (note,) = read(feed | {"broken": "skip"}, tmp_path).notes
    assert "left out 1 rows that make no sense" in note
