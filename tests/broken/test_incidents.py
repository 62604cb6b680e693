"""Each story from the field, told to a shell with the bug that the story is about: it does not pass, and says why.

That the stories end well with the shell as it is, is for tests/scenario/test_gallery.py to show.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import papertape
from broken.test_broken_on_purpose import (
    a_goodbye_is_taken_for_the_end,
    books_are_never_compared,
    gaps_are_never_noticed,
    nothing_is_reconciled_after_a_reconnect,
    retry_after_is_ignored,
    silence_is_never_noticed,
    subscriptions_are_forgotten,
    timeout_means_failure,
    what_must_wait_is_dropped,
)
from papertape.exchanges import account, amending, placing, streams
from papertape.links.coinbase import stream as coinbase_stream
from papertape.model import lazy_book
from papertape.model.errors import BaseError, ExchangeError
from papertape.model.event import BookSnapshot, BookUpdate
from papertape.model.order import NewOrder, Order, OrderStatus
from papertape.model.request import Op, Request
from papertape.model.units import DAY
from papertape.resilience import backoff, hearing, held, quiet, thread, tracker
from papertape.resilience.tracker import IntentState
from papertape.session.result import Status

Break = Callable[[pytest.MonkeyPatch], None]
INCIDENTS = Path(__file__).parents[2] / "scenarios" / "incidents"


# ---- what a client can get wrong about its lines


def a_book_is_waited_for_as_long_as_it_takes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(streams.Streams, "starved", lambda *_: "")


def an_error_frame_is_logged_and_that_is_that(patch: pytest.MonkeyPatch) -> None:
    hear = coinbase_stream.CoinbaseStream._hear

    def deaf(self: coinbase_stream.CoinbaseStream, frame: Any) -> None:
        if not frame.error:
            hear(self, frame)

    patch.setattr(coinbase_stream.CoinbaseStream, "_hear", deaf)


def a_gap_in_one_market_is_taken_for_one_in_all(patch: pytest.MonkeyPatch) -> None:
    missed = streams.Streams.missed

    def all_of_them(self: streams.Streams, symbol: str | None = None) -> None:
        for each in list(self.books):
            missed(self, each)

    patch.setattr(streams.Streams, "missed", all_of_them)


def nobody_dials_after_the_third_failure(patch: pytest.MonkeyPatch) -> None:
    wait = backoff.Backoff.__call__
    patch.setattr(backoff.Backoff, "__call__", lambda self, failures: DAY if failures > 3 else wait(self, failures))


# ---- what it can get wrong about books


def whatever_snapshot_comes_is_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(streams, "doubt", lambda *_: "")


def changes_before_their_snapshot_are_thrown_away(patch: pytest.MonkeyPatch) -> None:
    books_are_never_compared(patch)
    patch.setattr(held.Held, "hold", lambda *_: None)


def a_snapshot_is_merged_into_the_old_book(patch: pytest.MonkeyPatch) -> None:
    apply = lazy_book.LazyBook.apply

    def merge(self: lazy_book.LazyBook, event: Any) -> None:
        if isinstance(event, BookSnapshot) and self.venue_ns:
            levels = {"bids": event.bids, "asks": event.asks}
            event = BookUpdate(venue_ns=event.venue_ns, local_ns=event.local_ns, symbol=event.symbol, **levels)
        apply(self, event)

    patch.setattr(lazy_book.LazyBook, "apply", merge)
    patch.setattr(lazy_book.LazyBook, "clear", lambda self: None)


def silence_is_a_quiet_market(patch: pytest.MonkeyPatch) -> None:
    books_are_never_compared(patch)
    patch.setattr(quiet.Quiet, "look", lambda *_: quiet.Look.NOTHING)


def silence_is_golden(patch: pytest.MonkeyPatch) -> None:
    """Neither a dead line is noticed nor a dead subscription, which would end the line too."""
    silence_is_never_noticed(patch)
    silence_is_a_quiet_market(patch)


def a_trade_is_not_known_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(thread.TradeThread, "streamed", lambda self, trade: (trade,))


def callbacks_double_with_each_connection(patch: pytest.MonkeyPatch) -> None:
    lost = streams.Streams.lost

    def doubling(self: streams.Streams) -> None:
        for feed in self.trades.values():
            feed.deliveries += feed.deliveries[:1]
        lost(self)

    patch.setattr(streams.Streams, "lost", doubling)


# ---- what it can get wrong about orders


def an_edit_without_an_answer_is_made_a_new_order(patch: pytest.MonkeyPatch) -> None:
    """The other one was moved all the same: now there are two."""
    edit = amending.Amending.edit

    async def doubling(self: amending.Amending, known: Order, amount: Any, price: Any) -> Order:
        ask = self._requests.repeat

        async def once(request: Request, **named: Any) -> Any:
            try:
                return await self._requests.send(request)
            except ExchangeError:
                raise
            except BaseError:
                again = msgspec.structs.replace(request, op=Op.ORDER_CREATE, client_order_id=f"{request.client_order_id}-b", order_id="")
                return await ask(again, **named)

        patch.setattr(self._requests, "repeat", once)
        try:
            return await edit(self, known, amount, price)
        finally:
            patch.setattr(self._requests, "repeat", ask)

    patch.setattr(amending.Amending, "edit", doubling)


def a_cancel_without_an_answer_is_taken_for_done(patch: pytest.MonkeyPatch) -> None:
    async def cancel(self: amending.Amending, order_id: str, symbol: str) -> Order:
        known = self._account.known(order_id)
        assert known is not None
        try:
            answer = await self._requests.send(self._request(Op.ORDER_CANCEL, order_id, symbol))
        except ExchangeError:
            return await self.fetch(order_id, symbol)
        except BaseError:
            return self._account.hear(msgspec.structs.replace(known, status=OrderStatus.CANCELED))
        return self._heard(answer, order_id)

    patch.setattr(amending.Amending, "cancel", cancel)


def a_refused_cancel_is_taken_for_a_cancelled_order(patch: pytest.MonkeyPatch) -> None:
    """What was filled instead is not looked at, and no later news is believed."""
    cancel, told = amending.Amending.cancel, tracker.Tracker.told
    gone: dict[str, None] = {}

    async def blind(self: amending.Amending, order_id: str, symbol: str) -> Order:
        known = self._account.known(order_id)
        assert known is not None
        try:
            answer = await self._requests.send(self._request(Op.ORDER_CANCEL, order_id, symbol))
        except ExchangeError:
            known = self._account.hear(msgspec.structs.replace(known, status=OrderStatus.CANCELED))
            gone[order_id] = None
            return known
        except BaseError:
            return await cancel(self, order_id, symbol)
        return self._heard(answer, order_id)

    patch.setattr(amending.Amending, "cancel", blind)
    patch.setattr(tracker.Tracker, "told", lambda self, order, at_ns: None if order.id in gone else told(self, order, at_ns))


def orders_that_nobody_speaks_of_are_believed_open(patch: pytest.MonkeyPatch) -> None:
    """Neither is the order asked about nor the lane, which would list what is still open."""
    patch.setattr(account.Account, "unmentioned_since", lambda *_: [])
    patch.setattr(hearing.Hearing, "doubt", lambda *_: None)


def each_report_of_a_fill_counts(patch: pytest.MonkeyPatch) -> None:
    """The classic: positions are summed from reports, not from what is new in them."""
    told = tracker.Tracker.told

    def adding(self: tracker.Tracker, order: Order, at_ns: int) -> Any:
        intent = self.find(order.client_order_id)
        is_repeated = intent is not None and intent.order == order
        if is_repeated:
            self._count(None, order)
        return told(self, order, at_ns)

    patch.setattr(tracker.Tracker, "told", adding)


def a_refused_order_is_tried_again_behind_the_bots_back(patch: pytest.MonkeyPatch) -> None:
    attempt = placing.Placing._attempt

    async def stubborn(self: placing.Placing, intent: Any) -> Any:
        trouble = await attempt(self, intent)
        if intent.state is IntentState.REFUSED:
            self._spawn(f"knock for {intent.client_order_id}", knock(self, intent))
        return trouble

    async def knock(self: placing.Placing, intent: Any) -> None:
        while True:
            await asyncio.sleep(10)
            try:
                await self._requests.send(placing._create(intent))
            except BaseError:
                continue
            return

    patch.setattr(placing.Placing, "_attempt", stubborn)


def what_is_not_found_is_dead(patch: pytest.MonkeyPatch) -> None:
    """One look, and that was that."""

    async def hunt(self: placing.Placing, intent: Any, may_repeat: bool) -> None:
        if not await self._look(intent) and intent.is_unknown:
            self._account.not_found(intent)

    patch.setattr(placing.Placing, "_hunt", hunt)


def nothing_is_known_of_an_earlier_life(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(account.Account, "load", lambda self: None)


def whatever_fills_on_the_account_is_ours(patch: pytest.MonkeyPatch) -> None:
    hear = account.Account.hear

    def greedy(self: account.Account, order: Order, **named: Any) -> Order:
        if self.tracker.find(order.client_order_id) is None and self.tracker.find(order.id) is None:
            self.tracker.want(order.client_order_id, NewOrder(symbol=order.symbol, type=order.type, side=order.side, amount=order.amount))
        return hear(self, order, **named)

    patch.setattr(account.Account, "hear", greedy)


BREAKS: tuple[tuple[str, Break, str], ...] = (
    ("snapshot_too_big_silent", a_book_is_waited_for_as_long_as_it_takes, "recovers_within"),
    ("l2_mute_trades_alive", a_book_is_waited_for_as_long_as_it_takes, "recovers_within"),
    ("too_many_l2_streams", an_error_frame_is_logged_and_that_is_that, "recovers_within"),
    ("subscribe_rate_limited", a_book_is_waited_for_as_long_as_it_takes, "recovers_within"),
    ("close_1001_treated_as_ok", a_goodbye_is_taken_for_the_end, "recovers_within"),
    ("close_1006_after_hours", subscriptions_are_forgotten, "recovers_within"),
    ("reset_then_flapping", nobody_dials_after_the_third_failure, "recovers_within"),
    ("sixty_second_reconnect_loop", subscriptions_are_forgotten, "recovers_within"),
    ("silent_stall_no_heartbeat", silence_is_golden, "orders_from_fresh_data"),
    ("sequence_gap_under_load", gaps_are_never_noticed, "recovers_within"),
    ("one_gap_resets_all_books", gaps_are_never_noticed, "recovers_within"),
    ("one_gap_resets_one_book", a_gap_in_one_market_is_taken_for_one_in_all, "both markets were without their book"),
    ("stale_book_after_reconnect", whatever_snapshot_comes_is_believed, "recovers_within"),
    ("update_before_snapshot", changes_before_their_snapshot_are_thrown_away, "book_matches"),
    ("subscribe_refused_no_book", an_error_frame_is_logged_and_that_is_that, "recovers_within"),
    ("cable_pulled_after_create", timeout_means_failure, "no_duplicate_exposure"),
    ("timeout_is_not_failure", timeout_means_failure, "no_duplicate_exposure"),
    ("answered_after_ten_seconds", timeout_means_failure, "no_duplicate_exposure"),
    ("timeouts_make_tons_of_orders", timeout_means_failure, "max_position"),
    ("accepted_during_an_outage", timeout_means_failure, "every_order_known"),
    ("modified_while_the_line_is_away", an_edit_without_an_answer_is_made_a_new_order, "no_duplicate_exposure"),
    ("a_pending_cancel_is_not_guessed", a_cancel_without_an_answer_is_taken_for_done, "every_order_known"),
    ("fills_while_nobody_listens", nothing_is_reconciled_after_a_reconnect, "recovers_within"),
    ("one_fill_frame_is_lost", orders_that_nobody_speaks_of_are_believed_open, "recovers_within"),
    ("order_in_the_disconnect_window", what_must_wait_is_dropped, "order_waited_in_outbox"),
    ("cancelled_too_late", a_refused_cancel_is_taken_for_a_cancelled_order, "position_matches"),
    ("a_fill_told_by_stream_and_by_rest", each_report_of_a_fill_counts, "position_matches"),
    ("past_trades_are_told_again", a_trade_is_not_known_again, "nothing_counted_twice"),
    ("resnapshot_replaces_the_book", a_snapshot_is_merged_into_the_old_book, "book_matches"),
    ("failed_resubscribe_finds_a_way_back", subscriptions_are_forgotten, "recovers_within"),
    ("subscriptions_do_not_double", callbacks_double_with_each_connection, "nothing_counted_twice"),
    ("crossed_book", whatever_snapshot_comes_is_believed, "recovers_within"),
    ("nightly_outage", nobody_dials_after_the_third_failure, "recovers_within"),
    ("zombie_own_orders", silence_is_never_noticed, "stale_lane_dropped"),
    ("each_answer_asks_for_more_patience", retry_after_is_ignored, "rate_respected"),
    ("address_is_banned", nobody_dials_after_the_third_failure, "recovers_within"),
    ("maintenance_page", nobody_dials_after_the_third_failure, "recovers_within"),
    ("order_not_yet_visible", what_is_not_found_is_dead, "no_duplicate_exposure"),
    ("restart_finds_its_orders", nothing_is_known_of_an_earlier_life, "every_order_known"),
    ("strangers_on_the_account", whatever_fills_on_the_account_is_ours, "position_matches"),
    ("trades_hole_two_hours", silence_is_a_quiet_market, "recovers_within"),
    ("book_goes_silent_while_connected", silence_is_a_quiet_market, "recovers_within"),
    ("the_money_is_out", a_refused_order_is_tried_again_behind_the_bots_back, "no_duplicate_exposure"),
)


@pytest.mark.parametrize(("name", "broken", "found_by"), BREAKS, ids=[name for name, _, _ in BREAKS])
def test_the_story_does_not_end_well_for_a_client_with_that_bug(
    name: str, broken: Break, found_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What finds it is an invariant, a key of [expect] or what the bot itself says.

    Of a bug that only the clock would tell, it is what had to happen and did not.
    """
    broken(monkeypatch)
    result = papertape.simulate(INCIDENTS / f"{name}.scenario.toml")
    if result.status is Status.FAILED:
        assert found_by in result.broken or any(found_by in told for told in result.failures), result.failures
    else:
        assert result.status is Status.VACUOUS
        assert f'"{found_by}" had to happen and did not' in result.failures


def test_every_incident_has_its_break() -> None:
    assert sorted(name for name, _, _ in BREAKS) == sorted(path.name.removesuffix(".scenario.toml") for path in INCIDENTS.glob("*.toml"))
