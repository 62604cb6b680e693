"""What fills, at which price, and what does not, rule by rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from papertape.model.errors import IllegalMove
from papertape.model.event import BookUpdate, ConnectionEvent, ConnectionKind, Side, Trade
from papertape.model.order import OrderStatus, TimeInForce
from papertape.model.request import RefusalCode
from papertape.model.units import MILLISECOND
from papertape.sim.fills import QueueFills, TouchFills

IOC, FOK = TimeInForce.IOC, TimeInForce.FOK


# Takers


def test_market_buy_walks_the_levels(desk: Any) -> None:
    """A market order takes each level at that level's price, best first."""
    order = desk.buy(15)
    assert desk.fills() == [(101, 10, "taker"), (102, 5, "taker")]
    assert order.status is OrderStatus.CLOSED


def test_limit_is_never_passed(desk: Any) -> None:
    """A limit buy takes only what stands at or under its limit; the rest of it rests there."""
    order = desk.buy(15, 101)
    assert desk.fills() == [(101, 10, "taker")]
    assert (order.status, order.remaining) == (OrderStatus.OPEN, 5)


def test_sell_limit_is_never_passed(desk: Any) -> None:
    order = desk.sell(15, 99)
    assert desk.fills() == [(99, 10, "taker")]
    assert (order.status, order.remaining) == (OrderStatus.OPEN, 5)


def test_price_improvement_goes_to_the_taker(desk: Any) -> None:
    """A buy limit over the best ask pays the ask."""
    desk.buy(3, 200)
    assert desk.fills() == [(101, 3, "taker")]


def test_what_was_taken_stays_taken(desk: Any) -> None:
    """Liquidity that we took is not there a second time, while the tape leaves the level alone."""
    desk.buy(10)
    desk.asks((103, 5))
    desk.buy(10)
    assert desk.fills() == [(101, 10, "taker"), (102, 10, "taker")]


def test_changed_level_is_whole_again(desk: Any) -> None:
    """Once the tape changes a level, what it then shows may be taken."""
    desk.buy(10)
    desk.asks((101, 7))
    desk.buy(10)
    assert desk.fills()[1:] == [(101, 7, "taker"), (102, 3, "taker")]


def test_level_told_again_unchanged_stays_taken(desk: Any) -> None:
    """A row, or a snapshot, that repeats a level's amount changes nothing."""
    desk.buy(10)
    desk.asks((101, 10))
    desk.snapshot([(99, 10)], [(101, 10), (102, 1)])
    desk.buy(1)
    assert desk.fills()[1:] == [(102, 1, "taker")]


def test_our_orders_do_not_change_the_published_book(desk: Any) -> None:
    """The recorded book shows what was recorded."""
    desk.buy(10)
    assert desk.venue.books["BTC/USD"].best_ask == (101, 10)


def test_ioc_does_not_rest(desk: Any) -> None:
    order = desk.buy(15, 101, time_in_force=IOC)
    assert (order.status, order.filled) == (OrderStatus.CANCELED, 10)
    desk.sold(101, 50)
    assert desk.filled(order) == 10


def test_fok_fills_whole_or_not_at_all(desk: Any) -> None:
    """FOK counts before it takes."""
    missed = desk.buy(31, 102, time_in_force=FOK)
    assert (missed.status, missed.filled) == (OrderStatus.CANCELED, 0)
    hit = desk.buy(30, 102, time_in_force=FOK)
    assert (hit.status, hit.filled) == (OrderStatus.CLOSED, 30)


def test_market_order_ends_when_the_book_does(desk: Any) -> None:
    """A market order over the whole book takes it all and is cancelled for the rest; the next finds nothing."""
    order = desk.buy(1000)
    assert (order.status, order.filled) == (OrderStatus.CANCELED, 30)
    assert desk.no(Side.BUY, 1) is RefusalCode.NO_LIQUIDITY


def test_market_buy_by_cost_spends_no_more(desk: Any) -> None:
    """A cost buys whole lots: 10 at 101 and 9 at 102 for 1950."""
    order = desk.buy(None, cost=1950)
    assert (order.filled, order.cost, order.status, order.amount) == (19, 10 * 101 + 9 * 102, OrderStatus.CLOSED, 19)


# Posting


def test_post_only_refuses_to_take(desk: Any) -> None:
    assert desk.no(Side.BUY, 1, 101, post_only=True) is RefusalCode.POST_ONLY_WOULD_TAKE
    assert desk.no(Side.SELL, 1, 99, post_only=True) is RefusalCode.POST_ONLY_WOULD_TAKE
    assert desk.buy(1, 100, post_only=True).status is OrderStatus.OPEN
    assert desk.fills() == []


def test_post_only_may_stand_where_we_took_all(desk: Any) -> None:
    """An ask that we took is not there to be taken."""
    desk.buy(10)
    assert desk.buy(1, 101, post_only=True).status is OrderStatus.OPEN


def test_own_orders_never_trade_with_each_other(desk: Any) -> None:
    desk.sell(5, 102)
    assert desk.no(Side.BUY, 11, 102) is RefusalCode.SELF_TRADE
    assert desk.no(Side.BUY, 11) is RefusalCode.SELF_TRADE
    assert desk.buy(10).filled == 10, "what is whole before our own price is no self-trade"


# The queue


def test_queue_waits_for_what_was_there_first(desk: Any) -> None:
    """Behind 10 lots, a trade of 10 brings nothing; the next brings what it exceeds."""
    order = desk.buy(5, 99)
    desk.sold(99, 10)
    assert desk.filled(order) == 0
    desk.sold(99, 3)
    assert desk.filled(order) == 3
    desk.sold(99, 9)
    assert desk.filled(order) == 5
    assert desk.fills() == [(99, 3, "maker"), (99, 2, "maker")]


def test_one_trade_passes_the_queue(desk: Any) -> None:
    order = desk.buy(5, 99)
    desk.sold(99, 12)
    assert desk.filled(order) == 2


def test_trade_then_its_level_change_counts_once(desk: Any) -> None:
    """Of 10 ahead a trade took 6, and the level change says so: 4 are ahead, not none."""
    order = desk.buy(5, 99)
    desk.sold(99, 6)
    desk.bids((99, 4))
    desk.sold(99, 4)
    assert desk.filled(order) == 0
    desk.bids((99, 0))
    desk.sold(99, 1)
    assert desk.filled(order) == 1


def test_level_change_then_its_trade_counts_once(desk: Any) -> None:
    """The same with the level change first, as Coinbase does it."""
    order = desk.buy(5, 99)
    desk.bids((99, 4))
    desk.sold(99, 6, stamp=desk.now_ns)
    desk.bids((99, 0))
    desk.sold(99, 4, stamp=desk.now_ns)
    assert desk.filled(order) == 0
    desk.sold(99, 1)
    assert desk.filled(order) == 1


def test_level_change_first_by_another_clock(desk: Any) -> None:
    """A trade stamped 5 ms after the level change that reports it is still the same trade."""
    order = desk.buy(5, 99)
    desk.bids((99, 4))
    told_ns = desk.now_ns
    desk.sold(99, 6, at=told_ns + 5 * MILLISECOND)
    desk.sold(99, 4, at=told_ns + 100 * MILLISECOND)
    assert desk.filled(order) == 0


def test_cancels_are_behind_us_until_they_cannot_be(desk: Any) -> None:
    """A level that falls from 10 to 2 leaves at most 2 ahead; to 12, no more than before."""
    order = desk.buy(5, 99)
    desk.bids((99, 2))
    desk.bids((99, 12))
    desk.sold(99, 3, at=desk.now_ns + 1000 * MILLISECOND)
    assert desk.filled(order) == 1


def test_those_who_come_later_stand_behind(desk: Any) -> None:
    order = desk.buy(5, 99)
    desk.bids((99, 100))
    desk.sold(99, 11)
    assert desk.filled(order) == 1


def test_trade_beyond_our_price_fills_past_any_queue(desk: Any) -> None:
    """Who sold at 98 would have sold to us at 99; at our price, and no more than was sold."""
    order = desk.buy(5, 99)
    desk.sold(98, 3)
    assert desk.fills() == [(99, 3, "maker")]
    desk.sold(99, 1)
    assert desk.filled(order) == 4, "nobody is ahead any more"


def test_trade_on_the_other_side_is_not_for_us(desk: Any) -> None:
    """A buyer at 99 hit an ask there, not our bid."""
    order = desk.buy(5, 99)
    desk.bought(99, 50)
    desk.sold(100, 50)
    assert desk.filled(order) == 0


def test_past_trade_is_not_for_us(desk: Any) -> None:
    """A trade that happened before the order arrived neither fills it nor shortens its queue, however late it is printed."""
    traded_ns = desk.now_ns + MILLISECOND
    order = desk.buy(5, 99, at=traded_ns)
    desk.sold(99, 50, stamp=traded_ns)
    desk.sold(98, 50, stamp=traded_ns - 1)
    assert desk.filled(order) == 0
    desk.sold(99, 10)
    assert desk.filled(order) == 0, "all ten are still ahead"
    desk.sold(99, 1)
    assert desk.filled(order) == 1


def test_trade_told_by_the_book_before_we_came_is_past(desk: Any) -> None:
    """The level change came, then we, then its print with a clock that runs 4 ms ahead."""
    desk.bids((99, 4))
    told_ns = desk.now_ns
    order = desk.buy(5, 99, at=told_ns + MILLISECOND)
    desk.sold(99, 6, at=told_ns + 4 * MILLISECOND)
    assert desk.filled(order) == 0
    desk.sold(99, 4, at=told_ns + 500 * MILLISECOND)
    assert desk.filled(order) == 0
    desk.sold(99, 1)
    assert desk.filled(order) == 1


def test_print_not_yet_told_is_not_ahead_of_us(desk: Any) -> None:
    """A trade took 6 of the 10 that the book still shows; who comes now is behind 4."""
    desk.sold(99, 6)
    order = desk.buy(5, 99)
    desk.bids((99, 4))
    desk.sold(99, 5)
    assert desk.filled(order) == 1


def test_print_not_yet_told_cannot_be_taken(desk: Any) -> None:
    """A trade took 6 of the 10 asks that the book still shows: there are 4."""
    desk.bought(101, 6)
    desk.buy(6)
    assert desk.fills() == [(101, 4, "taker"), (102, 2, "taker")]


def test_print_that_the_book_told_first_takes_nothing_more(desk: Any) -> None:
    """The level change had it already."""
    desk.asks((101, 4))
    desk.bought(101, 6, stamp=desk.now_ns)
    desk.buy(5)
    assert desk.fills() == [(101, 4, "taker"), (102, 1, "taker")]


def test_touch_is_first_in_every_queue(open_desk: Callable[..., Any]) -> None:
    """With `touch` a trade at our price is ours, up to its volume; a quiet level or another side's trade is not."""
    desk = open_desk(TouchFills())
    desk.snapshot([(99, 10)], [(101, 10)])
    order = desk.buy(5, 99)
    desk.bids((99, 0))
    desk.bought(99, 5)
    assert desk.filled(order) == 0
    desk.sold(99, 2)
    assert desk.filled(order) == 2


# Sharing


def test_orders_share_a_trade_by_price_then_time(open_desk: Callable[..., Any]) -> None:
    """A trade of 7 at 98: 3 to the order at 99, then 4 of 5 to the older one at 98."""
    desk = open_desk(TouchFills())
    desk.snapshot([(97, 1)], [(101, 10)])
    older, younger, better = desk.buy(5, 98), desk.buy(5, 98), desk.buy(3, 99)
    desk.sold(98, 7)
    assert [desk.filled(order) for order in (older, younger, better)] == [4, 0, 3]
    assert desk.fills() == [(99, 3, "maker"), (98, 4, "maker")]


def test_what_we_absorb_spares_others(desk: Any) -> None:
    """Our better order takes a sell of 5 at 99, so the 10 at 99 still stand before our second order, though the tape has 5 of them sold."""
    first, second = desk.buy(5, 100), desk.buy(5, 99)
    desk.sold(99, 5)
    desk.bids((99, 5))
    assert desk.filled(first) == 5
    desk.sold(99, 9)
    assert desk.filled(second) == 0
    desk.sold(99, 2)
    assert desk.filled(second) == 1


def test_two_orders_in_one_queue(desk: Any) -> None:
    """Ahead of the first are 10; 4 come between; then the second. A sell of 18 brings 10, 5 of ours, 3 of the 4 between."""
    first = desk.buy(5, 99)
    desk.bids((99, 14))
    second = desk.buy(5, 99)
    desk.sold(99, 14)
    desk.bids((99, 0))
    assert (desk.filled(first), desk.filled(second)) == (4, 0)
    desk.sold(99, 4)
    assert (desk.filled(first), desk.filled(second)) == (5, 0), "three of the four between us still stand, but for our own taking"
    desk.sold(99, 3)
    assert (desk.filled(first), desk.filled(second)) == (5, 2)


def test_nothing_gets_past_an_older_order(desk: Any) -> None:
    """The older of two orders at one price is done before the younger gets anything, even if it is the younger that is sure of its turn."""
    older = desk.buy(5, 99)
    desk.bids((99, 0))
    younger = desk.buy(5, 99)
    desk.sold(99, 7, at=desk.now_ns + 1000 * MILLISECOND)
    assert (desk.filled(older), desk.filled(younger)) == (5, 2)


# Levels that arrive


def test_ask_that_arrives_at_our_bid_fills_us(desk: Any) -> None:
    """A seller who would rest at 100 meets our bid at 100 first: as maker, at our price, up to what arrived, which is then gone."""
    order = desk.buy(5, 100)
    desk.asks((100, 3))
    assert desk.fills() == [(100, 3, "maker")]
    desk.bids((97, 1))
    assert desk.filled(order) == 3
    assert desk.create(Side.BUY, 1, 100, post_only=True).refusal is None


def test_ask_through_our_bid_fills_us_at_our_price(desk: Any) -> None:
    """We asked for 100 and get 100, though the seller would have taken 98."""
    desk.buy(5, 100)
    desk.both([(99, 0), (98, 0)], [(98, 9)])
    assert desk.fills() == [(100, 5, "maker")]
    desk.buy(9, 98)
    assert desk.fills()[1:] == [(98, 4, "taker")], "five of the nine are taken"


def test_bid_that_arrives_at_our_ask_fills_us(desk: Any) -> None:
    desk.sell(5, 100)
    desk.bids((100, 3))
    assert desk.fills() == [(100, 3, "maker")]


def test_arriving_level_is_shared(desk: Any) -> None:
    first, second = desk.buy(2, 100), desk.buy(5, 99)
    desk.both([(99, 0), (98, 0)], [(99, 4)])
    assert (desk.filled(first), desk.filled(second)) == (2, 2)


def test_book_crossed_within_a_message_fills_nobody(desk: Any) -> None:
    """Only what stands when the message ends counts."""
    order = desk.buy(5, 100)
    desk.tell(BookUpdate, bids=((99, 10),), asks=((100, 3), (100, 0)))
    assert desk.filled(order) == 0


def test_crossed_book_fills_nobody_until_it_is_sound(desk: Any) -> None:
    """A recorded bid at 100 over a recorded ask at 100 is a fault of the feed; when the bid goes the ask is real."""
    order = desk.buy(5, 100)
    desk.both([(100, 1)], [(100, 3)])
    assert desk.filled(order) == 0
    assert desk.no(Side.BUY, 1, type="market") is RefusalCode.NO_LIQUIDITY
    desk.bids((100, 0))
    assert desk.filled(order) == 3


def test_limit_order_waits_for_a_sound_book_and_then_takes(desk: Any) -> None:
    """A buy at 105 that comes while the book is crossed pays the ask once it is sound, not its limit."""
    desk.both([(101, 1)], [(100, 3)])
    order = desk.buy(5, 105)
    assert (order.status, desk.fills()) == (OrderStatus.OPEN, [])
    desk.bids((101, 0))
    assert desk.fills() == [(100, 3, "taker"), (101, 2, "taker")]


def test_nothing_is_known_before_the_first_snapshot(open_desk: Callable[..., Any]) -> None:
    """Updates alone are no book: who sells at 105 may not be the cheapest."""
    desk = open_desk()
    desk.asks((105, 10))
    assert desk.no(Side.BUY, 1) is RefusalCode.NO_LIQUIDITY
    waiting, posting = desk.buy(5, 110), desk.buy(1, 109, post_only=True)
    desk.snapshot([(99, 1)], [(103, 4), (105, 10)])
    assert desk.fills() == [(103, 4, "taker"), (105, 1, "taker")]
    assert desk.now(waiting).status is OrderStatus.CLOSED
    assert desk.now(posting).status is OrderStatus.CANCELED


def test_tape_without_a_book_fills_by_trades_beyond_the_price(open_desk: Callable[..., Any]) -> None:
    """Where nobody knows the queue, a trade at our price proves nothing; one beyond it does. `touch` does not mind."""
    for fills, expected in ((QueueFills(), [0, 5]), (TouchFills(), [2, 5])):
        desk = open_desk(fills)
        order = desk.buy(5, 99)
        desk.sold(99, 2)
        seen = [desk.filled(order)]
        desk.sold(98, 9)
        assert [*seen, desk.filled(order)] == expected


def test_tape_without_a_book_needs_no_more_memory(open_desk: Callable[..., Any]) -> None:
    """What is remembered of the recent past is bounded, also where only trades are told."""
    desk = open_desk()
    for _ in range(20_000):
        desk.sold(99, 1)
    assert len(desk.venue._matchers["BTC/USD"].bids.recent.facts) <= 16_384


def test_lost_line_makes_the_book_unknown(desk: Any) -> None:
    """After the recorder lost its line nothing fills by levels until a snapshot."""
    order = desk.buy(5, 100)
    desk.venue.apply(ConnectionEvent(venue_ns=0, local_ns=0, symbol="", connection="a", what=ConnectionKind.DROPPED), desk.now_ns)
    desk.asks((100, 3))
    assert desk.filled(order) == 0
    assert desk.no(Side.BUY, 1) is RefusalCode.NO_LIQUIDITY
    desk.snapshot([(98, 1)], [(100, 3)])
    assert desk.fills() == [(100, 3, "maker")]


# Time


def test_no_order_meets_a_past_price(desk: Any) -> None:
    """The venue's time does not go back, neither for the tape nor for a request."""
    late_ns = desk.now_ns - 1
    with pytest.raises(IllegalMove, match="market message"):
        desk.tell(Trade, at=late_ns, price_ticks=99, qty_lots=1, taker=Side.SELL)
    with pytest.raises(IllegalMove, match="request"):
        desk.create(Side.BUY, 1, at=late_ns)


def test_order_meets_the_book_of_its_arrival(desk: Any) -> None:
    """What stood while the order was on its way does not matter."""
    desk.asks((101, 0), (104, 2))
    desk.buy(1, at=desk.now_ns)
    assert desk.fills() == [(102, 1, "taker")]


# Editing


def test_edit_that_shrinks_keeps_its_place(desk: Any) -> None:
    order = desk.buy(5, 99)
    desk.bids((99, 50))
    edited = edit(desk, order, amount=3)
    assert edited.amount == 3
    desk.sold(99, 12)
    assert desk.filled(order) == 2


def test_edit_that_grows_loses_its_place(desk: Any) -> None:
    order = desk.buy(5, 99)
    desk.bids((99, 50))
    edit(desk, order, amount=6)
    desk.sold(99, 12)
    assert desk.filled(order) == 0


def test_edit_to_a_marketable_price_takes(desk: Any) -> None:
    order = desk.buy(5, 99)
    edited = edit(desk, order, price=101)
    assert (edited.id, edited.status) == (order.id, OrderStatus.CLOSED)
    assert desk.fills() == [(101, 5, "taker")]


def test_edit_may_not_undercut_what_is_filled(desk: Any) -> None:
    order = desk.buy(5, 99)
    desk.sold(99, 13)
    assert edit(desk, order, amount=3) is RefusalCode.INVALID
    assert edit(desk, order, amount=4).remaining == 1


def test_edit_of_a_post_only_order_does_not_take(desk: Any) -> None:
    order = desk.buy(5, 99, post_only=True)
    assert edit(desk, order, price=101) is RefusalCode.POST_ONLY_WOULD_TAKE
    assert desk.now(order) == order, "a refused edit changes nothing"


def edit(desk: Any, order: Any, *, amount: int | None = None, price: int | None = None) -> Any:
    from decimal import Decimal

    from papertape.model.order import NewOrder
    from papertape.model.request import Op

    change = NewOrder(
        symbol=order.symbol,
        type=order.type,
        side=order.side,
        amount=None if amount is None else Decimal(amount),
        price=None if price is None else Decimal(price),
    )
    answer = desk.ask(Op.ORDER_EDIT, order_id=order.id, order=change)
    return answer.order if answer.refusal is None else answer.refusal.code
