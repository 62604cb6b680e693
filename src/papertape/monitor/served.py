"""A running `papertape serve`, looked at through an exchange of our own that can send nothing."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.collector import DataCollector, Mailbox, lines_of
from papertape.exchanges.keys import Keys, Secret
from papertape.exchanges.resilient import ResilientExchange
from papertape.links.permits import Permits
from papertape.model.errors import BaseError, ConfigError
from papertape.model.notes import Mark
from papertape.model.order import Order
from papertape.monitor.source import Listener
from papertape.resilience.intents import MemoryIntents
from papertape.resilience.settings import ShellSettings
from papertape.runtime.chance import Chance
from papertape.runtime.clock import LoopClock, wall_ns
from papertape.session.serving.spec import Ready

STDIN: Final = "-"

LOOK_EVERY_S: Final = 1.0

WRITES: Final = "`papertape serve coinbase > ready.json` writes it"


class Served(Listener):
    """Listens to the venue as any client with its key would: market, and the orders of the account, whoever placed them.

    Of an order that came and went between two looks, a second apart, nothing is seen.

    The exchange has a link without a single permit, and refuses to send what could change anything.

    Args:
        ready: the line that `papertape serve` said as it was ready.
        symbol: whose market; the venue's first if left out.
    """

    def __init__(self, ready: Ready, symbol: str = "") -> None:
        super().__init__()
        self.name = f"{ready.venue} served at {ready.http}"
        self.exchange: ResilientExchange | None = None  # once it is made
        self._ready = ready
        self._symbol = symbol

    async def listen(self) -> None:
        self.exchange = exchange = await asyncio.to_thread(self._made)  # its library takes seconds to import
        self.waiting.put({"kind": "standing", "mode": "served", "exchange": self._ready.venue})
        self.tell(is_there=False, why=f"connecting to {self._ready.http}")
        async with exchange:
            markets = await exchange.fetch_markets()
            known = [market.symbol for market in markets]
            symbol = self._symbol or next(iter(known), "")
            if symbol not in known:
                raise ConfigError(f'there is no "{symbol}" here; there are: {", ".join(known) or "no markets at all"}')
            self.tell(is_there=True, why="")
            news = asyncio.Event()
            collector = DataCollector(exchange, symbol)
            mailbox = Mailbox(collector, wake=news.set)
            async with collector:
                looking = asyncio.ensure_future(self._look(exchange, collector, symbol))
                try:
                    while True:
                        await news.wait()
                        news.clear()
                        for line in lines_of(mailbox.take()):
                            self.waiting.put(line)
                finally:
                    looking.cancel()

    async def _look(self, exchange: ResilientExchange, collector: DataCollector, symbol: str) -> None:
        """Ask for the account's open orders again and again: an exchange tells of its own alone, and these are other clients'."""
        known: dict[str, Order] = {}
        while True:
            with suppress(BaseError):
                found = {order.id: order for order in await exchange.fetch_open_orders(symbol)}
                gone = [await exchange.fetch_order_status(key, symbol) for key in known if key not in found]
                for order in [*gone, *found.values()]:
                    if known.get(order.id) != order:
                        collector.orders.emit(order)
                known = found
            await asyncio.sleep(LOOK_EVERY_S)

    def _made(self) -> ResilientExchange:
        from papertape.exchanges.coinbase import CoinbaseExchange

        ready, clock = self._ready, LoopClock(self.loop)
        keys = Keys(api_key=Secret(ready.api_key), secret=Secret(ready.api_secret))
        link = CoinbaseExchange.link_to_venue(keys, clock, Permits(), rest=ready.http, stream=ready.ws, user_stream=f"{ready.ws}/user")
        return CoinbaseExchange(
            link, clock=clock, chance=Chance(0), notes=_Notes(self), store=MemoryIntents(), run_id="monitor",
            settings=ShellSettings(cancel_on_disconnect=False), on_bot_error=lambda error: self.tell(is_there=False, why=str(error)),
        )  # fmt: skip


class _Notes:
    """What the exchange says of itself, as lines."""

    def __init__(self, served: Served) -> None:
        self._served = served

    def mark(self, mark: Mark, detail: str = "") -> None:
        self._served.waiting.put({"kind": "mark", "ns": wall_ns(), "mark": str(mark), "detail": detail})

    def health_changed(self, is_healthy: bool, why: str) -> None:
        self._served.waiting.put({"kind": "health", "ns": wall_ns(), "healthy": is_healthy, "why": why})


def read_ready(path: str) -> Ready:
    """The readiness line in a file, or on stdin for "-".

    Raises:
        ConfigError: there is none.
    """
    try:
        text = sys.stdin.readline() if path == STDIN else Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; {WRITES}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}; {WRITES}") from None
    return ready_in(text, "stdin" if path == STDIN else path)


def ready_in(text: str, source: str) -> Ready:
    """The readiness line in a text."""
    try:
        found: Any = msgspec.json.decode(text.strip() or "null", type=Ready)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ConfigError(f"{source}: is no line that says a served venue is ready: {error}; {WRITES}") from None
    assert isinstance(found, Ready)
    return found
