"""What leaves the venue on its streams: who is connected, who wants what, and in which order it goes out."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

from papertape.journal import Journal
from papertape.model.event import BookSnapshot, BookUpdate, Event, Heartbeat
from papertape.model.interference import Lifetime
from papertape.model.order import Order, OrderUpdate
from papertape.model.request import Channel, Lane, Op, Request
from papertape.model.units import Nanos
from papertape.model.view import LineSeen
from papertape.runtime.rank import COMMAND, DELIVERY
from papertape.sim.armed import Armed
from papertape.sim.fault_plan import FaultPlan
from papertape.sim.stream import CHANNEL_OF, Aside, Close, Message, Reply, Send, Stream, gist, lane_of, orders_in, told_as
from papertape.sim.subscriptions import OWN_ORDERS, Subscriptions
from papertape.sim.timeline import Timeline
from papertape.sim.venue import SimVenue


class Broadcast:
    """The venue's side of every stream connection.

    Attributes:
        reached: how many market messages have reached the venue; a subscription's snapshot holds them all.
        lost: what a cut took away and nobody has asked for again, by lane.
        silent: what of it a fault silenced, and would have said nothing since: nobody can know of that yet.
        on_progress: told when the client may have just been told what it lacked.
        on_told: told of each order that the client has just been told of.
        on_opened: told of each connection as it opens.
        on_odd: told of what a connection gets beside the changes of its books: each snapshot, and whether it is right, and each change that
            came before, under a new number.
        untold: client order ids whose last news was lost on its way to the client.
        foreign: those of somebody else on the account; news of them is owed to nobody.
    """

    def __init__(
        self, venue: SimVenue, timeline: Timeline, plan: FaultPlan, journal: Journal, heartbeat_ns: Nanos, epoch_ns: Nanos
    ) -> None:
        self.reached = 0
        self.lost: dict[Lane, dict[tuple[Channel, str], None]] = {Lane.MARKET: {}, Lane.USER: {}}
        self.silent: dict[tuple[Channel, str], None] = {}
        self.untold: dict[str, None] = {}
        self.foreign: dict[str, None] = {}
        self._told: dict[str, Order] = {}
        self.on_progress: Callable[[], None] = lambda: None
        self.on_told: Callable[[Order], None] = lambda order: None
        self.on_opened: Callable[[Stream], None] = lambda stream: None
        self.on_odd: Callable[[Stream, BookSnapshot | BookUpdate, bool], None] = lambda stream, message, is_right: None
        self.market_is_quiet = True
        self._venue = venue
        self._timeline = timeline
        self._plan = plan
        self._journal = journal
        self._subscriptions = Subscriptions(venue, timeline, plan, journal, heartbeat_ns, epoch_ns)
        self._streams: dict[Lane, list[Stream]] = {Lane.MARKET: [], Lane.USER: []}
        self._market = self._streams[Lane.MARKET]
        self._own: list[Stream] = []  # of the user lane, gone or not
        self._opened = 0
        journal.before_write(self._write_delivered)

    # ---- connections

    def open(self, lane: Lane, send: Send, close: Close, can_tell: bool = False) -> Stream:
        """A client has connected."""
        self._opened += 1
        stream = Stream(self._opened, lane, send, close, can_tell, self._venue.rules.numbering)
        self._streams[lane].append(stream)
        stream.opened_ns = self._timeline.now_ns
        self.on_opened(stream)
        if lane is Lane.USER:
            self._own.append(stream)
        self._journal.write(self._timeline.now_ns, "stream", what="opened", lane=lane, number=stream.number)
        for armed, lifetime in self._plan.ages(lane):
            self._let_age(stream, lane, armed, lifetime)
        return stream

    def closed(self, stream: Stream) -> None:
        """The client went away; nothing more is sent to it."""
        if stream.is_open:
            self._journal.write(self._timeline.now_ns, "stream", what="closed by client", lane=stream.lane, number=stream.number)
            self._forget(stream)

    def cut(self, lane: Lane, goodbye: int) -> int:
        """Every connection that carries `lane` ends; how many there were."""
        streams = self._carriers(lane)
        for stream in streams:
            self._cut(stream, goodbye)
        return len(streams)

    def begin_ageing(self, armed: Armed) -> None:
        """Connections that are open now count their age from now on."""
        for lane in self._streams:
            lifetime = armed.fault.lifetime(lane)
            if lifetime is not None:
                for stream in self._carriers(lane):
                    self._let_age(stream, lane, armed, lifetime)

    def _let_age(self, stream: Stream, lane: Lane, armed: Armed, lifetime: Lifetime) -> None:
        def end() -> None:
            if stream.is_open and armed.is_open:
                self._plan.aged(armed, lane)
                self._cut(stream, lifetime.goodbye)

        self._timeline.schedule_ns(self._timeline.now_ns + lifetime.after_ns, COMMAND, end)

    def _cut(self, stream: Stream, goodbye: int) -> None:
        code = {"code": goodbye} if goodbye not in (0, 1001) else {}
        now_ns, clean = self._timeline.now_ns, bool(goodbye)
        self._journal.write(now_ns, "stream", what="cut", lane=stream.lane, number=stream.number, clean=clean, **code)
        self.lost[stream.lane].update(dict.fromkeys(stream.wanted_after))
        self._owe_waiting(stream)
        self._forget(stream)
        stream.close(goodbye)

    def _owe_waiting(self, stream: Stream) -> None:
        aside = [] if stream.aside is None else [stream.aside.message]
        for message in [*(waiting[2] for waiting in stream.waiting), *aside]:
            if isinstance(message, OrderUpdate) and not self.has_told(message.order):
                self._owe(message.order)

    def client_died(self) -> None:
        """Nobody listens any more."""
        for stream in self.open_streams():
            self._owe_waiting(stream)
            self.closed(stream)

    def _carriers(self, lane: Lane) -> list[Stream]:
        """The lane's connections; for own orders also those of the market lane that asked for them, as Coinbase lets a client do."""
        others = [stream for stream in self._market if lane is Lane.USER and OWN_ORDERS in stream.wanted_after]
        return [*self._streams[lane], *others]

    # ---- subscriptions

    def subscribe(self, stream: Stream, channel: Channel, symbol: str, delay_ns: Nanos, reply: Reply) -> None:
        self._timeline.schedule_ns(
            stream.arrives_ns(self._timeline.now_ns + delay_ns), DELIVERY, self._subscriptions.begin, stream, channel, symbol, reply, self
        )

    def unsubscribe(self, stream: Stream, channel: Channel, symbol: str, delay_ns: Nanos) -> None:
        due_ns = stream.arrives_ns(self._timeline.now_ns + delay_ns)
        self._timeline.schedule_ns(due_ns, DELIVERY, self._subscriptions.end, stream, channel, symbol, self)

    def mute(self, armed: Armed) -> None:
        """The subscriptions that a fault silences bring nothing any more, and nobody is told."""
        for stream in self.open_streams():
            armed.fired += self._subscriptions.mute(stream, armed.fault, self)

    def books(self) -> dict[str, BookSnapshot]:
        """Every whole book as it is now."""
        return self._subscriptions.books()

    def send(self, stream: Stream, message: Message) -> None:
        """Something that a subscription brings beside what the market says."""
        self._send(stream, message, index=0, delay_ns=0)

    def end_at_once(self, stream: Stream) -> None:
        """A reset, for asking for what is away."""
        self._cut(stream, goodbye=0)

    # ---- messages

    def deliver(self, index: int, event: Event) -> None:
        """A market message, the `index`-th that reached the venue, is due at the client."""
        kind = type(event)
        if self.silent and kind in CHANNEL_OF:
            self.silent.pop((CHANNEL_OF[kind], event.symbol), None)
        for stream in self._market:
            wanted = stream.wanted.get(kind)
            if wanted and index > wanted.get(event.symbol, index):
                if self.market_is_quiet and not stream.waiting and not stream.missed:
                    now_ns, sequence = self._timeline.now_ns, stream.sequence
                    if stream.counts_instruments:
                        sequence = stream.number_next(event, now_ns)
                    else:
                        stream.sequence = sequence + 1
                    if not stream.count:  # as in `Stream.delivered`; these are the hottest lines of the Door
                        stream.first, stream.first_ns = index, now_ns
                    stream.count, stream.last, stream.last_ns = stream.count + 1, index, now_ns
                    stream.send(sequence, event)
                else:
                    self._send(stream, event, index, delay_ns=0)

    def tell(self, update: OrderUpdate, delay_ns: Nanos) -> None:
        """Something happened to an order of ours; whoever listens hears it `delay_ns` later.

        Who had listened and was cut off must ask: asking to hear more from now on tells nothing of it.
        """
        if OWN_ORDERS in self.lost[Lane.USER] and not self.has_told(update.order):
            self._owe(update.order)
        for stream in self._carriers(Lane.USER):
            if OWN_ORDERS in stream.wanted_after:
                self._send(stream, update, index=0, delay_ns=delay_ns)

    def say(self, stream: Stream, message: Any) -> None:
        """A message of the server's own: numbered, delayed and kept in order like any other."""
        if stream.is_open:
            self._send(stream, message, index=0, delay_ns=0)

    def heard(self, message: Any) -> None:
        """A message has arrived at the client."""
        for order in orders_in(message):
            self.on_told(order)

    def owe(self, request: Request, is_refused: bool = False) -> None:
        """The client will not hear in time what became of a request about an order.

        Where no order was made there is no news of it, and what a client has heard it needs not hear again. What an edit has changed
        it cannot have heard before.
        """
        order = self._venue.order_of(request.client_order_id)
        is_edited = request.op is Op.ORDER_EDIT and not is_refused
        if order is not None and (is_edited or not self.has_told(order)):
            self._owe(order)

    def _owe(self, order: Order) -> None:
        if order.client_order_id not in self.foreign:
            self.untold[order.client_order_id] = None

    def note_told(self, order: Order) -> None:
        """The client has heard where an order stands."""
        if not self.has_told(order):
            self._told[order.client_order_id] = order
        self.untold.pop(order.client_order_id, None)

    def has_told(self, order: Order) -> bool:
        """Whether the client has heard this of an order, or later news."""
        told = self._told.get(order.client_order_id)
        if told is None:
            return False
        return told.fills_count >= order.fills_count and (told.status.is_final or not order.status.is_final)

    def release(self, lane: Lane) -> None:
        """What was held may go."""
        for stream in self._carriers(lane):
            self._drain(stream)

    def open_streams(self, lane: Lane | None = None) -> list[Stream]:
        """Every connection that is open now, in the order of lanes and oldest first; of one `lane` only, if one is given."""
        return [stream for each, streams in self._streams.items() if lane in (None, each) for stream in streams]

    def own_lines(self) -> tuple[LineSeen, ...]:
        """The user lane's connections, oldest first; one that its client had left before it came to us never was any."""
        lived = [each for each in self._own if each.lost_ns is None or each.lost_ns > each.opened_ns]
        return tuple(LineSeen(opened_ns=each.opened_ns, ended_ns=each.lost_ns) for each in lived)

    @property
    def was_opened(self) -> bool:
        """Whether any stream ever was."""
        return self._opened > 0

    @property
    def is_whole(self) -> bool:
        """No connection misses a message of a book, and all that a cut took away was asked for again."""
        return not self.untold and not any(self.lost.values()) and not self.wrong_books()

    def wrong_books(self) -> dict[str, None]:
        """Symbols of books that lack a message on a connection that is open."""
        return dict.fromkeys(symbol for stream in self.open_streams() for symbol in stream.missed)

    @property
    def is_waiting_for_news(self) -> bool:
        """Nothing is missing but subscriptions that a fault silenced, and none of these would have said anything since."""
        is_silent = bool(self.silent) and not self.lost[Lane.USER] and all(topic in self.silent for topic in self.lost[Lane.MARKET])
        return is_silent and not self.untold and not self.wrong_books()

    def lacks(self, down: Container[str] = ()) -> list[str]:
        """What keeps the client from having all that it asked for, in words; that a lane is `down` says enough of its subscriptions."""
        lost = [f"{channel} {symbol}".strip() for lane, wanted in self.lost.items() if lane not in down for channel, symbol in wanted]
        return [
            *(f"order {each}: its last news never reached the client" for each in self.untold),
            *(f"{each}: lost with its connection and not asked for again" for each in lost),
            *(f"book {each}: wrong since a message was lost or a snapshot false, and not asked for again" for each in self.wrong_books()),
        ]

    def forget_lost(self) -> None:
        """The client is leaving on purpose: nothing is owed to it."""
        self.untold.clear()
        for wanted in self.lost.values():
            wanted.clear()

    def _send(self, stream: Stream, message: Message, index: int, delay_ns: Nanos) -> None:
        if self._plan.is_calm and not delay_ns and not stream.waiting and stream.aside is None and stream.is_open:
            self._let_go(stream, self._number(stream, message), message, index)  # what follows comes to the same
            return
        lane = lane_of(stream, message)
        thief = self._plan.drops(lane, message)
        if thief is not None:
            stream.lose(message, self._timeline.now_ns, spends_number=thief.spends_number)
            if isinstance(message, OrderUpdate):
                self._owe(message.order)
            return
        due_ns = self._timeline.now_ns + delay_ns + self._plan.delay_ns(lane)
        if isinstance(message, OrderUpdate) and self._trade_places(stream, message, due_ns):
            return
        self._line_up(stream, self._number(stream, message), message, index, due_ns)

    def _number(self, stream: Stream, message: Message) -> int:
        return stream.number_next(message, self._timeline.now_ns)

    def _trade_places(self, stream: Stream, message: OrderUpdate, due_ns: Nanos) -> bool:
        """Keep a message back, or let it go before the one that was kept back; whether either was done."""
        aside, stream.aside = stream.aside, None
        if aside is not None:
            aside.release.cancel()
            self._line_up(stream, self._number(stream, message), message, 0, due_ns)
            self._go(stream, aside, due_ns)
            self._plan.swapped(aside.armed, Lane.USER, aside.message)
            return True
        found = self._plan.swaps(Lane.USER, message)
        if found is None:
            return False
        swap, armed = found
        release = self._timeline.schedule_ns(due_ns + swap.within_ns, DELIVERY, self._go_alone, stream)
        stream.aside = Aside(armed, message, None if swap.is_renumbered else self._number(stream, message), due_ns, release)
        return True

    def _go_alone(self, stream: Stream) -> None:
        aside, stream.aside = stream.aside, None
        if aside is not None and stream.is_open:
            self._go(stream, aside, self._timeline.now_ns)

    def _go(self, stream: Stream, aside: Aside, due_ns: Nanos) -> None:
        sequence = self._number(stream, aside.message) if aside.sequence is None else aside.sequence
        self._line_up(stream, sequence, aside.message, 0, max(aside.due_ns, due_ns))

    def _come_again(self, stream: Stream, message: Message, sequence: int | None) -> None:
        if stream.is_open:
            due_ns = self._timeline.now_ns + self._plan.delay_ns(lane_of(stream, message))
            if sequence is None and isinstance(message, BookUpdate):
                self.on_odd(stream, message, False)
            self._line_up(stream, self._number(stream, message) if sequence is None else sequence, message, 0, due_ns, may_double=False)

    def _line_up(self, stream: Stream, sequence: int, message: Message, index: int, due_ns: Nanos, may_double: bool = True) -> None:
        """Put a message at the end of what waits to go out; it goes at once if nothing keeps it."""
        lane = lane_of(stream, message)
        again = self._plan.repeats(lane, message) if may_double else None
        if stream.waiting:
            due_ns = max(due_ns, stream.waiting[-1][0])
        stream.waiting.append((due_ns, sequence, message, index))
        if again is not None:
            number = None if again.is_renumbered else sequence
            self._timeline.schedule_ns(due_ns + again.after_ns, DELIVERY, self._come_again, stream, message, number)
        if self._plan.holds(lane):
            self._plan.count_held(lane)
        elif len(stream.waiting) == 1:
            self._drain(stream)

    def _drain(self, stream: Stream) -> None:
        waiting = stream.waiting
        now_ns = self._timeline.now_ns
        while waiting and stream.is_open and not self._plan.holds(lane_of(stream, waiting[0][2])):
            due_ns, sequence, message, index = waiting[0]
            if due_ns > now_ns:
                self._timeline.schedule_ns(due_ns, DELIVERY, self._drain, stream)
                return
            waiting.popleft()
            self._let_go(stream, sequence, message, index)

    def _let_go(self, stream: Stream, sequence: int, message: Message, index: int) -> None:
        """A message leaves."""
        now_ns = self._timeline.now_ns
        if index:
            stream.delivered(index, now_ns)
        if isinstance(message, BookSnapshot):
            is_right = stream.wrong.get(message.symbol) is not message
            if is_right:
                stream.wrong.pop(message.symbol, None)
                stream.missed.pop(message.symbol, None)
            else:
                stream.missed[message.symbol] = now_ns
            self.on_odd(stream, message, is_right)
        for order in () if index else orders_in(message):
            self.note_told(order)
        if not index and not stream.can_tell:
            self.heard(message)
        if not index and not isinstance(message, Heartbeat):
            what, about = told_as(message), gist(message)
            self._journal.write(now_ns, "told", lane=stream.lane, number=stream.number, sequence=sequence, what=what, **about)
        stream.send(sequence, message)
        self.on_progress()

    def _forget(self, stream: Stream) -> None:
        self._write_delivered()
        stream.is_open, stream.ended_ns = False, self._timeline.now_ns
        if stream.lane is Lane.MARKET:
            self.silent.clear()  # that a connection is gone shows
        stream.waiting.clear()
        stream.aside = None
        self._streams[stream.lane].remove(stream)

    def _write_delivered(self) -> None:
        for stream in self._market:
            stream.settle()
            if stream.count:
                span, stream.count = {"count": stream.count, "first": stream.first, "last": stream.last, "since": stream.first_ns}, 0
                self._journal.write_gathered(stream.last_ns, "delivered", number=stream.number, **span)
