"""The Door: every request and every stream message of a venue passes here, and here faults with a meaning act.

A request leaves the client, takes the order latency, reaches the venue (first the faults before it, then the venue, then the faults after
it), and its answer takes the answer latency back. The same Door stands behind the in-process link, the in-memory server and the one on
loopback, so that a fault means the same at every depth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from papertape.journal import Journal
from papertape.model.interference import Crash, Interference, Moment, Outsider
from papertape.model.order import NewOrder, OrderUpdate
from papertape.model.request import Answer, Channel, Lane, Op, Refusal, Request
from papertape.model.units import Nanos
from papertape.model.view import Truth
from papertape.runtime.chance import Chance
from papertape.runtime.rank import COMMAND, DELIVERY
from papertape.sim.armed import Armed, longest
from papertape.sim.broadcast import Broadcast
from papertape.sim.client import Client, Neighbour
from papertape.sim.fact import Fact, GaveUp, Gone, Heard, Reached, Sent, Told, Unheard, named
from papertape.sim.fault_plan import FaultPlan
from papertape.sim.hiding import Hiding
from papertape.sim.latency import LatencyLaw, RecordedLine
from papertape.sim.outsider import wanted_by
from papertape.sim.pending import Done, Lost, Pending, ignore, seen
from papertape.sim.phases import note_phase, set_phases
from papertape.sim.stream import Close, Reply, Send, Stream
from papertape.sim.timeline import Timeline
from papertape.sim.venue import SimVenue
from papertape.sim.withholding import Withholding
from papertape.sim.written import command_facts, in_words, order_facts, outcome_facts

_NEIGHBOUR: Final = Neighbour()


class Door:
    """One venue's door.

    Attributes:
        plan: the faults.
        broadcast: the streams.
        on_rest_cut: told when every open REST connection is to be reset; a server closes its sockets.
        on_disturbed: told when a fault has just stopped disturbing.
        on_crash: told that the client dies now; says whether it was alive.
        on_restart: told that the client may start again; says whether it was dead until now.
        executed: what the venue was asked, with the run time it arrived; enough to make its ledger again.
        facts: what happened here to requests and to news of orders, oldest first.
        on_progress: told when the client may have just been told what it lacked.
        line: what the recording tells of its line, where orders or answers are to take as long; whoever plays it lets this listen.
        on_sent: told of each request and of when it left the client, which is earlier where the line held it up.
        on_heard: told of each request whose answer the client has just got, and of the answer.
    """

    def __init__(
        self,
        venue: SimVenue,
        *,
        name: str,
        timeline: Timeline,
        chance: Chance,
        journal: Journal,
        faults: Sequence[Interference],
        order_law: LatencyLaw,
        answer_law: LatencyLaw,
        heartbeat_ns: Nanos,
        epoch_ns: Nanos,
    ) -> None:
        self.venue = venue
        self.plan = FaultPlan(faults, timeline, journal)
        self.broadcast = Broadcast(venue, timeline, self.plan, journal, heartbeat_ns, epoch_ns)
        self.plan.on_open, self.plan.on_end = self._fault_begins, self._fault_ends
        self.on_rest_cut: Callable[[], None] = _nothing
        self.on_disturbed: Callable[[Armed], None] = lambda armed: None
        self.on_crash: Callable[[Crash], bool] = lambda crash: False
        self.on_restart: Callable[[], bool] = lambda: False
        self.on_progress: Callable[[], None] = _nothing
        self.on_sent: Callable[[Request, Nanos], None] = lambda request, sent_ns: None
        self.on_heard: Callable[[Request, Answer], None] = lambda request, answer: None
        self.broadcast.on_progress = lambda: self.on_progress()
        self.line: RecordedLine | None = None
        self.executed: list[tuple[Nanos, Request]] = []
        self.facts: list[Fact] = []
        self.broadcast.on_told = lambda order: self.facts.append(Told(timeline.now_ns, order.client_order_id))
        self._name = name
        self._timeline = timeline
        self._chance = chance
        self._journal = journal
        self._order_law, self._answer_law = order_law, answer_law
        self._count = self._ways = self._told = 0
        self._life = 1
        self._hiding = Hiding()
        self._withholding = Withholding(venue, self.plan, timeline)
        self._foreign: dict[str, None] = {}
        self._pending: dict[int, Pending] = {}
        self._far: dict[int, Pending] = {}  # behind a network, and not known to have heard
        self._held: list[tuple[Pending, Answer]] = []
        self._seen: list[Pending] = []
        venue.on_end_set = self._wake_venue_at

    # ---- requests

    def accepts(self, lane: Lane) -> bool:
        """Whether a connection of `lane` can be opened now."""
        return not self.plan.refuses(lane)

    def submit(self, request: Request, done: Done, client: Client = _NEIGHBOUR, refusal: Refusal | None = None) -> Pending:
        """A request has left the client; `done` is called at the moment the client hears, with the answer or with what became of it.

        Where the client `can_tell` there is a network between: `done` is called as the answer leaves for it, and `heard` says that it has
        arrived. With a `refusal` the venue's front end has said no already.
        """
        self._look_who_left()
        self._count += 1
        now_ns = self._timeline.now_ns
        pending = Pending(self._count, request, done, now_ns if client.asked_ns is None else client.asked_ns, client, self._life, refusal)
        if client.can_tell:
            self._far[pending.number] = pending
        self.facts.append(Sent(pending.sent_ns, pending.number, request, client.asked_at))
        self.on_sent(request, pending.sent_ns)
        delay_ns = self._order_law.ns(self._chance.keyed(f"latency/order/{self._name}", self._count)) + self.plan.delay_ns(Lane.REST)
        self._pending[pending.number] = pending
        pending.timer = self._timeline.schedule_ns(now_ns + delay_ns, COMMAND, self._arrive, pending)
        self.plan.crash_at(Moment.SENT, request)
        return pending

    def abandon(self, pending: Pending) -> None:
        """The client has stopped waiting, or has heard; a request that is still under way goes on."""
        pending.done = ignore
        if pending.on_the_line is None:
            self._give_up(pending)

    def heard(self, pending: Pending, shown: tuple[str, ...] | None = None) -> None:
        """The answer has arrived at a client behind a network; `shown` are client order ids of the orders in it, None means all."""
        if pending.is_awaited and pending.on_the_line is not None:
            self._hear(pending, pending.on_the_line, shown)

    def _hear(self, pending: Pending, answer: Answer, shown: tuple[str, ...] | None = None) -> None:
        pending.is_awaited, pending.on_the_line = False, None
        pending.told_ns = self._timeline.now_ns
        self._far.pop(pending.number, None)
        code = None if answer.refusal is None else answer.refusal.code
        self.facts.append(Heard(self._timeline.now_ns, pending.number, code, named(answer) if shown is None else shown))
        self.on_heard(pending.request, answer)

    def _give_up(self, pending: Pending) -> None:
        self._far.pop(pending.number, None)
        if pending.is_awaited:
            pending.is_awaited = False
            left_ns = pending.client.left_ns()
            self.facts.append(GaveUp(self._timeline.now_ns if left_ns is None else left_ns, pending.number))

    def _look_who_left(self) -> None:
        """A client behind a network may have gone without a word that got through."""
        for pending in list(self._far.values()):
            if pending.client.left_ns() is not None:
                self._give_up(pending)

    def _arrive(self, pending: Pending) -> None:
        if pending.number not in self._pending:
            return  # cut on its way
        request, now_ns = pending.request, self._timeline.now_ns
        pending.at_ns = now_ns
        self._seen.append(pending)
        hit = self.plan.hit_by(request)
        if pending.number not in self._pending:
            return  # the fault that it woke cut its own connection
        refusal = pending.refusal or self.plan.before_venue(hit, request)
        if refusal is not None:
            answer = Answer(refusal=refusal)
        else:
            self.executed.append((now_ns, request))
            answer = self._as_seen(hit, request, self.venue.execute(request, now_ns))
        note_phase(self.plan, request, answer)
        self._withholding.note(hit, request, answer)
        pending.is_executed = answer.refusal is None
        self._write_command(pending, answer)
        made = answer.order if request.op is Op.ORDER_CREATE else None
        names = ("", "") if made is None else (made.client_order_id, made.id)
        self.facts.append(Reached(now_ns, pending.number, None if answer.refusal is None else answer.refusal.code, *names))
        self.plan.crash_at(Moment.EXECUTED, request)
        if pending.is_orphan:
            self.broadcast.owe(request, answer.refusal is not None)
        reply = self.plan.after_venue(hit, request, answer)
        if reply is None:
            del self._pending[pending.number]
            self.broadcast.owe(request, answer.refusal is not None)
            self._lose(pending, Lost.REPLY)
            return
        if reply.refusal is not None:  # what the client is told, whatever the venue said
            pending.retry_after_ns = reply.refusal.retry_after_ns
        late_ns = self.plan.answer_delay_ns(hit, request)
        if late_ns or reply is not answer:
            self.broadcast.owe(request, answer.refusal is not None)
        delay_ns = late_ns + self._answer_law.ns(self._chance.keyed(f"latency/answer/{self._name}", pending.number))
        pending.timer = self._timeline.schedule_ns(now_ns + delay_ns, DELIVERY, self._answer, pending, reply)

    def _as_seen(self, hit: list[Armed], request: Request, answer: Answer) -> Answer:
        """The answer without what is hidden; what was just made may be hidden from now on."""
        now_ns, made = self._timeline.now_ns, answer.order
        if made is not None and request.op is Op.ORDER_CREATE and made.created_ns == self.venue.epoch_ns + now_ns:
            hidden = longest(hit, request, "hides_ns")
            if hidden is not None:
                until_ns = now_ns + hidden[0]
                self._hiding.hide(made, until_ns, hidden[1])
                self._timeline.schedule_ns(until_ns, COMMAND, self.on_disturbed, hidden[1])
        seen_as, guilty = self._hiding.as_seen(request, answer, now_ns)
        for armed in guilty:
            self.plan.hid(armed, request)
        return seen_as

    def _trade_elsewhere(self, outsider: Outsider) -> bool:
        """Somebody else on the account wants an order that depends on the book; whether the venue took it."""
        wanted = wanted_by(outsider, self.venue)
        return wanted is not None and self.trade_elsewhere(wanted).order is not None

    def trade_elsewhere(self, wanted: NewOrder) -> Answer:
        """Somebody else on the account places an order; the venue's answer to them."""
        now_ns, client_order_id = self._timeline.now_ns, f"foreign-{len(self._foreign) + 1}"
        self.broadcast.foreign[client_order_id] = None  # before there is any news of it
        request = Request(op=Op.ORDER_CREATE, client_order_id=client_order_id, symbol=wanted.symbol, order=wanted)
        self.executed.append((now_ns, request))
        answer = self.venue.execute(request, now_ns)
        if answer.order is not None:
            self._foreign[client_order_id] = None
            self._journal.write(now_ns, "foreign", client_order_id=client_order_id, id=answer.order.id, order=in_words(wanted))
        return answer

    def _answer(self, pending: Pending, answer: Answer) -> None:
        pending.timer = None  # it holds the answer, and the request is remembered
        if pending.number not in self._pending:
            return
        if self.plan.holds(Lane.REST):
            self.plan.count_held(Lane.REST)
            self._held.append((pending, answer))
            return
        self.plan.crash_at(Moment.ANSWERED, pending.request)
        del self._pending[pending.number]
        code = None if answer.refusal is None else answer.refusal.code
        if not pending.is_awaited:
            self.facts.append(Unheard(self._timeline.now_ns, pending.number))
        elif not pending.client.can_tell:
            self._hear(pending, answer)
        else:
            pending.on_the_line = answer
        if answer.order is not None and pending.done is not ignore:
            self.broadcast.note_told(answer.order)
        for order in answer.orders:
            self.broadcast.note_told(order)
        self._journal.write(self._timeline.now_ns, "answered", request=pending.number, op=pending.request.op, refusal=code)
        pending.done(answer)
        self.on_progress()

    def _cut_rest(self) -> int:
        pendings = list(self._pending.values())
        self._pending.clear()
        self._held.clear()
        for pending in pendings:
            if pending.timer is not None:
                pending.timer.cancel()
            arrived = pending.at_ns is not None
            self._journal.write(self._timeline.now_ns, "request_lost", request=pending.number, op=pending.request.op, arrived=arrived)
            if arrived:
                self.broadcast.owe(pending.request)
            self._lose(pending, Lost.RESET)
        self.on_rest_cut()
        return len(pendings)

    def _lose(self, pending: Pending, how: Lost) -> None:
        is_cut = how is Lost.RESET
        self._far.pop(pending.number, None)
        if is_cut:  # silence is not noticed: who waits gives up when they see fit
            pending.is_awaited = False
        self.facts.append(Gone(self._timeline.now_ns, pending.number, is_cut))
        pending.done(how)

    def _write_command(self, pending: Pending, answer: Answer) -> None:
        fields = command_facts(pending.number, pending.request)
        if answer.refusal is not None:
            fields["refusal"] = answer.refusal.code
        elif answer.order is not None:
            fields |= outcome_facts(answer.order)
        if pending.client.asked_at:
            fields["line"] = pending.client.asked_at
        self._journal.write(self._timeline.now_ns, "command", **fields)

    def _wake_venue_at(self, when_ns: Nanos) -> None:
        """An order ends by itself then, whether or not anything else happens."""
        now_ns = self._timeline.now_ns
        self._timeline.schedule_ns(max(when_ns, now_ns), COMMAND, lambda: self.venue.advance(self._timeline.now_ns))

    # ---- streams

    def open_stream(self, lane: Lane, send: Send, close: Close, can_tell: bool = False) -> Stream:
        """A client has connected; where it `can_tell`, `broadcast.heard` says which messages have arrived."""
        return self.broadcast.open(lane, send, close, can_tell)

    def subscribe(self, stream: Stream, channel: Channel, symbol: str, reply: Reply | None = None) -> None:
        """A client's wish for a channel has left it."""
        self.broadcast.subscribe(stream, channel, symbol, self._way_in_ns(), reply or Reply())

    def unsubscribe(self, stream: Stream, channel: Channel, symbol: str) -> None:
        self.broadcast.unsubscribe(stream, channel, symbol, self._way_in_ns())

    def closed(self, stream: Stream) -> None:
        self.broadcast.closed(stream)

    def tell(self, update: OrderUpdate) -> None:
        """The venue has news of an order of ours."""
        self._told += 1
        self._journal.write(self._timeline.now_ns, "order", **order_facts(update))
        self.broadcast.tell(update, self._answer_law.ns(self._chance.keyed(f"latency/user/{self._name}", self._told)))

    def _way_in_ns(self) -> Nanos:
        self._ways += 1
        return self._order_law.ns(self._chance.keyed(f"latency/subscribe/{self._name}", self._ways))

    # ---- faults that act over time

    def _fault_begins(self, armed: Armed) -> None:
        self._notice_quiet()
        if armed.fault.needs_books:
            armed.books = self.broadcast.books()
        crash = armed.fault.crash()
        if crash is not None:
            armed.fired += self.on_crash(crash)
        set_phases(self.plan, self.venue)
        outsider = armed.fault.outsider()
        if outsider is not None:
            armed.fired += self._trade_elsewhere(outsider)
        for cut in armed.fault.cuts():
            armed.fired += self._cut_rest() if cut.lane is Lane.REST else self.broadcast.cut(cut.lane, cut.goodbye)
        self.broadcast.begin_ageing(armed)
        self.broadcast.mute(armed)

    def _fault_ends(self, armed: Armed) -> None:
        self._notice_quiet()
        if armed.fault.crash() is not None and not self.plan.is_down:
            armed.fired = max(armed.fired, int(self.on_restart()))  # one that finds the client dead has kept it so
        set_phases(self.plan, self.venue)
        if not self.plan.holds(Lane.REST):
            held, self._held = self._held, []
            for pending, answer in held:
                self._answer(pending, answer)
        for lane in (Lane.USER, Lane.MARKET):
            if not self.plan.holds(lane):
                self.broadcast.release(lane)
        self.on_disturbed(armed)

    def _notice_quiet(self) -> None:
        self.broadcast.market_is_quiet = not self.plan.disturbs_stream(Lane.MARKET)

    def client_died(self) -> None:
        """Nobody waits any more, and nobody listens; what is on its way to the venue goes on."""
        self._life += 1
        for pending in list(self._pending.values()):
            pending.is_orphan = True
            if pending.at_ns is not None:
                self.broadcast.owe(pending.request)
            self.abandon(pending)
        self.broadcast.client_died()

    # ---- what the venue knows

    @property
    def is_busy(self) -> bool:
        """Whether a request is on its way, or its answer."""
        return bool(self._pending)

    @property
    def was_reached(self) -> bool:
        """Whether any client ever asked for anything here, or opened a stream."""
        return bool(self._count) or self.broadcast.was_opened

    @property
    def is_whole(self) -> bool:
        """Nothing that the client asked for is missing: no message, no answer about an order, no subscription lost to a cut."""
        return self.broadcast.is_whole

    def truth(self) -> Truth:
        """The venue's side of every comparison."""
        truth = self.venue.truth(tuple(seen(pending) for pending in self._seen), self.broadcast.own_lines())
        return msgspec.structs.replace(truth, foreign=tuple(self._foreign)) if self._foreign else truth

    def forget(self) -> None:
        """Nobody will judge this: what happened here so far need not be known any more."""
        self.facts.clear()
        self.executed.clear()
        self._seen.clear()


def _nothing() -> None:
    return None
