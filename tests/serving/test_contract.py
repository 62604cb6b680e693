"""The contract for adapters holds for `CoinbaseExchange` on loopback: real sockets, the served venue, and no other time than the test's.

Client and server share one event loop, and the venue's time goes on only as `sim_clock` says; so nothing here depends on how fast the
machine is. What the contract asks of an adapter on a bad line takes the adapter's own timeouts, which are real seconds here; at depth
`wire` they are not, and it is asked there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest

import papertape.session.serving.run as run_module
from papertape.exchanges.coinbase import CoinbaseExchange
from papertape.links.coinbase.link import CoinbaseLink, CoinbaseUrls
from papertape.links.permits import Ungated
from papertape.model.units import MICROSECOND, MILLISECOND, SECOND, Nanos
from papertape.resilience.intents import MemoryIntents
from papertape.resilience.settings import ShellSettings
from papertape.runtime.chance import Chance
from papertape.runtime.clock import LoopClock
from papertape.session.serving.market import ServedMarket
from papertape.session.serving.run import serve
from papertape.session.serving.spec import Ready, ServeSpec
from papertape.session.spec import FeedSpec, LatencySpec, ModelSpec
from papertape.sim.latency import ConstantLatency
from papertape.testing.contract import CAPABILITIES, Subject
from papertape.testing.contract.account import AccountContract
from papertape.testing.contract.orders import OrdersContract
from papertape.testing.contract.refusals import RefusalsContract
from papertape.testing.contract.streams import StreamsContract
from papertape.testing.fixtures import SimVenue, duration_ns
from papertape.venues.coinbase.auth import Credentials
from papertape.venues.coinbase.rules import RULES

STEP_NS = 100 * MILLISECOND
TURNS = 25
"""Of the loop, in which whatever was written to a socket of this process is read at its other end."""


class HandClock(LoopClock):
    """Time that goes on by hand, from the machine's date on, and by a microsecond whenever somebody looks: nothing is quicker than that."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(loop)
        self.hand_ns: Nanos = 0
        self._began_ns = super().wall_ns()
        self._due: list[list[Any]] = []

    def now_ns(self) -> Nanos:
        self.hand_ns += MICROSECOND
        return self.hand_ns

    def wall_ns(self) -> Nanos:
        return self._began_ns + self.hand_ns

    def call_at_ns(self, when_ns: Nanos, callback: Callable[..., object], *args: Any) -> Any:
        entry = [when_ns, callback, args]
        self._due.append(entry)
        self._ring()
        return Alarm(lambda: entry in self._due and self._due.remove(entry))

    def advance_ns(self, ns: Nanos) -> None:
        self.hand_ns += ns
        self._ring()

    def _ring(self) -> None:
        for entry in [each for each in self._due if each[0] <= self.hand_ns]:
            self._due.remove(entry)
            asyncio.get_running_loop().call_soon(entry[1], *entry[2])


class ClientClock(LoopClock):
    """The machine's time, for a client's patience, and the date by hand."""

    def __init__(self, hand: HandClock) -> None:
        super().__init__()
        self.wall_ns = hand.wall_ns  # type: ignore[method-assign]  # time by hand


class Alarm:
    def __init__(self, cancel: Callable[[], object]) -> None:
        self.cancel = cancel


class Truth(SimVenue):
    """The venue's side, as the contract asks for it."""

    def __init__(self, market: ServedMarket) -> None:
        super().__init__("coinbase")
        self._market = market

    @property
    def _world(self) -> Any:
        self._market.time.catch_up()
        return self._market  # whose `door` and `venue` are those of any world


class ByHand:
    """`sim_clock`: a sleep lets the venue's time go on, and everybody read what it brings."""

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock

    @property
    def now(self) -> float:
        return self._clock.hand_ns / SECOND

    async def sleep(self, duration: str | float) -> None:
        until_ns = self._clock.hand_ns + duration_ns(duration)
        while self._clock.hand_ns < until_ns:
            self._clock.advance_ns(min(STEP_NS, until_ns - self._clock.hand_ns))
            for _ in range(TURNS):
                await asyncio.sleep(0)


class Silence:
    """Takes no notes."""

    def mark(self, mark: Any, detail: str = "") -> None: ...

    def health_changed(self, is_healthy: bool, why: str) -> None: ...


class Served:
    """A market on loopback, its clock and its truth, and the adapter that is connected to it."""

    def __init__(self, market: ServedMarket, clock: HandClock, exchange: CoinbaseExchange) -> None:
        self.exchange, self.clock, self.venue = exchange, ByHand(clock), Truth(market)


@pytest.fixture
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    clocks: list[HandClock] = []
    markets: list[ServedMarket] = []

    def clock_of(loop: asyncio.AbstractEventLoop) -> HandClock:
        clocks.append(HandClock(loop))
        return clocks[-1]

    def market_of(*args: Any) -> ServedMarket:
        markets.append(ServedMarket(*args))
        return markets[-1]

    monkeypatch.setattr(run_module, "LoopClock", clock_of)
    monkeypatch.setattr(run_module, "ServedMarket", market_of)
    now = ConstantLatency(value="0ms")
    spec = ServeSpec(
        venue="coinbase",
        feeds=(FeedSpec(tape="builtin:btc-usd"),),
        account={"USD": Decimal(100_000), "BTC": Decimal(1)},
        model=ModelSpec(latency=LatencySpec(order=now, answer=now)),
        dates="now",
    )
    ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
    work = asyncio.ensure_future(serve(spec, make_fault=lambda table, source: None, on_ready=ready.set_result, tell=print))  # type: ignore[arg-type,return-value]  # stands in for what a command line gives
    try:
        at = await ready
        clock = ClientClock(clocks[0])
        urls = CoinbaseUrls(rest=at.http, market=at.ws, user=f"{at.ws}/user")
        failed: list[BaseException] = []
        exchange = CoinbaseExchange(
            CoinbaseLink(Credentials(at.api_key, at.api_secret), rules=RULES, clock=clock, urls=urls, permits=Ungated()),
            clock=clock, chance=Chance(0),
            notes=Silence(), store=MemoryIntents(), run_id="loopback", settings=ShellSettings(), on_bot_error=failed.append,
        )  # fmt: skip
        served = Served(markets[0], clocks[0], exchange)
        await served.clock.sleep(1)
        await exchange.connect()
        yield served
        await exchange.disconnect()
        assert not failed
    finally:
        work.cancel()
        await asyncio.wait([work])


@pytest.fixture
def sim_exchange(served: Served) -> CoinbaseExchange:
    return served.exchange


@pytest.fixture
def venue(served: Served) -> Truth:
    return served.venue


@pytest.fixture
def sim_clock(served: Served) -> ByHand:
    return served.clock


class OnLoopback(Subject):
    """The adapter as it is; how it recovers is asked at depth wire."""

    can = frozenset(CAPABILITIES) - {"recovers"}


class TestCoinbaseOnLoopback(AccountContract, OrdersContract, RefusalsContract, StreamsContract):
    """Every part that does not break the line."""

    subject = OnLoopback()
    test_callbacks_come_one_after_another = None  # its callback takes its time by asyncio's clock, which is not the venue's here
