"""A simulated venue: what a tape says happened, plus our own orders in it.

It decides and does no I/O: market messages and requests go in with the run time at which they reach the venue, answers come back, and what
the user lane would say goes out through `emit`, in order, before the call returns. What may fill is told in `sim.matcher`, when a resting
order fills in `sim.fills`. Our orders never change the tape: the published book does not show them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from papertape.model.account import Balances
from papertape.model.book import Book
from papertape.model.errors import ConfigError, IllegalMove, InsufficientFunds
from papertape.model.event import BookSnapshot, BookUpdate, ConnectionEvent, MarketEvent, Trade
from papertape.model.instrument import Instrument
from papertape.model.order import Fill, NewOrder, Order, OrderStatus, OrderType, OrderUpdate, TimeInForce
from papertape.model.phase import Phase
from papertape.model.request import Answer, Op, Refusal, RefusalCode, Request
from papertape.model.units import Nanos, plain
from papertape.model.venue import VenueRules
from papertape.model.view import LineSeen, Moved, RequestSeen, Truth
from papertape.sim.candles import Candles
from papertape.sim.checks import Measured, Refused, check_book, measure, meets, typed
from papertape.sim.conditions import NEVER, Conditions
from papertape.sim.fees.base import FeeModel
from papertape.sim.fills.base import FillModel
from papertape.sim.ledger import Ledger
from papertape.sim.matcher import Matcher
from papertape.sim.order import LiveOrder, resumed
from papertape.sim.orders import Orders
from papertape.sim.preview import foreseen
from papertape.sim.records import Records
from papertape.sim.settlement import Settlement
from papertape.sim.taking import Taking, take_cost, take_lots
from papertape.sim.terms import check_phase, check_terms

TRADES_MAX = 1000
"""Public trades that a venue can still be asked for."""

NOTHING = Taking((), is_whole=False)


class SimVenue:
    """One account at one venue.

    Attributes:
        fills: how resting orders get filled.
        instruments: those that are valid as the run begins, by symbol.
        books: the recorded books by symbol, as the market lane shows them.
        trades: the last `TRADES_MAX` public trades by symbol, oldest first.
        candles: bars by symbol, of what was traded so far.
        now_ns: run time of the last call; no call may be earlier, so no order ever meets a past price.
        opening: the account before the run.
        ledger: every movement of money.
        phases: markets that are in another phase than usual, by symbol.
        on_end_set: told when an order will end by itself, run time, so that somebody calls `advance` then; else it ends at the next call.
    """

    def __init__(
        self,
        rules: VenueRules,
        instruments: Sequence[Instrument],
        account: Mapping[str, Decimal],
        *,
        fills: FillModel,
        fees: FeeModel,
        epoch_ns: Nanos,
        emit: Callable[[OrderUpdate], None],
    ) -> None:
        self.rules = rules
        self.fills = fills
        self.epoch_ns = epoch_ns
        self.now_ns: Nanos = 0
        self.instruments = {it.symbol: it for it in instruments if _is_valid(it, epoch_ns)}
        if not self.instruments:
            raise ConfigError(f"{rules.name}: no instrument is valid when the run begins; give one that is")
        currencies = [currency for it in self.instruments.values() for currency in (it.base, it.quote)]
        self.ledger = Ledger(account, currencies=currencies, at_ns=epoch_ns)
        self.opening = self.ledger.balances()
        self._settlement = Settlement(self.ledger, fees, emit, lambda: self.epoch_ns + self.now_ns)
        self._matchers = {symbol: Matcher(it, fills, self._settlement.fill) for symbol, it in self.instruments.items()}
        self.books: dict[str, Book] = {symbol: matcher.book for symbol, matcher in self._matchers.items()}
        self.trades: dict[str, deque[Trade]] = {symbol: deque(maxlen=TRADES_MAX) for symbol in self.instruments}
        self.candles = {symbol: Candles(it) for symbol, it in self.instruments.items()}
        self._orders = Orders(rules)
        self._records = Records(
            rules, self.instruments, orders=self._orders, settlement=self._settlement, books=self.books, trades=self.trades,
            candles=self.candles,
        )  # fmt: skip
        self.phases = self._records.phases
        self._conditions = Conditions()
        self._end_ns: Nanos = NEVER
        self.on_end_set: Callable[[Nanos], object] = lambda when_ns: None
        self._moves: list[Moved] = []

    # What reaches the venue

    def apply(self, event: MarketEvent, now_ns: Nanos) -> None:
        """One market message reached the venue at run time `now_ns`."""
        if now_ns < self.now_ns:
            raise IllegalMove(f"a market message at {now_ns} ns, after the venue has been at {self.now_ns} ns")
        self.now_ns = now_ns
        if now_ns >= self._end_ns:
            self._end_orders()
        if type(event) is BookUpdate:
            matcher = self._matchers[event.symbol]
            matcher.on_update(event)
            if matcher.ready:
                self._enter_ready(matcher)
        elif type(event) is Trade:
            self.trades[event.symbol].append(event)
            self.candles[event.symbol].on_trade(event)
            self._matchers[event.symbol].on_trade(event)
            if event.symbol in self._conditions.stops and not self._matchers[event.symbol].is_halted:
                for order in self._conditions.set_off(event):
                    self._trigger(order)
        elif type(event) is BookSnapshot:
            matcher = self._matchers[event.symbol]
            matcher.on_snapshot(event)
            if matcher.ready:
                self._enter_ready(matcher)
        elif type(event) is ConnectionEvent and event.loses_market:
            for symbol in [event.symbol] if event.symbol else list(self._matchers):
                self._matchers[symbol].on_lost()

    def execute(self, request: Request, now_ns: Nanos) -> Answer:
        """One request reached the venue at run time `now_ns`; whatever a client sent, the answer is an answer."""
        if now_ns < self.now_ns:
            raise IllegalMove(f"a request at {now_ns} ns, after the venue has been at {self.now_ns} ns")
        self.advance(now_ns)
        try:
            return self._answer(request)
        except Refused as no:
            return Answer(refusal=no.refusal)
        except InsufficientFunds as error:
            return Answer(refusal=Refusal(code=RefusalCode.INSUFFICIENT_FUNDS, message=str(error)))

    def advance(self, now_ns: Nanos) -> None:
        """It is run time `now_ns`, and nothing came; orders whose end that is are over."""
        self.now_ns = max(self.now_ns, now_ns)
        if now_ns >= self._end_ns:
            self._end_orders()

    def set_phase(self, symbol: str, phase: Phase) -> None:
        """From now on a market is in that phase; what waits to match does so with its next message."""
        self.phases.pop(symbol, None)
        if phase is not Phase.ONLINE:
            self.phases[symbol] = phase
        self._matchers[symbol].is_halted = not phase.matches

    def withhold(self, client_order_id: str) -> Callable[[], None] | None:
        """Hold on to what a cancelled order has set free, until what this returns is called; None if that was nothing."""
        order = self._orders.of(client_order_id)
        return None if order is None else self._settlement.withhold(order)

    def resume(self, orders: Sequence[Order], fills: Sequence[Fill]) -> None:
        """Take on what another venue of this account did, oldest first; to be called before anything else, with the money of then.

        An order that was open rests again, behind whatever stands at its price by then, and fills as a maker at its limit: a book or a
        trade beyond its price shows that it would have been filled. `ConfigError` where its market is no more, or the money is not there.
        """
        self._settlement.fills += fills
        for order in resumed(orders, self.instruments, self._settlement.rates):
            self._orders.add(order)
            if order.status is OrderStatus.OPEN:
                self._settlement.resume(order)
                if not order.is_dormant:
                    self._matchers[order.instrument.symbol].resume(order)
                self._await(order)

    # What only the observer may know

    def truth_orders(self) -> tuple[Order, ...]:
        """Every order the venue accepted, oldest first, as it stands."""
        return tuple(order.snapshot() for order in self._orders)

    def truth_open(self) -> tuple[Order, ...]:
        """Those that are open, oldest first."""
        return tuple(order.snapshot() for order in self._settlement.open.values())

    def truth_fills(self) -> tuple[Fill, ...]:
        """Every fill, oldest first."""
        return tuple(self._settlement.fills)

    def truth_balances(self) -> Balances:
        return self.ledger.balances()

    def truth(self, requests: Sequence[RequestSeen] = (), own_lines: Sequence[LineSeen] = ()) -> Truth:
        """All the venue knows; `requests` and `own_lines` are what the Door saw."""
        return Truth(
            orders=self.truth_orders(),
            fills=self.truth_fills(),
            opening=self.opening,
            balances=self.truth_balances(),
            requests=tuple(requests),
            moves=tuple(self._moves),
            own_lines=tuple(own_lines),
        )

    # Requests, one method each; what changes nothing is told in `sim.records`

    def _answer(self, request: Request) -> Answer:
        match request.op:
            case Op.ORDER_CREATE:
                return self._create(request)
            case Op.ORDER_EDIT:
                return self._edit(request)
            case Op.ORDER_CANCEL:
                return self._cancel(request)
            case Op.ORDER_PREVIEW:
                return self._preview(request)
        return self._records.answer(request)

    def _create(self, request: Request) -> Answer:
        if request.order is None:
            raise Refused(RefusalCode.INVALID, f"{request.op} needs an order")
        known = self._orders.known(request.client_order_id)
        if known is not None:
            return Answer(order=known.snapshot())
        order, taking = self._weighed(request.order, f"o-{len(self._orders) + 1:06d}", request.client_order_id)
        self._settlement.accept(order, taking)
        self._orders.add(order)
        if not order.is_dormant:
            self._enter(order, self._matchers[order.instrument.symbol], taking)
        self._await(order)
        return Answer(order=order.snapshot())

    def _weighed(self, asked: NewOrder, order_id: str = "", client_order_id: str = "") -> tuple[LiveOrder, Taking]:
        """A new order, checked and in nobody's books yet, and what it would take at once."""
        wanted = typed(asked)
        it = self._records.instrument(wanted.symbol)
        matcher = self._matchers[it.symbol]
        measured = measure(wanted, it)
        self._check_phase(wanted, measured)
        rates = self._settlement.rates
        check_terms(wanted, measured, it, self.rules, lambda: self._last_ticks(it.symbol), self._settlement.at_ns)
        levels = matcher.open_levels(wanted.side, measured.limit_ticks)
        if wanted.trigger_price is not None:
            taking = NOTHING  # it meets the book when its stop is set off
        else:
            taking = take_cost(measured.cost, levels, it, rates) if measured.cost is not None else take_lots(measured.lots, levels)
            check_book(wanted, measured, taking, matcher.own_best_against(wanted.side), it)
        if wanted.type is OrderType.LIMIT and wanted.time_in_force is TimeInForce.FOK and not taking.is_whole:
            taking = NOTHING
        lots = measured.lots or taking.lots
        now_ns = self._settlement.at_ns
        return LiveOrder(order_id, client_order_id or order_id, wanted, it, measured.limit_ticks, lots, now_ns, rates), taking

    def _check_phase(self, wanted: NewOrder, measured: Measured) -> None:
        if wanted.symbol in self.phases:
            levels = self._matchers[wanted.symbol].standing_levels(wanted.side, measured.limit_ticks)
            check_phase(wanted, self.phases[wanted.symbol], would_take=any(levels))

    def _last_ticks(self, symbol: str) -> int | None:
        trades = self.trades[symbol]
        return trades[-1].price_ticks if trades else None

    def _edit(self, request: Request) -> Answer:
        """Change amount or price. Only an order that shrinks at its price keeps its place; any other comes anew, and may take."""
        order = self._orders.named_open(request)
        limit_ticks, lots, taking = self._reweighed(order, request)
        it, matcher, left = order.instrument, self._matchers[order.instrument.symbol], lots - order.filled_lots
        keeps_place = limit_ticks == order.limit_ticks and lots <= order.amount_lots
        self._settlement.hold(order, self._settlement.needed(order, limit_ticks, left))
        if not keeps_place:
            matcher.remove(order)
            if order.limit_ticks is not None:
                before = it.price(order.limit_ticks)
                self._moves.append(Moved(order_id=order.id, after_fills=len(self._settlement.fills), before=before))
            order.limit_ticks = limit_ticks
            order.arrived_ns = self._settlement.at_ns
        order.amount_lots, order.left_lots, order.updated_ns = lots, left, self._settlement.at_ns
        self._settlement.tell(order)
        if not keeps_place:
            self._enter(order, matcher, taking)
        return Answer(order=order.snapshot())

    def _reweighed(self, order: LiveOrder, request: Request) -> tuple[int, int, Taking]:
        """Limit and lots that an edit would give an order, checked, and what it would take at once."""
        it, matcher = order.instrument, self._matchers[order.instrument.symbol]
        if request.order is None:
            raise Refused(RefusalCode.INVALID, f"{request.op} needs an order")
        if not order.is_plain:
            raise Refused(RefusalCode.UNSUPPORTED, f"order {order.id}: only limit orders that rest until they are cancelled can be edited")
        wanted = self._edited(order, typed(request.order))
        measured = measure(wanted, it)
        self._check_phase(wanted, measured)
        left = measured.lots - order.filled_lots
        if measured.limit_ticks is None or left <= 0:
            raise Refused(RefusalCode.INVALID, f"order {order.id}: {plain(it.amount(order.filled_lots))} of it is filled already")
        keeps_place = measured.limit_ticks == order.limit_ticks and measured.lots <= order.amount_lots
        taking = take_lots(left, iter(()) if keeps_place else matcher.open_levels(order.side, measured.limit_ticks))
        check_book(wanted, measured, taking, matcher.own_best_against(order.side), it)
        return measured.limit_ticks, measured.lots, taking

    def _preview(self, request: Request) -> Answer:
        """What a create would do, or an edit where an order is named; refused as that would be."""
        if request.order is None:
            raise Refused(RefusalCode.INVALID, f"{request.op} needs an order")
        if request.order_id:
            order = self._orders.named_open(request)
            limit_ticks: int | None
            limit_ticks, lots, taking = self._reweighed(order, request)
            left = lots - order.filled_lots
            self._settlement.afford(order, self._settlement.needed(order, limit_ticks, left))
        else:
            order, taking = self._weighed(request.order)
            self._settlement.afford(order, self._settlement.demanded(order, taking))
            limit_ticks, left = order.limit_ticks, order.left_lots
        preview = foreseen(order, limit_ticks, left, taking)
        return Answer(preview=preview, books=(self._records.book(order.instrument.symbol, 1),))

    def _cancel(self, request: Request) -> Answer:
        order = self._orders.named_open(request)
        self._matchers[order.instrument.symbol].remove(order)
        self._settlement.finish(order, OrderStatus.CANCELED, "")
        return Answer(order=order.snapshot())

    # Within

    def _enter(self, order: LiveOrder, matcher: Matcher, taking: Taking) -> None:
        """An accepted order meets the book: it takes, and what is left rests or ends."""
        for ticks, lots in taking.levels:
            matcher.take(order, ticks, lots)
        if order.status is not OrderStatus.OPEN:
            return
        if order.rests:
            matcher.rest(order)
        else:
            self._settlement.finish(order, OrderStatus.CANCELED, "there was no more to take at once")

    def _enter_ready(self, matcher: Matcher) -> None:
        """Orders that waited for a sound book meet it as takers, oldest first."""
        ready, matcher.ready = matcher.ready, []
        for order in ready:
            taking = take_lots(order.left_lots, matcher.open_levels(order.side, order.limit_ticks))
            order.arrived_ns = self._settlement.at_ns
            if order.post_only and taking.levels:
                self._settlement.finish(order, OrderStatus.CANCELED, "post-only, and would take")
            else:
                self._enter(order, matcher, taking)

    def _await(self, order: LiveOrder) -> None:
        """Mind what an order waits for besides the market."""
        if order.status is OrderStatus.OPEN:
            self._conditions.add(order)
            if order.expires_ns is not None:
                self._end_ns = self._conditions.next_end_ns - self.epoch_ns
                self.on_end_set(order.expires_ns - self.epoch_ns)

    def _end_orders(self) -> None:
        for order in self._conditions.ended(self._settlement.at_ns):
            self._matchers[order.instrument.symbol].remove(order)
            self._settlement.finish(order, OrderStatus.EXPIRED, "its time was over", order.expires_ns)
        self._end_ns = self._conditions.next_end_ns - self.epoch_ns

    def _trigger(self, order: LiveOrder) -> None:
        """A trade has reached an order's stop: it comes to the book after that trade, as any order that comes now."""
        matcher, before = self._matchers[order.instrument.symbol], order.limit_ticks
        if not order.is_dormant:
            matcher.remove(order)
        order.trigger()
        assert order.limit_ticks is not None
        if before is not None and order.limit_ticks != before:
            was, now = order.instrument.price(before), order.instrument.price(order.limit_ticks)
            self._moves.append(Moved(order_id=order.id, after_fills=len(self._settlement.fills), before=was, since=now))
        order.arrived_ns = order.updated_ns = self._settlement.at_ns
        taking = take_lots(order.left_lots, matcher.open_levels(order.side, order.limit_ticks))
        if meets(order.side, order.limit_ticks, taking, matcher.own_best_against(order.side)):
            self._settlement.finish(order, OrderStatus.CANCELED, "it would have traded with another order of this account")
            return
        self._settlement.tell(order)
        self._enter(order, matcher, taking)

    def order_of(self, client_order_id: str) -> Order | None:
        """The order of this id as it stands; None if none was ever made."""
        order = self._orders.of(client_order_id)
        return None if order is None else order.snapshot()

    def _edited(self, order: LiveOrder, change: NewOrder) -> NewOrder:
        it = order.instrument
        if change.cost is not None or change.symbol not in ("", it.symbol) or change.side != order.side or change.type != order.type:
            raise Refused(RefusalCode.INVALID, "an edit changes amount and price, nothing else")
        assert order.limit_ticks is not None, "only limit orders stay open"
        return NewOrder(
            symbol=it.symbol,
            type=order.type,
            side=order.side,
            amount=it.amount(order.amount_lots) if change.amount is None else change.amount,
            price=it.price(order.limit_ticks) if change.price is None else change.price,
            post_only=order.post_only,
        )


def _is_valid(it: Instrument, at_ns: Nanos) -> bool:
    return it.valid_from_ns <= at_ns and (it.valid_to_ns is None or at_ns < it.valid_to_ns)
