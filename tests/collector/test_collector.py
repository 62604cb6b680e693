"""A collector tells what the exchange delivers, bounded and conflated, and neither it nor its listeners can touch the bot."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import papertape
from papertape.bots import MarketMaker
from papertape.collector import Batch, BookShot, DataCollector, Kind, Mailbox, Pulse, Signal
from papertape.exchanges.base import BaseExchange
from papertape.model.errors import BadSymbol, ConfigError
from papertape.model.event import Side, Trade
from papertape.model.instrument import Instrument
from papertape.model.order import Order, OrderStatus, OrderType, TimeInForce
from papertape.model.public import PublicTrade
from papertape.session.result import RunResult, Status

SYMBOL = "BTC/USD"
INSTRUMENT = Instrument(symbol=SYMBOL, venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.001"))


def trade(number: int) -> PublicTrade:
    event = Trade(venue_ns=number, local_ns=number, symbol=SYMBOL, trade_id=str(number), price_ticks=1, qty_lots=1, taker=Side.BUY)
    return PublicTrade(event, INSTRUMENT)


def order(number: int, filled: int) -> Order:
    return Order(
        id=f"v{number}", client_order_id=f"c{number}", symbol=SYMBOL, type=OrderType.LIMIT, side=Side.BUY, amount=Decimal(99),
        price=Decimal(1), time_in_force=TimeInForce.GTC, post_only=False, status=OrderStatus.OPEN, created_ns=0, updated_ns=0,
        filled=Decimal(filled),
    )  # fmt: skip


def simulate(main: Any, depth: str = "interface", end: str = "12s") -> RunResult:
    venues = {"coinbase": {"feed": {"tape": "builtin:btc-usd", "end": end}, "account": {"USD": "100000", "BTC": "1"}}}
    return papertape.simulate(main, venues=venues, depth=depth, faults=[{"kind": "lost_reply", "on": "order.create", "nth": 2}])


class Seen:
    """What a collector told."""

    def __init__(self, collector: DataCollector) -> None:
        self.trades: list[PublicTrade] = []
        self.books: list[BookShot] = []
        self.orders: list[Order] = []
        self.candles: list[Any] = []
        self.tickers: list[Any] = []
        self.health: list[Pulse] = []
        for kind in ("trades", "books", "orders", "candles", "tickers", "health"):
            getattr(collector, kind).connect(getattr(self, kind).append)


@pytest.mark.parametrize("depth", ["interface", "wire"])
def test_a_run_is_the_same_with_and_without_a_collector(depth: str) -> None:
    """Not one line of the journal differs, at either depth, although one listener fails at everything and another stands still."""
    seen: list[Seen] = []
    batches: list[Batch] = []

    async def trade(exchange: BaseExchange) -> None:
        await MarketMaker(symbol=SYMBOL).start(exchange)
        if not is_watched:
            await asyncio.sleep(10)
            return
        collector = DataCollector(exchange, SYMBOL, kinds=[Kind.BOOK, Kind.ORDERS, Kind.HEALTH])
        seen.append(Seen(collector))
        collector.books.connect(lambda book: 1 / 0)
        mailbox = Mailbox(collector)
        async with collector:
            await asyncio.sleep(10)
        batches.append(mailbox.take())

    is_watched = False
    alone = simulate(trade, depth)
    is_watched = True
    watched = simulate(trade, depth)
    assert alone.status is Status.PASSED, alone.failures
    assert watched.digest == alone.digest
    (told,) = seen
    assert len(told.books) > 20
    assert told.orders
    assert all(shot.bids[0][0] < shot.asks[0][0] and len(shot.bids) == 25 for shot in told.books)
    (batch,) = batches
    assert batch.books[SYMBOL] == told.books[-1]
    assert batch.pulse is not None
    assert batch.pulse.health.is_healthy
    assert batch.pulse.failures >= len(told.books) - 10
    assert {key: each.filled for key, each in batch.orders.items()} == {each.client_order_id: each.filled for each in told.orders}


def test_everything_that_an_exchange_delivers_is_told() -> None:
    """All six kinds; every trade once and in order, bars as the exchange makes them, books and tickers no oftener than asked."""
    heard: dict[str, Any] = {}

    async def main(exchange: BaseExchange) -> None:
        direct: list[PublicTrade] = []
        async with DataCollector(exchange, [SYMBOL], timeframe="1m", every="1s", depth=3) as collector:
            seen = Seen(collector)
            await exchange.subscribe_trades(SYMBOL, direct.append)
            await exchange.place_order(SYMBOL, "limit", "buy", "0.01", "100")
            await asyncio.sleep(100)
        count = len(seen.books)
        await asyncio.sleep(5)
        heard.update(seen=seen, direct=direct, told_later=len(seen.books) - count)

    simulate(main, end="110s")
    seen, direct = heard["seen"], heard["direct"]
    assert [each.event for each in seen.trades if each in direct] == [each.event for each in direct if each in seen.trades] != []
    assert 90 < len(seen.books) <= 102
    assert 0 < len(seen.tickers) <= 102
    assert 90 < len(seen.health) <= 102
    assert [symbol for symbol, _ in seen.candles] == [SYMBOL]
    assert seen.orders[0].price == 100
    assert seen.health[-1].heard[Kind.TRADES] <= len(seen.trades)
    assert seen.health[-1].heard[Kind.BOOK] > len(seen.books)  # most changes are shown with later ones
    assert seen.health[-1].lag_ns[SYMBOL] > 0
    assert heard["told_later"] == 0


def test_a_failing_listener_is_told_of_once_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    """One traceback in the log, every failure counted."""
    signal: Signal[int] = Signal("trades")
    heard: list[int] = []
    signal.connect(lambda item: 1 // 0)
    end = signal.connect(heard.append)
    signal.connect(heard.append)
    for number in range(3):
        signal.emit(number)
    end()
    end()
    signal.emit(3)
    assert heard == [0, 0, 1, 1, 2, 2, 3]
    assert signal.failures == 4
    assert [record.exc_info is not None for record in caplog.records] == [True]


puts = st.lists(st.one_of(st.tuples(st.just("trade"), st.just(0)), st.tuples(st.just("order"), st.integers(0, 9)), st.just(("take", 0))))


@given(puts=puts, trades_max=st.integers(1, 5), orders_max=st.integers(1, 5))
def test_a_mailbox_is_bounded_and_its_counts_add_up(puts: list[tuple[str, int]], trades_max: int, orders_max: int) -> None:
    """What was told is taken or counted as missed; what is kept is the newest, in order; it wakes once for each time it was emptied."""
    collector = DataCollector(None, SYMBOL)  # type: ignore[arg-type] # never started
    woken: list[int] = []
    mailbox = Mailbox(collector, trades_max=trades_max, orders_max=orders_max, wake=lambda: woken.append(1))
    told = taken = missed = full = 0
    batches = []
    newest: dict[str, Order] = {}
    for step, (what, which) in enumerate([*puts, ("take", 0)]):
        if what == "trade":
            collector.trades.emit(trade(told))
            told += 1
        elif what == "order":
            newest[f"c{which}"] = order(which, step)
            collector.orders.emit(newest[f"c{which}"])
        else:
            batch = mailbox.take()
            batches.append(batch)
            taken, missed = taken + len(batch.trades), missed + batch.missed_trades
            full += bool(batch.trades or batch.orders)
            assert len(batch.trades) <= trades_max
            assert len(batch.orders) <= orders_max
            assert all(newest[key] is each for key, each in batch.orders.items())
            assert [each.venue_ns for each in (kept.event for kept in batch.trades)] == list(range(told - len(batch.trades), told))
    assert taken + missed == told
    assert len(woken) == full
    mailbox.close()
    collector.trades.emit(trade(told))
    assert not mailbox.take().trades


def test_a_mailbox_is_emptied_from_another_thread() -> None:
    """Nothing is lost between two threads, however they interleave."""
    collector = DataCollector(None, SYMBOL)  # type: ignore[arg-type] # never started
    mailbox = Mailbox(collector, trades_max=100_000)
    count, taken = 20_000, []
    done = threading.Event()

    def take() -> None:
        while not done.is_set():
            taken.extend(mailbox.take().trades)

    thread = threading.Thread(target=take)
    thread.start()
    for number in range(count):
        collector.trades.emit(trade(number))
    done.set()
    thread.join()
    taken.extend(mailbox.take().trades)
    assert [each.venue_ns for each in taken] == list(range(count))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"symbols": []}, "`symbols` is empty"),
        ({"depth": 0}, "`depth` holds 0"),
        ({"every": "soon"}, '`every`: "soon" is no duration'),
        ({"every": "0s"}, "expected more than nothing"),
        ({"kinds": ["books"]}, "expected some of trades, ticker, candles, book, orders, health"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: dict[str, Any], message: str) -> None:
    """In words that name the argument."""
    with pytest.raises(ConfigError, match=message):
        DataCollector(None, **{"symbols": SYMBOL, **arguments})  # type: ignore[arg-type]  # refused before it asks the exchange anything


def test_a_symbol_that_is_not_there_leaves_nothing_subscribed() -> None:
    """The exchange says so, and the collector is as if it had not been started."""
    errors: list[Exception] = []
    left: list[int] = []

    async def main(exchange: BaseExchange) -> None:
        collector = DataCollector(exchange, [SYMBOL, "BTC/UDS"])
        try:
            await collector.start()
        except BadSymbol as error:
            errors.append(error)
        left.append(exchange._line.subscribing.count)  # type: ignore[attr-defined]  # the shell's own, behind BaseExchange

    simulate(main)
    assert "BTC/UDS" in str(errors[0])
    assert left == [0]
