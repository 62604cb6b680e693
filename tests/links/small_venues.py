"""A Binance and a Kraken small enough to read, with one order book that never moves: REST alone, in the shapes of ccxt's own fixtures."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

STAMP = 1_700_000_000_000


class Small:
    """One venue's orders.

    Attributes:
        asked: method and last part of the path of each request, with its parameters.
        loses: how many of the next creates are carried out without an answer.
        shows: whether it tells client order ids.
        limits: by which words the next creates are turned away.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.orders: dict[str, dict[str, Any]] = {}
        self.loses = 0
        self.shows = True
        self.limits: list[str] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        given = dict(request.query) | dict(parse_qsl((await request.read()).decode()))
        name = f"{request.method} {request.path.rpartition('/')[2]}"
        self.asked.append((name, given))
        found = self.answer(name, given)
        if found is None:
            return web.json_response({"code": -1121, "msg": "Invalid symbol.", "error": ["EGeneral:Unknown method"]}, status=400)
        if name in ("POST order", "POST AddOrder") and self.loses:
            self.loses -= 1
            assert request.transport is not None
            request.transport.abort()
        return web.Response(text=json.dumps(found), content_type="application/json")

    def of(self, name: str) -> list[dict[str, str]]:
        """Parameters of the requests of that name."""
        return [given for asked, given in self.asked if asked == name]

    def answer(self, name: str, given: dict[str, str]) -> Any:
        raise NotImplementedError


class SmallBinance(Small):
    """api.binance.com, spot."""

    def answer(self, name: str, given: dict[str, str]) -> Any:
        if name == "POST order" and self.limits:
            return {"code": -1021, "msg": self.limits.pop()}
        match name:
            case "GET time":
                return {"serverTime": STAMP}
            case "GET exchangeInfo":
                filters = [
                    {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "100000", "tickSize": "0.01"},
                    {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "90000", "stepSize": "0.001"},
                    {"filterType": "NOTIONAL", "minNotional": "5.0"},
                ]
                market = {
                    "symbol": "LTCUSDT", "status": "TRADING", "baseAsset": "LTC", "quoteAsset": "USDT", "isSpotTradingAllowed": True,
                    "permissions": ["SPOT"], "permissionSets": [["SPOT"]], "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
                    "filters": filters,
                }  # fmt: skip
                return {"timezone": "UTC", "serverTime": STAMP, "symbols": [market]}
            case "GET account":
                return {"balances": [{"asset": "USDT", "free": "90.10", "locked": "10.00"}], "updateTime": STAMP}
            case "POST order":
                number, qty = str(len(self.orders) + 1), given.get("quantity", "0.199")
                self.orders[number] = {
                    "symbol": given["symbol"], "orderId": number, "orderListId": "-1", "clientOrderId": given["newClientOrderId"],
                    "transactTime": STAMP, "price": given.get("price", "0.00"), "origQty": qty, "executedQty": "0.000",
                    "origQuoteOrderQty": "0.00", "cummulativeQuoteQty": "0.00", "status": "NEW", "timeInForce": "GTC",
                    "type": given["type"], "side": given["side"], "workingTime": STAMP, "fills": [],
                    "selfTradePreventionMode": "EXPIRE_MAKER",
                }  # fmt: skip
                return self.orders[number]
            case "GET openOrders" | "GET allOrders":
                return [order for order in self.orders.values() if name != "GET openOrders" or order["status"] == "NEW"]
            case "GET order" | "DELETE order":
                by_id = given.get("orderId"), given.get("origClientOrderId")
                found = [order for order in self.orders.values() if order["orderId"] == by_id[0] or order["clientOrderId"] == by_id[1]]
                if name == "DELETE order":
                    found[0]["status"] = "CANCELED"
                return found[0] if found else {"code": -2013, "msg": "Order does not exist."}
        return None


class SmallKraken(Small):
    """api.kraken.com."""

    def answer(self, name: str, given: dict[str, str]) -> Any:
        if name == "POST AddOrder" and self.limits:
            return {"error": [self.limits.pop()]}
        found = self.result(name, given)
        return None if found is None else {"error": [], "result": found}

    def result(self, name: str, given: dict[str, str]) -> Any:
        match name:
            case "GET Time" | "POST Time":
                return {"unixtime": STAMP // 1000}
            case "GET SystemStatus":
                return {"status": "online"}
            case "GET Assets":
                return {each: {"aclass": "currency", "altname": each, "decimals": 8, "status": "enabled"} for each in ("LTC", "USDT")}
            case "GET AssetPairs":
                return {
                    "LTCUSDT": {
                        "altname": "LTCUSDT", "wsname": "LTC/USDT", "base": "LTC", "quote": "USDT", "pair_decimals": 2, "lot_decimals": 8,
                        "cost_decimals": 5, "fees": [[0, 0.4]], "fees_maker": [[0, 0.25]], "ordermin": "0.05", "costmin": "0.5",
                        "tick_size": "0.01", "status": "online", "leverage_buy": [], "leverage_sell": [],
                    }
                }  # fmt: skip
            case "POST BalanceEx":
                return {"USDT": {"balance": "100.10", "hold_trade": "10.00"}}
            case "POST AddOrder":
                number = f"OR6EGN-KQSEG-{len(self.orders) + 1:06}"
                descr = {"pair": "LTCUSDT", "type": given["type"], "ordertype": given["ordertype"], "price": given.get("price", "0")}
                self.orders[number] = {
                    "refid": None, "userref": "0", "status": "open", "opentm": STAMP / 1000, "starttm": "0", "expiretm": "0",
                    "descr": {**descr, "price2": "0", "leverage": "none", "order": "", "close": ""}, "vol": given["volume"],
                    "vol_exec": "0.00000000", "cost": "0.0", "fee": "0.0", "price": "0.0", "stopprice": "0.0", "limitprice": "0.0",
                    "misc": "", "oflags": given.get("oflags", "fciq"), "reason": None,
                    **({"cl_ord_id": given["cl_ord_id"]} if self.shows else {}),
                }  # fmt: skip
                return {"txid": [number], "descr": {"order": ""}}
            case "POST OpenOrders":
                return {"open": {number: order for number, order in self.orders.items() if order["status"] == "open"}}
            case "POST ClosedOrders":
                return {"closed": {number: order for number, order in self.orders.items() if order["status"] != "open"}, "count": 0}
            case "POST QueryOrders":
                return {given["txid"]: self.orders[given["txid"]]}
            case "POST CancelOrder":
                self.orders[given["txid"]]["status"] = "canceled"
                return {"count": 1}
        return None
