"""A feed is streamed, awaited or polled, and nothing else."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.model.errors import IllegalMove
from papertape.resilience.feed import NEXT, Feed, FeedSignal, FeedState


@pytest.mark.parametrize(("state", "signal"), [pair for pair in product(FeedState, FeedSignal) if pair not in NEXT])
def test_what_the_table_lacks_raises(state: FeedState, signal: FeedSignal) -> None:
    """Every pair that is not in the table is a bug and raises, naming both."""
    feed = Feed()
    feed.state = state
    with pytest.raises(IllegalMove, match=f"{signal.name} while {state.name}"):
        feed.on(signal)


@given(st.lists(st.sampled_from(FeedSignal)))
def test_a_feed_is_polled_only_while_rest_has_answered_since_the_stream_went(signals: list[FeedSignal]) -> None:
    """Whatever happens: neither age nor the stream's return has made its last answer void; and the stream's return always ends it."""
    feed, is_answered = Feed(), False
    for signal in signals:
        if (feed.state, signal) in NEXT:
            feed.on(signal)
            is_answered = signal is FeedSignal.ANSWERED
            assert feed.is_polled is is_answered
    if feed.state is not FeedState.STREAMED:
        assert feed.on(FeedSignal.BACK) is FeedState.STREAMED
