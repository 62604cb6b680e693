"""The contract for adapters holds for what the factory builds in mode paper, whose venue is the paper one."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from tests.trading.rehearsal import Notes

from papertape.exchanges.base import BaseExchange
from papertape.journal import Journal
from papertape.links.simulated import SimulatedLink
from papertape.model.units import SECOND
from papertape.resilience.intents import MemoryIntents
from papertape.resilience.settings import ShellSettings
from papertape.runtime.chance import Chance
from papertape.runtime.clock import VirtualClock
from papertape.testing.contract import CAPABILITIES, ExchangeContract, Subject
from papertape.testing.fixtures import SimVenue
from papertape.trading.paper.account import PaperAccount
from papertape.trading.paper.exchange import PaperExchange


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
        assert SUBJECT.paper is not None
        assert SUBJECT.paper.market.venue is not None
        return SimpleNamespace(name="coinbase", door=SUBJECT.paper.market.venue._door, venue=SUBJECT.paper.market.venue._venue)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    SUBJECT.folder = tmp_path
    return tmp_path


@pytest.fixture
def venue() -> Truth:
    return Truth("coinbase")


class TestPaperExchange(ExchangeContract):
    subject = SUBJECT
