"""Learning what happened to our orders while nobody told us."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from papertape.exchanges.account import Account
from papertape.exchanges.requests import Requests
from papertape.model.errors import OrderNotFound
from papertape.model.request import Op, Request
from papertape.model.units import DAY, Nanos
from papertape.resilience.tracker import Intent, IntentState

PATIENCE_NS: Final = DAY
"""However long REST is away, the lane that waits for this stays in repair; giving up would only dial it anew."""


async def reconcile(account: Account, requests: Requests) -> int:
    """Ask for the open orders, then for each order we believe open that is not among them, then for the balance.

    An order that the venue does not find is not taken for dead: a list may lag. Orders whose outcome is unknown have a hunt of their own,
    which this may cut short. Raises what the line or the venue raises when it could not be done. Returns how many orders were asked for.
    """
    believed = [intent for intent in account.tracker.unsettled() if intent.state is IntentState.OPEN]
    count = await _ask_about(believed, account, requests, by="reconciliation", within_ns=PATIENCE_NS)
    account.show_forgotten()
    answer = await requests.repeat(Request(op=Op.BALANCE_FETCH), urgent=True, within_ns=PATIENCE_NS)
    account.balances = answer.balances
    return count


async def confirm(account: Account, requests: Requests, unmentioned: Sequence[Intent]) -> None:
    """Ask about orders that we believe open and that nobody has spoken of for long: news of them may have been lost without a trace.

    Raises what the line or the venue raises when it could not be done.
    """
    await _ask_about(unmentioned, account, requests, by="asking again", within_ns=None)


async def _ask_about(believed: Sequence[Intent], account: Account, requests: Requests, *, by: str, within_ns: Nanos | None) -> int:
    """Ask for the open orders, then for each of the believed that is not among them; returns how many orders were asked for."""
    answer = await requests.repeat(Request(op=Op.ORDERS_OPEN), urgent=True, within_ns=within_ns)
    listed: dict[str, None] = {}
    for order in answer.orders:
        listed[order.id] = None
        account.hear(order, by=by, show=True)
    asked = 0
    for intent in believed:
        known = intent.order
        if known is None or known.id in listed or intent.is_settled:
            continue
        asked += 1
        request = Request(op=Op.ORDER_FETCH, order_id=known.id, client_order_id=intent.client_order_id, symbol=known.symbol)
        try:
            answer = await requests.repeat(request, urgent=True, within_ns=within_ns)
        except OrderNotFound:
            account.mentioned(intent)
            continue
        if answer.order is not None:
            account.hear(answer.order, by=by, show=True)
    return asked + len(listed)
