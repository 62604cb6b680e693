"""What an importer is: a venue's frames in, events out; and the report of what became of a capture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from papertape.importers.capture import Record
from papertape.importers.place import Place
from papertape.importers.reading import Reading
from papertape.model.event import MarketEvent
from papertape.model.instrument import Instrument
from papertape.tape.header import Connection
from papertape.tape.stamping import UNTIMED
from papertape.tape.tally import Tally

__all__ = ["UNTIMED", "ImportReport", "Importer", "Tally", "Unparsed"]


class Importer(Protocol):
    """Turns one capture into events. One object serves one import; it may remember what came before.

    Attributes:
        venue: whose tape it makes.
        skipped: counts what is left out on purpose, by reason.
    """

    venue: str
    skipped: Tally

    def records(self, paths: Sequence[Place]) -> Iterator[Record]:
        """The capture's lines."""
        ...

    def mentions(self, record: Record) -> Iterable[str]:
        """The venue's names of the instruments that a frame is about. May raise for a broken frame."""
        ...

    def listed(self, record: Record) -> Iterable[Instrument]:
        """The instruments that a product list in the capture describes."""
        ...

    def venue_symbol(self, symbol: str) -> str:
        """The venue's own name of a unified symbol."""
        ...

    def events(self, record: Record, readings: Mapping[str, Reading]) -> Iterable[MarketEvent]:
        """What a frame says. Raises ValueError or msgspec.DecodeError where it does not parse.

        Args:
            readings: by the venue's name of the instrument.
        """
        ...


class Unparsed(msgspec.Struct, frozen=True):
    """A line that was left out because it made no sense."""

    file: str
    line: int
    why: str


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a capture.

    Attributes:
        frames: lines that held a frame of the venue.
        counts: messages written, by kind.
        skipped: left out on purpose, by reason.
        adjusted: kept, but not quite as it came, by reason.
        unparsed: the first lines that made no sense; `unparsed_count` counts all.
        connections: the recorder's, each with its measured skew.
        origin_ns: when the first message was, be it in the span or before.
    """

    out: Path
    venue: str
    content_hash: str
    rows: int
    frames: int
    counts: dict[str, int]
    skipped: dict[str, int]
    adjusted: dict[str, int]
    unparsed: tuple[Unparsed, ...]
    unparsed_count: int
    instruments: tuple[Instrument, ...]
    connections: tuple[Connection, ...]
    first_ns: int
    last_ns: int
    origin_ns: int
