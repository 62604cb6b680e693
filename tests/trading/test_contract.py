"""The contract for adapters holds for what is built in modes paper, whose venue is the paper one, and live, gate and all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from tests.trading.rehearsal import Notes

from papertape.exchanges.base import BaseExchange
from papertape.exchanges.coinbase import CoinbaseExchange
from papertape.journal import Journal
from papertape.links.coinbase.link import CoinbaseLink
from papertape.links.simulated import SimulatedLink
from papertape.model.units import SECOND
from papertape.resilience.intents import MemoryIntents
from papertape.resilience.settings import ShellSettings
from papertape.runtime.chance import Chance
from papertape.runtime.clock import VirtualClock
from papertape.session.spec import Quantity
from papertape.testing.contract import CAPABILITIES, ExchangeContract, Subject
from papertape.testing.fixtures import SimVenue
from papertape.trading.config import Limits
from papertape.trading.gate.audit import Audit
from papertape.trading.gate.keeper import Gatekeeper
from papertape.trading.gate.link import GatedLink
from papertape.trading.paper.account import PaperAccount
from papertape.trading.paper.exchange import PaperExchange


def ends_with(own: BaseExchange, adapter: BaseExchange) -> None:
    """The contract leaves an adapter as it is; it is disconnected before the session's own exchange."""
    line: Any = own._line  # type: ignore[attr-defined]  # the fixture stands for another exchange in each test; its line is this one's
    disconnect = line.disconnect

    async def both() -> None:
        await adapter.disconnect()
        await disconnect()

    line.disconnect = both


class OnPaper(Subject):
    """A paper exchange beside the session's own; the session's venue is its real market."""

    can = frozenset(CAPABILITIES)
    session: ClassVar[Any] = {"invariants": ["rate_respected"]}  # of the real market; on paper its venue is asked

    def __init__(self) -> None:
        self.paper: PaperExchange | None = None
        self.folder = Path()
        self.errors: list[BaseException] = []

    async def connect(self, exchange: BaseExchange) -> BaseExchange:
        self.errors.clear()
        near: Any = exchange._line._link  # type: ignore[attr-defined]  # the session's
        account = PaperAccount(self.folder / "paper.sqlite", venue="coinbase", opening={"USD": Decimal(100_000), "BTC": Decimal(1)})
        self.paper = PaperExchange(
            SimulatedLink(near._door, near.rules, near._timeline), account, journal=Journal({}),
            clock=VirtualClock(asyncio.get_running_loop()), chance=Chance(0), notes=Notes(), store=MemoryIntents(), run_id="paper",  # type: ignore[arg-type]  # it is ours
            settings=ShellSettings(), on_bot_error=self.errors.append,
        )  # fmt: skip
        ends_with(exchange, self.paper)
        await self.paper.connect()
        self.paper.market.follow(self.symbol)
        await self.paper.market.knows(self.symbol, 5 * SECOND)
        return self.paper

    async def disconnect(self, adapter: BaseExchange) -> None:
        await adapter.disconnect()
        assert not self.errors


SUBJECT = OnPaper()


class Truth(SimVenue):
    """The paper venue's side, as the contract asks for it."""

    @property
    def _world(self) -> Any:
        if SUBJECT.paper is None or SUBJECT.paper.market.venue is None:
            return super()._world  # of the real market, whose instruments and money are the same, until there is one
        return SimpleNamespace(name="coinbase", door=SUBJECT.paper.market.venue._door, venue=SUBJECT.paper.market.venue._venue)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    SUBJECT.folder, SUBJECT.paper = tmp_path, None
    return tmp_path


@pytest.fixture
def venue() -> Truth:
    return Truth("coinbase")


class TestPaperExchange(ExchangeContract):
    subject = SUBJECT


WIDE = Limits(
    order_notional=Quantity(Decimal(10**9), "USD"), position=Quantity(Decimal(10**6), "BTC"), daily_loss=Quantity(Decimal(10**9), "USD"),
    orders_per_minute=10_000,
)  # fmt: skip


class Gated(Subject):
    """The live adapter behind the gate, beside the session's own, at the same venue's server on the in-memory network."""

    depth: ClassVar[str] = "wire"
    session: ClassVar[Any] = {"invariants": ["rate_respected"]}

    def __init__(self) -> None:
        self.folder = Path()
        self.audit: Audit | None = None

    async def connect(self, exchange: BaseExchange) -> BaseExchange:
        own: Any = exchange._line._link  # type: ignore[attr-defined]  # the session's
        clock = VirtualClock(asyncio.get_running_loop())  # type: ignore[arg-type]  # it is ours
        self.audit = Audit(self.folder / "audit.jsonl")
        keeper = Gatekeeper(WIDE, self.audit, clock=clock, until_ns=1 << 62, halt_file=self.folder / "HALT")
        link: Any = CoinbaseLink(own._credentials, rules=own.rules, clock=clock, permits=keeper.permits)
        gated = GatedLink(link, keeper, lambda rights: "", journal=Journal({}), clock=clock)
        adapter = CoinbaseExchange(
            gated, clock=clock, chance=Chance(0), notes=Notes(),
            store=MemoryIntents(), run_id="gated", settings=ShellSettings(), on_bot_error=lambda error: None,
        )  # fmt: skip
        ends_with(exchange, adapter)
        await adapter.connect()
        return adapter


GATED = Gated()


class TestGatedExchange(ExchangeContract):
    subject = GATED

    @pytest.fixture(autouse=True)
    def state(self, tmp_path: Path) -> Iterator[None]:
        GATED.folder = tmp_path
        yield
        if GATED.audit is not None:
            GATED.audit.close()

    @pytest.fixture
    def venue(self) -> SimVenue:
        return SimVenue()
