"""What is put down of what a recorder hears."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.model.event import BookUpdate, ConnectionEvent, ConnectionKind, Heartbeat, Side, Trade
from papertape.model.request import Lane
from papertape.model.units import SECOND
from papertape.model.venue import Numbering
from papertape.recorder.spool import Row
from papertape.recorder.transcript import CONNECTIONS, TEXT_MAX, Transcript, shown
from papertape.tape.stamping import UNTIMED

MARKET = CONNECTIONS.index("market")


def trade(number: int, symbol: str = "BTC/USD") -> Trade:
    return Trade(
        venue_ns=number, local_ns=number, symbol=symbol, price_ticks=1, qty_lots=1, taker=Side.BUY, trade_id=str(number)
    )  # fmt: skip


def transcript(numbering: Numbering = Numbering.CONNECTION) -> Transcript:
    """One whose market lane stands."""
    made = Transcript(numbering)
    made.on_opened(Lane.MARKET, 0)
    return made


def kinds(rows: list[Row]) -> list[str]:
    return [row[2].what.value if isinstance(row[2], ConnectionEvent) else type(row[2]).__name__ for row in rows]


@given(st.lists(st.integers(0, 12), max_size=30), st.sampled_from(Numbering))
def test_whatever_comes_is_told_once_and_what_is_missing_is_said(numbers: list[int], numbering: Numbering) -> None:
    """Of a counter's numbers each new one is a row; before one that is too high stands a gap; one that came already is no row."""
    heard, due = transcript(numbering), 0
    for moment, number in enumerate(numbers, 1):
        rows = heard.on_message(number, trade(moment), moment)
        told = kinds(rows)
        if number > due:
            assert told == ["gap", "Trade"]
            assert f"number {number} came where {due} was due" in rows[0][2].text
        elif number in (due, due - 1):  # another part of the frame before has its number
            assert told == ["Trade"]
        else:
            assert told == ["error"]
            continue
        assert rows[-1][:2] == (MARKET, number)
        due = number + 1


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30))
def test_rows_are_in_the_order_of_arrival_whatever_the_clock_does(times: list[int]) -> None:
    """A clock that is set back moves no row: such a one keeps the time before, and is counted."""
    heard, stamps = transcript(), []
    for number, local_ns in enumerate(times):
        stamps += [row[2].local_ns for row in heard.on_message(number, trade(number), local_ns)]
    assert stamps == sorted(stamps)
    assert stamps == [max(times[: place + 1]) for place in range(len(times))]
    assert heard.set_back == sum(local_ns < max(times[: place + 1]) for place, local_ns in enumerate(times))


def test_one_frame_has_one_time_of_arrival() -> None:
    """The messages of a frame come one after another; they arrived together."""
    heard = transcript()
    parts = [msgspec.structs.replace(trade(each), local_ns=77) for each in (1, 2)]
    rows = [row for at_ns, part in zip((100, 105), parts, strict=True) for row in heard.on_message(3, part, at_ns)]
    assert [row[2].local_ns for row in rows] == [100, 100, 100]
    assert kinds(rows) == ["gap", "Trade", "Trade"]


def test_a_new_connection_counts_anew() -> None:
    """Number 0 after a reconnection is no message that came again."""
    heard = transcript()
    heard.on_message(0, trade(1), 1)
    assert kinds(heard.on_dropped(Lane.MARKET, "gone", 2)) == ["dropped"]
    assert kinds(heard.on_opened(Lane.MARKET, 3)) == ["opened"]
    assert kinds(heard.on_message(0, trade(2), 4)) == ["Trade"]
    assert (heard.drops, heard.gaps, heard.repeated) == (1, 0, 0)


def test_a_line_that_is_down_is_not_lost_again() -> None:
    """A lane is dropped once, however often that is said; one that never stood is not dropped at all."""
    heard = transcript()
    assert kinds(heard.on_dropped(Lane.MARKET, "gone", 1)) == ["dropped"]
    assert heard.on_dropped(Lane.MARKET, "closed by us", 2) == []
    assert heard.on_dropped(Lane.REST, "closed by us", 2) == []


def test_each_instrument_has_its_gap_where_the_venue_counts_so() -> None:
    """On such a venue the row names whose message is missing, and the others are not in doubt."""
    heard = transcript(Numbering.INSTRUMENT)
    heard.on_message(0, trade(1), 1)
    assert kinds(heard.on_message(0, trade(2, "ETH/USD"), 2)) == ["Trade"]
    gap, _ = heard.on_message(2, trade(3, "ETH/USD"), 3)
    assert gap[2].symbol == "ETH/USD"


def test_a_heartbeat_is_kept_for_how_long_it_took() -> None:
    """It becomes a latency: both clocks, the number, and nothing else."""
    beat = Heartbeat(venue_ns=5, local_ns=9, symbol="", counter=3)
    (row,) = transcript().on_message(0, beat, 12)
    event = row[2]
    assert (row[0], row[1], event.what, event.venue_ns, event.local_ns) == (MARKET, 0, ConnectionKind.LATENCY, 5, 12)


def test_an_answer_and_a_limit_say_how_long() -> None:
    """What REST took there and back, and how long the venue wants quiet, stand at the beginning of the row's words."""
    heard = transcript()
    (asked,) = heard.on_answer(Lane.REST, 1 * SECOND, 3 * SECOND)
    (limited,) = heard.on_limited(Lane.REST, 7 * SECOND, "too many requests", 4 * SECOND)
    assert (asked[2].text, asked[2].venue_ns) == ("2s there and back", UNTIMED)
    assert (limited[2].text, limited[2].what) == ("7s: too many requests", ConnectionKind.RATE_LIMITED)


def test_messages_without_numbers_are_taken_as_they_come() -> None:
    """A link that does not count has no gaps."""
    heard = transcript()
    update = BookUpdate(venue_ns=1, local_ns=1, symbol="BTC/USD", bids=((1, 1),))
    assert kinds(heard.on_message(None, update, 1) + heard.on_message(None, update, 2)) == ["BookUpdate", "BookUpdate"]


SECRETS = {
    "a token": "auth failed for eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJvcmcifQ.c2ln",
    "a password in a URL": "GET https://me:hunter22@host/path failed",
    "a query": "GET https://host/x?api_key=abcdef123456&y=1 failed",
    "a header": "sent Authorization: Bearer abcdef.123456",
    "a private key": "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----",
    "a key's name": "key organizations/1111-22/apiKeys/3333-44 is unknown",
}


@pytest.mark.parametrize("words", SECRETS.values(), ids=SECRETS)
def test_no_secret_gets_into_a_rows_words(words: str) -> None:
    """Whatever looks like one is hidden before it is written down."""
    text = shown(words)
    assert "(hidden)" in text
    for secret in ("eyJ", "hunter22", "abcdef", "MHcC", "3333"):
        assert secret not in text


def test_a_page_of_words_is_cut_short() -> None:
    """A venue's error page does not become a row."""
    assert len(shown("x" * 10_000)) == TEXT_MAX
