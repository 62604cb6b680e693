"""A scenario on a tape that holds nothing but bars."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

import papertape
from papertape.exchanges.base import BaseExchange
from papertape.model.account import Candle
from papertape.model.errors import ConfigError
from papertape.model.event import CandleEvent
from papertape.model.order import OrderStatus
from papertape.model.units import MINUTE, SECOND
from papertape.session.result import Status
from papertape.tape.writer import TapeWriter
from papertape.venues.coinbase.rules import RULES

START_NS = 1_786_309_500 * SECOND // MINUTE * MINUTE
BARS = [
    (64_000_00, 64_010_00, 63_990_00, 64_005_00),
    (64_005_00, 64_006_00, 63_950_00, 63_960_00),
    (63_960_00, 64_100_00, 63_955_00, 64_090_00),
]


def tape(path: Path) -> Path:
    """Three minutes of bars, each told at its close."""
    with TapeWriter(path, venue="coinbase", instruments=[RULES.instruments[0]]) as writer:
        for number, (o, h, low, c) in enumerate(BARS):
            open_ns = START_NS + number * MINUTE
            at_ns = open_ns + MINUTE
            writer.write(
                CandleEvent(
                    venue_ns=at_ns, local_ns=at_ns, symbol="BTC/USD", open_ns=open_ns, span_ns=MINUTE, open_ticks=o, high_ticks=h,
                    low_ticks=low, close_ticks=c, volume_lots=40 * 10**8,
                )
            )  # fmt: skip
    return path


@pytest.mark.parametrize("depth", ["interface", "wire"])
def test_a_bot_trades_on_bars(tmp_path: Path, depth: str) -> None:
    """No model was named, so the only one that can. The bot hears the tape's own bars, takes at a point, rests until the path goes past."""
    heard: list[Candle] = []
    ended: list[str] = []

    async def main(exchange: BaseExchange) -> None:
        await exchange.subscribe_ohlcv("BTC/USD", "1m", heard.append)
        await asyncio.sleep(5)
        bought = await exchange.place_order("BTC/USD", "market", "buy", "0.5")
        bought = await exchange.fetch_order_status(bought.id, "BTC/USD")
        assert (bought.status, bought.average) == (OrderStatus.CLOSED, Decimal("64005.01"))
        order = await exchange.place_order("BTC/USD", "limit", "buy", "0.5", "63951")
        past = await exchange.place_order("BTC/USD", "limit", "buy", "0.5", "63950")
        await asyncio.sleep(60)
        assert (await exchange.fetch_order_status(order.id, "BTC/USD")).average == Decimal("63951")
        assert (await exchange.fetch_order_status(past.id, "BTC/USD")).filled == 0
        await exchange.cancel_order(past.id, "BTC/USD")
        ended.append(depth)

    venue = {"feed": {"tape": str(tape(tmp_path / "bars.parquet"))}, "account": {"USD": "100000"}}
    result = papertape.simulate(main, venues={"coinbase": venue}, depth=depth, expect={"invariants": ["position_matches"]})
    assert (result.status, ended) == (Status.PASSED, [depth]), result.failures
    told = [(each.open, each.high, each.low, each.close) for each in heard]
    assert told == [tuple(Decimal(ticks) / 100 for ticks in BARS[1])]


def test_bars_are_refused_where_the_tape_says_more() -> None:
    """Before anything runs, by name."""
    venue = {"feed": {"tape": "builtin:btc-usd", "end": "5s"}, "account": {"USD": "1"}, "model": {"fills": "bars"}}
    with pytest.raises(ConfigError, match=r'\[venue.coinbase.model\], key `fills`: holds "bars", which is for tapes of bars alone'):
        papertape.simulate(lambda exchange: None, venues={"coinbase": venue})
