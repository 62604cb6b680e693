"""Our own orders as a user lane tells them: subscribed to, and asked for anew where the lane may have gone deaf."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from papertape.exchanges.account import Account
from papertape.exchanges.bell import Bell
from papertape.exchanges.reconcile import confirm
from papertape.exchanges.requests import Requests
from papertape.links.base import Link
from papertape.model.errors import BaseError, NetworkError
from papertape.model.notes import Mark, Notes
from papertape.model.order import OpenOrders
from papertape.model.request import Channel, Lane
from papertape.model.units import Nanos, format_duration
from papertape.resilience.hearing import Doubt
from papertape.resilience.settings import ShellSettings
from papertape.resilience.tracker import IntentState
from papertape.runtime.clock import Clock
from papertape.runtime.loop import FOREVER_NS
from papertape.runtime.rounds import sleep_ns

LOOKS: Final = 2
"""Looks within `untold_after_ns`."""


class Listening:
    """The user lane's subscriptions. Its looks are rounds that may be passed over (`runtime.rounds.Passing`).

    A venue that lists what is open whenever own orders are subscribed to thereby says that the subscription stands. So a lane is not up
    before it did; and a lane that is in doubt (see `resilience.hearing`) is asked anew, beside all that goes on: no order waits for it, the
    bot hears nothing twice, and what closed between the two subscriptions is asked for by REST. What does not come in time is mute, and its
    connection no good. Where a venue lists nothing, the fresh subscription is all that can be done, and REST tells how the orders stand.
    """

    is_ordered = False

    def __init__(
        self,
        *,
        link: Link,
        account: Account,
        requests: Requests,
        clock: Clock,
        bell: Bell,
        notes: Notes,
        settings: ShellSettings,
        may_say: Callable[[], Awaitable[None]],
        is_live: Callable[[], bool],
        on_mute: Callable[[str], None],
    ) -> None:
        self._link = link
        self._account = account
        self._requests = requests
        self._clock = clock
        self._bell = bell
        self._notes = notes
        self._settings = settings
        self._may_say = may_say
        self._is_live = is_live
        self._on_mute = on_mute
        self._asked: dict[Channel, Nanos] = {}  # on this connection, and when last
        self._listed: dict[str, None] | None = None  # orders by the venue's id, since they were last asked for; None if no list came
        self._connections = 0  # that are gone

    def lost(self) -> None:
        """The connection is gone, and what it was asked for with it."""
        self._asked.clear()
        self._listed = None
        self._connections += 1
        self._bell.ring()

    def on_list(self, message: OpenOrders) -> None:
        """The venue lists what is open; a long list comes in several messages."""
        for order in message.orders:
            self._account.hear(order, show=True)
        self._listed = {**(self._listed or {}), **{order.id: None for order in message.orders}}
        self._bell.ring()

    async def begin(self) -> None:
        """Ask a connection for our orders, unless it was; if its list was lost on the way, once more."""
        if Channel.HEARTBEATS not in self._asked:
            await self._may_say()
            self._asked[Channel.HEARTBEATS] = self._clock.now_ns()  # a gap may interrupt us here, and nothing may be asked for twice
            await self._link.subscribe(Lane.USER, Channel.HEARTBEATS, "")
        if Channel.ORDERS not in self._asked or (self._lists and self._listed is None):
            await self._ask()

    async def begun(self) -> None:
        """Wait until the lane tells of our orders; what REST showed before was told. Raises `ccxt.NetworkError` if it does not in time."""
        if self._lists and not await self._bell.until(lambda: self._listed is not None, self._deadline_ns()):
            raise NetworkError(f"own orders: not listed within {format_duration(self._settings.snapshot_within_ns)}")
        self._account.hearing.restart(self._clock.now_ns())

    async def keep(self) -> None:
        """Look for ever whether the lane still tells of our orders."""
        while True:
            await sleep_ns(self._clock, max(1, self._settings.untold_after_ns // LOOKS), self)
            doubt = self._account.hearing.doubt(self._clock.now_ns()) if self._is_live() else None
            if doubt is not None:
                await self._find_out(doubt, self._connections)

    def quiet_until_ns(self, due_ns: Nanos) -> Nanos:
        return self._account.hearing.trusted_until_ns if self._is_live() else FOREVER_NS

    def passed(self, count: int, last_ns: Nanos) -> None:
        """They would have found nothing."""

    async def _find_out(self, doubt: Doubt, connection: int) -> None:
        """Ask for our orders anew, and for each that should be among them and is not."""
        believed = [intent for intent in self._account.tracker.unsettled() if intent.state is IntentState.OPEN]
        try:
            await self._ask()
        except NetworkError:
            return  # the lane is going; the next connection asks
        if self._lists:
            await self._bell.until(lambda: connection != self._connections or self._listed is not None, self._deadline_ns())
        if connection == self._connections and (self._listed is not None or not self._lists):
            await self._clock.sleep_ns(self._settings.mute_grace_ns)  # the rest of a long list, and what was told before it
        if connection != self._connections:
            return
        listed = self._listed or {}
        if self._lists and self._listed is None:
            self._notes.mark(Mark.MUTE_FOUND, f"{Channel.ORDERS}: {doubt.value}")
            self._on_mute(f"own orders: {doubt.value}, and asking for them anew brought nothing")
            return
        left = [each for each in believed if each.state is IntentState.OPEN and each.order is not None and each.order.id not in listed]
        try:
            if left:
                await confirm(self._account, self._requests, left)
        except BaseError:
            return  # the next look asks again
        if connection == self._connections:
            self._account.hearing.restart(self._clock.now_ns(), doubt)

    async def _ask(self) -> None:
        """Subscribe to our orders on this connection; if it was asked before, in its stead, with nothing between the two."""
        connection = self._connections
        is_again = Channel.ORDERS in self._asked
        for _ in range(1 + is_again):
            await self._may_say()
        if connection != self._connections:
            raise NetworkError("the user lane went away before its turn to speak came")
        self._asked[Channel.ORDERS] = self._clock.now_ns()  # before the lane is spoken to: whatever interrupts us, it was asked
        self._listed = None
        if is_again:
            await self._link.unsubscribe(Lane.USER, Channel.ORDERS, "")
        await self._link.subscribe(Lane.USER, Channel.ORDERS, "")

    @property
    def _lists(self) -> bool:
        return self._link.rules.lists_own_orders

    def _deadline_ns(self) -> Nanos:
        return self._asked.get(Channel.ORDERS, self._clock.now_ns()) + self._settings.snapshot_within_ns
