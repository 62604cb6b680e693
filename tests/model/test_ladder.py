"""One side of a book that is put in order late."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from papertape.model.lazy_book import Ladder

changes = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 3)), min_size=1, max_size=40)


@given(st.lists(st.one_of(st.tuples(st.integers(1, 40), st.integers(0, 3)), changes), max_size=40))
def test_a_ladder_holds_what_a_dict_would_and_in_order(looks: list[tuple[int, int] | list[tuple[int, int]]]) -> None:
    """Few changes between two looks are put in place one by one, many by sorting anew; nobody can tell."""
    ladder, plain = Ladder(), dict.fromkeys(range(1, 41), 9)
    ladder.replace(plain.items())
    same = ladder.look()
    for change in looks:
        for ticks, lots in [change] if isinstance(change, tuple) else change:
            ladder.late[ticks] = plain[ticks] = lots
        plain = {ticks: lots for ticks, lots in plain.items() if lots}
        assert list(ladder.look().items()) == sorted(plain.items())
        assert ladder.look() is same
        assert not ladder.late
