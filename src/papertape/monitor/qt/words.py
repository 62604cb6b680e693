"""Numbers and times as a window writes them."""

from __future__ import annotations

from datetime import UTC, datetime

from papertape.model.units import MILLISECOND, SECOND, Nanos


def clock(ns: Nanos) -> str:
    """The time of day, UTC.

    >>> clock(1_767_571_200_250_000_000)
    '00:00:00.250'
    """
    return f"{datetime.fromtimestamp(ns // SECOND, UTC):%H:%M:%S}.{ns % SECOND // MILLISECOND:03}"


def date(ns: Nanos) -> str:
    """The day and the time of day, UTC.

    >>> date(1_767_571_200_000_000_000)
    '2026-01-05 00:00:00'
    """
    return f"{datetime.fromtimestamp(ns // SECOND, UTC):%Y-%m-%d %H:%M:%S}"


def span(seconds: float) -> str:
    """A time that passed, in the unit that fits it.

    >>> span(0.0123), span(2.5), span(75), span(-0.02)
    ('12 ms', '2.5 s', '1 min 15 s', '-20 ms')
    """
    if abs(seconds) < 1:
        return f"{seconds * 1_000:.0f} ms"
    return f"{seconds:.1f} s" if abs(seconds) < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def money(value: float | None) -> str:
    """A price with as many digits as its size wants.

    >>> money(64123.456), money(0.00001234), money(None)
    ('64,123.46', '0.00001234', '–')
    """
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.2f}"
    return f"{value:.4f}" if abs(value) >= 1 else f"{value:.8f}"


def plain(text: str | None) -> str:
    """A decimal as text, without zeros that say nothing and with groups of thousands.

    >>> plain("64000.10000000"), plain("0.0100"), plain(None)
    ('64,000.1', '0.01', '–')
    """
    if text is None:
        return "–"
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    grouped = f"{int(whole):,}" if whole.lstrip("-").isdigit() else whole
    return f"{grouped}.{fraction}" if fraction else grouped
