"""What an exporter is asked for, what it answers, and how counts of steps become the floats that others keep."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from papertape.model.errors import ConfigError, TapeError
from papertape.model.instrument import Instrument
from papertape.model.units import Nanos, plain
from papertape.tape.reader import Message, Tape

FLOAT_EXACT_MAX: Final = 2**53
"""Up to here a float holds every whole number."""

COUNT_MAX: Final = 2**50
"""Up to here a count of steps is still told from its neighbours after a division by their inverse and a multiplication with it."""


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """What is to become of which part of a tape.

    Attributes:
        symbol: of which instrument; None where the tape has but one, or the format takes several.
        start_ns, end_ns: as `Tape.messages` takes them.
    """

    tape: Tape
    out: Path
    symbol: str | None = None
    start_ns: Nanos | None = None
    end_ns: Nanos | None = None

    def the_instrument(self) -> Instrument:
        """The one that is meant; `ConfigError` where the tape has none of that name, or several and none was named."""
        found = {each.symbol: each for each in self.tape.instruments}
        names = ", ".join(found)
        if self.symbol is None:
            if len(found) > 1:
                raise ConfigError(
                    f"tape export: {self.tape.path} has {len(found)} instruments, and the format takes one: say `--symbol`, one of {names}."
                )
            same = self.tape.instruments
        else:
            if self.symbol not in found:
                raise ConfigError(f'tape export: --symbol "{self.symbol}": {self.tape.path} has {names}.')
            same = tuple(each for each in self.tape.instruments if each.symbol == self.symbol)
        steps = {(each.tick, each.lot) for each in same}
        if len(steps) > 1:
            raise ConfigError(
                f"tape export: the steps of {same[0].symbol} change within {self.tape.path}, and the format knows one tick and lot: "
                "export a part with `--start` and `--end`, cut where they change."
            )
        return same[0]

    def messages(self) -> Iterator[Message]:
        return self.tape.messages(self.start_ns, self.end_ns)


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What was written.

    Attributes:
        paths: the files, in order.
        rows: how many, in the format's own count.
        left_out: messages that the format has no place for, by reason.
    """

    paths: tuple[Path, ...]
    rows: int
    left_out: dict[str, int]


class Floats:
    """Counts of one step as floats: each the nearest to the exact value, so that counting it again gives the same.

    >>> price = Floats(Decimal("0.01"))
    >>> price(6_400_010), price(3)
    (64000.1, 0.03)
    >>> Floats(Decimal("0.5"))(7)
    3.5
    """

    def __init__(self, step: Decimal) -> None:
        self._step = step
        inverse = 1 / step
        # Then a division of two floats that are exact is as near as a float can be.
        self._inverse = float(inverse) if inverse == int(inverse) and inverse * step == 1 and inverse < FLOAT_EXACT_MAX else None

    def __call__(self, count: int) -> float:
        """The float; `TapeError` where floats are too far apart to tell this count from the next."""
        if count >= COUNT_MAX:
            raise TapeError(f"{count} steps of {plain(self._step)} are more than a float can tell apart; this format cannot hold them.")
        if self._inverse is not None:
            return count / self._inverse
        return float(self._step * count)
