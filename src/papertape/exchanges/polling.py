"""Asking REST for what a stream should tell, while it is away; and for the trades that it missed, once it is back."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final

from papertape.exchanges.account import Account
from papertape.exchanges.bell import Bell
from papertape.exchanges.feeds import TradeFeed
from papertape.exchanges.reconcile import confirm, reconcile
from papertape.exchanges.requests import Requests
from papertape.exchanges.streams import Streams
from papertape.model.errors import BaseError
from papertape.model.event import BookSnapshot, Ticker, Trade
from papertape.model.notes import Mark, Notes
from papertape.model.request import Answer, Channel, Lane, Op, Request
from papertape.model.units import Nanos
from papertape.model.venue import Quota
from papertape.resilience.feed import Feed, FeedSignal, FeedState
from papertape.resilience.settings import ShellSettings
from papertape.runtime.clock import Clock
from papertape.runtime.loop import FOREVER_NS
from papertape.runtime.rounds import sleep_ns

POLITE: Final = 2
"""Polling takes at most one part in so many of the public quota; the rest is for what the bot itself asks."""


class Polling:
    """Keeps both stream lanes' news coming.

    A market lane that is away is made good by each book, each instrument's trades, and each ticker (the best prices that come with the
    trades), as REST tells them; a book by REST is a snapshot, valid for `poll_fresh_ns` and no longer. A user lane is made good by what its
    repair does as well: the open orders, then each order that we believe open and that is not among them, then the balance.

    May orders leave while the user lane is polled? Yes, from the first such reconciliation on and for as long as the last one is fresh, or
    until a connection of the lane ends: what that one told last is nowhere then, so the next reconciliation, at once, is waited for.
    Nothing of safety hangs on the stream: an order's answer comes by REST, an unknown outcome is hunted by REST and holds its symbol back
    as ever, and a fill is known two seconds later than the stream would tell. The other way round, a venue whose user stream is down all
    day would stop every bot for a day, with orders open that none of them may replace.

    Its looks for orders that nobody speaks of are rounds that may be passed over (`runtime.rounds.Passing`).

    Attributes:
        feeds: where each lane's news come from.
        bell: rings when a lane or a book changes, and not with each order, of which there are many more.
    """

    is_ordered = False

    def __init__(
        self,
        *,
        streams: Streams,
        account: Account,
        requests: Requests,
        public_quota: Quota,
        clock: Clock,
        bell: Bell,
        notes: Notes,
        settings: ShellSettings,
        is_live: Callable[[Lane], bool],
        on_change: Callable[[], None],
        spawn: Callable[[str, Coroutine[Any, Any, Any]], object],
    ) -> None:
        self.feeds = {Lane.MARKET: Feed(), Lane.USER: Feed()}
        self._streams = streams
        self._account = account
        self._requests = requests
        self._quota = public_quota
        self._clock = clock
        self.bell = bell
        self._notes = notes
        self._settings = settings
        self._is_live = is_live
        self._on_change = on_change
        self._spawn = spawn
        self._asked_ns: dict[Lane, Nanos] = dict.fromkeys(self.feeds, 0)  # when what is gone by was asked for
        self._ended = dict.fromkeys(self.feeds, 0)  # connections that were open and are not

    def work(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        """What is to go on for as long as we are connected."""
        feeds = [(f"{lane} feed", self.keep(lane)) for lane in self.feeds]
        ages = [(f"age of the {lane} feed", self._age(lane)) for lane in self.feeds]
        return [*feeds, *ages, ("age of books by REST", self._age_books()), ("confirming orders", self.confirm())]

    async def keep(self, lane: Lane) -> None:
        """Watch one stream lane for ever: poll while it is away for long, and make good what it missed when it is back."""
        feed = self.feeds[lane]
        while True:
            overdue_ns = self._clock.now_ns() + self._settings.poll_after_ns
            if not await self.bell.until(lambda: self._is_live(lane), overdue_ns):
                self._on(feed, FeedSignal.OVERDUE)
                await self._poll(lane, feed)
            if feed.is_polled:
                self._notes.mark(Mark.STREAMING_AGAIN, f"{lane} lane")
            self._on(feed, FeedSignal.BACK)
            if lane is Lane.MARKET:
                self._catch_up()
            await self.bell.until(lambda: not self._is_live(lane))
            self._on(feed, FeedSignal.LOST)

    def ended(self, lane: Lane) -> None:
        """An open connection of the lane is gone, and what was on its way: nothing that REST was asked for before is gone by any longer."""
        feed = self.feeds[lane]
        self._ended[lane] += 1
        if feed.is_polled:
            self._on(feed, FeedSignal.STALE)
        self.bell.ring()

    def hole(self, symbol: str) -> None:
        """A trade came by the stream, and there may be some before it that did not."""
        self._spawn(f"trades before the stream's {symbol}", self._fill(symbol))

    async def confirm(self) -> None:
        """Now and then ask about orders that nobody speaks of; while the user lane is away, its repair will."""
        after_ns = self._settings.confirm_after_ns
        while True:
            await sleep_ns(self._clock, max(1, after_ns // 5), self)
            unmentioned = self._account.unmentioned_since(self._clock.now_ns() - after_ns) if self._is_live(Lane.USER) else []
            if unmentioned:
                try:
                    await confirm(self._account, self._requests, unmentioned)
                except BaseError:
                    continue

    def quiet_until_ns(self, due_ns: Nanos) -> Nanos:
        """Nobody need be asked before the order that has not been spoken of for longest is due."""
        oldest_ns = self._account.oldest_mention_ns() if self._is_live(Lane.USER) else None
        return FOREVER_NS if oldest_ns is None else oldest_ns + self._settings.confirm_after_ns

    def passed(self, count: int, last_ns: Nanos) -> None:
        """Nobody would have been asked."""

    def has_news(self, lane: Lane) -> bool:
        """Whether what happens is told, by the stream or by REST."""
        return self._is_live(lane) or self.feeds[lane].is_polled

    def _on(self, feed: Feed, signal: FeedSignal) -> None:
        feed.on(signal)
        self._on_change()
        self.bell.ring()

    # While the stream is away

    async def _poll(self, lane: Lane, feed: Feed) -> None:
        ask = self._ask_market if lane is Lane.MARKET else self._ask_user
        while not self._is_live(lane):
            if not self._is_live(Lane.REST):
                await self.bell.until(lambda: self._is_live(lane) or self._is_live(Lane.REST))
                # What repairs the lane has waited for REST as well, and goes first.
                await self.bell.until(lambda: self._is_live(lane), self._clock.now_ns() + self._settings.poll_every_ns)
                continue
            asked_ns, ended = self._clock.now_ns(), self._ended[lane]
            try:
                await ask()
            except BaseError:
                pass  # what was told last may still be gone by, until it is stale
            else:
                is_fresh = self._clock.now_ns() - asked_ns < self._settings.poll_fresh_ns  # it may have waited for its budget meanwhile
                if is_fresh and not self._is_overtaken(lane, ended):
                    self._answered(lane, feed, asked_ns)
            await self.bell.until(partial(self._is_overtaken, lane, ended), asked_ns + self._every_ns(lane))

    def _is_overtaken(self, lane: Lane, ended: int) -> bool:
        """Whether the stream is back, or one more connection of it has ended."""
        return self._is_live(lane) or self._ended[lane] != ended

    def _answered(self, lane: Lane, feed: Feed, asked_ns: Nanos) -> None:
        if not feed.is_polled:
            self._notes.mark(Mark.POLLED, f"{lane} lane")
        self._asked_ns[lane] = asked_ns
        self._on(feed, FeedSignal.ANSWERED)

    async def _age(self, lane: Lane) -> None:
        """What REST told last is gone by for as long as it is fresh, whatever REST does meanwhile."""
        feed, fresh_ns = self.feeds[lane], self._settings.poll_fresh_ns
        while True:
            await self.bell.until(lambda: feed.is_polled)
            asked_ns = self._asked_ns[lane]
            await self.bell.until(lambda: not feed.is_polled, asked_ns + fresh_ns)
            if feed.is_polled and self._asked_ns[lane] == asked_ns:
                self._on(feed, FeedSignal.STALE)

    async def _age_books(self) -> None:
        """A book that REST told is shown until the stream's snapshot is here, and no longer than it is fresh, whatever the lane does."""
        fresh_ns, streams = self._settings.poll_fresh_ns, self._streams
        while True:
            await self.bell.until(lambda: streams.polled_since_ns() is not None)
            told_ns = streams.polled_since_ns()
            if told_ns is not None:
                await self.bell.until(partial(self._is_told_anew, told_ns), told_ns + fresh_ns)
            streams.expire(self._clock.now_ns() - fresh_ns)

    def _is_told_anew(self, told_ns: Nanos) -> bool:
        return self._streams.polled_since_ns() != told_ns

    def _every_ns(self, lane: Lane) -> Nanos:
        if lane is Lane.USER:
            return self._settings.poll_every_ns
        return max(self._settings.poll_every_ns, len(self._streams.wanted()) * POLITE * self._quota.per_ns // self._quota.count)

    async def _ask_user(self) -> None:
        await reconcile(self._account, self._requests)

    async def _ask_market(self) -> None:
        wanted = self._streams.wanted()
        for symbol in dict.fromkeys(symbol for channel, symbol in wanted if channel in (Channel.TRADES, Channel.TICKER)):
            await self._ask_trades(symbol)
        for symbol in [symbol for channel, symbol in wanted if channel is Channel.BOOK]:
            asked_ns = self._clock.now_ns()
            answer = await self._requests.repeat(Request(op=Op.BOOK_FETCH, symbol=symbol), within_ns=self._settings.poll_fresh_ns)
            feed = self._streams.books.get(symbol)
            for book in answer.books:
                if feed is not None and book.symbol == symbol and book.bids and book.asks:  # an empty one tells that the venue has none
                    feed.polled(book, asked_ns, self._clock.now_ns())
                    self._streams.on_books_changed()

    async def _ask_trades(self, symbol: str) -> None:
        answer = await self._fetch_trades(symbol)
        trades, ticker = self._streams.trades.get(symbol), self._streams.tickers.get(symbol)
        if trades is not None:
            trades.rest_ns = self._clock.now_ns()
            trades.tell(trades.thread.polled(answer.trades))
            self._note_holes(trades)
        if ticker is not None and not self._is_live(Lane.MARKET):
            for best in answer.books:
                ticker.rest_ns = self._clock.now_ns()
                ticker(_ticker_of(best, answer.trades))

    async def _fetch_trades(self, symbol: str, within_ns: Nanos | None = None) -> Answer:
        feed = self._streams.trades.get(symbol)
        since_ns = None if feed is None else feed.thread.since_ns
        request = Request(op=Op.TRADES_FETCH, symbol=symbol, since_ns=since_ns)
        return await self._requests.repeat(request, within_ns=within_ns or self._settings.poll_fresh_ns)

    # Once it is back

    def _catch_up(self) -> None:
        """Tell what was traded while the stream was away, even if nothing is traded for long after that."""
        for symbol in self._streams.trades:
            if self._is_behind(symbol):
                self._spawn(f"trades that {symbol}'s stream missed", self.catch_up_with(symbol))

    def _is_behind(self, symbol: str) -> bool:
        """Whether trades may be missing, and none waits that would have them asked for."""
        feed = self._streams.trades.get(symbol)
        return feed is not None and feed.thread.is_torn and feed.thread.last is not None and not feed.thread.is_waiting

    async def catch_up_with(self, symbol: str) -> None:
        """Tell what was traded and not streamed."""
        if not self._is_behind(symbol):
            return
        try:
            await self._ask_trades(symbol)
        except BaseError:
            return  # the first trade of the stream asks again

    async def _fill(self, symbol: str) -> None:
        """Find what came before the stream's first trade; what cannot be found in time is missing, and the stream goes on."""
        deadline_ns = self._clock.now_ns() + self._settings.hole_within_ns
        feed, failures = self._streams.trades.get(symbol), 0
        while feed is not None and feed.thread.is_waiting:
            found = None
            try:
                answer = await self._fetch_trades(symbol, max(1, deadline_ns - self._clock.now_ns()))
                found = feed.thread.joined(answer.trades)
            except BaseError:
                pass  # asked again below, if there is time
            if found is not None:
                self._notes.mark(Mark.TRADES_FILLED_IN, f"{symbol}: {len(found)} trades")
            elif self._clock.now_ns() >= deadline_ns:
                found = feed.thread.give_up()
            if found is not None:
                feed.tell(found)
                self._note_holes(feed)
            else:
                failures += 1
                await self._clock.sleep_ns(min(self._requests.backoff(failures), max(1, deadline_ns - self._clock.now_ns())))

    def _note_holes(self, feed: TradeFeed) -> None:
        if feed.thread.holes > feed.holes_told:
            feed.holes_told = feed.thread.holes
            self._notes.mark(Mark.TRADES_MISSED, feed.instrument.symbol)


def said_of(feed: Feed) -> str:
    """What health adds to a lane that is away; empty where there is nothing to add."""
    return "" if feed.state in (FeedState.STREAMED, FeedState.AWAITED) else feed.state.value


def _ticker_of(best: BookSnapshot, trades: Sequence[Trade]) -> Ticker:
    bid, ask = ((levels[0] if levels else (None, 0)) for levels in (best.bids, best.asks))
    last_ticks = trades[-1].price_ticks if trades else None
    return Ticker(
        venue_ns=best.venue_ns, local_ns=best.local_ns, symbol=best.symbol, last_ticks=last_ticks,
        bid_ticks=bid[0], bid_lots=bid[1], ask_ticks=ask[0], ask_lots=ask[1],
    )  # fmt: skip
