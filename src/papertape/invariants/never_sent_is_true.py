""" "Never sent" means never sent."""

from __future__ import annotations

from papertape.invariants.base import Case, NotJudged, view_of
from papertape.model.request import Op
from papertape.model.units import format_duration


class NeverSentIsTrue:
    """An order of which the client says that it was never sent never had an effect, and could not have had one.

    Needs: the client's intents, and the requests as the Door saw them. Judged at quiescence: of each intent that ended as never sent, no
    request came to the Door but such as the venue refused (too many requests, say), and the venue has no order.
    """

    name = "never_sent_is_true"
    watch = None

    def judge(self, case: Case) -> list[str]:
        never = {intent.client_order_id: None for intent in view_of(case).intents if intent.state == "never_sent"}
        if not never:
            raise NotJudged("no order was given up unsent")
        return [
            f"{case.venue}: order {seen.client_order_id}: the client says that it was never sent; "
            f"it left at {format_duration(seen.sent_ns)} and was taken by the venue at {format_duration(seen.at_ns)}"
            for seen in case.truth.requests
            if seen.op is Op.ORDER_CREATE and seen.client_order_id in never and seen.is_executed
        ]
