"""How far our date is from the venue's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from papertape.model.units import SECOND
from papertape.resilience.offset import Offset

STAMPS = st.lists(st.sampled_from([-4 * SECOND, -1 * SECOND, 0, 3 * SECOND]), max_size=30)


@given(earlier=STAMPS, count=st.integers(1, 20), later=STAMPS)
def test_stamps_that_agree_may_be_heard_many_at_a_time(earlier: list[int], count: int, later: list[int]) -> None:
    """What is believed after that is what would have been, had each been heard by itself."""
    each, many = Offset(), Offset()
    for observed_ns in earlier:
        assert each.on_stamp(observed_ns, 0) == many.on_stamp(observed_ns, 0)
    if many.agrees(0):
        many.on_same(0, count)
        assert not any(each.on_stamp(0, 0) for _ in range(count))
    for observed_ns in later:
        assert each.on_stamp(observed_ns, 0) == many.on_stamp(observed_ns, 0)
        assert each.ns == many.ns
