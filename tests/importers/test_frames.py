"""Made-up captures, each with one thing in it that goes wrong in real ones."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from papertape.importers import IMPORTERS, ImportReport, import_capture
from papertape.importers.reading import Lots, Steps, nanoseconds
from papertape.model.errors import ConfigError, TapeError
from papertape.model.event import BookSnapshot, BookUpdate, ConnectionEvent, ConnectionKind, MarketEvent, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.order import iso
from papertape.tape import open_tape
from papertape.tape.check import check_tape

SECOND = 10**9
FOO = Instrument(symbol="FOO/USD", venue_symbol="FOO-USD", tick=Decimal("0.01"), lot=Decimal("0.001"))
BAR = Instrument(symbol="BAR/USDT", venue_symbol="BARUSDT", tick=Decimal("0.01"), lot=Decimal("0.001"))


def run(venue: str, path: Path, *instruments: Instrument) -> tuple[ImportReport, list[MarketEvent]]:
    out = path.with_suffix(".parquet")
    report = import_capture(venue, [path], out, instruments=instruments)
    assert check_tape(out) == []
    return report, [message[3] for message in open_tape(out).messages()]


def stamped(path: Path, *frames: dict | str, start: int = 100 * SECOND, step: int = 1_000_000) -> Path:
    lines = [f"{start + index * step} {frame if isinstance(frame, str) else json.dumps(frame)}" for index, frame in enumerate(frames)]
    path.write_text("\n".join(lines) + "\n")
    return path


def advanced(path: Path, *entries: dict) -> Path:
    """Coinbase's JSON lines: what is not given is a frame on connection "ws"."""
    lines = []
    for index, entry in enumerate(entries):
        line = {"t": "recv", "conn": "ws", "ts": 100 + index * 0.001, **entry}
        line["data"] = json.dumps(line["data"]) if "data" in line else ""
        lines.append(json.dumps(line))
    path.write_text("\n".join(lines) + "\n")
    return path


def l2(sequence: int, *levels: tuple[str, str, str], type: str = "update", product: str = "FOO-USD", at_ns: int = 99 * SECOND) -> dict:
    updates = [{"side": side, "event_time": iso(at_ns), "price_level": price, "new_quantity": amount} for side, price, amount in levels]
    events = [{"type": type, "product_id": product, "updates": updates}]
    return {"data": {"channel": "l2_data", "timestamp": iso(at_ns), "sequence_num": sequence, "events": events}}


def prints(sequence: int, *trades: tuple[int, str, str], type: str = "update") -> dict:
    each = [
        {"trade_id": str(number), "product_id": "FOO-USD", "price": price, "size": "0.5", "side": side, "time": iso(99 * SECOND)}
        for number, price, side in trades
    ]
    channel = {"channel": "market_trades", "timestamp": iso(99 * SECOND), "sequence_num": sequence}
    return {"data": {**channel, "events": [{"type": type, "trades": each}]}}


# Numbers and times


@given(st.decimals(0, 10**6, places=6), st.sampled_from(["0.01", "0.00000001", "1", "0.05", "10"]))
def test_texts_are_counted_exactly_or_refused(number: Decimal, step: str) -> None:
    """Counting a text in steps agrees with exact arithmetic, whatever the step; what lies between two steps is refused."""
    count, rest = divmod(number, Decimal(step))
    if rest:
        with pytest.raises(ValueError, match="is not a multiple of"):
            Steps(Decimal(step))(format(number, "f"))
        assert Lots(Decimal(step))(format(number, "f")) == max(1, int(count))
    else:
        assert Steps(Decimal(step))(format(number, "f")) == int(count)


@pytest.mark.parametrize("text", ["", "-1", "1e", "NaN", "1.2.3", "٣", "Infinity"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    """Signs, words and other digits are no numbers of a venue."""
    with pytest.raises(ValueError):
        Steps(Decimal("0.01"))(text)
    with pytest.raises(ValueError):
        Lots(Decimal("0.01"))(text)


@given(st.integers(0, 4_000_000_000 * SECOND), st.integers(0, 9))
def test_times_are_read_to_the_nanosecond(ns: int, digits: int) -> None:
    """Venues send from no to nine digits of a second."""
    ns -= ns % 10 ** (9 - digits)
    fraction = f"{ns % SECOND:09d}"[:digits]
    assert nanoseconds(iso(ns)[:19] + (f".{fraction}" if fraction else "") + "Z") == ns


@pytest.mark.parametrize("text", ["", "2026-01-05", "2026-01-05T00:00:00", "2026-01-05T00:00:00+01:00", "2026-01-05T00:00:00.xZ"])
def test_what_is_no_time_in_utc_is_refused(text: str) -> None:
    """A time without zone, or of another one, is not guessed at."""
    with pytest.raises(ValueError, match="is no time such as"):
        nanoseconds(text)


# Coinbase Advanced Trade


def test_trades_come_oldest_first_with_the_takers_side(tmp_path: Path) -> None:
    """The venue says the newest first and the maker's side."""
    _, events = run("coinbase", advanced(tmp_path / "c.jsonl", prints(0, (8, "2", "BUY"), (7, "1", "SELL"))), FOO)
    assert [(event.trade_id, event.price_ticks, event.taker) for event in events] == [("7", 100, Side.BUY), ("8", 200, Side.SELL)]


def test_history_is_no_print(tmp_path: Path) -> None:
    """The trades that `market_trades` opens with happened before the recording; they are counted, not replayed."""
    report, events = run(
        "coinbase", advanced(tmp_path / "c.jsonl", prints(0, (7, "1", "BUY"), type="snapshot"), prints(1, (8, "2", "BUY"))), FOO
    )
    assert [event.trade_id for event in events] == ["8"]
    assert report.skipped == {"trades before the recording began": 1}


def test_a_sequence_gap_is_on_the_tape(tmp_path: Path) -> None:
    """A missing number of any channel is a gap of that connection; a new connection counts anew."""
    level = ("bid", "1", "1")
    opened = {"t": "connect", "conn": "ws"}
    path = advanced(tmp_path / "c.jsonl", opened, l2(0, level), l2(1, level), l2(4, level), {"t": "disconnect"}, opened, l2(0, level))
    _, events = run("coinbase", path, FOO)
    told = [(event.what, event.text) for event in events if isinstance(event, ConnectionEvent)]
    assert told == [
        (ConnectionKind.OPENED, ""),
        (ConnectionKind.GAP, "sequence_num 4 came where 2 was due"),
        (ConnectionKind.DROPPED, ""),
        (ConnectionKind.OPENED, ""),
    ]


def test_what_has_no_time_is_stamped_with_the_latest_known(tmp_path: Path) -> None:
    """A connection event cannot say the venue's time; it neither precedes the first time known nor moves the clock skew."""
    path = advanced(tmp_path / "c.jsonl", {"t": "connect"}, l2(0, ("bid", "1", "1"), at_ns=50 * SECOND), {"t": "disconnect"})
    report, events = run("coinbase", path, FOO)
    assert [event.venue_ns for event in events] == [50 * SECOND] * 3
    assert report.connections[0].skew_ns == 50 * SECOND + 1_000_000


def test_a_late_message_does_not_turn_the_clock_back(tmp_path: Path) -> None:
    """After a message that came late, what has no time is still stamped with the latest time known."""
    levels = [l2(number, ("bid", "1", "1"), at_ns=at * SECOND) for number, at in enumerate((60, 50))]
    _, events = run("coinbase", advanced(tmp_path / "c.jsonl", *levels, {"t": "disconnect"}), FOO)
    assert [event.venue_ns for event in events] == [60 * SECOND, 50 * SECOND, 60 * SECOND]


def test_receipt_times_keep_every_digit(tmp_path: Path) -> None:
    """Seconds with seven decimals, in 2026, are more than a float holds."""
    path = tmp_path / "c.jsonl"
    advanced(path, l2(0, ("bid", "1", "1")))
    path.write_text(path.read_text().replace('"ts": 100.0', '"ts": 1786309548.6290078'))
    _, events = run("coinbase", path, FOO)
    assert events[0].local_ns == 1_786_309_548_629_007_800


def test_a_snapshot_is_sorted_and_without_empty_levels(tmp_path: Path) -> None:
    """Whatever order the venue chose, a tape has the best levels first; asks are called offers."""
    levels = [("offer", "12", "1"), ("bid", "9", "1"), ("offer", "11", "2"), ("bid", "10", "3"), ("bid", "8", "0")]
    _, events = run("coinbase", advanced(tmp_path / "c.jsonl", l2(0, *levels, type="snapshot")), FOO)
    (snapshot,) = events
    assert isinstance(snapshot, BookSnapshot)
    assert (snapshot.bids, snapshot.asks) == (((1000, 3000), (900, 1000)), ((1100, 2000), (1200, 1000)))


def test_a_ticker_may_leave_prices_out(tmp_path: Path) -> None:
    """Empty texts and zero prices are no prices."""
    ticker = {"product_id": "FOO-USD", "price": "5", "best_bid": "", "best_bid_quantity": "", "best_ask": "0", "best_ask_quantity": "0"}
    data = {"channel": "ticker", "timestamp": iso(SECOND), "sequence_num": 0, "events": [{"type": "update", "tickers": [ticker]}]}
    _, (event,) = run("coinbase", advanced(tmp_path / "c.jsonl", {"data": data}), FOO)
    assert isinstance(event, Ticker)
    assert (event.last_ticks, event.bid_ticks, event.ask_ticks) == (500, None, None)


def test_an_error_frame_is_on_the_tape(tmp_path: Path) -> None:
    """What the venue complained of belongs to the record."""
    data = {"type": "error", "message": "too many subscriptions"}
    _, events = run("coinbase", advanced(tmp_path / "c.jsonl", l2(0, ("bid", "1", "1")), {"data": data}), FOO)
    assert isinstance(events[1], ConnectionEvent)
    assert (events[1].what, events[1].text) == (ConnectionKind.ERROR, "too many subscriptions")


def test_connections_are_told_apart(tmp_path: Path) -> None:
    """Two connections have a skew each."""
    one = l2(0, ("bid", "1", "1"), at_ns=90 * SECOND)
    other = {**l2(0, ("bid", "1", "1"), at_ns=80 * SECOND), "conn": "other"}
    report, _ = run("coinbase", advanced(tmp_path / "c.jsonl", one, other), FOO)
    assert [(it.name, it.skew_ns) for it in report.connections] == [("ws", 10 * SECOND), ("other", 20 * SECOND + 1_000_000)]


def test_steps_come_from_the_list_in_the_capture_then_from_the_table(tmp_path: Path) -> None:
    """A product list wins over what papertape knows of the venue; `--instrument` wins over both."""
    product = {
        "product_id": "BTC-USD", "base_currency_id": "BTC", "quote_currency_id": "USD", "base_increment": "0.1", "quote_increment": "0.5",
        "base_min_size": "0.2", "quote_min_size": "3",
    }  # fmt: skip
    frame = l2(0, ("bid", "1", "1"), product="BTC-USD")
    listed = {"t": "http", "data": {"products": [product]}}
    report, _ = run("coinbase", advanced(tmp_path / "a.jsonl", listed, frame))
    (instrument,) = report.instruments
    assert (instrument.symbol, instrument.tick, instrument.lot, instrument.cost_min) == ("BTC/USD", Decimal("0.5"), Decimal("0.1"), 3)
    report, _ = run("coinbase", advanced(tmp_path / "b.jsonl", frame))
    assert report.instruments[0].tick == Decimal("0.01")
    given_one = Instrument(symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal("0.25"), lot=Decimal(1))
    report, _ = run("coinbase", advanced(tmp_path / "c.jsonl", listed, frame), given_one)
    assert report.instruments == (given_one,)


# What does not parse


def test_a_line_that_makes_no_sense_is_counted_and_named(tmp_path: Path) -> None:
    """Broken JSON, a price off the tick, a side that is none, a line without time: each is reported with its line; the rest goes on."""
    path = advanced(
        tmp_path / "c.jsonl",
        l2(0, ("bid", "1", "1")),
        l2(1, ("bid", "1.005", "1")),
        l2(2, ("left", "1", "1")),
        {"t": "telegram"},
        l2(3, ("bid", "2", "1"), type="refresh"),
        l2(4, ("bid", "3", "1")),
    )
    path.write_text(path.read_text() + "{}}\n")
    report, events = run("coinbase", path, FOO)
    assert [isinstance(event, BookUpdate) for event in events] == [True, True]
    assert report.unparsed_count == 5
    assert [line.line for line in report.unparsed] == [2, 3, 4, 5, 7]
    assert {line.file for line in report.unparsed} == {str(path)}
    whys = [line.why for line in report.unparsed]
    assert whys[0] == "1.005 is not a multiple of 0.01"
    assert "neither" in whys[1]
    assert "'telegram'" in whys[2]


def test_a_capture_of_nothing_but_nonsense_is_an_error(tmp_path: Path) -> None:
    """Where no line makes sense there is no tape, and the first line's trouble is told."""
    path = stamped(tmp_path / "c.txt", {"stream": "barusdt@trade", "data": {"e": "trade", "s": "BARUSDT"}})
    with pytest.raises(TapeError, match=r"1 lines do not parse; the first is .*c\.txt:1: .*missing required field"):
        run("binance", path, BAR)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["c.txt"]


def test_lines_without_a_time_are_reported(tmp_path: Path) -> None:
    """`<recv_ns> <frame>` is what a line must be."""
    path = stamped(tmp_path / "c.txt", {"type": "l2update", "product_id": "FOO-USD", "changes": [["buy", "1", "1"]], "time": iso(SECOND)})
    path.write_text('{"type":"heartbeat"}\n' + path.read_text())
    report, _ = run("coinbase-exchange", path, FOO)
    assert [(line.line, line.why) for line in report.unparsed] == [(1, "expected `<recv_ns> <frame>`")]


def test_unknown_steps_are_asked_for(tmp_path: Path) -> None:
    """Where nobody knows an instrument's tick, the message says how to say it."""
    with pytest.raises(ConfigError, match=r"the capture is about FOO-USD, whose tick and lot .* `--instrument SYMBOL=TICK,LOT`"):
        run("coinbase", advanced(tmp_path / "c.jsonl", l2(0, ("bid", "1", "1"))))


def test_a_capture_of_another_venue_is_an_error(tmp_path: Path) -> None:
    """Frames that name no instrument are of another venue."""
    with pytest.raises(TapeError, match="Is it a capture of another venue than binance"):
        run("binance", stamped(tmp_path / "c.txt", {"channel": "l2_data"}))


def test_unknown_venue(tmp_path: Path) -> None:
    """The importers there are, and the nearest."""
    with pytest.raises(ConfigError, match=r'--venue: no importer is called "coinbse"; there are coinbase, .* Did you mean "coinbase"\?'):
        import_capture("coinbse", [tmp_path / "c"], tmp_path / "out")


@pytest.mark.parametrize("venue", IMPORTERS)
def test_missing_capture(venue: str, tmp_path: Path) -> None:
    """A capture that is not there is named."""
    with pytest.raises(TapeError, match="there is no such file; expected a capture"):
        import_capture(venue, [tmp_path / "none"], tmp_path / "out")


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_compressed_capture_that_is_cut_short_is_an_error(tmp_path: Path, suffix: str) -> None:
    """The message names the file; no tape is left behind."""
    frames = [{"type": "l2update", "product_id": "FOO-USD", "changes": [["buy", str(n), "1"]], "time": iso(n)} for n in range(1, 3000)]
    raw = stamped(tmp_path / "c.txt", *frames).read_bytes()
    half = len(raw) // 2  # two frames, as an appended file has
    packed = gzip.compress(raw) if suffix == ".gz" else zstandard.compress(raw[:half]) + zstandard.compress(raw[half:])
    path = tmp_path / f"c{suffix}"
    path.write_bytes(packed)
    report, _ = run("coinbase-exchange", path, FOO)
    assert report.frames == 2999
    path.write_bytes(packed[:-2000])
    with pytest.raises(TapeError, match=rf"c{suffix}: the capture does not read.*Fetch it again, or leave it out"):
        import_capture("coinbase-exchange", [path], tmp_path / "out.parquet", instruments=[FOO])
    assert not (tmp_path / "out.parquet").exists()


def test_a_recorders_clock_that_is_set_back(tmp_path: Path) -> None:
    """The order of the lines is the order of arrival, whatever the clock says; the report says how often it disagreed."""
    frame = {"type": "l2update", "product_id": "FOO-USD", "changes": [["buy", "1", "1"]], "time": iso(SECOND)}
    report, events = run("coinbase-exchange", stamped(tmp_path / "c.txt", frame, frame, frame, step=-1_000), FOO)
    assert [event.local_ns for event in events] == [100 * SECOND] * 3
    assert report.adjusted == {"lines from when the recorder's clock was set back, stamped with the time before": 2}


# Binance


def depth(first: int, last: int, price: str = "9.00", amount: str = "1.000", symbol: str = "BARUSDT") -> dict:
    data = {"e": "depthUpdate", "E": 5_000 + last, "s": symbol, "U": first, "u": last, "b": [[price, amount]], "a": []}
    return {"stream": f"{symbol.lower()}@depth@100ms", "data": data}


def snapshot(last: int) -> dict:
    return {"lastUpdateId": last, "bids": [["8.00", "1.000"]], "asks": [["10.00", "1.000"]]}


def test_updates_before_the_snapshot_are_kept_if_it_lacks_them(tmp_path: Path) -> None:
    """What the snapshot has already is left out; what came before it but is newer stands after it on the tape."""
    path = stamped(tmp_path / "c.txt", depth(1, 3), depth(4, 6), depth(7, 9), snapshot(5), depth(10, 10))
    report, events = run("binance", path, BAR)
    assert [type(event) for event in events] == [BookSnapshot, BookUpdate, BookUpdate, BookUpdate]
    assert [event.venue_ns for event in events[1:]] == [5_006_000_000, 5_009_000_000, 5_010_000_000]
    assert [event.local_ns - 100 * SECOND for event in events] == [3_000_000, 3_000_000, 3_000_000, 4_000_000]
    assert report.skipped == {"depth updates older than the snapshot": 1}


def test_a_gap_in_update_ids_is_on_the_tape(tmp_path: Path) -> None:
    """A missing update leaves the book wrong; so does one that did not parse."""
    path = stamped(tmp_path / "c.txt", snapshot(5), depth(6, 6), depth(9, 9), depth(10, 10, price="9.001"), depth(11, 11))
    report, events = run("binance", path, BAR)
    gaps = [event.text for event in events if isinstance(event, ConnectionEvent)]
    assert gaps == ["BARUSDT: depth update 9 came where 7 was due", "BARUSDT: depth update 11 came where 10 was due"]
    assert report.unparsed_count == 1


def test_a_later_snapshot_begins_the_book_anew(tmp_path: Path) -> None:
    """A second snapshot, as a recorder fetches after a gap, is followed by the updates that it lacks, again."""
    path = stamped(tmp_path / "c.txt", snapshot(5), depth(6, 6), depth(9, 9), snapshot(8), depth(10, 10))
    report, events = run("binance", path, BAR)
    kinds = ["".join(word[0] for word in (type(event).__name__,)) for event in events]
    assert [type(event) for event in events if not isinstance(event, ConnectionEvent)] == [
        BookSnapshot, BookUpdate, BookUpdate, BookSnapshot, BookUpdate, BookUpdate
    ], kinds  # fmt: skip
    assert report.skipped == {}


def test_a_snapshot_finds_its_symbol(tmp_path: Path) -> None:
    """With several symbols, a snapshot, which names none, belongs to the stream whose updates it falls into."""
    path = stamped(tmp_path / "c.txt", depth(1, 3), depth(101, 103, symbol="FOOUSDT"), snapshot(102))
    foo = Instrument(symbol="FOO/USDT", venue_symbol="FOOUSDT", tick=Decimal("0.01"), lot=Decimal("0.001"))
    _, events = run("binance", path, BAR, foo)
    assert [event.symbol for event in events] == ["FOO/USDT", "FOO/USDT"]


def test_binance_maker_flag_and_book_ticker(tmp_path: Path) -> None:
    """`m` true: the taker sold. A bookTicker has no time; it is stamped with the latest known."""
    trade = {"e": "trade", "E": 6_000, "s": "BARUSDT", "t": 5, "p": "9.00", "q": "1.000", "T": 5_999, "m": True}
    best = {"u": 9, "s": "BARUSDT", "b": "8.00", "B": "1.000", "a": "10.00", "A": "2.000"}
    path = stamped(tmp_path / "c.txt", {"stream": "t", "data": trade}, {**trade, "m": False}, best, {"result": None, "id": 1})
    report, (sold, bought, ticker) = run("binance", path, BAR)
    assert isinstance(sold, Trade)
    assert (sold.taker, bought.taker, sold.venue_ns) == (Side.SELL, Side.BUY, 5_999_000_000)
    assert (ticker.bid_ticks, ticker.ask_lots, ticker.venue_ns) == (800, 2000, 5_999_000_000)
    assert report.skipped == {"answers to subscriptions": 1}
