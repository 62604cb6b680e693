"""A dead subscription is found in time, and a quiet market is left alone."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from papertape.model.event import BookSnapshot
from papertape.model.units import SECOND
from papertape.resilience.doubt import doubt, is_borne_out
from papertape.resilience.quiet import Look, Quiet

LIMIT, GRACE, EVERY = 30, 3, 2

news = st.lists(st.integers(1, 100), max_size=12)


def played(waits: list[int], *, is_dead_after: int, until: int = 700) -> list[int]:
    """When it was renewed, of a subscription whose market has news after each wait, and that says none from an instant on."""
    quiet, said, known, renewed = Quiet(limit_ns=LIMIT, grace_ns=GRACE, now_ns=0), 0, 0, []
    times = [sum(waits[: place + 1]) for place in range(len(waits))]
    for now in range(0, until, EVERY):
        known = sum(at <= now for at in times)
        said = sum(at <= min(now, is_dead_after) for at in times)
        match quiet.look(said, now):
            case Look.ASK:
                quiet.answered(said, now + 1, knows_more=known > said)
            case Look.RENEW:
                renewed.append(now)
    return renewed


@given(news)
def test_a_quiet_market_is_no_alarm(waits: list[int]) -> None:
    """However long nothing happens: as long as what happens is said, nothing is renewed."""
    assert played(waits, is_dead_after=10_000) == []


@given(news, st.integers(0, 200))
def test_a_dead_subscription_is_found_within_a_stated_time(waits: list[int], is_dead_after: int) -> None:
    """Of the first news that is kept back: within the limit counted from the last word or question, two looks, answer and grace."""
    times = [sum(waits[: place + 1]) for place in range(len(waits))]
    kept = [at for at in times if at > is_dead_after and at < 500]
    renewed = played(waits, is_dead_after=is_dead_after)
    if kept:
        assert renewed
        assert kept[0] <= renewed[0] <= kept[0] + LIMIT + GRACE + 1 + 3 * EVERY
    elif not [at for at in times if at > is_dead_after]:
        assert renewed == []


def test_one_that_stays_dead_is_renewed_ever_less_often() -> None:
    """A venue that does not mend it is not asked for it for ever at the same rate."""
    renewed = played([100], is_dead_after=50, until=3_000)
    waits = [later - earlier for earlier, later in pairwise(renewed)]
    assert waits == sorted(waits)
    assert waits[-1] > 4 * waits[0]


def book(bid: int | None, ask: int | None, at_s: int = 0) -> BookSnapshot:
    bids, asks = (() if price is None else ((price, 1),) for price in (bid, ask))
    return BookSnapshot(venue_ns=at_s * SECOND, local_ns=0, symbol="BTC/USD", bids=bids, asks=asks)


def test_what_cannot_be_the_book_is_doubted_and_borne_out_only_by_rest() -> None:
    """Empty, crossed or from the past; a halted market, or a clock that was set back, are told by REST as well."""
    assert doubt(book(1, 2, at_s=5), known_ns=5 * SECOND) == ""
    assert doubt(book(1, 2), known_ns=5 * SECOND) == ""
    assert "empty" in doubt(book(None, None, at_s=9), known_ns=0)
    assert "not below" in doubt(book(2, 2, at_s=9), known_ns=0)
    assert "older" in doubt(book(1, 2, at_s=4), known_ns=5 * SECOND)
    empty, crossed, old = book(None, None, at_s=9), book(2, 2, at_s=9), book(1, 2, at_s=4)
    for wrong in (empty, crossed, old):
        assert not is_borne_out(wrong, book(1, 2, at_s=9), known_ns=5 * SECOND)
    assert is_borne_out(empty, book(None, None, at_s=9), known_ns=5 * SECOND)
    assert is_borne_out(crossed, book(3, 2, at_s=9), known_ns=5 * SECOND)
    assert is_borne_out(old, book(7, 8, at_s=4), known_ns=5 * SECOND)
    assert is_borne_out(old, book(1, 2), known_ns=5 * SECOND)
    assert not is_borne_out(old, book(1, 3), known_ns=5 * SECOND)
