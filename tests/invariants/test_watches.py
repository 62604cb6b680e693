"""What looks on while a run goes on: each watch holds its peace for what is right, and names what is not, with its time."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invariants.cases import FILL, INTENT, ORDER, WANTED, balances, case, seen
from papertape.invariants import INVARIANTS, Figure, Freshness, NotJudged, Watch
from papertape.invariants.base import PROBLEMS_MAX
from papertape.model.event import BookSnapshot, BookUpdate, Side, Trade
from papertape.model.instrument import Instrument
from papertape.model.lazy_book import LazyBook
from papertape.model.order import OrderStatus
from papertape.model.request import Lane, Op, Request
from papertape.model.units import MINUTE, SECOND
from papertape.session.comparing import book_problem

OPEN = msgspec.structs.replace(ORDER, status=OrderStatus.OPEN, filled=Decimal("0.2"), fills_count=1, cost=Decimal(20))
STALE = Freshness(since_ns=5 * SECOND, why="its connection has been closed since 5s")
REQUEST = Request(op=Op.ORDER_CREATE, client_order_id="pt-1", symbol="BTC/USD", order=WANTED)
TRADE = Trade(venue_ns=100, local_ns=100, symbol="BTC/USD", price_ticks=1, qty_lots=1, taker=Side.BUY, trade_id="7")


def watch(name: str) -> Watch:
    made = INVARIANTS[name].watch
    assert made is not None
    return made()


def judged(name: str, looking: Watch) -> list[str]:
    return INVARIANTS[name].judge(case(watches={name: looking}))


# ---- fresh data


def test_an_order_asked_for_from_old_data_is_named_with_what_was_wanting() -> None:
    looking = watch("orders_from_fresh_data")
    looking.order_asked(15 * SECOND, WANTED, STALE)
    assert judged("orders_from_fresh_data", looking) == []  # ten seconds are what it takes to find a line dead
    looking.order_asked(15 * SECOND + 1, WANTED, STALE)
    (problem,) = judged("orders_from_fresh_data", looking)
    assert problem.startswith("coinbase: at 15.000000001s: an order to buy 0.5 BTC/USD was asked for although")
    assert problem.endswith("had been wanting for 10.000000001s: its connection has been closed since 5s")


def test_an_order_may_wait_for_the_line_but_not_for_ever() -> None:
    looking = watch("orders_from_fresh_data")
    looking.order_left(45 * SECOND, REQUEST, STALE)
    assert judged("orders_from_fresh_data", looking) == []
    looking.order_left(46 * SECOND, msgspec.structs.replace(REQUEST, client_order_id="pt-2"), STALE)
    (problem,) = judged("orders_from_fresh_data", looking)
    assert "(pt-2) left although" in problem


def test_the_same_request_sent_again_counts_as_much() -> None:
    """The watch is told of it only where the venue has no such order yet, so that it can make one."""
    looking = watch("orders_from_fresh_data")
    looking.order_left(0, REQUEST, Freshness())
    looking.order_left(90 * SECOND, REQUEST, STALE)
    (problem,) = judged("orders_from_fresh_data", looking)
    assert "(pt-1) left although" in problem


def test_a_call_that_was_told_no_is_held_against_nobody() -> None:
    looking = watch("orders_from_fresh_data")
    looking.order_asked(60 * SECOND, WANTED, STALE)
    looking.asking_undone(WANTED)
    assert judged("orders_from_fresh_data", looking) == []


def test_who_follows_nothing_of_a_market_trades_blind_on_purpose() -> None:
    looking = watch("orders_from_fresh_data")
    looking.order_asked(0, WANTED, None)
    looking.order_left(0, REQUEST, None)
    with pytest.raises(NotJudged, match="no order was placed in a market that the client follows"):
        judged("orders_from_fresh_data", looking)


# ---- the book

INSTRUMENT = Instrument(symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.001"))


def book(bids: tuple[tuple[int, int], ...], asks: tuple[tuple[int, int], ...]) -> LazyBook:
    made = LazyBook(INSTRUMENT)
    made.apply(BookSnapshot(venue_ns=0, local_ns=0, symbol="BTC/USD", bids=bids, asks=asks))
    return made


def test_a_book_is_compared_level_by_level() -> None:
    one = book(((99, 5), (98, 1)), ((101, 2),))
    assert book_problem(one, book(((99, 5), (98, 1)), ((101, 2),)), []) == ""
    assert (
        book_problem(one, book(((99, 6),), ((101, 2),)), [])
        == "2 bid levels differ, the best 0.99 × 0.005 (venue: 0.006), 0.98 × 0.001 (venue: 0)"
    )


def test_a_level_that_is_on_its_way_is_left_out() -> None:
    """Also one that changes twice under way, and one that comes to be there."""
    one, other = book(((99, 5), (98, 1)), ()), book(((99, 6), (98, 1), (97, 3)), ())
    moving = [BookUpdate(venue_ns=ns, local_ns=ns, symbol="BTC/USD", bids=bids) for ns, bids in ((1, ((99, 7), (97, 3))), (2, ((99, 6),)))]
    assert book_problem(one, other, moving) == ""
    assert book_problem(one, other, moving[1:]) == "1 bid levels differ, the best 0.97 × 0 (venue: 0.003)"


def test_a_wrong_book_is_told_with_its_time() -> None:
    looking = watch("book_matches")
    with pytest.raises(NotJudged, match="no book was valid"):
        judged("book_matches", looking)
    looking.book_compared(SECOND, "BTC/USD", "")
    looking.book_compared(2 * SECOND, "BTC/USD", "1 bid levels differ")
    assert judged("book_matches", looking) == [
        "coinbase: at 2s: the client's book of BTC/USD is flagged valid and is not the venue's: 1 bid levels differ"
    ]


# ---- twice


@pytest.mark.parametrize(
    ("first", "then", "words"),
    [
        (OPEN, ORDER, ""),
        (OPEN, msgspec.structs.replace(OPEN, price=Decimal(99), updated_ns=1), ""),  # it was edited
        (OPEN, OPEN, "shown the same twice: order pt-1 as open, filled 0.2"),
        (OPEN, msgspec.structs.replace(OPEN, filled=Decimal("0.1")), "shown order pt-1 as open, filled 0.1 after it had been shown pt-1"),
        (ORDER, msgspec.structs.replace(ORDER, status=OrderStatus.OPEN), "as open, filled 0.5 after it had been shown pt-1 as closed"),
    ],
)
def test_an_order_only_goes_forward(first: object, then: object, words: str) -> None:
    looking = watch("nothing_counted_twice")
    looking.order_shown(SECOND, 1, first)  # type: ignore[arg-type]  # any order will do
    looking.order_shown(2 * SECOND, 1, then)  # type: ignore[arg-type]  # any order will do
    looking.order_shown(2 * SECOND, 2, first)  # type: ignore[arg-type]  # another callback
    problems = judged("nothing_counted_twice", looking)
    assert len(problems) == bool(words)
    assert all(words in problem and problem.startswith("coinbase: at 2s: ") for problem in problems), problems


@pytest.mark.parametrize(
    ("then", "words"),
    [
        (msgspec.structs.replace(TRADE, trade_id="8"), ""),  # at the same instant
        (msgspec.structs.replace(TRADE, trade_id="6", venue_ns=200), ""),
        (msgspec.structs.replace(TRADE, symbol="ETH/USD"), ""),
        (msgspec.structs.replace(TRADE, venue_ns=200), "shown trade 7 of BTC/USD twice"),
        (msgspec.structs.replace(TRADE, trade_id="6", venue_ns=99), "shown trade 6 of BTC/USD 1 ns too late"),
    ],
)
def test_a_trade_comes_once_and_in_order(then: Trade, words: str) -> None:
    looking = watch("nothing_counted_twice")
    looking.trade_shown(0, 1, TRADE)
    looking.trade_shown(SECOND, 1, then)
    problems = judged("nothing_counted_twice", looking)
    assert len(problems) == bool(words)
    assert all(words in problem for problem in problems), problems


@given(
    st.lists(
        st.tuples(
            st.sampled_from((1, 1, 1, 2)),
            st.sampled_from(("BTC/USD", "BTC/USD", "ETH/USD")),
            st.sampled_from(("", "7", "8", "9", "10", "09", "x", "12")),
            st.integers(98, 103),
        ),
        max_size=30,
    ),
    st.integers(1, 9),
)
def test_many_trades_are_judged_as_one_by_one(shown: list[tuple[int, str, str, int]], count: int) -> None:
    """Ids are known again whether they count up by one, leave some out, or are no numbers."""
    trades = [
        (at_ns, number, msgspec.structs.replace(TRADE, symbol=symbol, trade_id=key, venue_ns=venue_ns))
        for at_ns, (number, symbol, key, venue_ns) in enumerate(shown)
    ]
    single, many = watch("nothing_counted_twice"), watch("nothing_counted_twice")
    for each in trades:
        single.trade_shown(*each)
    for begin in range(0, len(trades), count):
        many.trades_shown(trades[begin : begin + count])
    assert (many.problems, many.looks) == (single.problems, single.looks)
    keys = Counter((number, symbol, key) for number, symbol, key, _ in shown if key)
    assert sum("twice" in problem for problem in single.problems) == min(PROBLEMS_MAX, sum(keys.values()) - len(keys)) or any(
        "late" in problem for problem in single.problems
    )


def test_a_fill_counted_twice_shows_in_the_order() -> None:
    twice = msgspec.structs.replace(INTENT, order=msgspec.structs.replace(ORDER, filled=Decimal(1)))
    (problem,) = INVARIANTS["nothing_counted_twice"].judge(case(intents=(twice,)))
    assert problem == "coinbase: order pt-1: the client counts 1 filled; its fills at the venue sum to 0.5"
    (problem,) = INVARIANTS["nothing_counted_twice"].judge(case(fills=(FILL, FILL)))
    assert problem == "coinbase: the venue gave the trade id t-1 2 times"


# ---- bounds


def test_a_count_above_its_limit_is_named_once() -> None:
    looking = watch("stays_bounded")
    for second in range(0, 60, 5):
        looking.counted(second * SECOND, {"orders in the outbox": Figure(count=second, most=30)})
    assert judged("stays_bounded", looking) == ["coinbase: at 35s: 35 orders in the outbox; 30 are the most there may be"]


def counts(per_minute: list[int]) -> list[str]:
    """So many at the least in each minute, and many more in between."""
    looking = watch("stays_bounded")
    for minute, least in enumerate(per_minute):
        for second, count in ((0, least + 500), (20, least), (40, least + 500)):
            looking.counted(minute * MINUTE + second * SECOND, {"tasks of the bot": Figure(count=count, most=1_000_000)})
    return judged("stays_bounded", looking)


def test_what_only_grows_is_found_before_it_reaches_any_limit() -> None:
    (problem,) = counts([1, 40, 80, 120, 120])
    assert problem == (
        "coinbase: at 4m: tasks of the bot grow without end: never fewer than 1, 40, 80, 120 in the last 4 minutes, one by one"
    )


def test_what_comes_down_again_is_bounded() -> None:
    assert counts([1, 400, 800, 2, 900, 1_000, 3, 1, 1]) == []
    assert counts([1, 2, 3, 4, 5, 6, 7, 8, 9]) == []  # a bot may have a few more of something at its end than at its start


def test_a_lane_dialled_without_pause_is_a_storm() -> None:
    looking = watch("stays_bounded")
    looking.counted(0, {})
    for nth in range(30):
        looking.stream_opened(nth * SECOND, Lane.USER)
    looking.stream_opened(MINUTE, Lane.USER)  # the first is a minute ago
    looking.stream_opened(MINUTE, Lane.MARKET)
    assert judged("stays_bounded", looking) == []
    looking.stream_opened(MINUTE, Lane.USER)
    assert judged("stays_bounded", looking) == ["coinbase: at 1m: the user lane was connected 31 times within a minute; 30 are the most"]


# ---- money


def test_a_fee_that_the_client_does_not_count_is_named() -> None:
    truth = msgspec.structs.replace(ORDER, fee=Decimal("0.1"))
    (problem,) = INVARIANTS["money_conserved"].judge(case(orders=(truth,)))
    assert problem == "coinbase: order pt-1: the client believes that it paid in fees 0; the venue's figure is 0.1"


def test_a_position_at_another_cost_is_named() -> None:
    assert INVARIANTS["money_conserved"].judge(case(costs={"BTC/USD": Decimal(50)})) == []
    (problem,) = INVARIANTS["money_conserved"].judge(case(costs={"BTC/USD": Decimal(49)}))
    assert problem == "coinbase BTC/USD: the client counts 49 spent; its fills at the venue sum to 50"


def test_a_ledger_that_does_not_add_up_is_named() -> None:
    (problem,) = INVARIANTS["money_conserved"].judge(case(closing="0.4"))
    assert problem == "coinbase: the ledger ends with 0.4 BTC; opening, fills and fees leave 0.5"


def test_a_balance_that_the_venue_never_told_is_named() -> None:
    """What has moved since the last answer it cannot know; what that said it must."""
    looking = watch("money_conserved")
    looking.balances_told(SECOND, balances("0", "1000"))
    looking.balances_told(2 * SECOND, balances("0.2", "980"))
    named = {"money_conserved": looking}
    assert INVARIANTS["money_conserved"].judge(case(watches=named, believed=balances("0.2", "980"))) == []
    (problem,) = INVARIANTS["money_conserved"].judge(case(watches=named, believed=balances("0", "980")))
    assert problem == "coinbase: the client holds its balance of BTC for 0; the last answer, heard at 2s, said 0.2"


# ---- whose it is


def test_cancelling_what_somebody_else_placed_is_named() -> None:
    foreign = msgspec.structs.replace(ORDER, id="o-9", client_order_id="website-1")
    own = (seen(0, client_order_id="pt-1"), seen(1, op=Op.ORDER_CANCEL, order_id="o-1"))
    cancel = seen(SECOND, op=Op.ORDER_CANCEL, order_id="o-9", is_executed=False)
    judge = INVARIANTS["leaves_foreign_orders_alone"].judge
    assert judge(case(orders=(ORDER, foreign), requests=own)) == []
    assert judge(case(orders=(ORDER, foreign), requests=(*own, cancel))) == [
        "coinbase: at 1s the client sent order.cancel for order o-9, which it never placed; that was refused"
    ]


def test_whose_orders_without_client_order_ids_are_nobody_can_tell() -> None:
    with pytest.raises(NotJudged, match="without client order ids"):
        INVARIANTS["leaves_foreign_orders_alone"].judge(case(requests=(seen(0), seen(1, op=Op.ORDER_CANCEL, order_id="o-1"))))


# ---- never sent, and left behind


def test_never_sent_and_taken_by_the_venue_is_a_lie() -> None:
    never = msgspec.structs.replace(INTENT, state="never_sent", order=None)
    judge = INVARIANTS["never_sent_is_true"].judge
    assert judge(case(intents=(never,), requests=(seen(SECOND, client_order_id="pt-1", is_executed=False),))) == []
    assert judge(case(intents=(never,), requests=(seen(SECOND, client_order_id="pt-1"),))) == [
        "coinbase: order pt-1: the client says that it was never sent; it left at 1s and was taken by the venue at 1s"
    ]


def test_what_is_left_behind_is_named() -> None:
    assert INVARIANTS["nothing_left_behind"].judge(case(left_behind=("the task that waits in bot.py:3",))) == [
        "coinbase: left behind after disconnect: the task that waits in bot.py:3"
    ]
