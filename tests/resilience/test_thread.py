"""Trades come once each and in order, across stream, REST and stream again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from papertape.model.event import Side, Trade
from papertape.model.units import SECOND
from papertape.resilience.thread import TradeThread

steps = st.lists(
    st.sampled_from(["print", "print", "print", "lose", "back", "poll", "late poll", "join", "repeat", "ask", "late join"]), max_size=80
)


def trade(number: int, at_ns: int | None = None, key: str | None = None) -> Trade:
    at_ns = number * SECOND // 3 if at_ns is None else at_ns  # three in each second, so that answers overlap with what came before
    return Trade(
        venue_ns=at_ns, local_ns=at_ns, symbol="BTC/USD", price_ticks=number, qty_lots=1, taker=Side.BUY,
        trade_id=str(number) if key is None else key,
    )  # fmt: skip


@given(steps)
def test_whatever_happens_to_the_stream_nothing_is_lost_repeated_or_out_of_order(history: list[str]) -> None:
    """A venue prints one trade after another; the stream is lost and comes back, REST is asked in between, also by answers that are old."""
    thread, printed, heard, is_up = TradeThread(), [trade(0)], list[Trade](), True
    heard += thread.streamed(printed[0])
    old: list[Trade] = list(printed)
    for what in history:
        since_ns = thread.since_ns or 0
        match what:
            case "print":
                printed.append(trade(len(printed)))
                if is_up:
                    heard += thread.streamed(printed[-1])
            case "lose":
                is_up = False
                thread.tear()
            case "back":
                is_up = True
            case "poll":
                old = [each for each in printed if each.venue_ns >= since_ns]
                heard += thread.polled(old)
            case "late poll":  # what was asked for earlier arrives only now
                heard += thread.polled(old)
            case "join" if is_up:
                heard += thread.joined([each for each in printed if each.venue_ns >= since_ns]) or ()
            case "late join" if is_up:
                heard += thread.joined(old) or ()
            case "ask":
                old = [each for each in printed if each.venue_ns >= since_ns]
            case "repeat" if is_up and not thread.is_torn:
                heard += thread.streamed(printed[-1])
    since_ns = thread.since_ns or 0
    heard += thread.polled([each for each in printed if each.venue_ns >= since_ns])
    assert heard == printed
    assert thread.holes == 0


def test_an_answer_that_does_not_reach_the_stream_is_not_enough() -> None:
    """REST may lag behind what the stream has said: until it shows that, there may be a hole."""
    thread = TradeThread()
    first, second, third = (trade(number) for number in (1, 2, 3))
    assert thread.streamed(first) == (first,)
    thread.tear()
    assert thread.streamed(third) == ()
    assert thread.is_waiting
    assert thread.joined([first]) is None
    assert thread.joined([first, second, third]) == (second, third)
    assert not thread.is_torn


def test_a_hole_that_cannot_be_filled_is_counted() -> None:
    """What the venue no longer tells is missing, and what is there goes on behind it."""
    thread = TradeThread()
    thread.streamed(trade(1))
    assert thread.polled([trade(10), trade(11)]) == (trade(10), trade(11))
    thread.tear()
    thread.streamed(trade(20))
    assert thread.give_up() == (trade(20),)
    assert thread.holes == 2


def test_what_was_traded_before_us_is_no_news() -> None:
    """A bot that subscribes while the stream is away hears what comes after the first answer."""
    thread = TradeThread()
    thread.tear()
    assert thread.polled([trade(1), trade(2)]) == ()
    assert thread.polled([trade(2), trade(3)]) == (trade(3),)


def test_what_is_on_its_way_while_rest_is_asked_is_heard() -> None:
    """Whether the stream is mute is asked while a first trade is under way: REST is faster, and the stream's word counts all the same."""
    thread = TradeThread()
    assert not thread.lacks([trade(1), trade(2)])
    assert thread.streamed(trade(2)) == (trade(2),)
    assert thread.lacks([trade(2), trade(3)])


def test_what_the_stream_said_before_a_first_answer_is_heard() -> None:
    """A bot that subscribes while the stream is away hears its first trade, though an answer that was asked for before has it as well."""
    thread = TradeThread()
    thread.tear()
    assert thread.streamed(trade(2)) == ()
    assert thread.polled([trade(1), trade(2), trade(3)]) == ()
    assert thread.joined([trade(1), trade(2), trade(3)]) == (trade(2), trade(3))


def test_without_ids_nothing_waits_and_nothing_is_told_twice() -> None:
    """Only what is younger than the last can then be told from it."""
    thread = TradeThread()
    thread.streamed(trade(1, key=""))
    thread.tear()
    assert thread.polled([trade(1, key=""), trade(2, key="")]) == (trade(2, key=""),)
    assert thread.streamed(trade(3, key="")) == (trade(3, key=""),)
