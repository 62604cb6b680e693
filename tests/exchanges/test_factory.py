"""Names to exchanges, and keys that do not leak."""

from __future__ import annotations

import pickle

import pytest

from exchanges.scripted import World, play
from papertape.exchanges.factory import ExchangeFactory
from papertape.exchanges.keys import KeyManager, Keys, Secret
from papertape.exchanges.resilient import ResilientExchange
from papertape.exchanges.simulated import SimulatedExchange
from papertape.model.errors import ConfigError


def test_a_session_hands_out_its_own_exchange() -> None:
    """While a session runs, a bot that asks the factory gets the session's object, and only for venues it has."""

    async def story(world: World) -> None:
        with ExchangeFactory.running({"coinbase": world.exchange}):
            assert ExchangeFactory.get_exchange("coinbase", api_key="ignored") is world.exchange
            with pytest.raises(ConfigError, match=r'no venue "coinbse"; did you mean "coinbase".*\[venue\.coinbse\]'):
                ExchangeFactory.get_exchange("coinbse")
        with pytest.raises(ConfigError, match="no session is running"):
            ExchangeFactory.get_exchange("coinbase")

    play(story)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    """A typing error is met with what there is."""
    with pytest.raises(ConfigError, match=r'no exchange is called "simulatd"; did you mean "simulated"\? Known: .*coinbase'):
        ExchangeFactory.get_exchange("simulatd")


def test_modes_that_are_not_built_say_so() -> None:
    """Outside a session there is no exchange yet, and nobody pretends."""
    with pytest.raises(ConfigError, match=r'"paper" and "live" are not built yet'):
        ExchangeFactory.get_exchange("simulated")


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
