"""How a venue numbers what it sends, and what is lost of it."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from papertape.model.event import BookUpdate, Heartbeat, Trade
from papertape.model.order import Side
from papertape.model.request import Lane
from papertape.model.venue import Numbering
from papertape.sim.stream import Message, Stream

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")


def message(symbol: str, kind: str) -> Message:
    stamps = {"venue_ns": 0, "local_ns": 0, "symbol": symbol}
    if kind == "book":
        return BookUpdate(**stamps, bids=((1, 1),))
    if kind == "trade":
        return Trade(**stamps, price_ticks=1, qty_lots=1, taker=Side.BUY)
    return Heartbeat(**{**stamps, "symbol": ""}, counter=0)


def stream(numbering: Numbering, lane: Lane = Lane.MARKET) -> Stream:
    return Stream(1, lane, lambda *_: None, lambda _: None, numbering=numbering)


said = st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(["book", "trade", "heartbeat"]), st.sampled_from(["sent", "lost", "forgotten"]))


@given(st.lists(said, max_size=40), st.sampled_from(Numbering))
def test_a_hole_in_the_numbers_is_exactly_what_was_lost_after_it_was_counted(
    steps: list[tuple[str, str, str]], numbering: Numbering
) -> None:
    """Of the connection, or of each market by itself; what was never counted leaves none."""
    under_test, next_number, heard = stream(numbering), defaultdict[str, int](int), defaultdict[str, list[int]](list)
    for now_ns, (symbol, kind, fate) in enumerate(steps):
        each = message(symbol, kind)
        counter = "" if numbering is Numbering.CONNECTION or kind == "heartbeat" else symbol
        if fate == "sent":
            assert under_test.number_next(each, now_ns) == next_number[counter]
            heard[counter].append(next_number[counter])
        else:
            under_test.lose(each, now_ns, spends_number=fate == "lost")
        next_number[counter] += fate != "forgotten"
    for counter, numbers in heard.items():
        assert numbers == sorted(set(numbers)), counter


@given(st.lists(said, max_size=40), st.sampled_from(Numbering))
def test_since_when_a_wrong_book_can_be_known_follows_from_who_is_counted(steps: list[tuple[str, str, str]], numbering: Numbering) -> None:
    """A connection's counter shows a loss at once, for a heartbeat always follows; a market's, when that market speaks again."""
    under_test, known = stream(numbering), dict[str, int | None]()
    hidden = dict[str, None]()
    for now_ns, (symbol, kind, fate) in enumerate(steps):
        each = message(symbol, kind)
        if fate == "sent":
            under_test.number_next(each, now_ns)
            if kind != "heartbeat" and symbol in hidden:
                del hidden[symbol]
                if symbol in known:
                    known[symbol] = now_ns
        else:
            under_test.lose(each, now_ns, spends_number=fate == "lost")
            counts = numbering is Numbering.INSTRUMENT
            if kind == "book":
                known.setdefault(symbol, now_ns if fate == "lost" and not counts else None)
            if counts and fate == "lost" and kind != "heartbeat":
                hidden[symbol] = None
        assert under_test.missed == known


def test_a_user_stream_counts_its_connection_whatever_the_market_does() -> None:
    under_test = stream(Numbering.INSTRUMENT, Lane.USER)
    assert [under_test.number_next(message(symbol, "trade"), 0) for symbol in SYMBOLS] == [0, 1, 2]
