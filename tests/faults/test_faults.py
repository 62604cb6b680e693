"""A fault's table says when it acts, or says what is wrong with it."""

from __future__ import annotations

import functools
import operator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.cli.list import explain
from papertape.faults import (
    AT_THE_DOOR,
    FAULTS,
    Crash,
    Disconnect,
    Drop,
    Duplicate,
    Fault,
    Gap,
    Latency,
    LateReply,
    LateSnapshot,
    LostReply,
    LostSubscription,
    Mute,
    Outage,
    RateLimit,
    RefusedSubscription,
    Reject,
    Reorder,
    ShortLived,
    Stall,
)  # fmt: skip
from papertape.faults.base import as_table, checked
from papertape.model.errors import ConfigError
from papertape.model.event import BookUpdate, Trade
from papertape.model.interference import Window
from papertape.model.order import NewOrder, OrderType
from papertape.model.request import Answer, Lane, Op, RefusalCode, Request
from papertape.model.units import MILLISECOND, SECOND
from papertape.sim.armed import Armed

ANY = functools.reduce(operator.or_, FAULTS.values())
BUY = NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side="buy")
SELL = NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side="sell")

durations = st.integers(0, 10**6).map(lambda ms: f"{ms}ms")
tables = st.one_of(
    st.fixed_dictionaries({"kind": st.just("lost_reply"), "nth": st.integers(1, 9)}),
    st.fixed_dictionaries({"kind": st.just("rate_limit"), "nth_intent": st.integers(1, 9), "retry_after": durations}),
    st.fixed_dictionaries({"kind": st.just("disconnect"), "at": durations, "lasts": durations, "connection": st.sampled_from(list(Lane))}),
    st.fixed_dictionaries({"kind": st.just("latency"), "at": durations, "add": durations, "shape": st.sampled_from(["spike", "drift"])}),
    st.fixed_dictionaries({"kind": st.just("stall"), "from": st.just("1s"), "until": st.just("2s")}),
    st.fixed_dictionaries(
        {"kind": st.just("gap"), "at": durations, "count": st.integers(1, 5), "channel": st.sampled_from(["book", "trades"])}
    ),
)


@given(tables)
def test_a_table_read_and_written_is_the_same_fault(table: dict[str, Any]) -> None:
    fault = msgspec.convert(table, ANY)
    assert msgspec.convert(as_table(fault), ANY) == fault


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Disconnect(), "`at`: is missing"),
        (Disconnect(at="soon"), '"soon" is no duration'),
        (Disconnect(at="1s", from_="2s"), "stands beside `at`"),
        (Stall(from_="2s", until="1s"), "not after"),
        (Stall(from_="2s", lasts="1s", until="5s"), "stands beside `until`"),
        (Stall(at="2s"), "`lasts`: is missing or 0"),
        (RateLimit(at="2s", lasts="0s"), "`lasts`: is missing or 0"),
        (LostReply(nth=0), "the first matching request is 1"),
        (LostReply(nth=1, nth_intent=1), "requests or intents, not both"),
        (LostReply(times=0), "expected 1 or more"),
        (LostReply(where={"colour": "red"}), 'has the key "colour"; expected side, symbol, type'),
        (LostReply(where={"side": "byu"}), 'holds side = "byu"; expected buy or sell'),
        (LostReply(where={"type": "limt"}), 'holds type = "limt"; expected limit or market'),
        (LostReply(where={"symbol": "BTC-USD"}), 'holds symbol = "BTC-USD"; expected an instrument as ccxt writes it'),
        (Crash(at="10s", nth=2), "stands beside `on` or `nth`; a bot dies at a time or at a request, not both"),
        (RateLimit(retry_after="later"), '"later" is no duration'),
        (Gap(at="1s", count=0), "expected 1 or more"),
        (Gap(at="1s", connection=Lane.REST), "a gap is in a stream"),
        (Gap(at="1s", channel="orders"), "never comes on the market lane"),
        (Duplicate(at="1s", channel="book"), "never comes on the user lane"),
        (Duplicate(at="1s", after="soon"), '"soon" is no duration'),
        (Drop(), "`at`: is missing"),
        (Outage(at="1s"), "`lasts`: is missing or 0"),
        (Outage(at="1s", lasts="1s", connections=()), "is empty; expected some of rest, market, user"),
        (Outage(at="1s", lasts="1s", connections=(Lane.USER,), executes=True), '"rest" is not among the connections'),
        (Outage(at="1s", lasts="1s", connections=(Lane.USER,), page=True), '"rest" is not among the connections'),
        (Reorder(at="1s", count=0), "expected 1 or more"),
        (Reorder(at="1s", within="x"), '"x" is no duration'),
        (LateReply(delay="0s"), "takes longer than that"),
        (LateReply(delay="long"), '"long" is no duration'),
        (Reject(reason="order_not_found"), 'no venue says to "order.create"; expected insufficient_funds'),
        (Reject(on=Op.BALANCE_FETCH), 'no venue says to "balance.fetch"; expected invalid, unavailable'),
        (Reject(at="1s", lasts="1s"), "no venue says to any request"),
        (Disconnect(at="1s", clean=True, code=1006), "holds 1006, which no venue says; expected one of 1000, 1001"),
        (Disconnect(at="1s", code=1012), "a reset has no code"),
        (Mute(at="1s"), "`lasts`: is missing or 0"),
        (Mute(at="1s", lasts="1s", symbol="BTC-USD"), 'expected an instrument as ccxt writes it, such as "BTC/USD"'),
        (LostSubscription(at="1s", channel="orders", symbol="BTC/USD"), "subscribed to once, for all instruments"),
        (RefusedSubscription(at="1s", count=0), "expected 1 or more"),
        (LateSnapshot(at="1s", delay="0s"), "takes longer than that"),
        (LateSnapshot(at="1s", delay="long"), '"long" is no duration'),
        (ShortLived(at="1s"), "`lasts`: is missing or 0"),
        (ShortLived(at="1s", lasts="1s", lives="0s"), "cannot be opened at all"),
        (ShortLived(at="1s", lasts="1s", connection=Lane.REST), 'holds "rest"'),
    ],
)
def test_settings_that_make_no_sense_are_named(fault: Fault, words: str) -> None:
    with pytest.raises(ConfigError, match="key") as raised:
        checked(fault)
    assert words in str(raised.value)


def request(order: NewOrder = BUY, client_order_id: str = "pt-1", op: Op = Op.ORDER_CREATE) -> Request:
    return Request(op=op, client_order_id=client_order_id, symbol="BTC/USD", order=order if op is Op.ORDER_CREATE else None)


def test_nth_counts_matching_requests() -> None:
    armed = Armed(LostReply(nth=2, where={"side": "buy"}))
    hits = [armed.hit_by(each) for each in (request(), request(SELL), request(op=Op.BALANCE_FETCH), request(), request())]
    assert hits == [False, False, False, True, False]


def test_nth_with_times_hits_that_many_in_a_row() -> None:
    armed = Armed(RateLimit(nth=2, times=2))
    assert [armed.hit_by(request()) for _ in range(5)] == [False, True, True, False, False]


def test_nth_intent_counts_ids_and_hits_every_attempt() -> None:
    """A retry of the same intent is no new intent, whichever way it is counted."""
    armed = Armed(LostReply(nth_intent=2))
    ids = ["a", "a", "b", "c", "b"]
    assert [armed.hit_by(request(client_order_id=each)) for each in ids] == [False, False, True, False, True]


def test_a_window_without_an_op_is_about_every_request_in_it() -> None:
    armed = Armed(RateLimit(at="1s", lasts="1s"))
    assert not armed.hit_by(request())
    armed.open(SECOND)
    assert armed.hit_by(request(op=Op.BALANCE_FETCH))
    armed.end()
    assert not armed.hit_by(request())


def test_healed_means_never_again() -> None:
    armed = Armed(LostReply(nth=1))
    armed.is_healed = True
    assert not armed.hit_by(request())


def test_a_request_can_start_a_window() -> None:
    fault = Disconnect(on=Op.ORDER_CREATE, nth=2, lasts="5s")
    assert fault.window() == Window(start_ns=None, lasts_ns=5 * SECOND)
    armed = Armed(fault)
    assert [armed.hit_by(request()) for _ in range(3)] == [False, True, False]


def test_drift_grows_evenly_to_its_most() -> None:
    fault = Latency(at="10s", lasts="4s", shape="drift", add="400ms")
    assert [fault.delay_ns(Lane.MARKET, at * SECOND) // MILLISECOND for at in range(5)] == [0, 100, 200, 300, 400]
    assert fault.delay_ns(Lane.USER, SECOND) == 0


def test_a_gap_takes_only_what_it_is_about_and_only_so_many() -> None:
    fault = Gap(at="1s", channel="book", count=2)
    update = BookUpdate(venue_ns=0, local_ns=0, symbol="BTC/USD")
    trade = Trade(venue_ns=0, local_ns=0, symbol="BTC/USD", price_ticks=1, qty_lots=1, taker="buy")
    assert [fault.drops(Lane.MARKET, update, done) for done in range(3)] == [True, True, False]
    assert not fault.drops(Lane.MARKET, trade, 0)
    assert not fault.drops(Lane.USER, update, 0)


def test_a_lost_reply_loses_the_answer_and_not_the_deed() -> None:
    assert LostReply().before_venue(request()) is None
    assert LostReply().after_venue(request(), Answer()) is None


def test_a_rate_limit_is_the_venues_own_answer() -> None:
    refusal = RateLimit(retry_after="1500ms").before_venue(request())
    assert refusal is not None
    assert (refusal.code, refusal.retry_after_ns) == (RefusalCode.RATE_LIMITED, 1500 * MILLISECOND)


@pytest.mark.parametrize("member", AT_THE_DOOR)
def test_each_says_what_it_does_at_both_depths(member: type[Fault], capsys: pytest.CaptureFixture[str]) -> None:
    explain(str(member.__struct_config__.tag))
    told = capsys.readouterr().out
    assert ("interface: " in told and "wire: " in told) or "interface and wire alike: " in told
    for field in msgspec.structs.fields(member):
        if field.name not in Fault.__struct_fields__:
            assert f"{field.name}: " in told.partition("Attributes:")[2] or "Attributes" not in told, field.name
