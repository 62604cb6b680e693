"""Pages of a list that lives: every row that stays is shown once, and none is left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from papertape.venues.coinbase.page import is_cursor, page

times = st.lists(st.integers(0, 50), unique=True, min_size=1, max_size=12)


@given(times=times, limit=st.integers(1, 5), more=st.lists(st.integers(51, 60), unique=True, max_size=4), gone=st.sets(st.integers(0, 50)))
def test_a_walk_through_a_living_list_shows_each_row_once(times: list[int], limit: int, more: list[int], gone: set[int]) -> None:
    """Newer rows come before the first page, older ones go while somebody reads: those that stay come once each, in their order."""
    rows = [f"{at}.r{at}" for at in sorted(times, reverse=True)]
    told: list[str] = []
    cursor, pages = "", 0
    while True:
        shown, cursor = page(rows, cursor, limit, str)
        told += shown
        pages += 1
        assert pages <= len(times) + 1, "a walk that gets nowhere"
        assert is_cursor(cursor)
        assert len(shown) <= limit
        if not cursor:
            break
        if pages == 1:
            rows = [f"{at}.r{at}" for at in sorted(more, reverse=True)] + [row for row in rows if int(row.partition(".")[0]) not in gone]
    assert len(set(told)) == len(told)
    assert [row for row in told if row in rows] == [row for row in rows if row in told or int(row.partition(".")[0]) <= 50]


@given(st.text(max_size=12))
def test_what_no_page_ended_with_is_no_cursor(text: str) -> None:
    """A time, a dot and a name; "" begins."""
    at, _, name = text.partition(".")
    assert is_cursor(text) is (not text or (at.isascii() and at.isdigit() and bool(name)))


def test_what_came_at_the_very_time_of_a_row_that_is_gone_is_shown_again() -> None:
    """Rather twice than not at all."""
    rows = ["9.d", "5.c", "5.b", "4.a"]
    assert page(rows, "5.x", 5, str) == (["5.c", "5.b", "4.a"], "")
    assert page(rows, "7.x", 1, str) == (["5.c"], "5.c")
