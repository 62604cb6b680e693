"""The files of a recording: each stands for itself, and together they are what was heard."""

from __future__ import annotations

import tempfile
import tracemalloc
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.model.book import Book
from papertape.model.errors import TapeError
from papertape.model.event import BookSnapshot, BookUpdate, ConnectionEvent, ConnectionKind, MarketEvent, Side, Trade
from papertape.model.units import HOUR, SECOND
from papertape.recorder import Reel, Rotation, left_behind, repair
from papertape.recorder.spool import Row
from papertape.recorder.transcript import CONNECTIONS
from papertape.runtime.chance import Chance
from papertape.tape import open_tape
from papertape.tape.check import check_tape
from papertape.tape.edit import merge_tapes
from papertape.tape.stamping import UNTIMED
from tape.strategies import BTC, Arrived, arrivals

ETH = msgspec.structs.replace(BTC, symbol="ETH/USD", venue_symbol="ETH-USD")
WALL_NS = 1_790_000_000 * SECOND
TRADES: Arrived = [
    (Trade(venue_ns=each, local_ns=each + 3, symbol="BTC/USD", price_ticks=each, qty_lots=1, taker=Side.BUY), 1) for each in range(1, 9)
]


def heard(arrived: Arrived) -> list[Row]:
    """These arrivals as a recorder hears them: its own connections, and no time of the venue's on what happened to them."""
    rows: list[Row] = []
    for number, (event, connection) in enumerate(arrived):
        event = msgspec.structs.replace(event, venue_ns=SECOND + event.venue_ns, local_ns=SECOND + event.local_ns)
        if isinstance(event, ConnectionEvent):
            event = msgspec.structs.replace(event, venue_ns=UNTIMED, connection=CONNECTIONS[connection])
        rows.append((connection, number, event))
    return rows


def made(folder: Path, rotation: Rotation = Rotation()) -> Reel:  # noqa: B008 - it is frozen
    return Reel(folder, venue="coinbase", instruments=(BTC, ETH), rotation=rotation, wall_ns=WALL_NS, now_ns=0)


def tapes(folder: Path) -> list[Path]:
    """All of them, in the order in which they were begun."""
    return sorted(folder.glob("*.parquet"), key=lambda path: (open_tape(path).header.row_base, path.name))


def told(path: Path) -> list[tuple[int, MarketEvent]]:
    return [(message[0], message[3]) for message in open_tape(path).messages()]


def timed(events: list[MarketEvent]) -> list[MarketEvent]:
    """Without the venue's time where there was none."""
    return [msgspec.structs.replace(event, venue_ns=UNTIMED) if isinstance(event, ConnectionEvent) else event for event in events]


@given(arrivals(), st.data())
@settings(deadline=None, max_examples=25)
def test_the_parts_put_together_are_what_was_heard(arrived: Arrived, data: st.DataObject) -> None:
    """Wherever tapes end and the next begins: each is sound, and merged they have every message once, with its number, in order."""
    rows = heard(arrived)
    ends = data.draw(st.sets(st.integers(1, len(rows)), max_size=3).map(sorted))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reel = made(folder)
        for place, row in enumerate(rows, 1):
            reel.write([row])
            if place in ends:
                reel.rotate(WALL_NS + place * SECOND, place)
        reel.finish()
        parts = tapes(folder)
        assert [check_tape(path) for path in parts] == [[] for _ in parts]
        assert list(folder.glob("*.spool")) == []
        if not any(event.venue_ns != UNTIMED for _, _, event in rows):
            assert parts == []
            return
        merge_tapes(parts, folder / "whole.parquet")
        whole = list(open_tape(folder / "whole.parquet").numbered())
    shift_ns = rows[0][2].local_ns - whole[0][2][3].local_ns
    found = [msgspec.structs.replace(message[3], local_ns=message[3].local_ns + shift_ns) for _, _, message in whole]
    assert timed(found) == [row[2] for row in rows]
    assert [sequence for _, sequence, _ in whole] == [row[1] for row in rows]


@given(arrivals(min_size=2), st.data())
@settings(deadline=None, max_examples=25)
def test_a_tape_begins_as_if_cut_from_one_long_one(arrived: Arrived, data: st.DataObject) -> None:
    """At the start of a later part every book that could be trusted stands as it was, and which lanes were down is said; no more."""
    rows = heard(arrived)
    end = data.draw(st.integers(1, len(rows)))
    with tempfile.TemporaryDirectory() as name:
        reel = made(Path(name))
        reel.write(rows[:end])
        before = reel.rows
        reel.rotate(WALL_NS + SECOND, SECOND)
        opened = reel.rows
        reel.write(rows[end:])
        reel.finish()
        parts = tapes(Path(name))
        first = [event for row, event in told(parts[-1]) if row < before] if len(parts) == 2 else []
    assert opened == before or before == 0
    if len(parts) < 2:
        return
    books, down = _books(rows[:end])
    assert [event.connection for event in first if isinstance(event, ConnectionEvent)] == down
    for event in first:
        if isinstance(event, BookSnapshot):
            book = books.pop(event.symbol)
            assert (dict(event.bids), dict(event.asks)) == (dict(book.bids), dict(book.asks))
    assert not any(book.is_complete for book in books.values())


def _books(rows: list[Row]) -> tuple[dict[str, Book], list[str]]:
    """Every book as it stands after these rows, and the lanes that are down."""
    books, down = {it.symbol: Book(it) for it in (BTC, ETH)}, dict[str, None]()
    for _, _, event in rows:
        if isinstance(event, BookSnapshot) or (isinstance(event, BookUpdate) and books[event.symbol].is_complete):
            books[event.symbol].apply(event)
        elif isinstance(event, ConnectionEvent):
            if event.what is ConnectionKind.DROPPED:
                down[event.connection] = None
            elif event.what is ConnectionKind.OPENED:
                down.pop(event.connection, None)
            if event.loses_market:
                for book in books.values():
                    book.clear()
    return books, list(down)


@pytest.mark.parametrize("what", [ConnectionKind.DROPPED, ConnectionKind.GAP])
@pytest.mark.parametrize("connection", ["market", "rest"])
def test_a_book_that_was_torn_is_not_carried_over(tmp_path: Path, what: ConnectionKind, connection: str) -> None:
    """What was lost on the market lane may have been about any book; what was lost on REST was about none."""
    lost = ConnectionEvent(venue_ns=UNTIMED, local_ns=8, symbol="", connection=connection, what=what)
    whole = BookSnapshot(venue_ns=1, local_ns=5, symbol="BTC/USD", bids=((1, 1),), asks=((3, 1),))
    after = BookUpdate(venue_ns=9, local_ns=9, symbol="BTC/USD", bids=((2, 1),))
    reel = made(tmp_path)
    reel.write([(1, 0, whole), (CONNECTIONS.index(connection), None, lost), (1, 1, after)])
    reel.rotate(WALL_NS + SECOND, SECOND)
    reel.write([(1, 2, msgspec.structs.replace(after, local_ns=10))])
    reel.finish()
    first = [event for _, event in told(tapes(tmp_path)[1])]
    assert any(isinstance(event, BookSnapshot) for event in first) is (connection == "rest")


@given(arrivals(), st.data())
@settings(deadline=None, max_examples=25)
def test_a_kill_costs_what_was_not_flushed(arrived: Arrived, data: st.DataObject) -> None:
    """Killed anywhere, with whatever rotations and flushes before: finished tapes and repaired spools have every message up to the last
    flush, in order, and nothing that was never heard.
    """
    rows = heard(arrived)
    steps = data.draw(st.lists(st.sampled_from(["write", "write", "write", "flush", "rotate"]), max_size=40))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reel, written, safe = made(folder), 0, 0
        for place, step in enumerate(steps):
            if step == "write" and written < len(rows):
                reel.write([rows[written]])
                written += 1
            elif step == "flush":
                reel.flush()
                safe = written
            elif step == "rotate":
                reel.rotate(WALL_NS + place * SECOND, place)
                safe = written
        reel._spool.close()  # as a kill does: nothing more is written, and the lock is free
        reel._writer.discard()
        for spool in left_behind(folder):
            repair(spool)
        assert [each.name for each in folder.iterdir() if each.suffix != ".parquet"] == []
        found: list[MarketEvent] = []
        base = 0
        for path in tapes(folder):
            assert check_tape(path) == []
            found += [event for row, event in told(path) if row >= base]
            base = open_tape(path).header.row_base + open_tape(path).rows
    expected = [row[2] for row in rows[:written]]
    if not any(event.venue_ns != UNTIMED for event in expected[:safe]):
        return  # no tape can say when anything of it happened
    assert timed(found) == expected[: len(found)]
    assert len(found) >= safe


@pytest.mark.parametrize(
    ("text", "rotation"),
    [
        ("1h", Rotation(HOUR, None)),
        ("256MB", Rotation(None, 256_000_000)),
        ("90s|1.5GB", Rotation(90 * SECOND, 1_500_000_000)),
        ("10kB, 1s", Rotation(SECOND, 10_000)),
    ],
)
def test_a_rotation_is_a_time_a_size_or_both(text: str, rotation: Rotation) -> None:
    """As people write them."""
    assert Rotation.parse(text) == rotation


@pytest.mark.parametrize("text", ["", "often", "1h,", "1TB", "-1h", "0s", "1ms", "1kB", "256", "MB"])
def test_what_is_no_rotation_is_refused(text: str) -> None:
    """Neither is what would fill the disk with files."""
    with pytest.raises(ValueError, match=r"neither a time nor a size|too (small|short)"):
        Rotation.parse(text)


def test_a_tape_is_full_by_time_or_by_size() -> None:
    """Whatever comes first."""
    rotation = Rotation(HOUR, 1_000_000)
    assert not rotation.is_due(HOUR - 1, 999_999)
    assert rotation.is_due(HOUR, 0)
    assert rotation.is_due(0, 1_000_000)
    assert not Rotation().is_due(10**18, 10**18)


def test_nothing_is_left_of_a_recording_that_heard_nothing(tmp_path: Path) -> None:
    """No empty tape, no spool, no scrap."""
    made(tmp_path).finish()
    assert list(tmp_path.iterdir()) == []


def test_two_tapes_of_one_second_have_names_of_their_own(tmp_path: Path) -> None:
    """A name that a tape or a spool has is not taken again."""
    one, other = made(tmp_path), made(tmp_path)
    assert {one.path.name, other.path.name} == {"coinbase-20260921T141320Z.parquet", "coinbase-20260921T141320Z-2.parquet"}
    for reel in (one, other):
        reel.finish()


def test_a_tape_that_cannot_be_written_leaves_the_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills up as the tape is finished: the sentence says where everything is, and it is there."""
    reel = made(tmp_path)
    trades = heard(TRADES)
    reel.write(trades)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("papertape.tape.writer.os.fsync", full)
    with pytest.raises(TapeError, match=r"No space left on device.*What was recorded is in .*\.spool.*tape repair"):
        reel.finish()
    monkeypatch.undo()
    reel.give_up()
    (spool,) = left_behind(tmp_path)
    assert repair(spool).header is not None
    assert [event for _, event in told(tapes(tmp_path)[0])] == [event for _, _, event in trades]


def test_memory_does_not_grow_with_the_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times as much needs no more memory at its peak, once a block of it is full."""
    monkeypatch.setattr("papertape.recorder.reel.GROUP_ROWS", 500)
    monkeypatch.setattr("papertape.tape.content.BLOCK_ROWS", 2_000)
    monkeypatch.setattr("papertape.recorder.spool.BUFFER_MAX", 10_000)
    peaks = []
    for count in (6_000, 18_000):
        reel = made(tmp_path / str(count))
        tracemalloc.start()
        for number in range(count):
            update = BookUpdate(venue_ns=number, local_ns=number, symbol="BTC/USD", bids=((number % 50, number % 3),))
            reel.write([(1, number, update)])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        reel.finish()
    assert peaks[1] < 1.2 * peaks[0]


def test_a_tape_is_rotated_at_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked at now and then, it is finished as soon as it has that size, and the next begins; none is much larger."""
    monkeypatch.setattr("papertape.recorder.reel.GROUP_ROWS", 2_000)
    reel, chance = made(tmp_path, rotation=Rotation(bytes_max=50_000)), Chance(1).stream("a market")
    for number in range(20_000):
        trade = Trade(
            venue_ns=number * 7_919, local_ns=number * 7_919 + number % 97, symbol="BTC/USD", price_ticks=1 + chance.below(10**6),
            qty_lots=1 + chance.below(10**6), taker=Side.BUY, trade_id=str(number),
        )  # fmt: skip
        reel.write([(1, number, trade)])
        if not number % 100:
            reel.rotate_if_due(WALL_NS + number, number)
    reel.finish()
    sizes = [path.stat().st_size for path in tapes(tmp_path)]
    assert len(sizes) > 2
    assert [size for size in sizes[:-1] if not 50_000 <= size < 90_000] == []
