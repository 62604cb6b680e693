"""Whether the exchange may be relied on right now, and what is missing if not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from papertape.model.phase import Phase
from papertape.model.request import Lane
from papertape.model.units import Nanos
from papertape.resilience.feed import FeedState
from papertape.resilience.reconnect import LaneState


class LaneHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One lane.

    Attributes:
        feed: where its news come from, streaming or polling; None for REST, which has none.
        reconnects: times it came back after the first time.
        failures: failed or short-lived connections in a row.
        quiet_ns: how long it has said nothing, as far as was looked; None where nothing is expected.
        reason: why it was last lost; empty if it never was.
    """

    lane: Lane
    state: LaneState
    feed: FeedState | None
    reconnects: int
    failures: int
    quiet_ns: Nanos | None
    reason: str


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange at one instant.

    Attributes:
        is_healthy: every lane is up, so that trading is allowed, every subscribed book is valid, and each market whose status is followed
            takes every order. Polling trades, and is not healthy.
        why: what is missing, empty if nothing is.
        may_trade: orders leave at once; otherwise they wait in the outbox.
        queue_depth: orders in the outbox.
        unknown_orders: orders whose outcome is unknown.
        rate_left: private requests that could go at once.
        stale_books: subscribed books that are not valid.
        not_online: markets whose status is followed and which do not take every order now, by symbol.
    """

    is_healthy: bool
    why: str
    may_trade: bool
    lanes: tuple[LaneHealth, ...]
    queue_depth: int
    unknown_orders: int
    rate_left: int
    stale_books: tuple[str, ...]
    not_online: dict[str, Phase] = {}

    def lane(self, lane: Lane) -> LaneHealth:
        return next(each for each in self.lanes if each.lane is lane)


def missing(lanes: Sequence[tuple[Lane, LaneState, str]], stale_books: Sequence[str], not_online: Mapping[str, Phase] | None = None) -> str:
    """What keeps the exchange from being healthy, in words; empty if nothing does. Each lane comes with what is done about it meanwhile.

    >>> missing([(Lane.REST, LaneState.LIVE, ""), (Lane.USER, LaneState.SYNCING, "polling by REST")], ["BTC/USD"])
    'user lane: connected; repairing what was missed (polling by REST); book BTC/USD: waiting for its snapshot'
    """
    parts = [
        f"{lane} lane: {state.value}{f' ({meanwhile})' if meanwhile else ''}"
        for lane, state, meanwhile in lanes
        if state is not LaneState.LIVE
    ]
    parts += [f"book {symbol}: waiting for its snapshot" for symbol in stale_books]
    parts += [f"market {symbol}: {phase.words.lower()}" for symbol, phase in (not_online or {}).items()]
    return "; ".join(parts)
