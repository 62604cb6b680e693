"""Whether a snapshot can be the book; and, where the stream insists, what REST says to it."""

from __future__ import annotations

from papertape.model.event import BookSnapshot
from papertape.model.units import SECOND, Nanos


def doubt(snapshot: BookSnapshot, known_ns: Nanos) -> str:
    """Why this cannot be the book; empty if it can.

    Args:
        snapshot: what the stream says.
        known_ns: venue clock of what came before it; 0 if nothing did. A snapshot stamped with 1970 says nothing by it.

    >>> doubt(BookSnapshot(venue_ns=5 * SECOND, local_ns=0, symbol="BTC/USD", bids=((1, 1),), asks=((2, 1),)), known_ns=7 * SECOND)
    'it is 2.000 s older than what came before'
    """
    if not snapshot.bids and not snapshot.asks:
        return "it is empty"
    if snapshot.bids and snapshot.asks and snapshot.bids[0][0] >= snapshot.asks[0][0]:
        return "its best bid is not below its best ask"
    if 0 < snapshot.venue_ns < known_ns:
        return f"it is {(known_ns - snapshot.venue_ns) / SECOND:.3f} s older than what came before"
    return ""


def is_borne_out(snapshot: BookSnapshot, by_rest: BookSnapshot, known_ns: Nanos) -> bool:
    """Whether a snapshot that was doubted twice is right after all, as REST tells the book at about the same time.

    An empty or a crossed one is right if REST's is likewise: a market can be halted, or empty. One that looks old is right if REST's
    stamp looks old too: then the venue has set its clock back. Where REST gives no stamp, it is right if the best prices are the same. What
    the stream repeats is no evidence: whoever serves an old book once serves it twice.
    """
    if not snapshot.bids and not snapshot.asks:
        return not by_rest.bids and not by_rest.asks
    if snapshot.bids and snapshot.asks and snapshot.bids[0][0] >= snapshot.asks[0][0]:
        return bool(by_rest.bids and by_rest.asks) and by_rest.bids[0][0] >= by_rest.asks[0][0]
    if by_rest.venue_ns:
        return by_rest.venue_ns < known_ns
    return (snapshot.bids[:1], snapshot.asks[:1]) == (by_rest.bids[:1], by_rest.asks[:1])
