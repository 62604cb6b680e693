"""The contract for adapters holds for what the factory's builders make of one file in modes paper and live; replay is the session's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from papertape.exchanges.base import BaseExchange
from papertape.exchanges.keys import KeyManager, Keys, Secret
from papertape.journal import Journal
from papertape.model.units import SECOND
from papertape.runtime.clock import VirtualClock
from papertape.testing.contract import CAPABILITIES, ExchangeContract, Subject
from papertape.testing.fixtures import SimVenue
from papertape.trading.config import Config, load_config
from papertape.trading.gate.arming import (
    FORMAT,
    Armed,
    Vouched,
    armed_bytes,
    armed_path,
    code_hash,
    config_hash,
    content_hash,
    endpoints_of,
    hashed,
    write_armed,
)
from papertape.trading.gate.audit import Audit
from papertape.trading.gate.build import AUDIT
from papertape.trading.modes import build
from papertape.trading.parts import Parts


def ends_with(own: BaseExchange, adapter: BaseExchange) -> None:
    """The contract leaves an adapter as it is; it is disconnected before the session's own exchange."""
    line: Any = own._line  # type: ignore[attr-defined]  # the fixture stands for another exchange in each test; its line is this one's
    disconnect = line.disconnect

    async def both() -> None:
        await adapter.disconnect()
        await disconnect()

    line.disconnect = both


FILE = """
exchange = "coinbase"
bot = "mybot.py:main"
[venue.coinbase]
account = { USD = "100000", BTC = "1" }
[limits]
order_notional = "1000000000 USD"
position = "1000000 BTC"
daily_loss = "1000000000 USD"
orders_per_minute = 10000
"""


class Built(Subject):
    """What the factory's builder makes of papertape.toml, beside the session's own exchange, at the same venue's server in memory.

    Attributes:
        mode: the one setting that differs.
        exchange: what was built last.
    """

    mode: ClassVar[str]
    depth: ClassVar[str] = "wire"
    session: ClassVar[Any] = {"invariants": ["rate_respected"]}

    def __init__(self) -> None:
        self.folder = Path()
        self.exchange: Any = None
        self.closing = ExitStack()
        self.errors: list[BaseException] = []

    async def connect(self, exchange: BaseExchange) -> BaseExchange:
        self.errors.clear()
        own: Any = exchange._line._link  # type: ignore[attr-defined]  # the session's
        clock: Any = VirtualClock(asyncio.get_running_loop())  # type: ignore[arg-type]  # it is ours
        (self.folder / "papertape.toml").write_text(FILE)
        (self.folder / "mybot.py").write_text("async def main(exchange): ...\n")
        config = load_config(self.folder / "papertape.toml", settings=[f"mode={self.mode}"], environment={})
        credentials = own._credentials
        keys = KeyManager({"coinbase": Keys(api_key=Secret(credentials.name), secret=Secret(credentials.secret))}, environment={})
        self.parts = Parts(config, clock=clock, journal=Journal({}), keys=keys, on_error=self.errors.append, tell=lambda words: None)
        self.closing = self.parts.closing
        await self.prepare(config, clock, own)
        self.exchange = build(self.parts)
        ends_with(exchange, self.exchange)
        await self.exchange.connect()
        return self.exchange  # type: ignore[no-any-return]  # one of its own kind

    async def prepare(self, config: Config, clock: Any, own: Any) -> None:
        """What the mode wants to have been done."""

    async def disconnect(self, adapter: BaseExchange) -> None:
        await adapter.disconnect()
        assert not self.errors


class OnPaper(Built):
    """The session's venue is its real market."""

    mode = "paper"
    can = frozenset(CAPABILITIES)

    async def connect(self, exchange: BaseExchange) -> BaseExchange:
        adapter = await super().connect(exchange)
        self.exchange.market.follow(self.symbol)
        await self.exchange.market.knows(self.symbol, 5 * SECOND)
        return adapter


SUBJECT = OnPaper()


class Truth(SimVenue):
    """The paper venue's side, as the contract asks for it."""

    @property
    def _world(self) -> Any:
        market = None if SUBJECT.exchange is None else SUBJECT.exchange.market
        if market is None or market.venue is None:
            return super()._world  # of the real market, whose instruments and money are the same, until there is one
        return SimpleNamespace(name="coinbase", door=market.venue._door, venue=market.venue._venue)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    SUBJECT.folder, SUBJECT.exchange = tmp_path, None
    yield tmp_path
    SUBJECT.closing.close()


@pytest.fixture
def venue() -> Truth:
    return Truth("coinbase")


class TestPaperExchange(ExchangeContract):
    subject = SUBJECT


class Gated(Built):
    """Armed beforehand, as `papertape arm` does it, for the account that the venue says the key opens."""

    mode = "live"

    async def prepare(self, config: Config, clock: Any, own: Any) -> None:
        rights, now_ns = await own.key_rights(), clock.wall_ns()
        scenario = self.folder / "ok.scenario.toml"
        scenario.write_text("")
        assert config.limits is not None
        armed = Armed(
            format=FORMAT, exchange="coinbase", account=rights.account, endpoints=endpoints_of(config), code=code_hash(config),
            config=config_hash(config), limits=config.limits, armed_ns=now_ns, until_ns=now_ns + 3_600 * SECOND,
            scenarios=(Vouched(path=scenario.name, content=content_hash(scenario), digest=""),),
        )  # fmt: skip
        with Audit(config.state_of(AUDIT)) as audit:
            audit.write(now_ns, "armed", file=hashed([armed_bytes(armed)]))
        write_armed(armed_path(config), armed)


GATED = Gated()


class TestGatedExchange(ExchangeContract):
    subject = GATED

    @pytest.fixture(autouse=True)
    def state(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.delenv("CI", raising=False)
        GATED.folder = tmp_path
        yield
        GATED.closing.close()

    @pytest.fixture
    def venue(self) -> SimVenue:
        return SimVenue()
