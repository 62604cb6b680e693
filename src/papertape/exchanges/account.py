"""What we know of our own orders: the tracker, the durable log beside it, and what the bot's callbacks were told."""

from __future__ import annotations

from collections.abc import Callable

from papertape.exchanges.bell import Bell
from papertape.model.account import Balances
from papertape.model.errors import ExchangeError
from papertape.model.notes import Mark, Notes
from papertape.model.order import NewOrder, Order
from papertape.model.units import Nanos
from papertape.model.view import BotView
from papertape.resilience.hearing import Hearing
from papertape.resilience.intents import Began, Ended, Ending, IntentStore, Sending, Told, Wanted
from papertape.resilience.tracker import Happening, Intent, IntentState, Tracker, is_further
from papertape.runtime.clock import Clock

_ENDINGS = {
    Ending.NEVER_SENT: IntentState.NEVER_SENT,
    Ending.REFUSED: IntentState.REFUSED,
    Ending.NOT_FOUND: IntentState.NOT_FOUND,
}


class Account:
    """Every change to what we know of an order passes here, is written down and told to whom it concerns.

    Attributes:
        refusals: what the venue refused an intent with, by client order id.
        hearing: whether the user lane tells of our orders.
        taken_up: ids of the intents that an earlier life of this client left in the log.
        is_first_life: no earlier life has left anything there.
    """

    def __init__(self, *, clock: Clock, store: IntentStore, bell: Bell, notes: Notes, run_id: str, hearing: Hearing) -> None:
        self.tracker = Tracker()
        self.hearing = hearing
        self.balances: Balances | None = None
        self.refusals: dict[str, ExchangeError] = {}
        self.taken_up: dict[str, None] = {}
        self.is_first_life = True
        self.show: Callable[[Order], None] = _nobody
        self._clock = clock
        self._store = store
        self._bell = bell
        self._notes = notes
        self._run_id = run_id
        self._counter = 0

    # What the bot wants

    def want(self, wanted: NewOrder, client_order_id: str | None) -> Intent:
        """Write a new intent down, under the bot's id or a fresh one; it is durable when this returns."""
        number = 0
        if client_order_id is None:
            self._counter = number = self._counter + 1
            client_order_id = f"{self._run_id}-{number}"
        at_ns = self._clock.wall_ns()
        self._store.append(Wanted(client_order_id=client_order_id, number=number, order=wanted, at_ns=at_ns), durable=True)
        return self.tracker.want(client_order_id, wanted)

    def sending(self, intent: Intent) -> None:
        """A request for it leaves right after this: a crash from here on finds an order that may exist."""
        at_ns = self._clock.wall_ns()
        self.tracker.on(intent, Happening.SENDING, at_ns)
        self._store.append(Sending(client_order_id=intent.client_order_id, attempt=intent.attempts, at_ns=at_ns), durable=True)

    def held_back(self, intent: Intent) -> None:
        """The request certainly had no effect."""
        self.tracker.on(intent, Happening.HELD_BACK, self._clock.wall_ns())
        self._bell.ring()

    def lost(self, intent: Intent, why: str) -> None:
        """The request may or may not have had an effect."""
        is_first = intent.lost_at_ns is None
        self.tracker.on(intent, Happening.LOST, self._clock.wall_ns())
        if is_first and intent.is_unknown:
            self._notes.mark(Mark.OUTCOME_UNKNOWN, f"{intent.client_order_id}: {why}")
        elif is_first:
            self._notes.mark(Mark.RECONCILED_AFTER_LOST_REPLY, f"{intent.client_order_id}: told by the user lane")
        self._bell.ring()

    def refused(self, intent: Intent, error: ExchangeError) -> None:
        """The venue said no."""
        was_unknown = intent.is_unknown
        self.refusals[intent.client_order_id] = error
        self.tracker.on(intent, Happening.REFUSED, self._clock.wall_ns())
        if intent.state is IntentState.REFUSED:
            self._end(intent, Ending.REFUSED)
        if was_unknown:
            self._notes.mark(Mark.RECONCILED_AFTER_LOST_REPLY, f"{intent.client_order_id}: refused, {type(error).__name__}")

    def given_up(self, intent: Intent) -> None:
        """Never sent, and never will be."""
        self.tracker.on(intent, Happening.EXPIRED, self._clock.wall_ns())
        self._end(intent, Ending.NEVER_SENT)

    def not_found(self, intent: Intent) -> None:
        """The venue was asked long enough and never had it."""
        self.tracker.on(intent, Happening.NOT_FOUND, self._clock.wall_ns())
        self._end(intent, Ending.NOT_FOUND)

    def _end(self, intent: Intent, how: Ending) -> None:
        self._store.append(Ended(client_order_id=intent.client_order_id, how=how, at_ns=self._clock.wall_ns()), durable=False)
        self._bell.ring()

    # What the venue tells

    def hear(self, order: Order, *, by: str = "", show: bool = False, is_streamed: bool = False) -> Order:
        """The venue tells where an order stands; returns the furthest we know of it.

        Args:
            order: what it told.
            by: what found it out, if it was us who asked because something was missed; a fill learnt that way is marked.
            show: tell the bot's callbacks, if it is more than they were told.
            is_streamed: the user lane told it as it happened, not REST.
        """
        intent = self.tracker.find(order.client_order_id) or self.tracker.find(order.id)
        if intent is None:
            return order  # somebody else's on the same account: whoever lists open orders sees it, and it is left alone
        self.mentioned(intent)
        before, was_unknown = intent.order, intent.is_unknown
        self.tracker.told(order, self._clock.wall_ns())
        known = intent.order
        assert known is not None
        if is_streamed:
            self.hearing.told(intent.client_order_id, self._clock.now_ns(), is_all=not is_further(known, order))
        elif is_further(known, before):
            self.hearing.learnt(intent.client_order_id, self._clock.now_ns())
        if known is not before:
            self._store.append(Told(client_order_id=intent.client_order_id, order=known, at_ns=self._clock.wall_ns()), durable=False)
            if by and known.filled > (before.filled if before is not None else 0):
                self._notes.mark(Mark.MISSED_FILL_FOUND, f"{intent.client_order_id}: {known.filled} filled, found by {by}")
        if was_unknown:
            self._notes.mark(Mark.RECONCILED_AFTER_LOST_REPLY, f"{intent.client_order_id}: {known.status}, {by or 'told by the user lane'}")
        if show and intent.shown != known:
            intent.shown = known
            self.show(known)
        if known is not before:
            self._bell.ring()
        return known

    def mentioned(self, intent: Intent) -> None:
        """The venue spoke of an order just now, if only to say that it does not find it."""
        intent.heard_ns = self._clock.now_ns()

    def unmentioned_since(self, since_ns: Nanos) -> list[Intent]:
        """Orders that we believe open and that the venue has not spoken of since then, run time."""
        return [intent for intent in self.tracker.unsettled() if intent.state is IntentState.OPEN and intent.heard_ns <= since_ns]

    def oldest_mention_ns(self) -> Nanos | None:
        """When the venue last spoke of that order which we believe open and it has not spoken of for longest; None where there is none."""
        spoken = (intent.heard_ns for intent in self.tracker.unsettled() if intent.state is IntentState.OPEN)
        return min(spoken, default=None)

    def known(self, order_id: str) -> Order | None:
        """The furthest we know of an order of ours, by the venue's id or by ours."""
        intent = self.tracker.find(order_id)
        return None if intent is None else intent.order

    def forget_shown(self, order: Order) -> None:
        """A callback was too slow, and what it should have been told of this order is gone; it will be told again."""
        intent = self.tracker.find(order.id)
        if intent is not None:
            intent.shown = None

    def show_forgotten(self) -> None:
        """Tell again what was lost on its way to a slow callback."""
        for intent in self.tracker:
            if intent.order is not None and intent.shown is None:
                intent.shown = intent.order
                self.show(intent.order)

    # Before and after

    def load(self) -> None:
        """Take up what an earlier life of this client left in the log; what it had sent without hearing back is unknown."""
        tracker = self.tracker
        sent_at_ns: dict[str, Nanos] = {}  # an order is looked for from then on, not from whenever we are back
        for record in self._store.load():
            self.is_first_life = False
            match record:
                case Began():
                    pass
                case Wanted():
                    self._counter = max(self._counter, record.number)
                    tracker.want(record.client_order_id, record.order)
                case Sending():
                    sent_at_ns.setdefault(record.client_order_id, record.at_ns)
                    intent = tracker[record.client_order_id]
                    if intent.state is IntentState.SENT:
                        tracker.on(intent, Happening.LOST, record.at_ns)
                    if intent.state in (IntentState.WANTED, IntentState.UNKNOWN):
                        tracker.on(intent, Happening.SENDING, record.at_ns)
                case Told():
                    tracker.told(record.order, record.at_ns)
                case Ended():
                    tracker.restore(tracker[record.client_order_id], _ENDINGS[record.how])
        at_ns = self._clock.wall_ns()
        self._store.append(Began(at_ns=at_ns), durable=True)
        self.taken_up = {intent.client_order_id: None for intent in tracker}
        for intent in tracker.unsettled():
            if intent.state is IntentState.WANTED:
                self.given_up(intent)  # whoever wanted it is gone
            elif intent.state is IntentState.SENT:
                tracker.on(intent, Happening.LOST, sent_at_ns.get(intent.client_order_id, at_ns))
            intent.shown = intent.order

    def view(self) -> BotView:
        """What the client believes now."""
        tracker = self.tracker
        return BotView(
            intents=tuple(intent.view() for intent in tracker),
            positions=dict(tracker.positions),
            balances=self.balances,
            costs=dict(tracker.costs),
        )


def _nobody(order: Order) -> None:
    """No bot listens yet."""
