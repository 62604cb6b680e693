"""What files of another system are to an import: opened, counted in its instruments' steps, read once from front to back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final, Protocol

import msgspec

from papertape.importers.importer import Tally, Unparsed
from papertape.importers.place import Place
from papertape.importers.reading import Steps
from papertape.model.errors import TapeError
from papertape.model.event import MarketEvent
from papertape.model.instrument import Instrument
from papertape.model.units import plain
from papertape.tape.export.exporter import COUNT_MAX, FLOAT_EXACT_MAX
from papertape.tape.header import Connection

UNPARSED_MAX: Final = 100
"""So many rows that make no sense a report quotes; it counts all."""

_NEAR: Final = Decimal("1e-6")


class Told(msgspec.Struct, frozen=True):
    """An event, with the index of its connection and whether its `venue_ns` is the venue's word."""

    event: MarketEvent
    connection: int = 0


class Ledger:
    """What became of the rows: for the report.

    Args:
        refuses: whether a row that makes no sense ends it all.

    Attributes:
        rows: read so far.
        skipped: left out on purpose, by reason.
        adjusted: kept, but not quite as they came, by reason.
        unparsed: the first rows that made no sense; `unparsed_count` counts all.
    """

    def __init__(self, *, refuses: bool = False) -> None:
        self._refuses = refuses
        self.rows = 0
        self.skipped = Tally()
        self.adjusted = Tally()
        self.unparsed: list[Unparsed] = []
        self.unparsed_count = 0

    def reject(self, path: Place, row: int, why: str) -> None:
        """Leave a row out because it makes no sense; rows count from 1 in each file. Raises `TapeError` where none may be left out."""
        if self._refuses:
            raise refusal(f"{path}: row {row}", why)
        self.unparsed_count += 1
        if len(self.unparsed) < UNPARSED_MAX:
            self.unparsed.append(Unparsed(str(path), row, why))


def refusal(where: str, why: str) -> TapeError:
    """What is said of a row that may not be left out."""
    return TapeError(f'{where}: {why}. Mend the file, or let rows that make no sense be left out and counted: broken = "skip".')


class Source(Protocol):
    """Files of one format.

    Attributes:
        instruments: what they are about.
        connections: of the recorder; with a skew where the format's clocks have been set already, by name where it is to be measured.
    """

    instruments: Sequence[Instrument]
    connections: Sequence[Connection | str]

    def events(self, ledger: Ledger) -> Iterator[Told]:
        """What happened, in the order of arrival; what a row does not tell is rejected in the ledger.

        Raises `TapeError` where a file does not read at all.
        """
        ...


class FloatSteps:
    """Counts floats in steps: exact, or within a millionth of a step, or ValueError.

    >>> ticks = FloatSteps(Decimal("0.1"))
    >>> ticks(64000.1), ticks(0.30000000000000004), ticks(0.0)
    (640001, 3, 0)
    >>> ticks(0.25)
    Traceback (most recent call last):
    ValueError: 0.25 is not a multiple of 0.1
    """

    def __init__(self, step: Decimal) -> None:
        self._step = step
        inverse = 1 / step
        self._inverse = int(inverse) if inverse == int(inverse) and inverse * step == 1 and inverse < FLOAT_EXACT_MAX else None

    def __call__(self, number: float) -> int:
        if self._inverse is not None and 0 <= number < 1e15:
            count = round(number * self._inverse)
            if count < COUNT_MAX and count / self._inverse == number:
                return count
        count, off = self.split(number)
        if abs(off) > _NEAR and float(self._step * count) != number:  # of many steps the nearest float may be further off
            raise ValueError(f"{number!r} is not a multiple of {plain(self._step)}")
        return count

    def split(self, number: float) -> tuple[int, Decimal]:
        """The nearest count, and how far off it is, in steps; ValueError where this is no number from 0 up that a tape can hold."""
        if not 0 <= number < 1e18:
            raise ValueError(f"{number!r} is no number from 0 up")
        exact = Decimal(number) / self._step
        count = round(exact)
        if count >= 2**63:
            raise ValueError(f"{number!r} is out of all proportion")
        return count, exact - count


class TextSteps:
    """Counts texts in steps: exact, or within a millionth of a step as a float may have left it, or ValueError.

    >>> ticks = TextSteps(Decimal("0.1"))
    >>> ticks("64000.1"), ticks("0.30000000000000004")
    (640001, 3)
    >>> ticks("0.25")
    Traceback (most recent call last):
    ValueError: 0.25 is not a multiple of 0.1
    """

    def __init__(self, step: Decimal) -> None:
        self._steps = Steps(step)
        self._step = step

    def __call__(self, text: str) -> int:
        try:
            return self._steps(text)
        except ValueError:
            count, rest = self._steps.split(text)  # raises again unless the text is a number
            off = rest / self._step
            if off <= _NEAR:
                return count
            if 1 - off <= _NEAR:
                return count + 1
            raise


class TextLots:
    """Counts amounts in lots; what lies between two is rounded down but never to nothing, and counted: see `reading.Lots`."""

    def __init__(self, lot: Decimal) -> None:
        self._steps = TextSteps(lot)
        self._whole = Steps(lot)
        self.rounded = 0

    def __call__(self, text: str) -> int:
        try:
            return self._steps(text)
        except ValueError:
            count, _ = self._whole.split(text)
            self.rounded += 1
            return max(1, count)


class FloatLots:
    """Counts amounts in lots; what lies between two is rounded down but never to nothing, and counted: see `reading.Lots`."""

    def __init__(self, lot: Decimal) -> None:
        self._steps = FloatSteps(lot)
        self.rounded = 0

    def __call__(self, number: float) -> int:
        try:
            return self._steps(number)
        except ValueError:
            count, off = self._steps.split(number)
            self.rounded += 1
            return max(1, count - (off < 0))
