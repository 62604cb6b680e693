"""What a venue can be asked without changing anything."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final

from papertape.model.account import Market
from papertape.model.book import Book
from papertape.model.event import BookSnapshot, Side, Trade
from papertape.model.instrument import Instrument
from papertape.model.order import Liquidity
from papertape.model.phase import Phase
from papertape.model.request import Answer, Op, RefusalCode, Request
from papertape.model.venue import VenueRules
from papertape.sim.candles import Candles
from papertape.sim.checks import Refused
from papertape.sim.orders import Orders
from papertape.sim.settlement import Settlement

CANDLES_MAX: Final = 300
"""Bars in one answer where the request does not say."""


class Records:
    """Answers what only looks: at orders, fills, money, markets, and what the tape has told.

    Attributes:
        phases: those of markets that are in another than usual, by symbol.
    """

    def __init__(
        self,
        rules: VenueRules,
        instruments: Mapping[str, Instrument],
        *,
        orders: Orders,
        settlement: Settlement,
        books: Mapping[str, Book],
        trades: Mapping[str, deque[Trade]],
        candles: Mapping[str, Candles],
    ) -> None:
        self._rules = rules
        self._instruments = instruments
        self._orders = orders
        self._settlement = settlement
        self._books = books
        self._trades = trades
        self._candles = candles
        self.phases: dict[str, Phase] = {}

    def answer(self, request: Request) -> Answer:
        """What was asked for, or `Refused`."""
        match request.op:
            case Op.ORDER_FETCH:
                return Answer(order=self._orders.named(request).snapshot())
            case Op.ORDERS_OPEN:
                return self._fetch_open(request)
            case Op.ORDERS_FETCH:
                return Answer(orders=self._orders.listed(request))
            case Op.FILLS_FETCH:
                return self._fetch_fills(request)
            case Op.BALANCE_FETCH:
                return Answer(balances=self._settlement.ledger.balances())
            case Op.MARKETS_FETCH:
                return self._fetch_markets(request)
            case Op.OHLCV_FETCH:
                return self._fetch_candles(request)
            case Op.TRADES_FETCH:
                return self._fetch_trades(request)
            case Op.BOOK_FETCH:
                symbols = [self.instrument(request.symbol).symbol] if request.symbol else list(self._books)
                return Answer(books=tuple(self.book(symbol, request.limit) for symbol in symbols))
        return Answer()  # a venue's clock is read by its front end

    def instrument(self, symbol: str) -> Instrument:
        """The market of that name, or `Refused`."""
        it = self._instruments.get(symbol)
        if it is None:
            names = ", ".join(self._instruments)
            raise Refused(RefusalCode.UNKNOWN_SYMBOL, f'{self._rules.name} has no market "{symbol}"; it has {names}')
        return it

    def book(self, symbol: str, depth: int | None) -> BookSnapshot:
        """The recorded book now; empty while it is not known whole."""
        book, at_ns = self._books[symbol], self._settlement.at_ns
        bids, asks = (book.ladder(side, depth) for side in Side) if book.is_complete else ((), ())
        return BookSnapshot(venue_ns=at_ns, local_ns=at_ns, symbol=symbol, bids=bids, asks=asks)

    def _fetch_open(self, request: Request) -> Answer:
        found = [order.snapshot() for order in self._settlement.open.values() if request.symbol in ("", order.instrument.symbol)]
        return Answer(orders=tuple(found[: _limit(request, len(found))]))

    def _fetch_fills(self, request: Request) -> Answer:
        """Oldest first: the first `limit` since `since_ns`, or where that is not given the last."""
        found = [
            fill
            for fill in self._settlement.fills
            if request.symbol in ("", fill.symbol)
            and request.order_id in ("", fill.order_id)
            and request.client_order_id in ("", fill.client_order_id)
            and (request.since_ns is None or fill.venue_ns >= request.since_ns)
        ]
        limit = _limit(request, len(found))
        return Answer(fills=tuple(found[len(found) - limit :] if request.since_ns is None else found[:limit]))

    def _fetch_markets(self, request: Request) -> Answer:
        rates = self._settlement.rates
        maker, taker = rates.bps(Liquidity.MAKER), rates.bps(Liquidity.TAKER)
        markets = [
            Market(instrument=it, maker_bps=maker, taker_bps=taker, phase=self.phases.get(it.symbol, Phase.ONLINE))
            for it in self._instruments.values()
        ]
        return Answer(markets=tuple(market for market in markets if request.symbol in ("", market.symbol)))

    def _fetch_candles(self, request: Request) -> Answer:
        it = self.instrument(request.symbol)
        if request.span_ns not in self._rules.candle_spans_ns:
            raise Refused(RefusalCode.UNSUPPORTED, f"{self._rules.name} has no candles of {request.span_ns} ns")
        limit = _limit(request, CANDLES_MAX)
        return Answer(candles=self._candles[it.symbol].bars(request.span_ns, since_ns=request.since_ns, limit=limit))

    def _fetch_trades(self, request: Request) -> Answer:
        """Public trades, oldest first: the last `limit` of those stamped since `since_ns`, and the best prices beside them."""
        symbol = self.instrument(request.symbol).symbol
        found = [trade for trade in self._trades[symbol] if request.since_ns is None or trade.venue_ns >= request.since_ns]
        found = found[len(found) - _limit(request, len(found)) :]
        return Answer(trades=tuple(found), books=(self.book(symbol, 1),))


def _limit(request: Request, otherwise: int) -> int:
    return otherwise if request.limit is None else min(max(request.limit, 0), otherwise)
