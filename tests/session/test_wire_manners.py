"""How the live adapter behaves on the line: it notices a dead one within seconds, and leaves as one should."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from papertape.exchanges.base import BaseExchange
from papertape.model.order import OrderStatus
from papertape.model.units import SECOND
from papertape.scenario.make import make_scenario
from papertape.session.run import run_scenario
from papertape.session.world import VenueWorld
from papertape.wire.coinbase.server import MARKET_HOST, USER_HOST
from papertape.wire.coinbase.stream import StreamFront

VENUE = {"feed": {"tape": "builtin:btc-usd", "end": "60s"}, "account": {"USD": "100000"}}


def run(folder: Path, bot: Any, *faults: dict[str, Any]) -> tuple[list[dict[str, Any]], VenueWorld]:
    """The journal, and the venue when all is over."""
    worlds: list[VenueWorld] = []
    raw = {"title": "Manners", "depth": "wire", "bot": bot, "venue": {"coinbase": VENUE}, "fault": list(faults)}
    result = run_scenario(make_scenario(raw, source="here", folder=folder), journal_path=folder / "j.jsonl", inspect=worlds.extend)
    assert not result.broken, result.failures
    return [json.loads(line) for line in (folder / "j.jsonl").read_text().splitlines()], worlds[0]


@pytest.mark.parametrize("host", [MARKET_HOST, USER_HOST])
def test_a_black_holed_lane_is_noticed_within_six_seconds(host: str, tmp_path: Path) -> None:
    """Five heartbeats, and a look more; ccxt.pro waits for pings, 65 s and longer, and a stopped line sends no FIN."""

    async def bot(exchange: BaseExchange) -> None:
        async with await exchange.subscribe_order_book("BTC/USD", lambda book: None):
            await asyncio.sleep(50)

    lines, _ = run(tmp_path, bot, {"kind": "black_hole", "at": "20s", "lasts": "10s", "host": host})
    noticed = [line["t"] for line in lines if line.get("mark") == "stale_lane_dropped"]
    assert 5 * SECOND <= noticed[0] - 20 * SECOND <= 6 * SECOND + SECOND // 2
    assert next(line["t"] for line in lines if line.get("mark") == "reconnected") < 45 * SECOND


def test_who_leaves_takes_its_orders_back_and_says_goodbye(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open orders are cancelled, each stream is closed with 1000, and the venue holds no connection any more."""
    goodbyes: list[int | None] = []
    serve = StreamFront.serve

    async def noting(self: StreamFront, http: Any) -> Any:
        socket = await serve(self, http)
        goodbyes.append(socket.close_code)
        return socket

    monkeypatch.setattr(StreamFront, "serve", noting)

    async def bot(exchange: BaseExchange) -> None:
        async with await exchange.subscribe_order_book("BTC/USD", lambda book: None):
            await asyncio.sleep(2)
            for price in ("50000", "50001"):
                await exchange.place_order("BTC/USD", "limit", "buy", "0.01", price)

    _, world = run(tmp_path, bot)
    assert goodbyes == [1000, 1000]
    orders = world.venue.truth().orders
    assert [order.status for order in orders] == [OrderStatus.CANCELED] * 2
