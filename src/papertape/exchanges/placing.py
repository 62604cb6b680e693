"""Placing orders: never two effective orders for one intent, whatever happens to the line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any, Final

from papertape.exchanges.account import Account
from papertape.exchanges.bell import Bell
from papertape.exchanges.requests import Requests
from papertape.model.errors import (
    AuthenticationError,
    BaseError,
    DuplicateOrderId,
    ExchangeError,
    ExchangeNotAvailable,
    MarketClosed,
    OrderNotFound,
    OutcomeUnknown,
    RateLimitExceeded,
    as_never_sent,
    never_sent,
)
from papertape.model.notes import Mark, Notes
from papertape.model.order import NewOrder, Order, OrderStatus
from papertape.model.request import Op, Request
from papertape.model.units import DAY, MINUTE, Nanos, format_duration
from papertape.model.venue import Reconcile, VenueRules
from papertape.resilience.outbox import Outbox, Seen, Verdict, Waiting
from papertape.resilience.settings import ShellSettings
from papertape.resilience.tracker import Intent, IntentState
from papertape.runtime.clock import Clock

EARLIER_LOOK_BACK_NS: Final = DAY
"""The same for an order of an earlier life: the date of then stamped it, and how wrong that was nobody knows now."""

LOOK_BACK_NS: Final = 10 * MINUTE
"""How much older than its loss a lost order may look: the venue's clock is not ours, and the loss was noticed late."""


class Placing:
    """Takes an intent from the bot's wish to the venue's word."""

    def __init__(
        self,
        *,
        account: Account,
        requests: Requests,
        rules: VenueRules,
        clock: Clock,
        bell: Bell,
        notes: Notes,
        settings: ShellSettings,
        line_is_up: Callable[[], bool],
        rest_is_live: Callable[[], bool],
        spawn: Callable[[str, Coroutine[Any, Any, Any]], asyncio.Task[Any]],
        seen: Callable[[str], Seen],
        on_closed: Callable[[str], None],
    ) -> None:
        self.outbox = Outbox(ttl_ns=settings.outbox_ttl_ns, limit=settings.outbox_max, stale_bps=settings.stale_price_bps)
        self.is_closing = False  # no new order is taken in
        self.is_over = False  # nobody can find anything out any more
        self.next_look_ns: dict[str, Nanos] = {}  # of each hunt that waits, or waited last
        self.abandoned: dict[str, Intent] = {}  # orders on their way that the bot no longer waits for
        self._account = account
        self._requests = requests
        self._rules = rules
        self._clock = clock
        self._bell = bell
        self._notes = notes
        self._settings = settings
        self._line_is_up = line_is_up
        self._rest_is_live = rest_is_live
        self._spawn = spawn
        self._seen = seen
        self._on_closed = on_closed

    def take_in(self, wanted: NewOrder, client_order_id: str | None) -> Intent:
        """Accept an order from the bot, or refuse it before anything is written or sent."""
        symbol = wanted.symbol
        if self.is_closing:
            raise as_never_sent(ExchangeNotAvailable(f"{symbol}: the exchange is disconnecting; nothing was sent"))
        unknown = self._account.tracker.unknown(symbol)
        if unknown:
            ids = ", ".join(intent.client_order_id for intent in unknown)
            raise as_never_sent(
                ExchangeNotAvailable(f"{symbol}: no new order while the outcome of {ids} is unknown; `resolve` it first; nothing was sent")
            )
        for intent in list(self.abandoned.values()):
            if intent.order is not None or intent.is_settled:
                del self.abandoned[intent.client_order_id]
            elif intent.wanted.symbol == symbol:
                text = f"{symbol}: no new order while {intent.client_order_id}, which nobody waited for, is on its way; `resolve` it first"
                raise as_never_sent(ExchangeNotAvailable(f"{text}; nothing was sent"))
        if self.outbox.is_full:
            raise as_never_sent(ExchangeNotAvailable(f"{symbol}: {len(self.outbox)} orders already wait for the line; nothing was sent"))
        if client_order_id is not None and client_order_id in self._account.tracker:
            raise DuplicateOrderId(f"order {client_order_id}: that client order id was used before; nothing was sent")
        intent = self._account.want(wanted, client_order_id)
        self.outbox.put(intent.client_order_id, symbol, self._clock.now_ns(), self._seen(symbol))
        return intent

    async def see_through(self, intent: Intent) -> Order:
        """From the outbox to an outcome; raises what `BaseExchange.place_order` says."""
        try:
            sent = await self._send_once(intent)
        finally:
            self.outbox.withdraw(intent.client_order_id)
        if intent.is_unknown:
            self.hunt(intent, sent)
            deadline_ns = self._clock.now_ns() + self._settings.resolve_within_ns
            await self._bell.until(lambda: self.is_over or not intent.is_unknown, deadline_ns)
            if intent.is_unknown:
                raise OutcomeUnknown(intent.client_order_id)
        return self.outcome(intent)

    def outcome(self, intent: Intent) -> Order:
        """What became of an intent whose outcome is known: its order, or the error that says why there is none."""
        if intent.order is not None:
            return intent.order
        key = intent.client_order_id
        if intent.state is IntentState.REFUSED:
            raise self._account.refusals.get(key) or ExchangeError(f"order {key}: refused by the venue before this start")
        if intent.state is IntentState.NOT_FOUND:
            raise OrderNotFound(f"order {key}: its request was lost, and the venue never had it")
        raise as_never_sent(ExchangeNotAvailable(f"order {key}: given up before it was sent"))

    async def resolve(self, intent: Intent) -> Order:
        """Wait for an outcome as long as it takes."""
        await self._bell.until(lambda: self.is_over or intent.order is not None or intent.is_settled)
        if intent.order is None and not intent.is_settled:
            raise OutcomeUnknown(intent.client_order_id)
        return self.outcome(intent)

    # The way out

    async def _send_once(self, intent: Intent) -> Waiting | None:
        """Send until one request may have had an effect, or none ever will; returns how the last one that left had waited."""
        key, symbol = intent.client_order_id, intent.wanted.symbol
        trouble: BaseError | None = None
        waiting: Waiting | None = None
        has_waited = False
        while intent.state is IntentState.WANTED:
            seen = self._seen(symbol)
            wanted_at = self.outbox.wanted_at(key)
            verdict = self.outbox.ask(key, self._clock.now_ns(), may_go=self._may_go(symbol), seen=seen)
            if verdict is Verdict.EXPIRED:
                raise self._expire(intent, trouble)
            if verdict is Verdict.STALE:
                raise self._left_behind(intent, wanted_at, seen.price)
            until_ns = self.outbox.deadline_ns(key)
            if verdict is Verdict.BEHIND:
                await self._bell.until(lambda: intent.state is not IntentState.WANTED or self.outbox.is_first(key), until_ns)
                continue
            if verdict is Verdict.WAIT:
                if not has_waited:
                    has_waited = True
                    self._notes.mark(Mark.ORDER_WAITED_IN_OUTBOX, key)
                await self._bell.until(lambda: intent.state is not IntentState.WANTED or self._may_go(symbol, has_waited=True), until_ns)
                continue
            asked_ns = self._clock.now_ns()
            if not await self._requests.spend(Op.ORDER_CREATE, urgent=False, until_ns=until_ns):
                await self._bell.until(lambda: intent.state is not IntentState.WANTED, until_ns)
                continue
            now_ns = self._clock.now_ns()  # once: a clock that goes on by itself must not bring the deadline between two looks
            if intent.state is not IntentState.WANTED or not self._may_go(symbol) or now_ns >= until_ns:
                continue  # things changed while the budget was spent
            if now_ns > asked_ns:
                self.outbox.held_up(key)
                seen = self._seen(symbol)
                verdict = self.outbox.ask(key, now_ns, may_go=True, seen=seen)
                if verdict is Verdict.STALE:
                    raise self._left_behind(intent, wanted_at, seen.price)
                if verdict is not Verdict.SEND:
                    continue  # its market went out of sight meanwhile
            waiting = self.outbox.sent(key)
            if len(self.outbox):
                self._bell.ring()  # whoever is behind it may go
            if isinstance(trouble, RateLimitExceeded):
                self._notes.mark(Mark.RETRIED_AFTER_RATE_LIMIT, key)
            trouble = await self._attempt(intent)
            if intent.state is IntentState.WANTED and self.is_closing:
                self._account.given_up(intent)  # the last cancels are leaving, and nothing may follow them
            elif intent.state is IntentState.WANTED:
                self.outbox.back(waiting)
        return waiting

    def _may_go(self, symbol: str, *, has_waited: bool = False) -> bool:
        is_seen = not has_waited or self._seen(symbol).is_current
        return is_seen and self._line_is_up() and not self._account.tracker.unknown(symbol)

    def withdraw(self, intent: Intent) -> Order | None:
        """Give up an order that nobody has sent yet, and return it as cancelled; None if it is too late for that."""
        key = intent.client_order_id
        if intent.state is not IntentState.WANTED or key not in self.outbox:
            return None
        self.outbox.withdraw(key)
        self._account.given_up(intent)
        wanted, at_ns = intent.wanted, self._clock.wall_ns()
        return Order(
            id="", client_order_id=key, symbol=wanted.symbol, type=wanted.type, side=wanted.side, amount=wanted.amount or Decimal(0),
            price=wanted.price, time_in_force=wanted.time_in_force, post_only=wanted.post_only, status=OrderStatus.CANCELED,
            created_ns=at_ns, updated_ns=at_ns, reason="withdrawn before it was sent", expires_ns=wanted.expires_ns,
            trigger_price=wanted.trigger_price, stop_direction=wanted.stop_direction, stop_loss_price=wanted.stop_loss_price,
        )  # fmt: skip

    def _left_behind(self, intent: Intent, wanted_at: Decimal | None, now_at: Decimal | None) -> BaseError:
        key, symbol = intent.client_order_id, intent.wanted.symbol
        self._notes.mark(Mark.ORDER_STALE_IN_OUTBOX, f"{key}: {wanted_at} → {now_at}")
        self._account.given_up(intent)
        return as_never_sent(
            ExchangeNotAvailable(
                f"order {key}: {symbol} stood at {wanted_at} when it was wanted and at {now_at} when the line was back; a move of "
                f"{self._settings.stale_price_bps} bps is allowed (`stale_price_bps`), so it was never sent"
            )
        )

    def _expire(self, intent: Intent, trouble: BaseError | None) -> BaseError:
        self._notes.mark(Mark.ORDER_EXPIRED_IN_OUTBOX, intent.client_order_id)
        self._account.given_up(intent)
        if isinstance(trouble, RateLimitExceeded):
            return trouble
        waited = format_duration(self._settings.outbox_ttl_ns)
        error = as_never_sent(ExchangeNotAvailable(f"order {intent.client_order_id}: the line stayed down for {waited}; it was never sent"))
        error.__cause__ = trouble
        return error

    async def _attempt(self, intent: Intent) -> BaseError | None:
        """One request for an intent; returns what held it back, if something certainly did."""
        account = self._account
        account.sending(intent)
        try:
            answer = await self._requests.send(_create(intent))
        except RateLimitExceeded as error:
            account.held_back(intent)
            return error
        except ExchangeError as error:
            if isinstance(error, DuplicateOrderId) and intent.attempts > 1:
                account.lost(intent, "the venue knows this id, so an earlier attempt got through after all")
            else:
                account.refused(intent, error)
                if isinstance(error, MarketClosed):
                    self._on_closed(intent.wanted.symbol)
        except asyncio.CancelledError:
            if intent.order is None:
                account.lost(intent, "we disconnected while it was on its way")
            raise
        except Exception as error:  # whatever it was, the request may have got through
            if isinstance(error, BaseError) and never_sent(error):
                account.held_back(intent)
                return error
            account.lost(intent, f"{type(error).__name__}: {error}")
        else:
            self._answered(intent, answer.order)
        return None

    def _answered(self, intent: Intent, order: Order | None, by: str = "") -> None:
        """The venue took the request for an intent and answered with an order."""
        if order is not None and order.client_order_id == intent.client_order_id:
            if is_answer_to(intent.wanted, order):
                self._account.hear(order, by=by)
            else:  # an id from an earlier run that nobody remembers; the venue repeats what it did then
                text = f"order {order.client_order_id}: the venue answers with another order, {order.id}, of the same client order id"
                self._account.refused(intent, DuplicateOrderId(text))
        if intent.state is IntentState.SENT:
            self._account.lost(intent, "answered without an order")

    # The hunt for an unknown outcome

    def hunt(self, intent: Intent, sent: Waiting | None) -> None:
        """Find out what became of it, however long that takes; one that an earlier life has `sent` is only looked for."""
        self._spawn(f"hunt {intent.client_order_id}", self._hunt(intent, sent))

    async def _hunt(self, intent: Intent, sent: Waiting | None) -> None:
        """A repetition that is refused made no order, but says nothing of the request before it, which a venue may be slow to show: it is
        not repeated once more, and the refusal stands when nothing has turned up for as long as anything may.
        """
        failures, refusal = 0, None
        sent_ns = self._clock.now_ns()
        # A request repeated long after the bot was told would be an order at a price from long ago: from then on we only look.
        repeat_until_ns = sent_ns + self._settings.resolve_within_ns
        while intent.is_unknown:
            if not self._rest_is_live():
                await self._bell.until(lambda: self._rest_is_live() or not intent.is_unknown)
                continue
            if not await self._requests.spend(Op.ORDER_FETCH, urgent=True) or not intent.is_unknown:
                continue
            is_there = None
            if sent is not None and refusal is None and self._clock.now_ns() < repeat_until_ns and self._may_repeat(sent):
                asked_ns = self._clock.now_ns()
                refusal = await self._repeat(intent)
                if refusal is not None:
                    continue  # and look
                sent_ns = asked_ns
            else:
                is_there = await self._look(intent)
            if intent.state is not IntentState.UNKNOWN:
                return
            if is_there is False and self._clock.now_ns() >= sent_ns + self._settings.settle_after_ns:
                if refusal is None:
                    self._account.not_found(intent)
                else:
                    self._account.refused(intent, refusal)
                return
            failures += 1
            next_ns = self.next_look_ns[intent.client_order_id] = self._clock.now_ns() + self._requests.backoff(failures)
            await self._bell.until(lambda: not intent.is_unknown, next_ns)

    def _may_repeat(self, sent: Waiting) -> bool:
        """Whether to ask by sending it again, which may make the order: only where one that had to wait might leave now."""
        seen = self._seen(sent.symbol)
        may_leave = self._line_is_up() and seen.is_current and not self.outbox.is_stale(sent, seen)
        return may_leave and self._rules.reconcile is Reconcile.IDENTICAL_REPOST

    async def _repeat(self, intent: Intent) -> ExchangeError | None:
        """The same request again: a venue that knows the id answers with the order it already has. Returns what it was refused with."""
        account = self._account
        account.sending(intent)
        try:
            answer = await self._requests.send(_create(intent))
        except DuplicateOrderId:
            if await self._requests.spend(Op.ORDERS_OPEN, urgent=True):
                await self._look(intent)  # it is there, whatever a look says
        except AuthenticationError as error:
            account.lost(intent, f"{type(error).__name__}: {error}")  # refused before anyone looked at the order
        except ExchangeError as error:
            # It is this request that was refused, and an earlier one may be why: the money that this one lacks is then in that one's order.
            account.lost(intent, f"{type(error).__name__}: {error}")
            return error
        except RateLimitExceeded:
            account.held_back(intent)
        except Exception as error:
            account.lost(intent, f"{type(error).__name__}: {error}")
        else:
            self._answered(intent, answer.order, by=f"attempt {intent.attempts}")
        return None

    async def _look(self, intent: Intent) -> bool | None:
        """Ask without touching; whether it is there, None if that could not be learnt."""
        try:
            if self._rules.reconcile is Reconcile.LOOKUP:
                return await self._look_up(intent)
            return await self._scan(intent)
        except OrderNotFound:
            return False
        except BaseError:
            return None

    async def _look_up(self, intent: Intent) -> bool:
        request = Request(op=Op.ORDER_FETCH, client_order_id=intent.client_order_id, symbol=intent.wanted.symbol)
        answer = await self._requests.send(request)
        if answer.order is None or answer.order.client_order_id != intent.client_order_id:
            return False
        self._account.hear(answer.order, by="looking it up", show=True)
        return True

    async def _scan(self, intent: Intent) -> bool:
        """Look for it among the open orders, then among all recent ones: not every venue's fills say whose id they were made under."""
        key, symbol = intent.client_order_id, intent.wanted.symbol
        answer = await self._requests.send(Request(op=Op.ORDERS_OPEN, symbol=symbol))
        for order in answer.orders:
            if order.client_order_id == key:
                self._account.hear(order, by="looking through open orders", show=True)
                return True
        now_ns = self._clock.wall_ns()
        look_back_ns = EARLIER_LOOK_BACK_NS if key in self._account.taken_up else LOOK_BACK_NS
        since_ns = min(intent.lost_at_ns or now_ns, now_ns) - look_back_ns
        await self._requests.spend(Op.ORDERS_FETCH, urgent=True)
        answer = await self._requests.send(Request(op=Op.ORDERS_FETCH, symbol=symbol, since_ns=since_ns))
        for order in answer.orders:
            if order.client_order_id == key:
                self._account.hear(order, by="looking through recent orders", show=True)
                return True
        return False


def _create(intent: Intent) -> Request:
    """The request for an intent: for each attempt the same but for its number."""
    return Request(
        op=Op.ORDER_CREATE,
        attempt=intent.attempts,
        client_order_id=intent.client_order_id,
        symbol=intent.wanted.symbol,
        order=intent.wanted,
    )


def is_answer_to(wanted: NewOrder, order: Order) -> bool:
    """Whether an order can be what came of that wish: a venue that knows the id may answer with something else entirely."""
    same = (wanted.symbol, wanted.side, wanted.type) == (order.symbol, order.side, order.type)
    same = same and (wanted.trigger_price, wanted.stop_loss_price) == (order.trigger_price, order.stop_loss_price)
    return same and (wanted.price is None or wanted.price == order.price) and (wanted.amount is None or wanted.amount == order.amount)
