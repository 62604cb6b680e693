"""The small Binance and the small Kraken with a market: public REST and the streams that ccxt.pro reads, in the venues' own shapes.

REST's are those of ccxt's static fixtures; of streams ccxt keeps none, so these are as its parsers document them.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from links.small_venues import STAMP, Small, SmallBinance, SmallKraken

BEGIN_MS = 1_767_225_600_000
"""When a virtual clock begins."""


def now_ms() -> int:
    return BEGIN_MS + int(asyncio.get_running_loop().time() * 1000)


class Streaming(Small):
    """A market that moves when it is told to, and tells whoever is subscribed.

    Attributes:
        levels: the book, by side and price.
        prints: number, price, amount, the taker's side and the time of each trade, oldest first; three are of an hour ago.
        wishes: what each connection that is open is subscribed to.
        dials: how many connections there were.
    """

    def __init__(self) -> None:
        super().__init__()
        self.levels: dict[str, dict[str, str]] = {"bid": {"50.00": "1", "49.90": "2"}, "ask": {"50.10": "3", "50.20": "4"}}
        self.prints = [(n, "50.00", "0.1", "buy", BEGIN_MS - 3_600_000 + n) for n in range(1, 4)]
        self.wishes: dict[ServerConnection, list[str]] = {}
        self.dials = 0
        self.version = 100  # of the book

    async def stream(self, connection: ServerConnection) -> None:
        self.dials += 1
        self.wishes[connection] = []
        try:
            async for text in connection:
                await self.hear(connection, json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            del self.wishes[connection]

    async def hear(self, connection: ServerConnection, told: Any) -> None:
        raise NotImplementedError

    async def tell(self, wish: str, message: Any) -> None:
        for connection in [each for each, wishes in self.wishes.items() if wish in wishes]:
            await connection.send(json.dumps(message))

    async def hang_up(self) -> None:
        """End every connection."""
        for connection in list(self.wishes):
            await connection.close(1001)

    def best(self, side: str) -> tuple[str, str]:
        choose = max if side == "bid" else min
        return choose(self.levels[side].items(), key=lambda level: float(level[0]))

    def sorted(self, side: str) -> list[tuple[str, str]]:
        return sorted(self.levels[side].items(), key=lambda level: float(level[0]), reverse=side == "bid")

    def change(self, side: str, price: str, amount: str) -> None:
        self.version += 1
        self.levels[side][price] = amount
        if not float(amount):
            del self.levels[side][price]

    def add(self, price: str, amount: str, side: str) -> int:
        self.prints.append((len(self.prints) + 1, price, amount, side, now_ms()))
        return len(self.prints)


class StreamingBinance(Streaming, SmallBinance):
    """With aggregated trades that have the numbers of those they are made of."""

    urls = ("wss://stream.binance.com:9443/ws",)

    def answer(self, name: str, given: dict[str, str]) -> Any:
        match name:
            case "GET depth":
                return {"lastUpdateId": self.version, "bids": self.sorted("bid"), "asks": self.sorted("ask")}
            case "GET aggTrades":
                return [
                    {"a": str(n), "p": price, "q": amount, "f": str(n), "l": str(n), "T": str(at), "m": side == "sell", "M": True}
                    for n, price, amount, side, at in self.prints
                ]
            case "GET klines":
                return [[STAMP // 60_000 * 60_000, "50.00", "50.30", "49.90", "50.20", "7.5", STAMP, "375.0", 9, "3", "150", "0"]]
            case "GET myTrades":
                return [
                    {
                        "symbol": "LTCUSDT", "id": 28457, "orderId": 7, "orderListId": -1, "price": "50.01", "qty": "0.200",
                        "quoteQty": "10.002", "commission": "0.0100", "commissionAsset": "USDT", "time": STAMP, "isBuyer": True,
                        "isMaker": False, "isBestMatch": True,
                    }
                ]  # fmt: skip
        return super().answer(name, given)

    async def hear(self, connection: ServerConnection, told: Any) -> None:
        if told["method"] == "SUBSCRIBE":
            self.wishes[connection] += told["params"]
        await connection.send(json.dumps({"result": None, "id": told["id"]}))

    async def trade(self, price: str, amount: str, side: str) -> None:
        n = self.add(price, amount, side)
        at = now_ms()
        told = {"e": "trade", "E": at, "s": "LTCUSDT", "t": n, "p": price, "q": amount, "T": at, "m": side == "sell", "M": True}
        await self.tell("ltcusdt@trade", told)

    async def level(self, side: str, price: str, amount: str, *, lost: int = 0) -> None:
        """A change of the book; `lost` of them were told to nobody."""
        self.version += lost
        self.change(side, price, amount)
        rows = {"b": [[price, amount]] if side == "bid" else [], "a": [[price, amount]] if side == "ask" else []}
        await self.tell(
            "ltcusdt@depth@100ms",
            {"e": "depthUpdate", "E": STAMP + self.version, "s": "LTCUSDT", "U": self.version, "u": self.version, **rows},
        )

    async def ticker(self) -> None:
        (bid, bid_qty), (ask, ask_qty) = self.best("bid"), self.best("ask")
        told = {"e": "24hrTicker", "E": STAMP, "s": "LTCUSDT", "p": "1.0", "P": "2.0", "w": "50.00", "x": "49.00", "Q": "0.1", "b": bid}
        told |= {
            "c": self.prints[-1][1],
            "B": bid_qty,
            "a": ask,
            "A": ask_qty,
            "o": "49.00",
            "h": "51.00",
            "l": "48.00",
            "v": "9",
            "q": "450",
        }
        await self.tell("ltcusdt@ticker", told | {"O": STAMP - 1, "C": STAMP, "F": 1, "L": 2, "n": 2})


class StreamingKraken(Streaming, SmallKraken):
    """Which begins each channel with a snapshot, that of trades with old ones."""

    urls = ("wss://ws.kraken.com/v2",)

    def result(self, name: str, given: dict[str, str]) -> Any:
        match name:
            case "GET Depth":
                rows = {f"{side}s": [[price, amount, STAMP // 1000] for price, amount in self.sorted(side)] for side in ("bid", "ask")}
                return {"LTCUSDT": rows}
            case "GET Trades":
                rows = [[price, amount, at / 1000, side[0], "m", "", n, str(at * 1_000_000)] for n, price, amount, side, at in self.prints]
                return {"LTCUSDT": rows, "last": rows[-1][-1]}
            case "GET OHLC":
                return {"LTCUSDT": [[STAMP // 60_000 * 60, "50.00", "50.30", "49.90", "50.20", "50.05", "7.5", 9]], "last": STAMP // 1000}
            case "POST TradesHistory":
                fill = {
                    "ordertxid": "OR6EGN-KQSEG-000007", "postxid": "TKH2SE-M7IF5-CFI7LT", "pair": "LTCUSDT", "time": STAMP / 1000,
                    "type": "buy", "ordertype": "limit", "price": "50.01", "cost": "10.002", "fee": "0.0100", "vol": "0.2",
                    "margin": "0.0", "misc": "", "trade_id": 28457, "maker": False,
                }  # fmt: skip
                return {"trades": {"TIMIRG-WUNNE-RRJ6GT": fill}, "count": 1}
        return super().result(name, given)

    async def hear(self, connection: ServerConnection, told: Any) -> None:
        if told["method"] != "subscribe":
            await connection.send(json.dumps({"method": "pong", "req_id": told.get("req_id", 0)}))
            return
        channel = told["params"]["channel"]
        result = {"channel": channel, "symbol": "LTC/USDT", "snapshot": True}
        await connection.send(json.dumps({"method": "subscribe", "result": result, "success": True, "req_id": told["req_id"]}))
        self.wishes[connection].append(channel)
        await connection.send(json.dumps(self.first(channel)))

    def first(self, channel: str) -> Any:
        match channel:
            case "trade":
                data = [self._trade(each) for each in self.prints[-50:]]
            case "book":
                data = [{"symbol": "LTC/USDT", "bids": self._rows("bid"), "asks": self._rows("ask"), "checksum": 1}]
            case _:
                data = [self._ticker()]
        return {"channel": channel, "type": "snapshot", "data": data}

    def _rows(self, side: str) -> list[dict[str, float]]:
        return [{"price": float(price), "qty": float(amount)} for price, amount in self.sorted(side)]

    @staticmethod
    def _trade(each: tuple[int, str, str, str, int]) -> dict[str, Any]:
        n, price, amount, side, at_ms = each
        at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return {
            "symbol": "LTC/USDT", "side": side, "price": float(price), "qty": float(amount), "ord_type": "market", "trade_id": n,
            "timestamp": at,
        }  # fmt: skip

    def _ticker(self) -> dict[str, Any]:
        (bid, bid_qty), (ask, ask_qty) = self.best("bid"), self.best("ask")
        told: dict[str, Any] = {
            "symbol": "LTC/USDT",
            "bid": float(bid),
            "bid_qty": float(bid_qty),
            "ask": float(ask),
            "ask_qty": float(ask_qty),
        }
        return told | {"last": float(self.prints[-1][1]), "volume": 9, "vwap": 50, "low": 48, "high": 51, "change": 1, "change_pct": 2}

    async def trade(self, price: str, amount: str, side: str) -> None:
        self.add(price, amount, side)
        await self.tell("trade", {"channel": "trade", "type": "update", "data": [self._trade(self.prints[-1])]})

    async def level(self, side: str, price: str, amount: str, *, lost: int = 0) -> None:
        self.change(side, price, amount)
        rows = [{"price": float(price), "qty": float(amount)}]
        data = {"symbol": "LTC/USDT", "bids": rows if side == "bid" else [], "asks": rows if side == "ask" else [], "checksum": 2}
        await self.tell("book", {"channel": "book", "type": "update", "data": [data | {"timestamp": "2023-11-14T22:13:20.000001Z"}]})

    async def ticker(self) -> None:
        await self.tell("ticker", {"channel": "ticker", "type": "update", "data": [self._ticker()]})
