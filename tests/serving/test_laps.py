"""A tape at another date, and over and over."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from papertape.model.event import ConnectionEvent, Side, Trade
from papertape.model.units import SECOND
from papertape.session.replay import Row
from papertape.session.serving.laps import LENGTH_MIN_NS, laps

START = 1_000 * SECOND


def trade_row(at_ns: int, trade_id: str) -> Row:
    trade = Trade(venue_ns=at_ns, local_ns=at_ns + 1, symbol="BTC/USD", price_ticks=1, qty_lots=1, taker=Side.BUY, trade_id=trade_id)
    return 7, at_ns, at_ns + 2, trade


@given(
    st.lists(st.tuples(st.integers(0, 10 * SECOND), st.integers(0, 10**12)), min_size=1, max_size=6).map(sorted),
    st.integers(-(10**15), 10**15),
    st.integers(0, 20 * SECOND),
)
def test_a_lap_is_the_first_one_later(plan: list[tuple[int, int]], shift_ns: int, more_ns: int) -> None:
    """Same messages, same distances; a lap never begins before the last has ended; ids of trades go up from lap to lap."""
    rows = [trade_row(START + at, str(number)) for at, number in plan]
    length_ns = plan[-1][0] + 1 + more_ns
    endless = laps(lambda: iter(rows), start_ns=START, length_ns=length_ns, shift_ns=shift_ns, is_endless=True)
    per_lap = len(rows) + 1
    played = list(islice(endless, 3 * per_lap))
    lap_ns = max(length_ns, LENGTH_MIN_NS)
    for lap in range(3):
        part = played[lap * per_lap : (lap + 1) * per_lap]
        by_ns = shift_ns + lap * lap_ns
        assert [row[1:3] for row in part[:-1]] == [(reach + by_ns, line + by_ns) for _, reach, line, _ in rows]
        assert all(row[3].venue_ns == row[1] and row[3].local_ns == row[1] + 1 for row in part[:-1])
        assert isinstance(part[-1][3], ConnectionEvent)
    assert [row[1] for row in played] == sorted(row[1] for row in played)
    ids = [[int(row[3].trade_id) for row in played[lap * per_lap : (lap + 1) * per_lap - 1]] for lap in range(3)]
    assert max(ids[0]) < min(ids[1])
    assert max(ids[1]) < min(ids[2])


def test_once_is_once() -> None:
    """Not endless and at its own date, a tape is what it is."""
    rows = [trade_row(START, "a"), trade_row(START + 5, "b")]
    assert list(laps(lambda: iter(rows), start_ns=START, length_ns=6)) == rows


def test_ids_that_are_no_numbers_are_told_apart() -> None:
    """By the lap."""
    endless = laps(lambda: iter([trade_row(START, "x")]), start_ns=START, length_ns=6, is_endless=True)
    assert [getattr(row[3], "trade_id", None) for row in islice(endless, 5)] == ["x", None, "x-2", None, "x-3"]


def test_nothing_goes_round_for_ever() -> None:
    """A tape without rows is over at once, endless or not."""
    assert not list(laps(lambda: iter(()), start_ns=START, length_ns=0, is_endless=True))
