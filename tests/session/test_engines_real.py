"""Over real recordings, too, the fast engine's journal is the plain one's: without an index, while it makes one, and by it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import papertape
from papertape.exchanges.base import BaseExchange
from papertape.importers import import_capture
from papertape.model.errors import BaseError
from papertape.model.units import SECOND
from papertape.session.engine import VARIABLE
from papertape.tape.index.store import VARIABLE as INDEX
from papertape.tape.index.store import Tuning, find, make
from papertape.tape.reader import open_tape

CAPTURES = {
    "coinbase-exchange": ("coinbase-exchange/btcusd_20180417.gz", "coinbase", "BTC/USD"),
    "binance": ("hftbacktest/spot/btcusdt_20240808.gz", "binance", "BTC/USDT"),
    "coinbase": ("cryptofeed/v3_2026-08-09/COINBASE.jsonl.zst", "coinbase", "BTC/USD"),
}


async def patient(exchange: BaseExchange, symbol: str, pause_s: float) -> None:
    """Now and then take a little, or rest near the last price until it is filled or the market has gone."""
    market = next(market for market in await exchange.fetch_markets() if market.symbol == symbol)
    for number in range(24):
        await asyncio.sleep(pause_s)
        try:
            bars = await exchange.fetch_ohlcv(symbol, "1m")
            if number % 3 == 0:
                await exchange.place_order(symbol, "market", "buy" if number % 2 else "sell", "0.01")
                continue
            price = (bars[-1].close if bars else Decimal(1)) + (number % 4 - 1) * market.instrument.tick
            order = await exchange.place_order(symbol, "limit", "buy" if number % 2 else "sell", "0.02", price)
            await asyncio.sleep(pause_s / 2)
            await exchange.cancel_order(order.id, symbol)
        except BaseError:
            continue


@pytest.mark.parametrize("name", [name for name in CAPTURES if name != "binance" or os.environ.get("PAPERTAPE_THOROUGH")])
def test_a_real_market_gives_one_journal_whatever_is_known_of_it(
    name: str, tmp_path: Path, realdata: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    capture, venue, symbol = CAPTURES[name]
    path = tmp_path / "market.parquet"
    import_capture(name, [realdata(capture)], path)
    tape = open_tape(path)
    monkeypatch.setattr(Tuning, "rows_min", 0)
    monkeypatch.setattr(Tuning, "is_patient", False)
    monkeypatch.setattr(Tuning, "block_rows", 20_000)
    pause_s = (tape.last_ns - tape.first_ns) / SECOND / 40

    def played(asked: str, index: str) -> list[str]:
        monkeypatch.setenv(VARIABLE, asked)
        monkeypatch.setenv(INDEX, index)
        told: dict[str, Any] = {"feed": {"tape": str(path)}, "account": {symbol.split("/")[1]: "1000000", "BTC": "10"}}
        result = papertape.simulate(
            patient,
            bot_config={"symbol": symbol, "pause_s": pause_s},
            seed=1,
            venues={venue: told},
            journal_path=tmp_path / "journal.jsonl",
        )
        assert result.orders > 8, result.failures
        return (tmp_path / "journal.jsonl").read_text().splitlines()

    plain = played("plain", "off")
    assert played("fast", "off") == plain
    assert played("fast", "auto") == plain
    make(tape)
    assert find(tape) is not None
    assert played("fast", "auto") == plain
