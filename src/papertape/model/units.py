"""Units: integer nanoseconds, durations as people write them, exact decimals.

Inside papertape time is an `int` of nanoseconds and money is an `int` of ticks and lots; text and `Decimal` exist only at the edges.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from functools import lru_cache
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


@lru_cache(maxsize=1_000)
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


def is_date(text: str) -> bool:
    """Whether a moment is written as a date, not as a duration."""
    return text[:4].isdigit() and text[4:5] == "-"


def moment_ns(text: str, origin_ns: Nanos) -> Nanos:
    """Nanoseconds since 1970-01-01 UTC of an ISO 8601 time (UTC if it names no zone), or of a duration after `origin_ns`.

    >>> moment_ns("1s", 5), moment_ns("1970-01-01T00:00:01", 5), moment_ns("1970-01-01 00:00:01.000001+00:00", 5)
    (1000000005, 1000000000, 1000001000)
    """
    if is_date(text):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(
                f'"{text}" is no time; expected ISO 8601, such as "2026-08-09T20:00:00Z", or a duration such as "2m"'
            ) from None
        moment = moment.replace(tzinfo=moment.tzinfo or UTC)
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * MICROSECOND
    return origin_ns + parse_duration(text)


def iso_after(ns: Nanos) -> str:
    """ISO 8601 of the first whole microsecond from a time on.

    >>> iso_after(1_523_926_504_358_000_001)
    '2018-04-17T00:55:04.358001+00:00'
    """
    seconds, micros = divmod(-(-ns // MICROSECOND), 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros).isoformat()


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
