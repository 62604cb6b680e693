"""A tape's content hash: what it says, whatever pyarrow, compression or size of row groups wrote it down."""

from __future__ import annotations

import hashlib
import sys
from array import array
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from papertape.model.instrument import Instrument
from papertape.model.units import plain
from papertape.tape.schema import BLOCK_ROWS, NARROW, SEQUENCE, WIDE

_COLUMNS: Final = NARROW + WIDE
_DEFINITION: Final = 1  # of the hash itself


class ContentHash:
    """SHA-256 over the instruments, then the rows column by column in blocks of `BLOCK_ROWS`, then the header.

    Integers are 8 bytes, little endian, null as 0 after a map of which are null; texts are UTF-8 after the list of their lengths.
    The header comes last because a recorder's clock skew is known only when everything was seen. The column of sequence numbers
    stands after the others of its block, and only where it has any, so that a tape without them hashes as it did before there was one.
    """

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._hash = hashlib.sha256(f"papertape tape {_DEFINITION}\n".encode())
        self._hash.update(msgspec.json.encode([describe(instrument) for instrument in instruments]))
        self._pending: dict[str, list[Any]] = {name: [] for name in (*_COLUMNS, SEQUENCE)}

    def update(self, columns: dict[str, list[Any]]) -> None:
        """Take the next rows; every column equally long, a column left out is all null."""
        count = len(columns["kind"])
        for name, pending in self._pending.items():
            pending.extend(columns.get(name) or [None] * count)
        while len(self._pending["kind"]) >= BLOCK_ROWS:
            self._block(BLOCK_ROWS)

    def finish(self, venue: str, connections: Sequence[tuple[str, int]], row_base: int) -> str:
        """The hash as 64 hexadecimal digits."""
        if self._pending["kind"]:
            self._block(BLOCK_ROWS)
        self._hash.update(msgspec.json.encode([venue, [list(connection) for connection in connections], row_base]))
        return self._hash.hexdigest()

    def _block(self, count: int) -> None:
        for name in _COLUMNS:
            pending = self._pending[name]
            values = pending[:count]
            del pending[:count]
            self._column(values, is_text=name == "text")
        pending = self._pending[SEQUENCE]
        numbers = pending[:count]
        del pending[:count]
        if any(number is not None for number in numbers):
            self._hash.update(b"s")
            self._column(numbers, is_text=False)

    def _column(self, values: list[Any], *, is_text: bool) -> None:
        nulls = values.count(None)
        if nulls == len(values):
            self._hash.update(b"N")
            return
        if nulls:
            self._hash.update(b"n" + bytes(value is None for value in values))
        else:
            self._hash.update(b"v")
        if is_text:
            texts = [(value or "").encode() for value in values]
            self._hash.update(_words([len(text) for text in texts]))
            self._hash.update(b"".join(texts))
        else:
            self._hash.update(_words([value or 0 for value in values] if nulls else values))


def describe(instrument: Instrument) -> dict[str, str | int | None]:
    """An instrument as its row has it; decimals in their one canonical text."""
    return {
        "symbol": instrument.symbol,
        "venue_symbol": instrument.venue_symbol,
        "base": instrument.base,
        "quote": instrument.quote,
        "tick": plain(instrument.tick),
        "lot": plain(instrument.lot),
        "amount_min": plain(instrument.amount_min),
        "cost_min": plain(instrument.cost_min),
        "valid_from_ns": instrument.valid_from_ns,
        "valid_to_ns": instrument.valid_to_ns,
    }


def _words(values: list[int]) -> bytes:
    words = array("q", values)
    if sys.byteorder == "big":
        words.byteswap()
    return words.tobytes()
