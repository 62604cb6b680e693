"""How patient the shell is. Every wait has a limit, and every limit stands here."""

from __future__ import annotations

import msgspec

from papertape.model.units import MILLISECOND, SECOND, Nanos


class ShellSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a `ResilientExchange`; all durations in nanoseconds.

    Attributes:
        connect_within_ns: how long `connect` waits for every lane.
        backoff_first_ns, backoff_max_ns: wait before the first redial, and the longest one; in between it doubles, half of it by chance.
        dial_within_ns, hang_up_within_ns: how long a link may take to open a lane, and to close one, before it is left to itself.
        request_within_ns: how long a link may take over a request; its own limit should be shorter and say more.
        stable_after_ns: how long a lane must have lived before its failures are forgotten, so that one that drops at once is not hammered.
        stale_after_ns: silence after which a stream is taken for dead; None means five of the venue's heartbeats.
        snapshot_within_ns: how long a subscribed book may go without its snapshot before the lane is dialled anew.
        message_within_ns: how long one message may be on its way, on a slow line, before what is waited for is waited for in vain.
        resync_step_ns: how long one book that was asked for anew may keep the next one waiting.
        poll_after_ns: how long a stream lane may be away, while REST lives, before REST is asked in its stead.
        poll_every_ns: how often REST is then asked how everything stands; less often where that would take more than half of its quota.
        poll_fresh_ns: how long such an answer may be gone by.
        hole_within_ns: how long trades of a stream that is back may wait for those before them, which only REST can tell.
        mute_after_ns: how long a subscription may say nothing, while its lane lives, before REST is asked whether it should have.
        mute_grace_ns: how long it then has to say what REST knows already.
        untold_after_ns: how long what REST shows of an order may go untold by the user lane before that lane is asked for our orders anew;
            it is after `mute_after_ns` without any news of orders as well. They must be listed within `snapshot_within_ns`.
        compare_after_ns, compare_every_ns: how long after its snapshot a book is held against REST's for the first time, and how often
            after that; less often where that would take more than half of the quota. `mute_grace_ns` is how far the stream may be behind.
        follow_status: whether a venue that streams how its markets stand is asked for that of each market that the bot follows.
        markets_every_ns: how often, where anybody follows that, REST is asked for the list of markets as well.
        outbox_ttl_ns: how long an order waits for the line before it is given up, never sent.
        stale_price_bps: how far, in basis points, the market may move while an order waits for the line; beyond that it is given up, never
            sent. It goes by the last that the bot was shown of that symbol: the middle of the book, else the ticker's last price, else
            the last trade. None, or nothing subscribed to of that symbol, means that only `outbox_ttl_ns` counts.
        outbox_max: how many orders may wait at once.
        confirm_after_ns: how long an order that we believe open may go unmentioned before the venue is asked about it: a venue may forget
            to tell, and no number shows it.
        answer_grace_ns: how much longer `place_order` waits for the answer once the user lane has told of the order.
        resolve_within_ns: how long `place_order` hunts for an unknown outcome before it raises `OutcomeUnknown`; the hunt itself goes on.
        settle_after_ns: how long after its loss an order may still turn up at a venue; only then is its "not found" believed. No answer of
            the venue makes it less: what a request was signed with is good for two minutes at Coinbase, wherever it is held up until then.
        read_within_ns: how long a fetch is repeated.
        drain_within_ns: how long `disconnect` waits for requests on their way, and for own orders to be cancelled; it is over
            within that and twice `hang_up_within_ns`, whatever the lanes do meanwhile.
        cancel_on_disconnect: whether `disconnect` cancels our own open orders.
        inbox_max: how many events wait for one slow callback; books and tickers conflate and never wait.
        rate_reserve: requests per window that only cancels and reconciliation may spend.
        rate_margin_ns: added to the venue's window, because latency can bring requests closer together than they were sent.
        bar_grace_ns: how long after its end a bar waits for late trades.
    """

    connect_within_ns: Nanos = 60 * SECOND
    backoff_first_ns: Nanos = 250 * MILLISECOND
    backoff_max_ns: Nanos = 15 * SECOND
    dial_within_ns: Nanos = 20 * SECOND
    hang_up_within_ns: Nanos = 2 * SECOND
    request_within_ns: Nanos = 60 * SECOND
    stable_after_ns: Nanos = 10 * SECOND
    stale_after_ns: Nanos | None = None
    snapshot_within_ns: Nanos = 10 * SECOND
    message_within_ns: Nanos = 60 * SECOND
    resync_step_ns: Nanos = 1 * SECOND
    poll_after_ns: Nanos = 10 * SECOND
    poll_every_ns: Nanos = 2 * SECOND
    poll_fresh_ns: Nanos = 10 * SECOND
    hole_within_ns: Nanos = 5 * SECOND
    mute_after_ns: Nanos = 30 * SECOND
    mute_grace_ns: Nanos = 2 * SECOND
    untold_after_ns: Nanos = 5 * SECOND
    compare_after_ns: Nanos = 1 * SECOND
    compare_every_ns: Nanos = 60 * SECOND
    follow_status: bool = False
    markets_every_ns: Nanos = 60 * SECOND
    outbox_ttl_ns: Nanos = 30 * SECOND
    stale_price_bps: int | None = 50
    outbox_max: int = 1_000
    confirm_after_ns: Nanos = 30 * SECOND
    answer_grace_ns: Nanos = 1 * SECOND
    resolve_within_ns: Nanos = 30 * SECOND
    settle_after_ns: Nanos = 120 * SECOND
    read_within_ns: Nanos = 30 * SECOND
    drain_within_ns: Nanos = 10 * SECOND
    cancel_on_disconnect: bool = True
    inbox_max: int = 10_000
    rate_reserve: int = 5
    rate_margin_ns: Nanos = 250 * MILLISECOND
    bar_grace_ns: Nanos = 1 * SECOND
