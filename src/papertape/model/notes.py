"""What the client's machinery reports about itself while it works. The observer writes it down; nothing bot-side reads it back."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Mark(StrEnum):
    """Something worth having seen in a run; the names that `must_happen` knows."""

    RECONNECTED = "reconnected"
    RESUBSCRIBED = "resubscribed"
    GAP_DETECTED = "gap_detected"
    RESYNCED_AFTER_GAP = "resynced_after_gap"
    STALE_LANE_DROPPED = "stale_lane_dropped"
    SNAPSHOT_DOUBTED = "snapshot_doubted"
    POLLED = "polled"
    STREAMING_AGAIN = "streaming_again"
    TRADES_FILLED_IN = "trades_filled_in"
    TRADES_MISSED = "trades_missed"
    MUTE_FOUND = "mute_found"
    WRONG_BOOK_FOUND = "wrong_book_found"
    RETRIED_AFTER_RATE_LIMIT = "retried_after_rate_limit"
    ORDER_WAITED_IN_OUTBOX = "order_waited_in_outbox"
    ORDER_EXPIRED_IN_OUTBOX = "order_expired_in_outbox"
    ORDER_STALE_IN_OUTBOX = "order_stale_in_outbox"
    OUTCOME_UNKNOWN = "outcome_unknown"
    RECONCILED_AFTER_LOST_REPLY = "reconciled_after_lost_reply"
    RECONCILED_AFTER_RECONNECT = "reconciled_after_reconnect"
    MISSED_FILL_FOUND = "missed_fill_found"
    CLOCK_CORRECTED = "clock_corrected"
    MARKET_PHASE_CHANGED = "market_phase_changed"
    TOOK_UP_INTENTS = "took_up_intents"


class Notes(Protocol):
    """Where marks and health go."""

    def mark(self, mark: Mark, detail: str = "") -> None: ...

    def health_changed(self, is_healthy: bool, why: str) -> None:
        """`is_healthy`: trading is allowed and every subscribed book is valid; `why` names what is missing."""
        ...
