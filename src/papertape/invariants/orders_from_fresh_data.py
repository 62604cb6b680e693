"""No order from data that was no longer true."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from papertape.invariants.base import Case, Freshness, Watch, told, watch_of
from papertape.model.order import NewOrder
from papertape.model.request import Request
from papertape.model.units import SECOND, Nanos, format_duration, plain

ASKED_WITHIN_NS: Final = 10 * SECOND
"""How long what a client has of a market may have been wanting when an order is asked for. A dead line is found within five of the venue's
heartbeats, and a bot that acts on what it hears is told nothing from then on."""

LEAVES_WITHIN_NS: Final = ASKED_WITHIN_NS + 30 * SECOND
"""The same when it leaves: an order may wait for the line in between, as long as the outbox lets it by default."""


class OrderWatch(Watch):
    """Judge each order as it is asked for, and each time that it leaves to be made."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: list[tuple[NewOrder, Nanos, str]] = []

    def order_asked(self, at_ns: Nanos, wanted: NewOrder, fresh: Freshness | None) -> None:
        if fresh is None:
            return
        self.looks += 1
        if fresh.age_ns(at_ns) > ASKED_WITHIN_NS:
            self._asked.append((wanted, at_ns, _sentence("was asked for", wanted, at_ns, fresh)))

    def asking_undone(self, wanted: NewOrder) -> None:
        self._asked = [each for each in self._asked if each[0] is not wanted]

    def order_left(self, at_ns: Nanos, request: Request, fresh: Freshness | None) -> None:
        key = request.client_order_id
        if fresh is None or request.order is None:
            return
        self.looks += 1
        if fresh.age_ns(at_ns) > LEAVES_WITHIN_NS:
            self.found(at_ns, _sentence(f"({key or 'no id'}) left", request.order, at_ns, fresh))

    def end(self) -> None:
        """No call will be undone any more."""
        asked, self._asked = self._asked, []
        for _, at_ns, sentence in asked:
            self.found(at_ns, sentence)


class OrdersFromFreshData:
    """No order is asked for, and none leaves, when what the client has of that market has not been the market for long.

    Needs: what the Door delivered; so it judges any program, for the instruments that it follows (a stream of it is or was subscribed to).
    Who follows nothing trades blind on purpose, and is not judged. What a client has is wanting from the moment at which its connection
    ended, a message for it was lost or held back, or its book was flagged invalid, until it has all that the venue had sent by then; a
    quiet market is not stale, and what was fetched by REST counts as fresh when it is heard.

    Judged at each call of `place_order` that was not told "no" (wanting for 10 s at most), and each time that a request leaves which can
    make an order, sent again or not (40 s: it may have waited in the outbox). A program's orders are judged as they leave. At wire depth
    what the Door has sent counts as delivered.
    """

    name = "orders_from_fresh_data"
    watch = OrderWatch

    def judge(self, case: Case) -> list[str]:
        watch = watch_of(case, self.name, OrderWatch, "no order was placed in a market that the client follows")
        watch.end()
        return told(case, watch)


def _sentence(did: str, wanted: NewOrder, at_ns: Nanos, fresh: Freshness) -> str:
    amount = f"for {plain(wanted.cost or Decimal(0))}" if wanted.amount is None else plain(wanted.amount)
    return (
        f"an order to {wanted.side} {amount} {wanted.symbol} {did} although what the client has of that market "
        f"had been wanting for {format_duration(fresh.age_ns(at_ns))}: {fresh.why}"
    )
