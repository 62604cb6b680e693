"""The files of a recording, one after another: a spool while it runs, a tape once it is full.

Each tape stands for itself: it begins with the books as they stood and with the lanes that were down, as a part that was cut from one long
tape would; `papertape tape merge` puts the parts together again, and what was told twice is there once.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from papertape.model.book import Book
from papertape.model.errors import TapeError
from papertape.model.event import BookSnapshot, BookUpdate, ConnectionEvent, ConnectionKind, MarketEvent, Side
from papertape.model.instrument import Instrument
from papertape.model.units import SECOND, Nanos, format_duration, parse_duration
from papertape.recorder.spool import SUFFIX, Row, Spool, SpoolHead
from papertape.recorder.transcript import CONNECTIONS
from papertape.tape.edit import rows_of
from papertape.tape.header import Header
from papertape.tape.stamping import Stamping
from papertape.tape.writer import TapeWriter

GROUP_ROWS: Final = 16_384
"""Rows that a tape in the making keeps in memory: fewer than usual, since nobody reads the line while they are written."""

_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)(kB|KB|MB|GB)")
_UNITS: Final = {"kB": 1_000, "KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
_EVERY_MIN: Final = SECOND
_BYTES_MIN: Final = 10_000


class Rotation(msgspec.Struct, frozen=True):
    """When a tape is full: after so long, or at so many bytes, whatever comes first; None is never.

    >>> Rotation.parse("1h,256MB")
    Rotation(every_ns=3600000000000, bytes_max=256000000)
    >>> Rotation.parse("often")
    Traceback (most recent call last):
    ValueError: "often" is neither a time nor a size; expected such as "1h", "256MB" or both, "1h,256MB"
    """

    every_ns: Nanos | None = None
    bytes_max: int | None = None

    @classmethod
    def parse(cls, text: str) -> Rotation:
        """Raises ValueError for what is neither a time nor a size, and for one that is too short or too small to make sense."""
        every_ns = bytes_max = None
        for part in re.split(r"\s*[,|]\s*", text.strip()):
            size = _SIZE.fullmatch(part)
            if size is not None:
                bytes_max = int(float(size[1]) * _UNITS[size[2]])
                if bytes_max < _BYTES_MIN:
                    raise ValueError(f'"{part}" is too small; a tape may be full at 10kB at the earliest')
                continue
            try:
                every_ns = parse_duration(part)
            except ValueError:
                raise ValueError(f'"{text}" is neither a time nor a size; expected such as "1h", "256MB" or both, "1h,256MB"') from None
            if every_ns < _EVERY_MIN:
                raise ValueError(f'"{part}" is too short; a tape may be full after 1s at the earliest')
        return cls(every_ns, bytes_max)

    def is_due(self, age_ns: Nanos, size_bytes: int) -> bool:
        by_age = self.every_ns is not None and age_ns >= self.every_ns
        return by_age or (self.bytes_max is not None and size_bytes >= self.bytes_max)

    def __str__(self) -> str:
        parts = [] if self.every_ns is None else [format_duration(self.every_ns)]
        return " or ".join(parts + ([] if self.bytes_max is None else [f"{self.bytes_max:,} bytes"])) or "never"


class Finished(msgspec.Struct, frozen=True):
    """A tape that is done."""

    path: Path
    header: Header


class Reel:
    """Takes rows as they arrive.

    Args:
        folder: where spools and tapes go.
        on_finished: told of each tape as it is done.

    Attributes:
        rows: rows of all its tapes so far.
        path: the tape in the making.

    Raises `TapeError` where a file cannot be made or written; the spool then holds what was recorded until its last flush.
    """

    def __init__(
        self,
        folder: Path,
        *,
        venue: str,
        instruments: Sequence[Instrument],
        rotation: Rotation,
        wall_ns: Nanos,
        now_ns: Nanos,
        on_finished: Callable[[Finished], object] = lambda finished: None,
    ) -> None:
        self._folder = folder
        self._venue = venue
        self._instruments = tuple(instruments)
        self._rotation = rotation
        self._on_finished = on_finished
        self._source = f"papertape record {venue}, begun {_moment(wall_ns):%Y-%m-%d %H:%M:%S} UTC"
        self._local_ns: Nanos = 0
        self._books = {instrument.symbol: Book(instrument) for instrument in instruments}
        self._down: dict[int, ConnectionEvent] = {}
        self._begin(wall_ns, now_ns, 0, reach_ns=None)

    @property
    def rows(self) -> int:
        return self._row_base + self._writer.rows

    @property
    def _has_news(self) -> bool:
        """Whether the tape in the making holds more than what it began with."""
        return self._writer.rows > self._opening_rows

    @property
    def spooled_bytes(self) -> int:
        """What has been handed to the operating system."""
        return self._spool.size_bytes

    def write(self, rows: Iterable[Row]) -> None:
        """The next messages, in the order of arrival."""
        for connection, sequence, event in rows:
            self._local_ns = event.local_ns
            self._put(connection, sequence, event)
            self._follow(connection, event)

    def flush(self) -> None:
        """From here on a kill loses none of what came before."""
        self._spool.flush()

    def sync(self) -> None:
        """From here on a power cut loses none of what was flushed."""
        self._spool.sync()

    def rotate_if_due(self, wall_ns: Nanos, now_ns: Nanos) -> bool:
        """Finish the tape if it is full, and begin the next; whether it was."""
        if not self._has_news or not self._rotation.is_due(now_ns - self._begun_ns, self._writer.size_bytes):
            return False
        self.rotate(wall_ns, now_ns)
        return True

    def rotate(self, wall_ns: Nanos, now_ns: Nanos, instruments: Sequence[Instrument] | None = None) -> None:
        """Finish the tape and begin the next, with other steps from here on if these are given: then no book is carried over."""
        if instruments is not None:
            self._instruments = tuple(instruments)
            self._books = {instrument.symbol: Book(instrument) for instrument in instruments}
        rows, reach_ns, waiting = self.rows, self._stamping.reach_ns, self._stamping.waiting
        self.finish()
        self._begin(wall_ns, now_ns, rows, reach_ns)
        for event, connection, sequence in waiting:
            self._put(connection, sequence, event)

    def finish(self) -> None:
        """Make a tape of what there is; nothing stays of a recording that never heard anything."""
        self._spool.flush()
        if not self._has_news:
            self._writer.discard()
            self._spool.discard()
            return
        with self._spool_is_kept():
            header = self._writer.close()
        self._spool.discard()
        self._on_finished(Finished(self.path, header))

    def give_up(self) -> None:
        """Leave the spool to whoever repairs it; what cannot be written any more is lost."""
        with suppress(TapeError):
            self._spool.flush()
        self._spool.close()
        self._writer.discard()

    def _put(self, connection: int, sequence: int | None, event: MarketEvent) -> None:
        self._spool.write(connection, sequence, event)
        with self._spool_is_kept():
            self._stamping.write(event, connection, sequence)

    @contextmanager
    def _spool_is_kept(self) -> Iterator[None]:
        """Whatever keeps a tape from being written, the spool has it all."""
        try:
            yield
        except TapeError as error:
            spool = self._spool.path
            raise TapeError(f"{error} What was recorded is in {spool}: make room, then `papertape tape repair {spool}`.") from error

    def _begin(self, wall_ns: Nanos, now_ns: Nanos, rows: int, reach_ns: Nanos | None) -> None:
        self._begun_ns = now_ns
        self.path = _free(self._folder, f"{self._venue}-{_moment(wall_ns):%Y%m%dT%H%M%SZ}")
        opening = self._opening(reach_ns)
        self._row_base = rows - sum(rows_of(event) for _, _, event in opening)  # what is told again counts once
        head = SpoolHead(
            venue=self._venue,
            instruments=self._instruments,
            connections=CONNECTIONS,
            source=self._source,
            row_base=self._row_base,
            reach_ns=reach_ns,
        )
        self._spool = Spool(self.path.with_suffix(SUFFIX), head)
        self._writer, self._stamping = writer_for(self.path, head)
        for connection, sequence, event in opening:
            self._put(connection, sequence, event)
        self._opening_rows = self._writer.rows

    def _opening(self, reach_ns: Nanos | None) -> list[Row]:
        """What a tape that goes on begins with: which lanes are down, and every book that is whole."""
        rows: list[Row] = []
        if reach_ns is None:
            return rows
        for connection, event in self._down.items():
            rows.append((connection, None, msgspec.structs.replace(event, local_ns=self._local_ns)))
        for symbol, book in self._books.items():
            if book.is_complete:
                snapshot = BookSnapshot(
                    venue_ns=reach_ns, local_ns=self._local_ns, symbol=symbol, bids=book.ladder(Side.BUY), asks=book.ladder(Side.SELL)
                )
                rows.append((_MARKET, None, snapshot))
        return rows

    def _follow(self, connection: int, event: object) -> None:
        """Keep what the next tape begins with."""
        if isinstance(event, BookSnapshot | BookUpdate):
            book = self._books[event.symbol]
            if book.is_complete or isinstance(event, BookSnapshot):
                book.apply(event)
        elif isinstance(event, ConnectionEvent):
            if event.what is ConnectionKind.DROPPED:
                self._down[connection] = event
            elif event.what is ConnectionKind.OPENED:
                self._down.pop(connection, None)
            if event.loses_market:
                for book in [self._books[event.symbol]] if event.symbol else self._books.values():
                    book.clear()


_MARKET: Final = CONNECTIONS.index("market")


def writer_for(path: Path, head: SpoolHead) -> tuple[TapeWriter, Stamping]:
    """What makes a tape of a spool's rows, whether they come from the line or, later, from the spool itself."""
    writer = TapeWriter(
        path, venue=head.venue, instruments=head.instruments, connections=head.connections, source=head.source, row_base=head.row_base,
        is_numbered=True, group_rows=GROUP_ROWS,
    )  # fmt: skip
    return writer, Stamping(writer, head.reach_ns)


def _free(folder: Path, name: str) -> Path:
    """A tape's path that neither a tape nor a spool has taken yet."""
    for number in itertools.count(1):
        path = folder / (f"{name}.parquet" if number == 1 else f"{name}-{number}.parquet")
        if not path.exists() and not path.with_suffix(SUFFIX).exists():
            return path
    raise AssertionError("count() does not end")


def _moment(wall_ns: Nanos) -> datetime:
    return datetime.fromtimestamp(wall_ns // SECOND, UTC)
