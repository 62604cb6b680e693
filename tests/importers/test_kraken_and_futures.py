"""Kraken's checksums and Binance futures' chain: on real captures all of them hold on the tape, and on made-up ones a break is a gap."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from importers.test_frames import SECOND, run, stamped
from papertape.importers import import_capture
from papertape.model.book import Book
from papertape.model.event import BookSnapshot, BookUpdate, ConnectionEvent, ConnectionKind, MarketEvent, Side, Trade
from papertape.model.instrument import Instrument
from papertape.tape import open_tape

Find = Callable[[str], Path]

KRAKEN = ("KRAKEN.0", "KRAKEN.ws.48.0", "KRAKEN.ws.49.0", "KRAKEN.ws.50.0")
USDM = "hftbacktest/usdm/btcusdt_20240808.gz"
BTC_USDT = Instrument(symbol="BTC/USDT:USDT", venue_symbol="BTCUSDT", tick=Decimal("0.1"), lot=Decimal("0.001"))
FOO = Instrument(symbol="FOO/BTC", venue_symbol="FOO/XBT", tick=Decimal("0.01"), lot=Decimal("0.001"))


def digits(value: Decimal, places: int) -> str:
    return f"{value:.{places}f}".replace(".", "").lstrip("0")


def test_every_checksum_of_kraken_holds_on_the_tape(realdata: Find, tmp_path: Path) -> None:
    """4,269 of 4,269: worked out anew from what the tape holds, with as many digits as the frames have."""
    files = [realdata(f"cryptofeed/v1_2021-04-17_kraken/{name}") for name in KRAKEN]
    report = import_capture("kraken", files, tmp_path / "kraken.parquet")
    assert report.unparsed_count == 0
    places: dict[str, tuple[int, int]] = {}
    due: dict[str, list[int | None]] = {}
    for line in files[-1].read_text().splitlines():
        frame = json.loads(line.partition(": ")[2]) if line[:1].isdigit() else {}
        if isinstance(frame, list):
            pair, bodies = frame[-1].replace("XBT", "BTC"), frame[1:-2]
            levels = [level for body in bodies for key in ("a", "b", "as", "bs") for level in body.get(key, ())]
            places[pair] = tuple(len(text.partition(".")[2]) for text in levels[0][:2])  # type: ignore[assignment]  # of two, by the slice
            if "as" not in bodies[0]:
                due.setdefault(pair, []).append(next((int(body["c"]) for body in reversed(bodies) if "c" in body), None))
    tape = open_tape(tmp_path / "kraken.parquet")
    books = {each.symbol: Book(each) for each in tape.instruments}
    waiting = {pair: iter(sums) for pair, sums in due.items()}
    agreed = different = 0
    for _, _, _, event in tape.messages():
        if isinstance(event, BookSnapshot | BookUpdate):
            book = books[event.symbol]
            book.apply(event)
            assert max(len(book.bids), len(book.asks)) <= 1_000
            told = next(waiting[event.symbol]) if isinstance(event, BookUpdate) else None
            if told is not None:
                price_places, amount_places = places[event.symbol]
                text = "".join(
                    digits(book.instrument.price(ticks), price_places) + digits(book.instrument.amount(lots), amount_places)
                    for side in (Side.SELL, Side.BUY)
                    for ticks, lots in book.levels(side, 10)
                )
                agreed += zlib.crc32(text.encode()) == told
                different += zlib.crc32(text.encode()) != told
    assert (agreed, different) == (4_269, 0)


def kraken(path: Path, *frames: object) -> Path:
    path.write_text("".join(f"{100 + at}.5: {json.dumps(frame)}\n" for at, frame in enumerate(frames)))
    return path


def levels(*pairs: tuple[str, str]) -> list[list[str]]:
    return [[price, amount, "99.25"] for price, amount in pairs]


SNAPSHOT = [7, {"as": levels(("2.00", "1.000"), ("3.00", "1.000")), "bs": levels(("1.00", "1.000"))}, "book-2", "FOO/XBT"]


def test_a_level_that_is_pushed_out_is_deleted_and_a_wrong_checksum_is_a_gap(tmp_path: Path) -> None:
    """Kraken does not say the first; the second is told once, until one fits again."""
    right = zlib.crc32(b"15010002001000" + b"1001000")
    pushed = [7, {"a": levels(("1.50", "1.000")), "c": str(right)}, "book-2", "FOO/XBT"]
    wrong = [7, {"b": levels(("1.00", "2.000"))}, {"a": levels(("1.50", "1.000")), "c": "5"}, "book-2", "FOO/XBT"]
    report, told = run("kraken", kraken(tmp_path / "frames", pushed, SNAPSHOT, pushed, wrong, wrong), FOO)
    assert report.skipped == {"changes of a book before its snapshot": 1}
    updates = [event for event in told if isinstance(event, BookUpdate)]
    assert updates[0].asks == ((150, 1_000), (300, 0))
    assert updates[0].venue_ns == 99 * SECOND + SECOND // 4
    assert updates[1].bids == ((100, 2_000),)
    gaps = [event for event in told if isinstance(event, ConnectionEvent)]
    assert [(gap.what, "where 5 was due" in gap.text) for gap in gaps] == [(ConnectionKind.GAP, True)]


@pytest.mark.parametrize(
    "frame",
    [[1, 2], [7, {"a": [["1.00"]]}, "book-2", "FOO/XBT"], [7, {}, "ticker", "FOO/XBT"], [7, [["x", "1", "1", "b"]], "trade", "FOO/XBT"], 5],
)
def test_a_frame_of_kraken_that_makes_no_sense_is_told_of(tmp_path: Path, frame: object) -> None:
    """And left out; the rest is kept."""
    trade = [7, [["1.00", "2.000", "98.5", "s", "m", ""]], "trade", "FOO/XBT"]
    report, told = run("kraken", kraken(tmp_path / "frames", SNAPSHOT, frame, trade), FOO)
    assert report.unparsed_count == 1
    assert len(told) == 2


def test_trades_of_kraken_are_the_takers(tmp_path: Path) -> None:
    """One message may hold several."""
    frame = [7, [["1.00", "2.000", "98.5", "s", "m", ""], ["1.01", "1.000", "98.6", "b", "l", ""]], "trade", "FOO/XBT"]
    _, told = run("kraken", kraken(tmp_path / "frames", frame), FOO)
    assert [(each.price_ticks, each.taker) for each in told if isinstance(each, Trade)] == [(100, Side.SELL), (101, Side.BUY)]


def test_the_book_of_binance_futures_equals_the_book_ticker(realdata: Find, tmp_path: Path) -> None:
    """Wherever both are of one update id: at 447 the bookTicker came first, at 182 later; and no link of the chain is missing."""
    report = import_capture("binanceusdm", [realdata(USDM)], tmp_path / "usdm.parquet", instruments=[BTC_USDT])
    assert report.unparsed_count == 0
    assert "gap" not in report.counts
    snapshot, applied, best, latest, told_before = 0, [], {}, 0, 0
    with gzip.open(realdata(USDM), "rt") as file:
        for line in file:
            frame = json.loads(line.partition(" ")[2])
            data = frame.get("data", frame)
            if "lastUpdateId" in frame:
                snapshot = frame["lastUpdateId"]
            elif data["e"] == "depthUpdate":
                applied.append(data["u"])
                told_before += data["u"] == latest
            elif data["e"] == "bookTicker":
                latest = data["u"]
                best[data["u"]] = (Decimal(data["b"]), Decimal(data["B"])), (Decimal(data["a"]), Decimal(data["A"]))
    ids = iter([update for update in applied if update > snapshot])
    book, agreed = Book(BTC_USDT), []
    for _, _, _, event in open_tape(tmp_path / "usdm.parquet").messages():
        if isinstance(event, BookSnapshot | BookUpdate):
            book.apply(event)
            told = best.get(next(ids)) if isinstance(event, BookUpdate) else None
            if told is not None:
                assert book.best_bid is not None
                assert book.best_ask is not None
                agreed.append(
                    [(BTC_USDT.price(ticks), BTC_USDT.amount(lots)) for ticks, lots in (book.best_bid, book.best_ask)] == list(told)
                )
    assert agreed == [True] * (447 + 182)
    assert told_before == 447


def depth(first: int, last: int, before: int) -> dict:
    return {"e": "depthUpdate", "E": 99_000, "s": "BTCUSDT", "U": first, "u": last, "pu": before, "b": [["1.0", "1"]], "a": []}


def test_futures_are_chained_by_the_number_before(tmp_path: Path) -> None:
    """Numbers have holes, which are no gaps; a `pu` that is not the last `u` is one. What an insurer trades met no order."""
    snapshot = {"lastUpdateId": 10, "bids": [["1.0", "2"]], "asks": [["2.0", "2"]]}
    trade = {"e": "trade", "E": 1, "T": 99_000, "s": "BTCUSDT", "t": 5, "p": "1.0", "q": "1", "X": "INSURANCE_FUND", "m": True}
    frames = [depth(3, 8, 2), depth(9, 14, 8), snapshot, depth(20, 25, 14), depth(30, 35, 26), trade]
    report, told = run("binanceusdm", stamped(tmp_path / "frames", *frames), BTC_USDT)
    assert [type(each).__name__ for each in told] == ["BookSnapshot", "BookUpdate", "BookUpdate", "ConnectionEvent", "BookUpdate"]
    gap: MarketEvent = told[3]
    assert isinstance(gap, ConnectionEvent)
    assert gap.text == "BTCUSDT: depth update 30 came where 26 was due"
    assert sorted(report.skipped.values()) == [1, 1]
