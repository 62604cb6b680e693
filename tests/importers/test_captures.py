"""Real captures, each with something it must agree with. They are found through $PAPERTAPE_REALDATA."""

from __future__ import annotations

import gzip
import io
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import zstandard

from papertape.importers import ImportReport, import_capture
from papertape.model.book import Book
from papertape.model.event import BookSnapshot, BookUpdate, CandleEvent, ConnectionEvent, ConnectionKind, MarketEvent, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.tape import FLOOR_NS, Tape, open_tape

Find = Callable[[str], Path]

COINBASE = "cryptofeed/v3_2026-08-09/COINBASE.jsonl.zst"
EXCHANGE = "coinbase-exchange/btcusd_20180417.gz"
BINANCE = ("hftbacktest/spot/btcusdt_20240808.gz", "hftbacktest/spot/btcusdt_20240809.gz")
BTC_USD = Instrument(symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.00000001"))
BTC_USDT = Instrument(symbol="BTC/USDT", venue_symbol="BTCUSDT", tick=Decimal("0.01"), lot=Decimal("0.00001"))


class Imported:
    """A capture and the tape that was made of it."""

    def __init__(self, report: ImportReport) -> None:
        self.report = report
        self.tape: Tape = open_tape(report.out)
        self.messages = list(self.tape.messages())
        self.events: list[MarketEvent] = [message[3] for message in self.messages]

    def of(self, kind: type) -> list:
        return [event for event in self.events if type(event) is kind]


@pytest.fixture(scope="module")
def coinbase(realdata: Find, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    return Imported(import_capture("coinbase", [realdata(COINBASE)], tmp_path_factory.mktemp("tape") / "coinbase.parquet"))


@pytest.fixture(scope="module")
def exchange(realdata: Find, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    out = tmp_path_factory.mktemp("tape") / "exchange.parquet"
    return Imported(import_capture("coinbase-exchange", [realdata(EXCHANGE)], out, instruments=[BTC_USD]))


@pytest.fixture(scope="module")
def binance(realdata: Find, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    out = tmp_path_factory.mktemp("tape") / "binance.parquet"
    return Imported(import_capture("binance", [realdata(name) for name in BINANCE], out, instruments=[BTC_USDT]))


def lines(path: Path) -> Iterator[tuple[int, dict]]:
    """(recv_ns, frame) of the original, read by nothing of ours."""
    with gzip.open(path, "rt") as file:
        for line in file:
            stamp, _, frame = line.partition(" ")
            yield int(stamp), json.loads(frame)


def books(imported: Imported) -> Iterator[tuple[MarketEvent, dict[str, Book]]]:
    """Every event with all books as they stand after it."""
    found = {instrument.symbol: Book(instrument) for instrument in imported.tape.instruments}
    for event in imported.events:
        if isinstance(event, BookSnapshot | BookUpdate):
            found[event.symbol].apply(event)
        yield event, found


def uncrossed(imported: Imported) -> int:
    checked = 0
    for event, found in books(imported):
        if isinstance(event, BookSnapshot | BookUpdate):
            assert not found[event.symbol].is_crossed
            checked += 1
    return checked


def contiguous(imported: Imported) -> int:
    last: dict[str, int] = {}
    for trade in imported.of(Trade):
        number = int(trade.trade_id)
        assert number == last.get(trade.symbol, number - 1) + 1
        last[trade.symbol] = number
    return len(imported.of(Trade))


@pytest.mark.parametrize("name", ["coinbase", "exchange", "binance"])
def test_nothing_is_delivered_before_its_cause(name: str, request: pytest.FixtureRequest) -> None:
    """Recorders' clocks are behind the venue's by up to seconds; even so every delivery comes at least the floor after the venue's time."""
    imported: Imported = request.getfixturevalue(name)
    last_reach = last_deliver = last_row = -1
    for row, reach, deliver, event in imported.messages:
        assert deliver >= reach + FLOOR_NS >= event.venue_ns + FLOOR_NS
        assert reach >= last_reach
        assert deliver >= last_deliver
        assert row > last_row
        last_reach, last_deliver, last_row = reach, deliver, row


# Coinbase Advanced Trade


def test_coinbase_frames_are_all_accounted_for(coinbase: Imported) -> None:
    """1,030 frames, numbered 0 to 1029 without a gap; every line parses, old trades are left out, nothing else is lost."""
    report = coinbase.report
    assert (report.frames, report.unparsed_count) == (1030, 0)
    assert report.skipped == {"trades before the recording began": 200, "subscriptions": 5, "heartbeats": 25}
    assert report.counts == {"trade": 79, "snapshot": 2, "delta": 773, "ticker": 160, "candle": 204, "opened": 1}
    assert not [event for event in coinbase.of(ConnectionEvent) if event.what is ConnectionKind.GAP]


def test_coinbase_steps_come_from_the_product_list_of_the_capture(coinbase: Imported) -> None:
    """Ticks, lots and minima are those that the venue itself listed."""
    assert [(it.symbol, it.tick, it.lot, it.cost_min) for it in coinbase.tape.instruments] == [
        ("BTC/USD", Decimal("0.01"), Decimal("0.00000001"), Decimal(1)),
        ("ETH/USD", Decimal("0.01"), Decimal("0.00000001"), Decimal(1)),
    ]


def test_coinbase_books_never_cross(coinbase: Imported) -> None:
    """Both books, built from one connection, stay uncrossed after each of 775 messages."""
    assert uncrossed(coinbase) == 775


def test_coinbase_trade_ids_are_contiguous(coinbase: Imported) -> None:
    """The venue sends trades newest first; on the tape their ids count up without a hole."""
    assert contiguous(coinbase) == 79


def test_coinbase_trades_carry_the_takers_side(coinbase: Imported, realdata: Find) -> None:
    """The venue says the maker's side; the tape has the other."""
    said = {}
    with zstandard.ZstdDecompressor().stream_reader(realdata(COINBASE).open("rb"), closefd=True) as stream:
        for line in io.TextIOWrapper(stream):
            entry = json.loads(line)
            frame = json.loads(entry["data"]) if entry["t"] == "recv" else {"events": []}
            for event in frame["events"]:
                said.update({(trade["product_id"], trade["trade_id"]): trade["side"] for trade in event.get("trades", ())})
    for trade in coinbase.of(Trade):
        maker = said[trade.symbol.replace("/", "-"), trade.trade_id]
        assert trade.taker is (Side.SELL if maker == "BUY" else Side.BUY)


def test_coinbase_snapshot_of_five_megabytes_is_one_message(coinbase: Imported) -> None:
    """A frame of 5,079,379 bytes, above every library's default limit, becomes one snapshot of 46,000 levels."""
    sizes = [len(event.bids) + len(event.asks) for event in coinbase.of(BookSnapshot)]
    assert sizes == [46_000, 23_334]


def test_coinbase_skew_is_measured(coinbase: Imported) -> None:
    """The recorder's clock was some 17 ms behind the venue's."""
    (connection,) = coinbase.tape.connections
    assert connection.name == "COINBASE.ws.2"
    assert -18_000_000 < connection.skew_ns < -16_000_000


def test_coinbase_candles_and_tickers_are_kept(coinbase: Imported) -> None:
    """Bars are of five minutes; tickers have both best prices, and agree with the book's order of magnitude."""
    assert {candle.span_ns for candle in coinbase.of(CandleEvent)} == {300_000_000_000}
    assert all(candle.low_ticks <= candle.open_ticks <= candle.high_ticks for candle in coinbase.of(CandleEvent))
    assert all(ticker.bid_ticks < ticker.ask_ticks for ticker in coinbase.of(Ticker))


def test_trades_and_tickers_come_before_the_first_snapshot(coinbase: Imported) -> None:
    """The tape keeps the order of arrival, in which tickers precede the book."""
    first_book = next(index for index, event in enumerate(coinbase.events) if isinstance(event, BookSnapshot))
    assert any(isinstance(event, Ticker) for event in coinbase.events[:first_book])


# Coinbase Exchange


def test_exchange_frames_are_all_accounted_for(exchange: Imported) -> None:
    """18,353 lines: changes, matches, one snapshot and one error; the last match before the recording is no print."""
    report = exchange.report
    assert (report.frames, report.unparsed_count) == (18_353, 0)
    assert report.counts == {"trade": 256, "snapshot": 1, "delta": 18_093, "error": 1}
    assert report.skipped == {"trades before the recording began": 1, "subscriptions": 1}
    (snapshot,) = exchange.of(BookSnapshot)
    assert (len(snapshot.bids), len(snapshot.asks)) == (11_245, 16_997)


def test_exchange_book_never_crosses(exchange: Imported) -> None:
    """Ten minutes of changes leave the book uncrossed after each."""
    assert uncrossed(exchange) == 18_094


def test_exchange_trade_ids_are_contiguous(exchange: Imported) -> None:
    """Not one print is missing."""
    assert contiguous(exchange) == 256


def test_exchange_matches_are_at_the_makers_best(exchange: Imported) -> None:
    """239 of 256 prints are at the best price of the maker's side: the taker's side is read right, and the order of arrival is kept."""
    hits = 0
    for event, found in books(exchange):
        if isinstance(event, Trade):
            book = found["BTC/USD"]
            best = book.best_bid if event.taker is Side.SELL else book.best_ask
            hits += best is not None and best[0] == event.price_ticks
    assert hits == 239


def test_exchange_error_frame_is_on_the_tape(exchange: Imported) -> None:
    """What the venue complained of mid-stream is a connection event with its words."""
    (error,) = exchange.of(ConnectionEvent)
    assert error.what is ConnectionKind.ERROR
    assert error.text.startswith("Failed to unsubscribe: You need to specify at least one product ID")


def test_deletes_of_unknown_levels_are_harmless(realdata: Find, exchange: Imported, coinbase: Imported, binance: Imported) -> None:
    """Venues delete levels that are not in the book; each stays on the tape as it came."""
    counts = {}
    for name, imported in (("exchange", exchange), ("coinbase", coinbase)):
        known: dict[tuple[str, int], set[int]] = {}
        unknown = 0
        for event in imported.events:
            if isinstance(event, BookSnapshot):
                known[event.symbol, 0], known[event.symbol, 1] = ({ticks for ticks, _ in side} for side in (event.bids, event.asks))
            elif isinstance(event, BookUpdate):
                for side, changes in enumerate((event.bids, event.asks)):
                    for ticks, lots in changes:
                        if lots:
                            known[event.symbol, side].add(ticks)
                        else:
                            unknown += ticks not in known[event.symbol, side]
                            known[event.symbol, side].discard(ticks)
        counts[name] = unknown
    assert 52 in counts.values(), counts


# Binance spot


def test_binance_frames_are_all_accounted_for(binance: Imported) -> None:
    """Two files, one stream: every frame parses; only the two depth messages that the snapshot already has are left out."""
    report = binance.report
    assert report.unparsed_count == 0
    assert report.skipped == {"depth updates older than the snapshot": 2}
    assert not binance.of(ConnectionEvent)


def test_binance_updates_follow_each_other(binance: Imported, realdata: Find) -> None:
    """In the original, U and u leave no gap, over midnight too; each of those updates is on the tape."""
    depths = [frame["data"] for name in BINANCE for _, frame in lines(realdata(name)) if "depth" in frame.get("stream", "")]
    assert all(later["U"] == earlier["u"] + 1 for earlier, later in itertools.pairwise(depths))
    assert len(binance.of(BookUpdate)) == len(depths) - 2


def test_binance_trade_ids_are_contiguous(binance: Imported) -> None:
    """Not one print is missing, over midnight too."""
    assert contiguous(binance) == 19_904


def test_binance_buyer_maker_means_the_taker_sold(binance: Imported, realdata: Find) -> None:
    """`m` true: the buyer's order was resting."""
    frames = [frame for name in BINANCE for _, frame in lines(realdata(name)) if "trade" in frame.get("stream", "")]
    said = {str(frame["data"]["t"]): frame["data"]["m"] for frame in frames}
    assert all((trade.taker is Side.SELL) is said[trade.trade_id] for trade in binance.of(Trade))


def test_binance_book_equals_the_book_ticker(binance: Imported, realdata: Find) -> None:
    """Snapshot and changes give the venue's own best prices and amounts, both sides, wherever both are of one update id.

    At 1,059 changes the bookTicker of that id came just before; at 13 it came only later.
    """
    snapshot_id, applied, best = 0, [], {}
    latest, told_before = 0, set()
    for name in BINANCE:
        for _, frame in lines(realdata(name)):
            if "lastUpdateId" in frame:
                snapshot_id = frame["lastUpdateId"]
            elif "depth" in frame["stream"]:
                applied.append(frame["data"]["u"])
                told_before.update({latest} & {applied[-1]})
            elif "bookTicker" in frame["stream"]:
                latest = frame["data"]["u"]
                best[latest] = frame["data"]
    ids = iter([update for update in applied if update > snapshot_id])
    agreed: Counter[str] = Counter()
    for event, found in books(binance):
        if isinstance(event, BookUpdate):
            update = next(ids)
            ticker = best.get(update)
            if ticker is not None:
                book = found["BTC/USDT"]
                told = [(Decimal(ticker["b"]), Decimal(ticker["B"])), (Decimal(ticker["a"]), Decimal(ticker["A"]))]
                ours = [(BTC_USDT.price(ticks), BTC_USDT.amount(lots)) for ticks, lots in (book.best_bid, book.best_ask)]
                agreed["different" if told != ours else "told before" if update in told_before else "told after"] += 1
    assert agreed == {"told before": 1059, "told after": 13}


def test_binance_skew_is_measured(binance: Imported) -> None:
    """The recorder's clock was 1.27 s behind the venue's."""
    (connection,) = binance.tape.connections
    assert connection.skew_ns // 10_000_000 == -128


def test_binance_amounts_between_two_lots_are_kept_and_counted(binance: Imported) -> None:
    """Seven levels hold an amount that no order may have today; they are rounded down, and the report says so."""
    assert binance.report.adjusted == {"amounts between two lots, rounded down": 7}


def test_files_out_of_order_are_refused(realdata: Find, tmp_path: Path) -> None:
    """The later day named first is one clear error."""
    with pytest.raises(Exception, match="name the files in the order of time") as caught:
        import_capture("binance", [realdata(name) for name in reversed(BINANCE)], tmp_path / "a.parquet", instruments=[BTC_USDT])
    assert type(caught.value).__name__ == "TapeError"
    assert not list(tmp_path.iterdir())
