"""All engines over every real capture that the importers know: one journal. Captures are found through $PAPERTAPE_REALDATA."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.session.both_engines import Fickle, Onlooker, journal

from papertape.bots import MarketMaker, PatientMaker
from papertape.importers import import_capture
from papertape.model.instrument import Instrument
from papertape.session.lag import Tuning
from papertape.tape.reader import open_tape
from thorough import THOROUGH

KRAKEN = [f"cryptofeed/v1_2021-04-17_kraken/{name}" for name in ("KRAKEN.0", "KRAKEN.ws.48.0", "KRAKEN.ws.49.0", "KRAKEN.ws.50.0")]
SPOT = ["hftbacktest/spot/btcusdt_20240808.gz", "hftbacktest/spot/btcusdt_20240809.gz"]
PERPETUAL = Instrument(symbol="BTC/USDT:USDT", venue_symbol="BTCUSDT", tick=Decimal("0.1"), lot=Decimal("0.001"))
CAPTURES: dict[str, tuple[str, list[str], list[Instrument] | None, str]] = {
    "coinbase": ("coinbase", ["cryptofeed/v3_2026-08-09/COINBASE.jsonl.zst"], None, "coinbase"),
    "coinbase-exchange": ("coinbase-exchange", ["coinbase-exchange/btcusd_20180417.gz"], None, "coinbase"),
    "binance": ("binance", SPOT, None, "binance"),
    "kraken": ("kraken", KRAKEN, None, "coinbase"),
    "binanceusdm": ("binanceusdm", ["hftbacktest/usdm/btcusdt_20240808.gz"], [PERPETUAL], "binance"),
}
"""Importer, files, instruments where the capture does not say, and by whose rules it is played."""

PLANS: dict[str, list[dict[str, Any]]] = {
    "calm": [],
    "of the line": [
        {"kind": "disconnect", "at": "6s", "connection": "market", "lasts": "2s"},
        {"kind": "latency", "at": "12s", "connection": "market", "add": "300ms", "lasts": "2s"},
        {"kind": "lost_reply", "on": "order.create", "nth": 2},
    ],
    "of books": [
        {"kind": "gap", "at": "5s", "connection": "market", "channel": "book"},
        {"kind": "duplicate", "at": "9s", "connection": "market", "count": 3},
        {"kind": "stale_snapshot", "at": "3s"},
        {"kind": "short_lived", "at": "15s", "connection": "market", "lives": "1500ms", "lasts": "4s"},
    ],
}


@pytest.fixture(scope="module", params=list(CAPTURES))
def played(request: pytest.FixtureRequest, realdata: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A tape of a capture, and by whose rules it is played."""
    importer, files, instruments, venue = CAPTURES[request.param]
    out = tmp_path_factory.mktemp("captures") / "market.parquet"
    import_capture(importer, [realdata(file) for file in files], out, **({} if instruments is None else {"instruments": instruments}))
    return out, venue


EVERY = [(bot, plan) for bot in (Fickle, Onlooker, MarketMaker, PatientMaker) for plan in PLANS]
SOME = [(Fickle, "of books"), (PatientMaker, "of the line")]


@pytest.mark.parametrize(("bot", "plan"), EVERY if THOROUGH else SOME)
def test_all_engines_write_one_journal_of_a_real_market(played: tuple[Path, str], bot: Any, plan: str) -> None:
    """Whatever the bot does and the faults are, for the first forty seconds, and where a search ends after few rows."""
    tape, venue = played
    symbol = open_tape(tape).instruments[0].symbol
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tuning, "look_min", 7)
        patch.setattr(Tuning, "patience", 20)
        fast, auto, plain = (journal(tape, asked, 5, PLANS[plan], {}, bot, venue, symbol, end="40s") for asked in ("fast", "auto", "plain"))
    assert fast == plain
    assert auto == plain
