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
    assert "[PAPER] PAPER: coinbase. The market is real, the money is not." in caplog.messages


def test_paper_charges_what_the_venue_does_and_where_nobody_knows_asks(caplog: pytest.LogCaptureFixture) -> None:
    """ccxt knows Kraken's fees, and not those of Bitget; free of charge would flatter."""
    account = 'account={ USD = "10" }'
    exchange = ask("kraken", settings=["exchange=kraken", f"venue.kraken.{account}"])
    assert isinstance(exchange, PaperExchange)
    assert exchange.market._link.rules.taker_bps > 0
    assert "fees: " in caplog.messages[0]
    for close in (exchange._line.account._store.close, exchange.account.close):  # type: ignore[union-attr]  # the log of intents
        close()
    with pytest.raises(ConfigError, match=r"\[venue\.bitget\], key `model`: nobody here knows what bitget charges"):
        ask("bitget", settings=["exchange=bitget", f"venue.bitget.{account}"])
    fees = 'venue.bitget.model={ fees = { kind = "flat", maker_bps = 10, taker_bps = 20 } }'
    exchange = ask("bitget", settings=["exchange=bitget", f"venue.bitget.{account}", fees])
    assert "fees: 10 bps as a maker, 20 as a taker, as your file says" in caplog.text
    exchange._line.account._store.close()  # type: ignore[attr-defined]  # the log of intents
    exchange.account.close()  # type: ignore[attr-defined]  # the same


def test_paper_takes_tiers_and_no_bars(caplog: pytest.LogCaptureFixture) -> None:
    """It says that fees will change; and a model for tapes of bars would leave out every trade that it hears of."""
    account = 'venue.coinbase.account={ USD = "10" }'
    tiers = "[{ volume = 0, maker_bps = 60, taker_bps = 120 }, { volume = 1000, maker_bps = 0, taker_bps = 5 }]"
    exchange = ask(settings=[account, f'venue.coinbase.model={{ fees = {{ kind = "tiered", tiers = {tiers} }} }}'])
    assert isinstance(exchange, PaperExchange)
    assert "fees: 60 bps as a maker, 120 as a taker, at first, then by what is traded, as your file says" in caplog.text
    for close in (exchange._line.account._store.close, exchange.account.close):  # type: ignore[union-attr]  # the log of intents
        close()
    with pytest.raises(ConfigError, match=r'\[venue\.coinbase\.model\], key `fills`: holds "bars", which is for tapes of bars alone'):
        ask(settings=[account, 'venue.coinbase.model={ fills = "bars" }'])


def test_an_account_that_is_gone_while_its_log_of_intents_is_there_is_told() -> None:
    intents = Path(".papertape/paper/coinbase/intents.jsonl")
    intents.parent.mkdir(parents=True)
    intents.touch()
    with pytest.raises(ConfigError, match=r"the paper account is not there, and intents\.jsonl, which tells of its orders, is"):
        ask(settings=['venue.coinbase.account={ USD = "10" }'])


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
