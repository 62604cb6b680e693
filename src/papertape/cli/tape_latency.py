"""`papertape tape latency`: latency laws for a scenario, fitted to a recording."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from papertape.model.errors import ConfigError, TapeError
from papertape.model.units import MICROSECOND, Nanos, format_duration
from papertape.session.result import ExitCode
from papertape.tape.builtin import PREFIX, resolve
from papertape.tape.lag import Lags, line_times

POINTS_MAX: Final = 10_001


def latency(path: str, /, *, points: int = 21) -> int:
    """Fit latency laws to a recording, as lines for [venue.NAME.model.latency] of a scenario.

    A table of quantiles is what was measured; a lognormal law is two numbers that one can change. For orders and answers half of what
    questions to the venue took there and back, where the recorder measured those; else what market data took.

    Parameters
    ----------
    path
        The tape, or builtin:NAME.
    points
        How many quantiles the table has, the shortest and the longest included.
    """
    if not 2 <= points <= POINTS_MAX:
        raise ConfigError(f"tape latency: --points {points}: expected a whole number from 2 to {POINTS_MAX:,}")
    times = line_times(resolve(path, Path()) if path.startswith(PREFIX) else Path(path).expanduser())
    if not times.market.count:
        raise TapeError(f"{path}: the tape holds no trades and no books, so it says nothing of how long those take")
    print("\n".join(_lines(times.venue, times.market, times.asked, points)))
    return ExitCode.PASSED


def _lines(venue: str, market: Lags, asked: Lags, points: int) -> Iterator[str]:
    yield f"# fitted to {market.count:,} messages and {asked.count:,} questions of a recording"
    shortest, longest = market.quantiles(2)
    if shortest == longest:
        yield f"# every message took {_short(longest)}: the recording has one clock only, and what follows was not measured"
    yield f"[venue.{venue}.model.latency]"
    yield from _law(("market",), market, points, of=1)
    if not asked.count:
        yield "# the recorder asked the venue nothing, so for orders what market data took:"
    yield from _law(("order", "answer"), asked if asked.count else market, points, of=2 if asked.count else 1)


def _law(ways: tuple[str, ...], lags: Lags, points: int, *, of: int) -> Iterator[str]:
    """Each way's table, and as a comment the lognormal law with the same median and 99th percentile."""
    quantiles = ", ".join(f'"{_short(ns // of)}"' for ns in lags.quantiles(points))
    median, p99 = (max(lags.percentile(hundredth) // of, MICROSECOND) for hundredth in (50, 99))
    for way in ways:
        yield f'{way} = {{ kind = "measured", quantiles = [{quantiles}] }}'
        yield f'# or {way} = {{ kind = "lognormal", median = "{_short(median)}", p99 = "{_short(p99)}" }}'


def _short(ns: Nanos) -> str:
    return format_duration(ns // MICROSECOND * MICROSECOND)
