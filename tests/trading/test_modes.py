"""The factory outside of a session: papertape.toml says what is built, and live is never built by the way."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from papertape.exchanges.factory import ExchangeFactory
from papertape.model.errors import ConfigError
from papertape.trading.paper.exchange import PaperExchange


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("CI", "PAPERTAPE_MODE", "COINBASE_API_KEY", "COINBASE_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def ask(name: str = "coinbase", **options: object) -> object:
    async def main() -> object:
        return ExchangeFactory.get_exchange(name, **options)

    return asyncio.run(main())


def test_without_a_file_it_is_paper_and_says_what_it_lacks() -> None:
    with pytest.raises(ConfigError, match=r"\[venue\.coinbase\], key `account`: is missing; expected what a new paper account begins with"):
        ask()


def test_paper_is_a_paper_exchange_whose_link_has_no_key() -> None:
    exchange = ask(settings=['venue.coinbase.account={ USD = "10" }'])
    assert isinstance(exchange, PaperExchange)
    assert exchange.market._link._credentials is None  # type: ignore[attr-defined]  # it is Coinbase's
    exchange._line.account._store.close()  # type: ignore[union-attr]  # the log of intents
    exchange.account.close()


def test_whoever_disconnects_may_ask_for_another_and_is_told_the_mode(caplog: pytest.LogCaptureFixture) -> None:
    """The account, and the log of intents, are let go of."""

    async def main() -> None:
        for _ in range(2):
            exchange = ExchangeFactory.get_exchange("coinbase", settings=['venue.coinbase.account={ USD = "10" }'])
            await exchange.disconnect()

    asyncio.run(main())
    assert caplog.messages[0] == "[PAPER] PAPER: coinbase. The market is real, the money is not."


def test_live_wants_keys_then_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="keys for coinbase: COINBASE_API_KEY and COINBASE_API_SECRET"):
        ask(settings=["mode=live"])
    monkeypatch.setenv("COINBASE_API_KEY", "k")
    monkeypatch.setenv("COINBASE_API_SECRET", "s")
    with pytest.raises(ConfigError, match="live is refused:") as raised:
        ask(settings=["mode=live"])
    assert "[limits] is missing" in str(raised.value)
    assert "it was never armed" in str(raised.value)


def test_replay_needs_a_session() -> None:
    with pytest.raises(ConfigError, match="no session is running here: run the bot with `papertape trade`"):
        ask(settings=["mode=replay"])


def test_without_a_loop_it_says_where_to_ask() -> None:
    with pytest.raises(ConfigError, match="no event loop runs here"):
        ExchangeFactory.get_exchange("coinbase")


def test_a_venue_that_has_no_streams_of_its_own_cannot_be_traded_on_paper() -> None:
    with pytest.raises(ConfigError, match="simulated has no public streams"):
        ask("simulated")
