"""The line to a venue: three lanes kept up, what they bring handed on, and everything else built around them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from papertape.exchanges.account import Account
from papertape.exchanges.admission import Admission
from papertape.exchanges.amending import Amending
from papertape.exchanges.beats import BeatCounter
from papertape.exchanges.bell import Bell
from papertape.exchanges.comparing import Comparing
from papertape.exchanges.lanes import LaneKeeper
from papertape.exchanges.listening import Listening
from papertape.exchanges.losses import Losses
from papertape.exchanges.markets import Markets
from papertape.exchanges.placing import Placing
from papertape.exchanges.polling import Polling, said_of
from papertape.exchanges.reconcile import reconcile
from papertape.exchanges.requests import Requests
from papertape.exchanges.streams import Streams
from papertape.exchanges.subscribing import Subscribing
from papertape.exchanges.taking import StretchTaker
from papertape.exchanges.venue_time import VenueTime
from papertape.exchanges.watching import Watching
from papertape.links.base import Link
from papertape.model.errors import AuthenticationError, BaseError, ExchangeNotAvailable, as_never_sent
from papertape.model.event import BookSnapshot, BookUpdate, Event, Heartbeat, MarketStatus, Ticker, Trade
from papertape.model.notes import Mark, Notes
from papertape.model.order import OpenOrders, Order, OrderUpdate
from papertape.model.request import Channel, Lane, Op, Request
from papertape.model.units import format_duration
from papertape.model.venue import Numbering
from papertape.resilience.backoff import Backoff
from papertape.resilience.health import Health, missing
from papertape.resilience.hearing import Hearing
from papertape.resilience.intents import IntentStore
from papertape.resilience.reconnect import LaneState, Reconnect, Signal
from papertape.resilience.settings import ShellSettings
from papertape.resilience.silence import Silence
from papertape.resilience.tracker import IntentState
from papertape.runtime.chance import Chance
from papertape.runtime.clock import Clock

_MARKET: Final = Lane.MARKET
_BEATS_MISSED: Final = 5  # a stream that missed so many heartbeats is dead


class Line:
    """The inside of a `ResilientExchange`; its parts are public because that is what it is for.

    Attributes:
        rules: the venue's.
        markets: what can be traded; known once the REST lane is live.
        account: our orders and money, as far as we know.
        admission: whose turn it is to dial, or to speak on a stream.
        taker, beats: how a link may bring changes of books, and heartbeats, many at a time.
        is_closing, is_over: `disconnect` was called; nothing can be asked or heard any more.
    """

    def __init__(
        self,
        link: Link,
        *,
        clock: Clock,
        chance: Chance,
        notes: Notes,
        store: IntentStore,
        run_id: str,
        settings: ShellSettings,
        on_bot_error: Callable[[BaseException], None],
    ) -> None:
        self._link, self.rules = link, link.rules
        self.clock = clock = self._time = VenueTime(clock, notes)
        self._notes, self.settings, self._on_bot_error = notes, settings, on_bot_error
        self.bell = Bell(clock)
        self._tasks: dict[int, asyncio.Task[Any]] = {}
        self._task_count = 0
        self._lane_tasks: list[asyncio.Task[Any]] = []
        self._leaving: asyncio.Task[None] | None = None
        self._is_started = self._is_recovered = self.is_closing = self.is_over = False
        self._times_live = dict.fromkeys(Lane, 0)
        self._said: tuple[bool, str] = (False, "not connected")
        backoff = partial(Backoff, first_ns=settings.backoff_first_ns, max_ns=settings.backoff_max_ns)
        name = link.rules.name
        self.account = Account(
            clock=clock, store=store, bell=self.bell, notes=notes, run_id=run_id,
            hearing=Hearing(quiet_ns=settings.mute_after_ns, untold_ns=settings.untold_after_ns),
        )  # fmt: skip
        self.requests = Requests(
            link, clock=clock, notes=notes, settings=settings, bell=self.bell,
            backoff=backoff(draws=chance.stream(f"backoff/{name}/calls")),
            rest_is_live=lambda: self._rest.is_live, on_line_dead=lambda why: self._rest.signal(Signal.DROPPED, why),
        )  # fmt: skip
        self.admission = Admission(link.rules, self.requests, clock=clock, margin_ns=settings.rate_margin_ns)
        self._lanes = {lane: self._keeper(lane, backoff(draws=chance.stream(f"backoff/{name}/{lane}"))) for lane in Lane}
        self._rest, self._market, self._user = (self._lanes[lane] for lane in Lane)
        self.placing = Placing(
            account=self.account, requests=self.requests, rules=link.rules, clock=clock, bell=self.bell, notes=notes, settings=settings,
            line_is_up=self._may_trade, rest_is_live=lambda: self._rest.is_live, spawn=self.spawn,
            seen=lambda symbol: self._streams.seen(symbol, is_live=self._polling.has_news(Lane.MARKET)),
            on_closed=lambda symbol: self.markets.refused(symbol),
        )  # fmt: skip
        self.amending = Amending(
            account=self.account, requests=self.requests, clock=clock, bell=self.bell, settings=settings, withdraw=self.placing.withdraw,
        )  # fmt: skip
        self._streams = Streams(
            link, clock, may_say=self.admission.message, patience_ns=settings.resync_step_ns, on_books_changed=self._books_changed,
            on_doubt=self._snapshot_doubted, on_second_doubt=lambda symbol, why: self._watching.settle(symbol, why),
            on_begun=lambda feed: self._comparing.begin(feed), follows_status=settings.follow_status and link.rules.status_every_ns > 0,
        )  # fmt: skip
        self.markets = Markets(
            requests=self.requests, clock=clock, notes=notes, settings=settings, streams=self._streams, spawn=self.spawn,
            on_change=self._review,
        )  # fmt: skip
        self.subscribing = Subscribing(
            markets=self.markets, streams=self._streams, account=self.account, requests=self.requests, clock=clock,
            settings=settings, market_is_live=lambda: self._market.is_live, spawn=self.spawn, on_bot_error=self._bot_failed,
            on_orders_lost=lambda: self._user.signal(Signal.MISSED), on_hole=lambda symbol: self._polling.hole(symbol),
        )  # fmt: skip
        self.taker = StretchTaker(self._market, self._streams)
        self.beats = BeatCounter(self._lanes.__getitem__, self._time)
        self._polling = Polling(
            streams=self._streams, account=self.account, requests=self.requests, public_quota=link.rules.public_quota, clock=clock,
            bell=Bell(clock, beyond=self.bell), notes=notes, settings=settings, is_live=lambda lane: self._lanes[lane].is_live,
            on_change=self._review, spawn=self.spawn,
        )  # fmt: skip
        self._watching = Watching(
            streams=self._streams, requests=self.requests, clock=clock, notes=notes, settings=settings,
            market_is_live=lambda: self._market.is_live, on_wrong=self._snapshot_doubted, spawn=self.spawn,
        )  # fmt: skip
        self._comparing = Comparing(
            streams=self._streams, requests=self.requests, public_quota=link.rules.public_quota, clock=clock, notes=notes,
            settings=settings, spawn=self.spawn,
        )  # fmt: skip
        self._listening = Listening(
            link=link, account=self.account, requests=self.requests, clock=clock, bell=self.bell, notes=notes, settings=settings,
            may_say=self.admission.message, is_live=lambda: self._user.is_live, on_mute=partial(self._user.signal, Signal.DROPPED),
        )  # fmt: skip
        self._losses = Losses(
            streams=self._streams, notes=notes, tear_bars=self.subscribing.tear_bars, catch_up=self._polling.catch_up_with,
            spawn=self.spawn, on_change=self._review,
        )  # fmt: skip
        link.bind(self)

    def _keeper(self, lane: Lane, backoff: Backoff) -> LaneKeeper:
        settings = self.settings
        limit_ns = settings.stale_after_ns or _BEATS_MISSED * self._link.rules.heartbeat_ns
        is_market = lane is Lane.MARKET
        return LaneKeeper(
            lane, self._link, clock=self.clock, settings=settings, machine=Reconnect(backoff, stable_after_ns=settings.stable_after_ns),
            silence=None if lane is Lane.REST else Silence(limit_ns=limit_ns), may_dial=partial(self.admission.dial, lane),
            on_refused=self.admission.refused, repair=partial(self._repair, lane), on_lost=partial(self._lane_lost, lane),
            on_change=self._lane_changed,
            on_silent=lambda why: self._notes.mark(Mark.STALE_LANE_DROPPED, f"{lane} lane: {why}"),
            is_starved=(lambda now_ns: self._streams.starved(now_ns, settings.snapshot_within_ns)) if is_market else (lambda now_ns: ""),
            counts_instruments=is_market and self._link.rules.numbering is Numbering.INSTRUMENT,
        )  # fmt: skip

    # What the link brings: `links.base.Receiver`

    def on_message(self, lane: Lane, sequence: int | None, message: Event | OrderUpdate) -> None:
        keeper = self._market if lane is _MARKET else self._user
        keeper.heard += 1
        counter = keeper.sequence
        if sequence == counter.expected:
            counter.expected = sequence + 1
        elif not self._losses.follows(keeper, sequence, message):
            return
        # By type, not isinstance, on this hottest of paths; mypy follows only the latter, so each branch tells it to take our word.
        kind = type(message)
        if kind is Trade:
            trades = self._streams.trades.get(message.symbol)  # type: ignore[union-attr]  # `kind` says so
            if trades is not None:
                trades(message)  # type: ignore[arg-type]  # `kind` says so
        elif kind is BookUpdate:
            book = self._streams.books.get(message.symbol)  # type: ignore[union-attr]  # `kind` says so
            if book is not None:
                if book.invalid_since_ns is None:
                    book(message)  # type: ignore[arg-type]  # `kind` says so
                else:
                    book.held.hold(message)  # type: ignore[arg-type]  # `kind` says so
        elif kind is OrderUpdate:
            self.account.hear(message.order, show=True, is_streamed=True)  # type: ignore[union-attr]  # `kind` says so
        elif kind is Ticker:
            ticker = self._streams.tickers.get(message.symbol)  # type: ignore[union-attr]  # `kind` says so
            if ticker is not None:
                ticker(message)  # type: ignore[arg-type]  # `kind` says so
        elif kind is BookSnapshot:
            book = self._streams.books.get(message.symbol)  # type: ignore[union-attr]  # `kind` says so
            if book is not None:
                self._streams.on_snapshot(book, message)  # type: ignore[arg-type]  # `kind` says so
        elif kind is Heartbeat:
            self._time.hear(message.venue_ns)
        elif kind is OpenOrders:
            self._listening.on_list(message)  # type: ignore[arg-type]  # `kind` says so
        elif kind is MarketStatus:
            self.markets.hear(message)  # type: ignore[arg-type]  # `kind` says so

    def on_closed(self, lane: Lane, reason: str) -> None:
        self._lanes[lane].signal(Signal.DROPPED, reason)

    # Lanes

    async def _repair(self, lane: Lane) -> None:
        """What a fresh or torn connection needs before its lane is LIVE."""
        if lane is Lane.REST:
            if not self.markets.by_symbol:
                await self.requests.spend(Op.MARKETS_FETCH, urgent=False)
                answer = await self.requests.send(Request(op=Op.MARKETS_FETCH))
                self.markets.learn(answer.markets)
        elif lane is Lane.MARKET:
            is_new, asked = not self._streams.is_connected, await self._streams.repair()
            if asked and is_new and self._market.times_live:
                self._notes.mark(Mark.RESUBSCRIBED, f"{asked} channels")
        else:
            await self._listening.begin()
            count = await reconcile(self.account, self.requests)
            await self._listening.begun()
            if not self._losses.healed(lane, f", {count} orders") and self._user.times_live:
                self._notes.mark(Mark.RECONCILED_AFTER_RECONNECT, f"{count} orders")

    def _lane_lost(self, lane: Lane, reason: str) -> None:
        if lane is Lane.MARKET:
            self._streams.lost()
            self.subscribing.tear_bars()
        elif lane is Lane.USER:
            if self._user.state is not LaneState.DIALLING:
                self._polling.ended(lane)
            self._listening.lost()
        self._review()

    def _lane_changed(self, keeper: LaneKeeper) -> None:
        if keeper.times_live > self._times_live[keeper.lane]:
            self._times_live[keeper.lane] = keeper.times_live
            if keeper.times_live > 1:
                self._notes.mark(Mark.RECONNECTED, f"{keeper.lane} lane: {keeper.reason}")
        self._review()
        self._polling.bell.ring()

    def _review(self) -> None:
        """Say so if health changed, or if a gap in market data is closed."""
        if not self.is_over:
            stale = self._streams.stale_books()
            why = self._missing(stale)
            if self._market.is_live and not stale:
                self._losses.healed(Lane.MARKET, "")
            self._say(not why, why)

    def _books_changed(self) -> None:
        self._review()
        self._polling.bell.ring()  # an order may wait until its market can be seen

    def _snapshot_doubted(self, why: str) -> None:
        self._notes.mark(Mark.SNAPSHOT_DOUBTED, why)
        self._market.signal(Signal.MISSED)
        self._review()

    def _say(self, is_healthy: bool, why: str) -> None:
        if self._said != (is_healthy, why):
            self._said = (is_healthy, why)
            self._notes.health_changed(is_healthy, why)

    def wanted(self) -> list[tuple[Channel, str]]:
        """The market channels that callbacks want, oldest first."""
        return self._streams.wanted()

    def health(self) -> Health:
        """The state of everything, right now."""
        stale = self._streams.stale_books()
        feeds = self._polling.feeds
        lanes = tuple(keeper.health(feeds[lane].state if lane in feeds else None) for lane, keeper in self._lanes.items())
        why = "disconnected" if self.is_over else self._missing(stale)
        return Health(
            is_healthy=not why,
            why=why,
            may_trade=self._may_trade() and not self.is_closing,
            lanes=lanes,
            queue_depth=len(self.placing.outbox),
            unknown_orders=len(self.account.tracker.unknown()),
            rate_left=self.requests.private.left(self.clock.now_ns()),
            stale_books=tuple(stale),
            not_online=self.markets.not_online(),
        )

    def _missing(self, stale: list[str]) -> str:
        said = {lane: said_of(feed) for lane, feed in self._polling.feeds.items()}
        return missing([(lane, keeper.state, said.get(lane, "")) for lane, keeper in self._lanes.items()], stale, self.markets.not_online())

    def _may_trade(self) -> bool:
        return self._rest.is_live and self._polling.has_news(Lane.USER)

    # Life

    async def connect(self) -> None:
        if self.is_closing:
            raise as_never_sent(ExchangeNotAvailable(f"{self._link.rules.name}: disconnected; make a new exchange to connect again"))
        if not self._is_started:
            self._is_started = True
            self.account.load()
            if not self.account.is_first_life:
                self.requests.follow_on()
                self.admission.follow_on()
            for lane, keeper in self._lanes.items():
                self._lane_tasks.append(self.spawn(f"{lane} lane", keeper.run()))
            for name, work in self._polling.work():
                self.spawn(name, work)
            self.spawn("mute subscriptions", self._watching.keep())
            self.spawn("mute own orders", self._listening.keep())
        within_ns = self.settings.connect_within_ns
        await self.bell.until(lambda: self.is_closing or self._is_live() or self._refused() is not None, self.clock.now_ns() + within_ns)
        if not self._is_live():
            refused = self._refused()
            if refused is not None:
                raise refused
            raise as_never_sent(
                ExchangeNotAvailable(f"{self._link.rules.name}: not connected within {format_duration(within_ns)}: {self._said[1]}")
            )
        if not self._is_recovered:
            self._is_recovered = True
            if self.account.taken_up:
                self._notes.mark(Mark.TOOK_UP_INTENTS, f"{len(self.account.taken_up)} of an earlier life")
            for intent in self.account.tracker.unknown():
                self.placing.hunt(intent, None)

    def _is_live(self) -> bool:
        """Whether all that a bot needs is there, if only by REST."""
        return self._rest.is_live and all(self._polling.has_news(lane) for lane in self._polling.feeds)

    def _refused(self) -> BaseError | None:
        """Why dialling again is of no use: the venue does not want us."""
        return next((keeper.refused for keeper in self._lanes.values() if isinstance(keeper.refused, AuthenticationError)), None)

    async def disconnect(self) -> None:
        if self._leaving is None:
            self.is_closing = self.placing.is_closing = True
            self._leaving = asyncio.get_running_loop().create_task(self._leave(), name="disconnect")
        await asyncio.shield(self._leaving)

    async def _leave(self) -> None:
        deadline_ns = self.clock.now_ns() + self.settings.drain_within_ns
        self.subscribing.end_market()
        tracker = self.account.tracker
        for client_order_id in self.placing.outbox.empty():
            self.account.given_up(tracker[client_order_id])

        def has_drained() -> bool:
            return not any(intent.state in (IntentState.SENT, IntentState.UNKNOWN) for intent in tracker.unsettled())

        if self._is_started:
            await self.bell.until(has_drained, deadline_ns)
            if self.settings.cancel_on_disconnect:
                open_orders = [intent.order for intent in tracker.unsettled() if intent.order is not None]
                cancels = [self.spawn(f"cancel {order.id}", self._cancel_last(order)) for order in open_orders]
                await self.bell.until(lambda: all(cancel.done() for cancel in cancels), deadline_ns)
        self.is_over = self.placing.is_over = self.requests.is_over = True
        self._say(False, "disconnected")
        self.subscribing.end_all()
        self.bell.ring()
        for keeper in self._lanes.values():
            keeper.signal(Signal.CLOSED)
        if self._is_started:
            hang_up_ns = 2 * self.settings.hang_up_within_ns
            await self.bell.until(lambda: all(task.done() for task in self._lane_tasks), self.clock.now_ns() + hang_up_ns)
        leftover = list(self._tasks.values())
        for task in leftover:
            task.cancel()
        await asyncio.gather(*leftover, return_exceptions=True)
        self.subscribing.close()

    async def _cancel_last(self, order: Order) -> None:
        try:
            await self.amending.cancel(order.id, order.symbol)
        except BaseError:
            return  # it stays open, and `view` says so

    def spawn(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do something beside; what goes wrong there unexpectedly ends the bot rather than vanish."""
        self._task_count += 1
        number = self._task_count
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[number] = task

        def ended(task: asyncio.Task[Any]) -> None:
            del self._tasks[number]
            if not task.cancelled():
                error = task.exception()
                if error is not None and not isinstance(error, BaseError):
                    self._bot_failed(error)
            self.bell.ring()

        task.add_done_callback(ended)
        return task

    def _bot_failed(self, error: BaseException) -> None:
        self.subscribing.end_all()
        self._on_bot_error(error)
