"""Units: integer nanoseconds, durations as people write them, exact decimals.

Inside papertape time is an `int` of nanoseconds and money is an `int` of ticks and lots; text and `Decimal` exist only at the edges.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Final

Nanos = int

MICROSECOND: Final = 1_000
MILLISECOND: Final = 1_000_000
SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

EXACT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
"""Wide enough that sums and products of ticks, lots and rates are exact; use its methods where a result must not be rounded."""

_UNITS: Final = {"ns": 1, "us": MICROSECOND, "ms": MILLISECOND, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d)")


def parse_duration(text: str) -> Nanos:
    """Nanoseconds of a duration such as "250ms", "1m30s" or "0s".

    >>> parse_duration("250ms"), parse_duration("1m30s")
    (250000000, 90000000000)
    >>> parse_duration("fast")
    Traceback (most recent call last):
    ValueError: "fast" is no duration; expected a number with a unit (ns, us, ms, s, m, h, d), such as "250ms" or "1m30s"
    """
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'"{text}" is no duration; expected a number with a unit (ns, us, ms, s, m, h, d), such as "250ms" or "1m30s"')
    return sum(int(Decimal(number) * _UNITS[unit]) for number, unit in parts)


def format_duration(ns: Nanos) -> str:
    """The shortest exact text of a duration; `parse_duration` reads it back.

    >>> format_duration(90 * SECOND), format_duration(1_500_000), format_duration(0)
    ('1m30s', '1.5ms', '0s')
    """
    if ns < 0:
        return "-" + format_duration(-ns)
    if ns >= MINUTE:
        parts = []
        for unit in ("d", "h", "m"):
            count, ns = divmod(ns, _UNITS[unit])
            if count:
                parts.append(f"{count}{unit}")
        return "".join(parts) + (format_duration(ns) if ns else "")
    for unit in ("s", "ms", "us"):
        if ns >= _UNITS[unit]:
            return f"{plain(Decimal(ns) / _UNITS[unit])}{unit}"
    return f"{ns}ns" if ns else "0s"


def exact(value: Decimal | int | float | str) -> Decimal:
    """A number as a person meant it: a float by its repr, never by its bits.

    >>> exact(0.1), exact("64000.10")
    (Decimal('0.1'), Decimal('64000.10'))
    >>> exact("ten")
    Traceback (most recent call last):
    ValueError: "ten" is no number
    """
    try:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except InvalidOperation as error:
        raise ValueError(f'"{value}" is no number') from error
    if not number.is_finite():
        raise ValueError(f'"{value}" is no finite number')
    return number


def plain(number: Decimal) -> str:
    """The canonical text of a decimal: no exponent, no trailing zeros.

    >>> plain(Decimal("1E+3")), plain(Decimal("0.0100")), plain(Decimal("-0.0"))
    ('1000', '0.01', '0')
    """
    if not number:
        return "0"
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
