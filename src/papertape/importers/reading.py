"""Texts of a venue as whole numbers: prices as ticks, amounts as lots, times as nanoseconds; exact or refused."""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Final

from papertape.model.event import Level, Side
from papertape.model.instrument import Instrument
from papertape.model.units import SECOND, Nanos, plain

_NANO_DIGITS: Final = 9
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]{1,3})?")


class Steps:
    """Counts texts in steps of one size.

    >>> ticks = Steps(Decimal("0.01"))
    >>> ticks("64000.10"), ticks("0.00000000"), ticks("8039")
    (6400010, 0, 803900)
    >>> ticks("0.015")
    Traceback (most recent call last):
    ValueError: 0.015 is not a multiple of 0.01
    """

    def __init__(self, step: Decimal) -> None:
        self._step = step
        sign, digits, exponent = step.normalize().as_tuple()
        # Nearly every step is a power of ten: then counting is moving the point.
        is_power = sign == 0 and digits == (1,) and isinstance(exponent, int) and exponent <= 0
        self._places = -exponent if is_power and isinstance(exponent, int) else None

    def __call__(self, text: str) -> int:
        """How many steps; ValueError where the text is no number or lies between two."""
        if self._places is not None:
            whole, _, fraction = text.partition(".")
            kept, dropped = fraction[: self._places], fraction[self._places :]
            digits = whole + kept
            if digits.isdecimal() and digits.isascii() and not dropped.strip("0"):
                return int(digits + "0" * (self._places - len(kept)))
        count, rest = self.split(text)
        if rest:
            raise ValueError(f"{text} is not a multiple of {plain(self._step)}")
        return count

    def split(self, text: str) -> tuple[int, Decimal]:
        """Whole steps, and what is left; ValueError where the text is no number from 0 up."""
        if not _NUMBER.fullmatch(text):
            raise ValueError(f'"{text}" is no number from 0 up')
        try:
            count, rest = divmod(Decimal(text), self._step)
        except ArithmeticError as error:
            raise ValueError(f'"{text}" is out of all proportion') from error
        return int(count), rest


class Lots:
    """Counts amounts in lots.

    Books hold amounts that no order may have today, from when the lot was smaller (Binance BTCUSDT shows 25.42618900 at a lot of 0.00001).
    They are rounded down, but never to nothing, since 0 would delete the level; `rounded` counts them for the report.
    """

    def __init__(self, lot: Decimal) -> None:
        self._steps = Steps(lot)
        self.rounded = 0

    def __call__(self, text: str) -> int:
        try:
            return self._steps(text)
        except ValueError:
            count, _ = self._steps.split(text)  # raises again unless the text is a number between two lots
            self.rounded += 1
            return max(1, count)


class Reading:
    """How one instrument's texts are counted."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.ticks = Steps(instrument.tick)
        self.lots = Lots(instrument.lot)


def best_first(side: Side, levels: Iterable[Level]) -> tuple[Level, ...]:
    """A snapshot's levels of one side in the order a tape has them; a level of nothing is none."""
    return tuple(sorted((level for level in levels if level[1]), reverse=side is Side.BUY))


def nanoseconds(text: str) -> Nanos:
    """Nanoseconds since 1970-01-01 UTC of an RFC 3339 time in UTC, with whatever digits it has.

    >>> nanoseconds("2018-04-17T00:55:04.358Z"), nanoseconds("1970-01-01T00:00:01Z")
    (1523926504358000000, 1000000000)
    >>> nanoseconds("yesterday")
    Traceback (most recent call last):
    ValueError: "yesterday" is no time such as 2026-01-05T00:00:00.5Z
    """
    if len(text) < 20 or text[-1] != "Z" or (text[19] != "." and len(text) > 20):
        raise ValueError(f'"{text}" is no time such as 2026-01-05T00:00:00.5Z')
    fraction = text[20:-1]
    if fraction and not fraction.isdecimal():
        raise ValueError(f'"{text}" is no time such as 2026-01-05T00:00:00.5Z')
    return _whole_seconds(text[:19]) * SECOND + int(fraction[:_NANO_DIGITS].ljust(_NANO_DIGITS, "0") if fraction else 0)


@lru_cache(maxsize=4096)
def _whole_seconds(text: str) -> int:
    try:
        date, _, clock = text.partition("T")
        year, month, day = (int(part) for part in date.split("-"))
        hour, minute, second = (int(part) for part in clock.split(":"))
        return timegm((year, month, day, hour, minute, second))
    except ValueError as error:
        raise ValueError(f'"{text}Z" is no time such as 2026-01-05T00:00:00.5Z') from error
