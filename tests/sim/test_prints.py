"""Trades matched with the level changes that report them."""

from __future__ import annotations

from papertape.model.event import Side, Trade
from papertape.model.units import MILLISECOND
from papertape.sim.prints import BOOK_LAGS_NS, CLOCKS_AGREE_NS, RECENT_MAX, Recent

NOW_NS = 10**18


def recent(*facts: tuple[int, int, int, bool]) -> Recent:
    """A past of (ticks, lots, stamp in milliseconds after NOW_NS, is_trade)."""
    past = Recent()
    past.facts += [(ticks, lots, NOW_NS + at_ms * MILLISECOND, is_trade) for ticks, lots, at_ms, is_trade in facts]
    return past


def trade(lots: int, at_ms: int, ticks: int = 100) -> Trade:
    return Trade(venue_ns=NOW_NS + at_ms * MILLISECOND, local_ns=0, symbol="BTC/USD", price_ticks=ticks, qty_lots=lots, taker=Side.SELL)


SHRANK, TRADED = False, True


def test_shrinking_before_a_trade_told_it() -> None:
    assert recent((100, 6, 0, SHRANK)).told(trade(6, 0)) == [(6, 0)]
    assert recent((100, 4, 0, SHRANK)).told(trade(6, 0)) == [(4, 0)]
    assert recent((99, 6, 0, SHRANK)).told(trade(6, 0)) == [], "at its price only"


def test_shrinking_tells_earlier_trades_first() -> None:
    """The trade was printed, then the level shrank by it: nothing is left of that for the next trade."""
    assert recent((100, 6, 0, TRADED), (100, 6, 0, SHRANK)).told(trade(6, 0)) == []
    assert recent((100, 6, 0, TRADED), (100, 10, 0, SHRANK)).told(trade(6, 0)) == [(4, 1)]


def test_credit_is_spent_once() -> None:
    assert recent((100, 6, 0, SHRANK), (100, 6, 0, TRADED)).told(trade(6, 0)) == []
    assert recent((100, 6, 0, SHRANK), (100, 2, 0, TRADED)).told(trade(6, 0)) == [(4, 0)]


def test_clocks_may_disagree_a_little() -> None:
    """A level change stamped well before a trade is about something else; one stamped after it may be about it."""
    agree_ms = CLOCKS_AGREE_NS // MILLISECOND
    assert recent((100, 6, 0, SHRANK)).told(trade(6, agree_ms)) == [(6, 0)]
    assert recent((100, 6, 0, SHRANK)).told(trade(6, agree_ms + 1)) == []
    assert recent((100, 6, 87, SHRANK)).told(trade(6, 0)) == [(6, 0)]


def test_late_print_brings_its_own_past() -> None:
    """A print 300 ms late belongs to the change of then, and must not claim the change of now."""
    past = recent((100, 3, 0, SHRANK), (90, 1, 299, SHRANK), (100, 3, 0, TRADED), (100, 2, 300, SHRANK))
    assert past.told(trade(2, 300)) == [(2, 3)]


def test_printed_lots_are_gone_until_told() -> None:
    now_ns = NOW_NS
    assert recent((100, 6, 0, TRADED)).unreported(now_ns) == {100: 6}
    assert recent((100, 6, 0, TRADED), (100, 4, 0, SHRANK)).unreported(now_ns) == {100: 2}
    assert recent((100, 6, 0, TRADED), (100, -1, 0, SHRANK)).unreported(now_ns) == {}, "counted anew"
    assert recent((100, 6, 0, SHRANK), (100, 6, 0, TRADED)).unreported(now_ns) == {}, "told before"


def test_a_level_that_is_told_after_a_trade_holds_it() -> None:
    """Whatever came first, and whether it shrank or others came too: who joins stands behind all of it."""
    now_ns = NOW_NS + 20 * MILLISECOND
    for grew in (-5, 0, 4):
        for facts in (((100, grew, 20, SHRANK), (100, 6, 0, TRADED)), ((100, 6, 0, TRADED), (100, grew, 20, SHRANK))):
            assert recent(*facts).surely_gone(100, now_ns) == 0
    assert recent((100, -5, 20, SHRANK), (100, 6, 0, TRADED)).unreported(now_ns) == {100: 6}, "who takes gets nothing of what may be gone"
    past = recent((100, 9, 20, SHRANK), (100, 6, 0, TRADED), (100, 2, 21, TRADED), (99, 1, 22, SHRANK))
    assert past.surely_gone(100, now_ns) == 0, "the level told three more than one trade, which may be the other"
    past = recent((100, -5, 20, SHRANK), (100, 6, 0, TRADED), (100, 2, 21, TRADED), (99, 1, 22, SHRANK))
    assert past.surely_gone(100, now_ns) == 2
    assert past.surely_gone(99, now_ns) == 0


def test_book_that_moved_on_has_told_all() -> None:
    past = recent((100, 6, 0, TRADED), (50, 1, 101, SHRANK))
    assert past.unreported(NOW_NS + BOOK_LAGS_NS) == {100: 6}
    assert past.unreported(NOW_NS + BOOK_LAGS_NS + 1) == {}


def test_past_is_bounded_and_marks_go_on() -> None:
    past = Recent()
    for number in range(5 * RECENT_MAX):
        past.facts.append((100, 1, NOW_NS + number, SHRANK))
        past.trim()
    assert len(past.facts) <= 2 * RECENT_MAX
    assert past.mark == 5 * RECENT_MAX
    (told,) = past.told(trade(1, 0))[-1:]
    assert told[1] == 5 * RECENT_MAX - len(past.facts), "the oldest that is left"
    past.clear()
    assert past.mark == 5 * RECENT_MAX
