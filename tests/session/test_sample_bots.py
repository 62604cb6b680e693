"""The sample bots take what the line does to them: what people copy must not die of it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest

import papertape
from papertape.bots import MarketMaker, MomentumTaker, twap
from papertape.exchanges.base import BaseExchange
from papertape.model.book import Book
from papertape.model.errors import OrderNotFound, OutcomeUnknown
from papertape.model.event import BookSnapshot, Side
from papertape.model.instrument import Instrument
from papertape.model.order import Order, OrderStatus, OrderType
from papertape.model.units import SECOND

TWO_MINUTES = {"feed": {"tape": "builtin:btc-usd", "end": "120s"}, "account": {"USD": "100000", "BTC": "1"}}


def test_a_market_maker_whose_book_is_lost_while_it_quotes_goes_on() -> None:
    """The book is live: it may be empty again after an await."""
    faults: list[Any] = [
        {"kind": "disconnect", "connection": "market", "on": "order.cancel", "nth": nth, "lasts": "2s"} for nth in (1, 5, 9)
    ]
    faults += [{"kind": "disconnect", "connection": "market", "on": "order.create", "nth": nth, "lasts": "2s"} for nth in (3, 8, 14)]
    result = papertape.simulate(MarketMaker, venues={"coinbase": TWO_MINUTES}, faults=faults)
    assert result.is_passed, result.failures


class Desk:
    """An exchange as far as a market maker knows it; its book is lost as a quote is withdrawn, or as one is made."""

    def __init__(self, book: Book, loses_at: str) -> None:
        self.book, self.loses_at = book, loses_at
        self.placed: list[str] = []

    async def place_order(self, symbol: str, type: str, side: Side, amount: Decimal, price: Decimal, **rest: Any) -> Order:
        self.placed.append(f"{side} {price}")
        self._lose("place")
        return quote_of(side, price, str(len(self.placed)))

    async def cancel_order(self, order_id: str, symbol: str | None = None) -> Order:
        self._lose("cancel")
        return msgspec.structs.replace(quote_of(Side.BUY, Decimal(1), order_id), status=OrderStatus.CANCELED)

    def _lose(self, when: str) -> None:
        if when == self.loses_at:
            self.book.clear()


def quote_of(side: Side, price: Decimal, order_id: str) -> Order:
    return Order(
        id=order_id, client_order_id=order_id, symbol="BTC/USD", type=OrderType.LIMIT, side=side, amount=Decimal(1), price=price,
        time_in_force="GTC", post_only=True, status=OrderStatus.OPEN, created_ns=0, updated_ns=0,
    )  # fmt: skip


@pytest.mark.parametrize(("loses_at", "then"), [("cancel", []), ("place", ["buy 200"]), ("never", ["buy 200", "sell 201"])])
def test_a_market_maker_looks_at_the_book_again_before_it_quotes(loses_at: str, then: list[str]) -> None:
    """The price it decided on is from before it withdrew the last quote; where the book is gone since, it quotes nothing."""
    instrument = Instrument(symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal(1), lot=Decimal(1))
    book, maker = Book(instrument), MarketMaker(size="1", position_max="9")

    async def story() -> None:
        for second, bid in ((1, 100), (9, 200)):
            book.apply(BookSnapshot(venue_ns=second * SECOND, local_ns=0, symbol="BTC/USD", bids=((bid, 1),), asks=((bid + 1, 1),)))
            maker._exchange = desk = Desk(book, loses_at if second == 9 else "")  # type: ignore[assignment]  # a desk in its place
            await maker.on_book(book)
            assert desk.placed == (then if second == 9 else ["buy 100", "sell 101"])

    asyncio.run(story())


@pytest.mark.parametrize("bot", [MarketMaker, MomentumTaker, twap])
def test_an_order_that_turns_out_never_to_have_been_there_does_not_end_a_bot(bot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`resolve` may say that the venue never had it."""
    from papertape.exchanges.simulated import SimulatedExchange

    placed = SimulatedExchange.place_order
    lost: list[str] = []

    async def loses_the_first(self: BaseExchange, *args: Any, **options: Any) -> Order:
        if not lost:
            lost.append("x-1")
            raise OutcomeUnknown("x-1")
        return await placed(self, *args, **options)  # type: ignore[arg-type]  # handed on as they came

    async def never_there(self: BaseExchange, client_order_id: str) -> Order:
        raise OrderNotFound(f"order {client_order_id}: its request was lost, and the venue never had it")

    monkeypatch.setattr(SimulatedExchange, "place_order", loses_the_first)
    monkeypatch.setattr(SimulatedExchange, "resolve", never_there)
    config = {"trigger_bps": "0.3", "rest": "2s"} if bot is MomentumTaker else {}
    result = papertape.simulate(bot, venues={"coinbase": TWO_MINUTES}, bot_config=config)
    assert lost
    assert result.is_passed, result.failures
    assert result.orders > 0


@pytest.mark.parametrize("bot", [MarketMaker, MomentumTaker, twap])
def test_a_bot_that_is_started_in_an_outage_trades_once_it_is_over(bot: Any) -> None:
    """The first thing it asks may find no line: REST goes away as `connect` returns, for longer than a fetch is repeated."""
    faults: list[Any] = [
        {"kind": "disconnect", "connection": "market", "at": "0s", "lasts": "11s"},
        {"kind": "disconnect", "connection": "rest", "at": "2s", "lasts": "45s"},
    ]
    venue = {"feed": {"tape": "builtin:btc-usd", "end": "150s"}, "account": {"USD": "100000", "BTC": "1"}}
    config = {"trigger_bps": "0.3", "rest": "2s"} if bot is MomentumTaker else {}
    result = papertape.simulate(bot, venues={"coinbase": venue}, faults=faults, bot_config=config, expect={"recovers_within": "20s"})
    assert result.is_passed, result.failures
    assert result.orders > 0


def test_a_twap_of_what_the_venue_does_not_trade_says_so() -> None:
    result = papertape.simulate(twap, venues={"coinbase": TWO_MINUTES}, bot_config={"symbol": "BTC/EUR"})
    assert "BTC/EUR: the venue has no such market; it has BTC/USD" in result.failures[0]
