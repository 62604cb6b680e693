"""A counter: the venue's REST handler over the real venue, without a door, a network or a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from papertape.model.account import Candle
from papertape.model.event import BookSnapshot, MarketStatus, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.order import Order
from papertape.model.request import Answer, Lane, Refusal, Request
from papertape.model.units import MILLISECOND, SECOND
from papertape.sim.fees import FlatFees
from papertape.sim.fills import QueueFills
from papertape.sim.venue import SimVenue
from papertape.venues.coinbase.auth import Credentials, Keyring, Right, sign, throwaway_credentials
from papertape.venues.coinbase.errors import Body
from papertape.venues.coinbase.notation import Products
from papertape.venues.coinbase.rules import RULES
from papertape.wire.caller import Caller
from papertape.wire.coinbase.handler import HttpAsk, RestHandler
from papertape.wire.quotas import Quotas

EPOCH_NS = 1_786_309_548 * SECOND
KEY = throwaway_credentials("of the counter")
LOOKER = throwaway_credentials("who may only look")
API = "/api/v3/brokerage"


class Counter:
    """BTC-USD stands at 99 x 5 and 101 x 5; ETH-USD at 9 x 5 and 11 x 5. Each request takes a millisecond.

    Attributes:
        venue: what stands behind.
        requests: what it was asked, refused or not.
    """

    rules = RULES

    def __init__(self) -> None:
        self.venue = SimVenue(
            RULES,
            RULES.instruments,
            {"USD": Decimal(10_000), "BTC": Decimal(10), "ETH": Decimal(10)},
            fills=QueueFills(),
            fees=FlatFees(maker_bps=Decimal(60), taker_bps=Decimal(120)),
            epoch_ns=EPOCH_NS,
            emit=lambda update: None,
        )
        self.requests: list[Request] = []
        self.now_ns = 0
        self._keys = Keyring(KEY)
        self._keys.issue(LOOKER, (Right.VIEW,))
        self.handler = RestHandler(self, self._keys, Products(self.instruments), Quotas())
        for symbol, bid, ask in (("BTC/USD", 9900, 10100), ("ETH/USD", 900, 1100)):
            at = {"venue_ns": EPOCH_NS, "local_ns": EPOCH_NS, "symbol": symbol}
            five = 500_000_000
            self.venue.apply(BookSnapshot(**at, bids=((bid, five),), asks=((ask, five),)), 0)
            self.venue.apply(Trade(**at, price_ticks=ask, qty_lots=five, taker=Side.BUY, trade_id="1"), 0)

    @property
    def instruments(self) -> Sequence[Instrument]:
        return tuple(self.venue.instruments.values())

    def wall_ns(self) -> int:
        return EPOCH_NS + self.now_ns

    async def request(self, request: Request, *, caller: Caller | None = None, refusal: Refusal | None = None) -> Answer:
        self.requests.append(request)
        return self.venue.execute(request, self.now_ns) if refusal is None else Answer(refusal=refusal)

    def open_stream(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("this counter has no streams")

    def accepts(self, lane: Lane) -> bool:
        return True

    def open_orders(self) -> Sequence[Order]:
        return [order for order in self.venue.truth_orders() if not order.status.is_final]

    def ticker(self, symbol: str) -> Ticker:
        raise AssertionError("this counter has no streams")

    def status(self, symbol: str) -> MarketStatus:
        raise AssertionError("this counter has no streams")

    def recent_trades(self, symbol: str) -> Sequence[Trade]:
        return list(self.venue.trades[symbol])

    def day(self, symbol: str) -> Candle | None:
        return self.venue.candles[symbol].day(self.wall_ns())

    def bars(self, symbol: str, span_ns: int, limit: int) -> Sequence[Candle]:
        return self.venue.candles[symbol].bars(span_ns, since_ns=None, limit=limit)

    def ask(
        self,
        method: str,
        path: str,
        content: Any = None,
        *,
        query: Sequence[tuple[str, str]] = (),
        key: Credentials | None = KEY,
        wait_ns: int = 40 * MILLISECOND,
        **more: Any,
    ) -> Body:
        """One HTTP request, signed as it should be unless a `token` is given, `wait_ns` after the last."""
        self.now_ns += wait_ns
        token = more.get("token")
        if token is None and key is not None:
            token = sign(key, self.wall_ns(), uri=f"{method} api.coinbase.com{path}", nonce="n")
        body = content if isinstance(content, bytes) else json.dumps(content).encode() if content is not None else b""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        ask = HttpAsk(method=method, path=path, query=tuple(query), headers=headers, body=body, peer=more.get("peer", "10.0.0.1"))
        found = asyncio.run(self.handler.answer(ask, Caller()))
        msgspec.json.encode(found.content)  # whatever it is, it can go out
        return found

    def get(self, path: str, **query: Any) -> Any:
        """The body of a GET that goes well."""
        found = self.ask("GET", path, query=[(name, str(value)) for name, value in query.items()])
        assert found.status == 200, found
        return found.content

    def order(self, config: dict[str, Any], *, name: str = "mine", side: str = "BUY", product: str = "BTC-USD", **more: Any) -> Any:
        """The body of a create."""
        body = {"client_order_id": name, "product_id": product, "side": side, "order_configuration": config}
        return self.ask("POST", f"{API}/orders", body, **more).content

    def preview(self, config: dict[str, Any], *, side: str = "BUY", product: str = "BTC-USD") -> Any:
        """The body of a preview."""
        return self.ask("POST", f"{API}/orders/preview", {"product_id": product, "side": side, "order_configuration": config}).content


def limit(size: str, price: str, **more: Any) -> dict[str, Any]:
    """A limit order that may rest."""
    return {"limit_limit_gtc": {"base_size": size, "limit_price": price, **more}}
