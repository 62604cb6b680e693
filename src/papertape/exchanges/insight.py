"""The inside of an exchange as an observer may see it: read, never changed. No bot needs it; the judge of a simulated run does."""

from __future__ import annotations

from collections.abc import Iterator

from papertape.exchanges.line import Line
from papertape.model.book import Book
from papertape.model.request import Channel
from papertape.model.units import Nanos, format_duration
from papertape.resilience.reconnect import LaneState


class Insight:
    """What goes on behind a `ResilientExchange`, at this instant."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def books(self) -> Iterator[tuple[str, Book, bool]]:
        """Every subscribed book that may be acted upon, by symbol, and whether the stream keeps it; else it is as REST told it."""
        for symbol, feed in self._line._streams.books.items():
            if feed.is_valid:
                yield symbol, feed.book, feed.invalid_since_ns is None

    def followed(self, symbol: str) -> dict[Channel, Nanos | None]:
        """What the bot is subscribed to of that market, and when REST last told it in the stream's stead, run time."""
        streams = self._line._streams
        book, trades, ticker = streams.books.get(symbol), streams.trades.get(symbol), streams.tickers.get(symbol)
        feeds = ((Channel.BOOK, book), (Channel.TRADES, trades), (Channel.TICKER, ticker))
        return {channel: feed.rest_ns for channel, feed in feeds if feed is not None}

    def invalid_since_ns(self, symbol: str) -> Nanos | None:
        """Since when its subscribed book has been waiting for a snapshot, run time; None if it is valid or nobody wants it."""
        feed = self._line._streams.books.get(symbol)
        return None if feed is None else feed.invalid_since_ns

    def stamp_ns(self, symbol: str) -> Nanos | None:
        """How far its subscribed book is known, by the venue's stamps, epoch time, valid or not; None if nobody wants it."""
        feed = self._line._streams.books.get(symbol)
        return None if feed is None else feed.known_ns

    def load(self) -> dict[str, tuple[int, int]]:
        """What waits or works inside, by its name: how many, and how many there may be."""
        line, settings = self._line, self._line.settings
        waiting = [delivery.waiting for delivery in line.subscribing._live.values()]
        return {
            "tasks of the shell": (len(line._tasks), settings.outbox_max + 1_000),
            "events waiting for one callback": (max(waiting, default=0), settings.inbox_max),
            "orders in the outbox": (len(line.placing.outbox), settings.outbox_max),
        }

    def lanes(self) -> dict[str, str]:
        """How each lane stands, in words, by its name: its state, and where it waits, for how long and after how many failures."""
        now_ns, states = self._line.clock.now_ns(), {}
        for lane, keeper in self._line._lanes.items():
            health = keeper.health()
            words = health.state.value
            if health.state is LaneState.DOWN and keeper.due_ns is not None and keeper.due_ns > now_ns:
                words = f"down, dial due in {format_duration(keeper.due_ns - now_ns)} after {health.failures} failures"
            states[str(lane)] = words
        return states

    def pending(self) -> dict[str, str]:
        """Why the client does not know yet what became of an order, or may still wait to send it, by client order id."""
        line, now_ns = self._line, self._line.clock.now_ns()
        rest = f"REST lane: {self.lanes()['rest']}"
        reasons = {}
        for intent in line.account.tracker.unsettled():
            key = intent.client_order_id
            if intent.is_unknown:
                next_ns = line.placing.next_look_ns.get(key)
                look = f"next look at {format_duration(next_ns)}" if next_ns is not None and next_ns > now_ns else "a look is under way"
                is_hunted = f"hunt {key}" in [task.get_name() for task in line._tasks.values() if not task.done()]
                reasons[key] = f"outcome unknown; {f'being hunted, {look}' if is_hunted else 'nobody looks for it'}; {rest}"
            elif intent.order is None:
                where = "waits in the outbox" if key in line.placing.outbox else "sent, and no answer yet"
                reasons[key] = f"{where}; {rest}; user lane: {self.lanes()['user']}"
        return reasons

    def left(self) -> list[str]:
        """What goes on although it should be over, in words."""
        line = self._line
        tasks = [f"task `{task.get_name()}` of the shell" for task in line._tasks.values() if not task.done()]
        count = line.subscribing.count
        return tasks + ([f"{count} subscriptions"] if count else [])
