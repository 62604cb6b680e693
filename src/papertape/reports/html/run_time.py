"""Run time on an axis: plotly's axes of dates label themselves well at any zoom, so run time 0 is the first instant of some year there."""

from __future__ import annotations

from typing import Final

from papertape.model.units import MILLISECOND, Nanos

ZERO_MS: Final = 946_684_800_000
"""2000-01-01. Near 0, plotly takes numbers for years."""


def at(ns: Nanos) -> float:
    """A run time as the axis takes it, milliseconds.

    >>> at(1_500_000) - at(0)
    1.5
    """
    return ZERO_MS + ns / MILLISECOND
