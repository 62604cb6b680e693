"""The tapes of a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from papertape.model.errors import TapeError
from papertape.model.units import Nanos
from papertape.tape.reader import Tape, open_tape


class Catalog:
    """Every tape in a folder and the folders below, in the order of their paths; only footers are read.

    Attributes:
        tapes: those that open.
        faulty: (path, why) of Parquet files that do not open as tapes.

    Raises `TapeError` where the folder does not exist.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise TapeError(f"{self.folder}: there is no such folder.")
        self.tapes: list[Tape] = []
        self.faulty: list[tuple[Path, str]] = []
        for path in sorted(self.folder.rglob("*.parquet")):
            if path.name.startswith("."):
                continue  # somebody is still writing it
            try:
                self.tapes.append(open_tape(path))
            except TapeError as error:
                self.faulty.append((path, str(error)))

    def __iter__(self) -> Iterator[Tape]:
        return iter(self.tapes)

    def __len__(self) -> int:
        return len(self.tapes)

    def find(
        self, *, venue: str | None = None, symbol: str | None = None, start_ns: Nanos | None = None, end_ns: Nanos | None = None
    ) -> list[Tape]:
        """The tapes that have it all: that venue, that symbol, and something between these times; earliest first."""
        found = [
            tape
            for tape in self.tapes
            if venue in (None, tape.venue)
            and (symbol is None or any(symbol == instrument.symbol for instrument in tape.instruments))
            and (start_ns is None or tape.last_ns >= start_ns)
            and (end_ns is None or tape.first_ns < end_ns)
        ]
        return sorted(found, key=lambda tape: (tape.first_ns, str(tape.path)))
