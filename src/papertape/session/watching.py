"""Feed the invariants' watches while a run goes on: what the Door delivered, what the client holds, how much of everything there is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from papertape.exchanges.resilient import ResilientExchange
from papertape.invariants import INVARIANTS, Figure, Freshness, Watch
from papertape.model.event import BookSnapshot, BookUpdate
from papertape.model.order import NewOrder, Order
from papertape.model.public import PublicTrade
from papertape.model.request import PUBLIC_OPS, Answer, Channel, Lane, Op, RefusalCode, Request
from papertape.model.units import SECOND, Nanos, format_duration
from papertape.runtime.life import Life
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.rank import END
from papertape.runtime.sequenced import tasks_on
from papertape.session.asking import note_asked, note_shown
from papertape.session.by_rest import ByRest, wanting_ns
from papertape.session.comparing import book_problem, told_problem
from papertape.session.looks import COUNT_EVERY_NS, Comparisons, Counts, Looks
from papertape.session.queues import Queues
from papertape.sim.stream import CHANNEL_OF, Stream

if TYPE_CHECKING:
    from papertape.session.world import VenueWorld

HELD_UP_NS: Final = 1 * SECOND
"""A request that was so long on its way comes into another market than it left for."""

COMPARE_APART_NS: Final = 10 * SECOND
NOTICE_WITHIN_NS: Final = 30 * SECOND
"""How long a client may hold a book for valid that a lost message or a wrong snapshot has made wrong."""

TASKS_MAX: Final = 1_000
QUEUED_MAX: Final = 10_000


class Watching:
    """One venue's watches, and the ears that feed them. Where no invariant with a watch is asked for, nothing is hooked anywhere.

    Attributes:
        watches: by the invariant's name.
        is_over: the bot has ended, and no more is looked at.
        pending: why the client did not know what became of an order when it stopped looking, by client order id.
    """

    def __init__(self, world: VenueWorld, loop: VirtualLoop, names: Sequence[str]) -> None:
        makers = {name: INVARIANTS[name].watch for name in names or tuple(INVARIANTS)}
        self.watches: dict[str, Watch] = {name: make() for name, make in makers.items() if make is not None}
        self.pending: dict[str, str] = {}
        self._ears: dict[str, list[Watch]] = {}  # who hears of what
        self._world = world
        self._loop = loop
        self._home: VirtualLoop | Life = loop
        self._exchange: ResilientExchange | None = None
        self._roots: tuple[Any, ...] = ()
        self._streams: list[Stream] = []
        self._rest = ByRest()
        self._queues = Queues()
        self._compared_ns: Nanos = -COMPARE_APART_NS
        self.is_over = False
        # (connection, symbol) of books that are wrong in a way that shows nowhere, and the stamp of the change that came again, or 0.
        self._unseen: dict[tuple[int, str], Nanos] = {}
        self._numbers = itertools.count(1)
        if not self.watches:
            return
        door = world.door
        door.broadcast.on_opened = self._opened
        door.broadcast.on_odd = self._odd
        door.on_heard = self._heard
        if self._hears("order_left"):
            door.on_sent = self._sent

    def listen(self, exchange: ResilientExchange, home: VirtualLoop | Life, until_ns: Nanos) -> None:
        """From now on hear a bot's exchange too, whose tasks live on the loop `home`, and count until `until_ns` at most."""
        self._home = home
        is_first, self._exchange = self._exchange is None, exchange
        self._world.observer.on_disconnected = lambda: self.pending.update(exchange.insight.pending())
        tells_asked = self._hears("order_asked")
        note_asked(exchange, self._world.asked, self._asked if tells_asked else None, self._undone if tells_asked else None)
        if self._hears("order_shown"):
            note_shown(exchange, self._numbers, self._order_shown, self._trade_shown)
        if not is_first:  # a bot that was started anew
            return
        if self._hears("counted"):
            self._loop.schedule_ns(0, END, self._count, Counts(self, until_ns))
        if self._hears("book_compared"):
            self._loop.schedule_ns(0, END, self._compare_again, Comparisons(self, until_ns))

    def look_into(self, *roots: Any) -> None:
        """The bot's own object; its queues are counted, as are those of its tasks."""
        self._roots = roots

    def bot_ended(self) -> None:
        """The last look while the exchange still stands."""
        self.compare()
        self.is_over = True

    def _hears(self, hook: str) -> list[Watch]:
        ears = self._ears.get(hook)
        if ears is None:
            ears = [watch for watch in self.watches.values() if getattr(type(watch), hook) is not getattr(Watch, hook)]
            self._ears[hook] = ears
        return ears

    # ---- what the Door tells

    def _opened(self, stream: Stream) -> None:
        if stream.lane is Lane.MARKET:
            self._streams.append(stream)
        for watch in self._hears("stream_opened"):
            watch.stream_opened(self._loop.now_ns, stream.lane)

    def _odd(self, stream: Stream, message: BookSnapshot | BookUpdate, is_right: bool) -> None:
        """A book's snapshot, or one of its changes once more: what can a client tell from it?

        The right snapshot ends it, unless the old change goes on top of it: a client keeps what comes before a late snapshot and is stamped
        later than that, and applies it in the order in which it came.
        """
        key = (stream.number, message.symbol)
        if is_right:
            if self._unseen.get(key, 0) < message.venue_ns and not _comes_again(stream, message.symbol):
                self._unseen.pop(key, None)
        elif not self._shows(message):
            stamp_ns = message.venue_ns if isinstance(message, BookUpdate) else 0
            self._unseen[key] = max(stamp_ns, self._unseen.get(key, 0))

    def _shows(self, wrong: BookSnapshot | BookUpdate) -> bool:
        """Whether a client can tell that it is wrong: a snapshot that is empty or older than what came before.

        A change that comes again under a new number is like any other.
        """
        if not isinstance(wrong, BookSnapshot) or self._exchange is None:
            return False
        before_ns = self._exchange.insight.stamp_ns(wrong.symbol)
        return not (wrong.bids or wrong.asks) or (before_ns is not None and wrong.venue_ns < before_ns)

    def _missed_ns(self, stream: Stream, symbol: str) -> Nanos | None:
        """Since when a client can know that its book on a connection is wrong; None if it is right, or if nothing shows that it is not."""
        if (stream.number, symbol) in self._unseen:
            return None
        since_ns = stream.missed.get(symbol)
        if since_ns is not None and self._loop.now_ns - since_ns > NOTICE_WITHIN_NS:
            self.forget_what_passed()
        return stream.missed.get(symbol)

    def forget_what_passed(self) -> None:
        """A book that lacked something, and is the venue's all the same, is right again.

        Changes say all of a level: once each level that was wrong has been told anew, nothing is wrong any more, and nobody could tell.
        """
        exchange = self._exchange
        if exchange is None or self.is_over or self._is_between():
            return
        for symbol, book, is_streamed in exchange.insight.books():
            stream = self._newest_open(symbol) if is_streamed else None
            true = self._world.venue.books[symbol]
            if stream is not None and symbol in stream.missed and true.is_complete:
                under_way = list(self._under_way(stream, symbol))
                moving = [event for event in under_way if isinstance(event, BookUpdate)]
                if not any(isinstance(event, BookSnapshot) for event in under_way) and not book_problem(book, true, moving):
                    del stream.missed[symbol]

    def _heard(self, request: Request, answer: Answer) -> None:
        if request.op in PUBLIC_OPS and answer.refusal is None:
            self._rest.heard(request, answer, self._loop.now_ns)
        elif request.op is Op.ORDER_CREATE and answer.refusal is not None and answer.refusal.code is not RefusalCode.UNAVAILABLE:
            for watch in self._hears("order_refused"):
                watch.order_refused(self._loop.now_ns, request)
        elif request.op is Op.BALANCE_FETCH and answer.balances is not None:
            for watch in self._hears("balances_told"):
                watch.balances_told(self._loop.now_ns, answer.balances)

    def _sent(self, request: Request, sent_ns: Nanos) -> None:
        """A request has come by the line, for which it left the client at `sent_ns`; that it did can be known only now.

        What the client lacks since before then it lacked then; what else it lacked, and where the market stood, is past knowing.
        """
        if request.op is not Op.ORDER_CREATE or request.order is None:
            return
        key = request.client_order_id
        if not key or self._world.venue.order_of(key) is None:  # else the venue has it, and no other can come of this
            fresh = self.freshness(request.order.symbol)
            if fresh is not None and self._loop.now_ns - sent_ns > HELD_UP_NS:
                fresh = msgspec.structs.replace(fresh, mid=None)
            for watch in self._hears("order_left"):
                watch.order_left(sent_ns, request, fresh)
        if self._loop.now_ns - self._compared_ns >= COMPARE_APART_NS and self._hears("book_compared"):
            self.compare()

    # ---- what the bot asks and is told

    def _asked(self, wanted: NewOrder) -> None:
        fresh = self.freshness(wanted.symbol)
        for watch in self._hears("order_asked"):
            watch.order_asked(self._loop.now_ns, wanted, fresh)

    def _undone(self, wanted: NewOrder) -> None:
        for watch in self._hears("order_asked"):
            watch.asking_undone(wanted)

    def _order_shown(self, subscription: int, order: Order) -> None:
        for watch in self._hears("order_shown"):
            watch.order_shown(self._loop.now_ns, subscription, order)

    def _trade_shown(self, subscription: int, trade: PublicTrade) -> None:
        for watch in self._hears("trade_shown"):
            watch.trade_shown(self._loop.now_ns, subscription, trade.event)

    # ---- how fresh what the client has is

    def freshness(self, symbol: str) -> Freshness | None:
        """How good what the client has of a market is; None where it follows nothing of it."""
        exchange = self._exchange
        if exchange is not None and not exchange.insight.followed(symbol):
            return None
        stream = next((each for each in reversed(self._streams) if each.follows(symbol) or symbol in each.left), None)
        if stream is None or (exchange is None and not stream.follows(symbol)):
            return None  # it never was delivered anything, or wants no more
        told = self._told_by_rest(stream, symbol)
        is_bot = exchange is not None
        lacks = [
            (wanting_ns(since_ns, channel, told, is_bot=is_bot), since_ns, why) for since_ns, why, channel in self._lacks(stream, symbol)
        ]
        mid = self._world.venue.books[symbol].mid
        if not lacks:
            return Freshness(mid=mid)
        lacks_ns, since_ns, why = min(lacks)
        return Freshness(since_ns=lacks_ns, why=f"{why} since {format_duration(since_ns)}", mid=mid)

    def _lacks(self, stream: Stream, symbol: str) -> list[tuple[Nanos, str, Channel | None]]:
        """What the newest connection that carried a market has not brought, since when, and of which channel; of all where that is None."""
        if stream.ended_ns is not None:
            lacks: list[tuple[Nanos, str, Channel | None]] = [(stream.ended_ns, "its connection has been closed", None)]
        else:
            held: dict[Channel | None, Nanos] = {}
            for due_ns, _, message, _ in stream.waiting:
                if getattr(message, "symbol", "") == symbol:
                    held.setdefault(CHANNEL_OF.get(type(message)), due_ns)
            lacks = [(due_ns, "messages for it have been held back", channel) for channel, due_ns in held.items()]
            missed_ns = self._missed_ns(stream, symbol)
            if missed_ns is not None and self._loop.now_ns - missed_ns > NOTICE_WITHIN_NS:
                lacks.append((missed_ns, "its book has been wrong, for a message was lost or a snapshot false", Channel.BOOK))
        invalid_ns = None if self._exchange is None else self._exchange.insight.invalid_since_ns(symbol)
        if invalid_ns is not None:
            lacks.append((invalid_ns, "its book waits for a snapshot", Channel.BOOK))
        return lacks

    def _told_by_rest(self, stream: Stream, symbol: str) -> dict[Channel, Nanos]:
        """When REST last told the client what each channel that it follows would have said, run time; 0 if it never did.

        What our shell asks for itself counts once it is shown to the bot, and candles tell trades to a bot that asks for them.
        """
        if self._exchange is None:
            return {channel: self._rest.told_ns(symbol, channel) for channel, each in stream.wanted_after if each == symbol}
        told = {channel: told_ns or 0 for channel, told_ns in self._exchange.insight.followed(symbol).items()}
        if Channel.TRADES in told:
            told[Channel.TRADES] = max(told[Channel.TRADES], self._rest.told_ns(symbol, Channel.TRADES, (Op.OHLCV_FETCH,)))
        return told

    # ---- the books

    def compare(self) -> None:
        """Hold every book that the client holds valid against the venue's as delivered."""
        exchange = self._exchange
        watches = self._hears("book_compared")
        if exchange is None or not watches or self.is_over or self._is_dead or self._is_between():
            return
        now_ns = self._compared_ns = self._loop.now_ns
        for symbol, book, is_streamed in exchange.insight.books():
            if not is_streamed:
                problem = told_problem(book, self._rest.books(symbol), self._world.venue.epoch_ns + now_ns)
                for watch in watches:
                    watch.book_compared(now_ns, symbol, problem)
                continue
            stream = self._newest_open(symbol)
            if stream is None or (stream.number, symbol) in self._unseen:
                continue
            missed_ns = stream.missed.get(symbol, -NOTICE_WITHIN_NS)
            if missed_ns is None or now_ns - missed_ns < NOTICE_WITHIN_NS:
                continue
            under_way = list(self._under_way(stream, symbol))
            if any(isinstance(event, BookSnapshot) for event in under_way):
                continue
            moving = [event for event in under_way if isinstance(event, BookUpdate)]
            true = self._world.venue.books[symbol]
            if true.is_complete:
                problem = book_problem(book, true, moving)
                for watch in watches:
                    watch.book_compared(now_ns, symbol, problem)

    @property
    def _is_dead(self) -> bool:
        """What the client held nobody acts upon."""
        return isinstance(self._home, Life) and self._home.is_over

    def _newest_open(self, symbol: str) -> Stream | None:
        open_streams = reversed(self._world.door.broadcast.open_streams(Lane.MARKET))
        return next((each for each in open_streams if each.follows(symbol)), None)

    def _is_between(self) -> bool:
        """Whether bytes are under way: what the client has of them nobody knows."""
        network = self._loop.network
        is_carrying = getattr(network, "is_carrying", None)
        return self._world.is_deep and is_carrying is not None and bool(is_carrying())

    def _under_way(self, stream: Stream, symbol: str) -> Iterator[Any]:
        for cursors in self._world.cursors:
            for event in cursors.under_way():
                if event.symbol == symbol:
                    yield event
        for _, _, message, _ in stream.waiting:
            if getattr(message, "symbol", "") == symbol:
                yield message

    def _compare_again(self, looks: Comparisons) -> None:
        self.compare()
        self._again(looks, self._compare_again)

    @property
    def has_books(self) -> bool:
        """Whether there is anything to compare."""
        return self._exchange is not None and any(True for _ in self._exchange.insight.books())

    def compared_nothing(self, at_ns: Nanos) -> None:
        """What `compare` does then where the client has no book."""
        if not self.is_over and not self._is_dead and not self._is_between():
            self._compared_ns = at_ns

    # ---- how much there is

    def _count(self, looks: Counts) -> None:
        self.count(1, self._loop.now_ns)
        self._again(looks, self._count)

    def count(self, times: int, last_ns: Nanos) -> None:
        """Count so many times in a row, the last of them at `last_ns`, run time, while nothing changes."""
        figures = self._figures()
        for at_ns in range(last_ns - (times - 1) * COUNT_EVERY_NS, last_ns + 1, COUNT_EVERY_NS):
            for watch in self._hears("counted"):
                watch.counted(at_ns, figures)

    def _again(self, looks: Looks, look: Callable[[Any], None]) -> None:
        due_ns = self._loop.now_ns + looks.every_ns
        if not self.is_over and due_ns <= looks.until_ns:
            self._loop.schedule_round(due_ns, END, looks.every_ns, looks, look, looks)

    def _figures(self) -> Mapping[str, Figure]:
        assert self._exchange is not None
        figures = {what: Figure(count=count, most=most) for what, (count, most) in self._exchange.insight.load().items()}
        tasks = tasks_on(self._home)
        figures["tasks of the bot"] = Figure(count=len(tasks) - figures["tasks of the shell"].count, most=TASKS_MAX)
        queued = sum(each.qsize() for each in self._queues.of([*self._roots, *tasks]))  # a sum has no order
        figures["events in the bot's queues"] = Figure(count=queued, most=QUEUED_MAX)
        return figures


def _comes_again(stream: Stream, symbol: str) -> bool:
    """Whether a change that has been sent before waits to go out once more."""
    return any(not index and isinstance(message, BookUpdate) and message.symbol == symbol for _, _, message, index in stream.waiting)
