"""nautilus_trader's side: run in its own environment, `python with_nautilus.py JOB`, one JSON object on stdout.

It gets what makes it quickest: data is loaded and wrangled before the clock starts, logging is off, and nothing is analysed at the end.
"""

from __future__ import annotations

import json
import sys
import time
from decimal import Decimal
from importlib.metadata import version
from typing import Any

from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.model.enums import AccountType, BookType, OmsType, OrderSide, TimeInForce
from nautilus_trader.model.identifiers import InstrumentId, TraderId
from nautilus_trader.model.objects import Money
from nautilus_trader.persistence.catalog import ParquetDataCatalog
from nautilus_trader.trading.strategy import Strategy


class Config(StrategyConfig, frozen=True):
    instrument_id: InstrumentId
    size: Decimal = Decimal("0.01")
    move: int = 5
    every_ns: int = 500_000_000
    position_max: Decimal = Decimal("0.05")
    orders: str = ""


class Keeper(Strategy):
    """Told of every trade, and looks then at the best prices of a book that the engine keeps meanwhile."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.trades = self.changes = self.sent = 0
        self.best: Any = None

    def on_start(self) -> None:
        self.instrument = self.cache.instrument(self.config.instrument_id)
        self.subscribe_order_book_deltas(self.config.instrument_id, BookType.L2_MBP)
        self.subscribe_trade_ticks(self.config.instrument_id)

    def on_trade_tick(self, tick: Any) -> None:
        self.trades += 1
        book = self.cache.order_book(self.config.instrument_id)
        if book is not None:
            self.best = (book.best_bid_price(), book.best_ask_price())


class Watcher(Keeper):
    """Told of every change of the book too."""

    def on_order_book_deltas(self, deltas: Any) -> None:
        self.changes += 1


class Maker(Strategy):
    """papertape's sample market maker: joins the best prices, follows when they have moved, twice a second at most."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.quotes: dict[OrderSide, Any] = {}
        self.at: dict[OrderSide, float] = {}
        self.quoted_ns = -config.every_ns
        self.sent = 0

    def on_start(self) -> None:
        self.instrument = self.cache.instrument(self.config.instrument_id)
        self.move = float(self.instrument.price_increment) * self.config.move
        self.quantity = self.instrument.make_qty(self.config.size)
        self.subscribe_order_book_deltas(self.config.instrument_id, BookType.L2_MBP)

    def on_order_book_deltas(self, deltas: Any) -> None:
        now_ns = self.clock.timestamp_ns()
        if now_ns - self.quoted_ns < self.config.every_ns:
            return
        book = self.cache.order_book(self.config.instrument_id)
        bid, ask = book.best_bid_price(), book.best_ask_price()
        if bid is None or ask is None:
            return
        position = self.portfolio.net_position(self.config.instrument_id)
        for side, price in ((OrderSide.BUY, bid), (OrderSide.SELL, ask)):
            quote = self.quotes.get(side)
            if quote is not None and quote.is_closed:
                quote = self.quotes.pop(side, None) and None
            if quote is not None:
                if abs(self.at[side] - float(price)) < self.move - 1e-9:
                    continue
                self.cancel_order(quote)
                self.quotes.pop(side)
            after = position + (self.config.size if side is OrderSide.BUY else -self.config.size)
            if abs(after) <= self.config.position_max:
                order = self.order_factory.limit(
                    self.config.instrument_id, side, self.quantity, price, time_in_force=TimeInForce.GTC, post_only=True
                )
                self.quoted_ns, self.at[side], self.quotes[side] = now_ns, float(price), order
                self.submit_order(order)
                self.sent += 1


class Schedule(Strategy):
    """Each order sent and withdrawn at its times."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        with open(config.orders) as file:
            self.wanted = json.load(file)
        self.by_number: dict[int, Any] = {}
        self.sent = 0

    def on_start(self) -> None:
        self.instrument = self.cache.instrument(self.config.instrument_id)
        for order in self.wanted:
            for what in ("sent_ns", "withdrawn_ns"):
                self.clock.set_time_alert_ns(f"{what}-{order['number']}", order[what], self.act)

    def act(self, event: Any) -> None:
        what, _, number = event.name.partition("-")
        order = self.wanted[int(number) - 1]
        if what == "sent_ns":
            made = self.order_factory.limit(
                self.config.instrument_id,
                OrderSide.BUY if order["side"] == "buy" else OrderSide.SELL,
                self.instrument.make_qty(order["lots"] * self.instrument.size_increment.as_decimal()),
                self.instrument.make_price(order["ticks"] * self.instrument.price_increment.as_decimal()),
            )
            self.by_number[order["number"]] = made
            self.submit_order(made)
        elif not self.by_number[order["number"]].is_closed:
            self.cancel_order(self.by_number[order["number"]])


def engine_of(job: dict[str, Any]) -> tuple[BacktestEngine, Any, int]:
    catalog = ParquetDataCatalog(job["data"])
    (instrument,) = catalog.instruments()
    engine = BacktestEngine(
        BacktestEngineConfig(trader_id=TraderId("PEER-001"), logging=LoggingConfig(bypass_logging=True), run_analysis=False)
    )
    money = [Money(100_000_000, instrument.quote_currency), Money(100_000, instrument.base_currency)]
    latency = LatencyModel(base_latency_nanos=job["latency_ns"])
    engine.add_venue(
        venue=instrument.id.venue, oms_type=OmsType.NETTING, account_type=AccountType.CASH, starting_balances=money,
        book_type=BookType.L2_MBP, latency_model=latency, trade_execution=True,
        **({"queue_position": True, "liquidity_consumption": True} if job.get("queue") else {}),
    )  # fmt: skip
    engine.add_instrument(instrument)
    deltas = catalog.order_book_deltas(batched=bool(job.get("batched")))
    trades = catalog.trade_ticks()
    engine.add_data(deltas, sort=False)
    engine.add_data(trades, sort=True)
    rows = sum(len(each.deltas) for each in deltas) if job.get("batched") else len(deltas)
    return engine, instrument, rows + len(trades)


def main() -> None:
    job = json.loads(sys.argv[1])
    engine, instrument, rows = engine_of(job)
    kinds = {"keeper": Keeper, "watcher": Watcher, "maker": Maker, "orders": Schedule}
    strategy = kinds[job["work"]](Config(instrument_id=instrument.id, orders=job.get("orders", "")))
    engine.add_strategy(strategy)
    begun = time.process_time()
    engine.run()
    seconds = time.process_time() - begun
    said: dict[str, Any] = {
        "seconds": seconds,
        "orders": strategy.sent,
        "fills": len([o for o in engine.cache.orders() if o.filled_qty > 0]),
    }
    if job["work"] == "orders":
        lot = instrument.size_increment.as_decimal()
        said["outcomes"] = [
            {"number": number, "lots": round(order.filled_qty.as_decimal() / lot), "status": str(order.status), "at_ns": order.ts_last}
            for number, order in sorted(strategy.by_number.items())
        ]
    print(json.dumps({"version": f"nautilus_trader {version('nautilus_trader')}", "rows": rows, **said}))


if __name__ == "__main__":
    main()
