"""Names to exchanges, and keys that do not leak."""

from __future__ import annotations

import base64
import pickle
import traceback
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from exchanges.scripted import World, play
from papertape.exchanges.coinbase import cloud_key
from papertape.exchanges.factory import ExchangeFactory
from papertape.exchanges.keys import KeyManager, Keys, Secret
from papertape.exchanges.resilient import ResilientExchange
from papertape.exchanges.simulated import SimulatedExchange
from papertape.model.errors import ConfigError
from papertape.scenario.make import make_scenario
from papertape.session.spec import Scenario
from papertape.venues.coinbase.auth import Credentials, throwaway_credentials


def test_a_session_hands_out_its_own_exchange() -> None:
    """While a session runs, a bot that asks the factory gets the session's object, and only for venues it has."""

    async def story(world: World) -> None:
        with ExchangeFactory.running({"coinbase": world.exchange}):
            assert ExchangeFactory.get_exchange("coinbase", api_key="ignored") is world.exchange
            with pytest.raises(ConfigError, match=r'no venue "coinbse"; did you mean "coinbase".*\[venue\.coinbse\]'):
                ExchangeFactory.get_exchange("coinbse")

    play(story)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    """A typing error is met with what there is."""
    with pytest.raises(ConfigError, match=r'no exchange is called "simulatd"; did you mean "simulated"\? Known: .*coinbase'):
        ExchangeFactory.get_exchange("simulatd")


def test_a_bot_s_module_cannot_take_the_name_of_an_adapter_of_ours() -> None:
    """Not even before that one is imported, so that no other stands between the gate and the venue."""

    class Mine(ResilientExchange):
        """One whose link knows no permits."""

    for name in ("coinbase", "simulated"):
        with pytest.raises(ConfigError, match=f'exchange "{name}" is already that of papertape'):
            ExchangeFactory.register_exchange(name, Mine)


def test_a_name_is_taken_once() -> None:
    """Registering the same class again is fine, another under its name is not."""
    ExchangeFactory.register_exchange("simulated", SimulatedExchange)
    assert ExchangeFactory.kind("simulated") is SimulatedExchange

    class Other(ResilientExchange):
        """Another."""

    with pytest.raises(ConfigError, match="already"):
        ExchangeFactory.register_exchange("simulated", Other)


def test_keys_come_from_the_hand_first_then_from_the_environment() -> None:
    """Line breaks written as backslash-n are real ones in the secret, as PEM keys need."""
    environment = {"COINBASE_API_KEY": "k", "COINBASE_API_SECRET": "a\\nb", "COINBASE_API_PASSPHRASE": "p"}
    keys = KeyManager(environment=environment).keys("coinbase")
    assert (keys.api_key.reveal(), keys.secret.reveal()) == ("k", "a\nb")
    assert keys.passphrase == Secret("p")
    given = Keys(api_key=Secret("x"), secret=Secret("y"))
    assert KeyManager({"coinbase": given}, environment).keys("coinbase") is given


def test_missing_keys_are_named() -> None:
    """The message says which variables to set."""
    with pytest.raises(ConfigError, match="COINBASE_API_SECRET not set"):
        KeyManager(environment={"COINBASE_API_KEY": "k"}).keys("coinbase")


def test_a_secret_never_prints() -> None:
    """Neither by repr, str, format nor inside a struct or an error; and it is not pickled."""
    secret = Secret("hunter2")
    texts = [repr(secret), str(secret), f"{secret}", repr(Keys(api_key=secret, secret=secret)), str(ValueError(secret))]
    assert not any("hunter2" in text for text in texts)
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_the_former_name_of_coinbase_is_taken_and_said(caplog: pytest.LogCaptureFixture) -> None:
    """`coinbaseadvanced`, which ccxt no longer has, is Coinbase in the factory, for keys and in a scenario; each time somebody is told."""
    told = '"coinbaseadvanced" is taken for "coinbase", the name that it has here and in ccxt'

    async def story(world: World) -> None:
        with ExchangeFactory.running({"coinbase": world.exchange}):
            assert ExchangeFactory.get_exchange("coinbaseadvanced") is world.exchange

    play(story)
    assert ExchangeFactory.kind("coinbaseadvanced") is ExchangeFactory.kind("coinbase")
    for prefix in ("COINBASE", "COINBASEADVANCED"):
        keys = KeyManager(environment={f"{prefix}_API_KEY": "k", f"{prefix}_API_SECRET": "s"}).keys("coinbaseadvanced")
        assert keys.api_key == Secret("k")
    assert caplog.messages == [told] * 4
    venue = {"feed": {"tape": "builtin:btc-usd"}, "account": {"USD": "1"}}
    fault = {"kind": "disconnect", "at": "1s", "venue": "coinbaseadvanced"}
    scenario = _scenario({"bot": "papertape.bots:MarketMaker", "venue": {"coinbaseadvanced": venue}, "fault": [fault]})
    assert (list(scenario.venues), scenario.faults[0].venue) == (["coinbase"], "coinbase")
    with pytest.raises(ConfigError, match='another name of the venue "coinbase", which is there already'):
        _scenario({"bot": "papertape.bots:MarketMaker", "venue": {"coinbase": venue, "coinbaseadvanced": venue}})


def test_a_key_of_three_parts_is_asked_for_whole() -> None:
    """Coinbase Exchange signs with a passphrase: without one the message names the variable; Advanced Trade needs none."""
    two = {"COINBASEEXCHANGE_API_KEY": "k", "COINBASEEXCHANGE_API_SECRET": "s"}
    with pytest.raises(ConfigError, match=r"COINBASEEXCHANGE_PASSPHRASE not set in the environment; .*three parts"):
        KeyManager(environment=two).keys("coinbaseexchange")
    assert KeyManager(environment=two | {"COINBASEEXCHANGE_API_PASSPHRASE": "p"}).keys("coinbaseexchange").passphrase == Secret("p")
    given = {"coinbaseexchange": Keys(api_key=Secret("k"), secret=Secret("s"))}
    with pytest.raises(ConfigError, match="`passphrase` is missing"):
        KeyManager(given, {}).keys("coinbaseexchange")


@pytest.mark.parametrize(
    ("secret", "passphrase", "told"),
    [
        ("c2hvcnQ=", None, "keys of the old kind"),
        ("Zm9ydHktZm91ciBieXRlcyBvZiBhIHNlY3JldA==", "hunter2", "one of Coinbase Exchange, a venue of its own"),
        ("-----BEGIN EC PRIVATE KEY-----\nhunter2\n-----END EC PRIVATE KEY-----\n", None, "is it whole, line breaks included"),
    ],
)
def test_a_key_of_another_kind_is_told_apart(secret: str, passphrase: str | None, told: str) -> None:
    """Before anything is sent: an old key, one of Coinbase Exchange, a damaged one; and no message quotes it."""
    keys = Keys(api_key=Secret("hunter2"), secret=Secret(secret), passphrase=Secret(passphrase) if passphrase else None)
    with pytest.raises(ConfigError, match=told) as caught:
        cloud_key(keys)
    trace = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in trace
    assert secret not in trace


def test_a_key_of_coinbase_exchange_is_sent_to_an_adapter_that_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    """And where there is none, what can be done is said instead."""
    keys = Keys(api_key=Secret("k"), secret=Secret("c2hvcnQ="), passphrase=Secret("p"))
    monkeypatch.setattr(ExchangeFactory, "_kinds", {})
    monkeypatch.setattr(ExchangeFactory, "_modules", {})
    monkeypatch.setattr(ExchangeFactory, "_generic", "")
    with pytest.raises(ConfigError, match="papertape has no adapter for that one: make a Cloud API key"):
        cloud_key(keys)
    ExchangeFactory.register_exchange("coinbaseexchange", SimulatedExchange)
    with pytest.raises(ConfigError, match='use the exchange "coinbaseexchange" for it'):
        cloud_key(keys)


def test_both_kinds_of_cloud_keys_are_taken() -> None:
    """ECDSA and Ed25519, in the writing that the portal hands out."""
    for key in (throwaway_credentials("a"), Credentials("organizations/a/apiKeys/b", base64.b64encode(bytes(range(64))).decode())):
        assert cloud_key(Keys(api_key=Secret(key.name), secret=Secret(key.secret))) == key


def _scenario(raw: dict[str, object]) -> Scenario:
    return make_scenario(raw, source="here", folder=Path())


def test_an_installed_package_adds_an_exchange_and_a_broken_one_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = [
        EntryPoint("mine", "papertape.exchanges.simulated:SimulatedExchange", "papertape.exchanges"),
        EntryPoint("broken", "papertape.nowhere:Nothing", "papertape.exchanges"),
        EntryPoint("odd", "papertape.version:VERSION", "papertape.exchanges"),
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: offered)
    monkeypatch.setattr(ExchangeFactory, "_kinds", dict(ExchangeFactory._kinds))
    assert {"mine", "broken", "coinbase"} <= set(ExchangeFactory.known())
    assert ExchangeFactory.kind("mine") is SimulatedExchange
    with pytest.raises(ConfigError, match=r'exchange "broken": .* papertape\.nowhere:Nothing does not load: ModuleNotFoundError'):
        ExchangeFactory.kind("broken")
    with pytest.raises(ConfigError, match="is no BaseExchange"):
        ExchangeFactory.kind("odd")
