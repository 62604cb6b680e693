"""From a configuration to an exchange: one builder for each mode that trades on the machine's own clock."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from papertape.exchanges.factory import ExchangeFactory
from papertape.exchanges.intent_file import IntentFile
from papertape.exchanges.keys import KeyManager
from papertape.exchanges.resilient import ResilientExchange
from papertape.journal import Journal
from papertape.model.errors import ConfigError
from papertape.resilience.settings import ShellSettings
from papertape.runtime.chance import Chance
from papertape.runtime.clock import Clock
from papertape.trading.config import Config, Mode, load_config
from papertape.trading.notes import Say, TradingNotes
from papertape.trading.paper.account import PaperAccount
from papertape.trading.paper.exchange import PaperExchange

__all__ = ["ACCOUNT", "BUILDERS", "INTENTS", "Parts", "alone", "build", "load_config"]

ACCOUNT: Final = "account.sqlite"
INTENTS: Final = "intents.jsonl"

OnError = Callable[[BaseException], None]


class Parts:
    """What every builder is handed.

    Args:
        keys: whoever knows the account's keys; asked in mode live alone.
        on_error: told what a callback of the bot raised, or what ended the exchange.
        tell: told what a person at the terminal should know.
    """

    def __init__(self, config: Config, *, clock: Clock, journal: Journal, keys: KeyManager, on_error: OnError, tell: Say) -> None:
        self.config = config
        self.clock = clock
        self.journal = journal
        self.keys = keys
        self.on_error = on_error
        self.tell = tell

    def options(self) -> dict[str, Any]:
        """What any `ResilientExchange` wants beside its link. The log of intents is open, and this process's alone, from here on."""
        config = self.config
        seed = secrets.randbits(64)  # two runs must not use one id, nor two bots redial in step
        return {
            "clock": self.clock,
            "chance": Chance(seed),
            "notes": TradingNotes(self.journal, self.clock, venue=config.exchange, tell=self.tell),
            "store": IntentFile(config.state_of(INTENTS)),
            "run_id": f"pt{seed:016x}",
            "settings": ShellSettings(cancel_on_disconnect=config.cancel_on_exit),
            "on_bot_error": self.on_error,
        }


def build(parts: Parts) -> ResilientExchange:
    """The exchange that the configuration asks for; raises `ConfigError`."""
    return BUILDERS[parts.config.mode](parts)


def _replay(parts: Parts) -> ResilientExchange:
    raise ConfigError(
        f"{parts.config.layers.source}: mode is replay, and no session is running here: run the bot with `papertape trade`, or "
        "`papertape run`, which play a tape"
    )


def _paper(parts: Parts) -> ResilientExchange:
    config = parts.config
    kind: Any = ExchangeFactory.kind(config.exchange)
    if not hasattr(kind, "public_link"):
        raise ConfigError(
            f"{config.layers.source}: key `exchange`: {config.exchange} has no public streams, so nothing can be traded on paper there"
        )
    path = config.state_of(ACCOUNT)
    if not path.exists() and not config.venue.account:
        raise ConfigError(
            f"{config.layers.source}: [venue.{config.exchange}], key `account`: is missing; expected what a new paper account begins with, "
            'such as account = { USD = "10000" }'
        )
    venue = config.venue
    public = kind.public_link(parts.clock, rest=venue.rest, stream=venue.stream, ca="" if venue.ca is None else str(venue.ca))
    account = PaperAccount(path, venue=config.exchange, opening=venue.account)
    try:
        return PaperExchange(public, account, journal=parts.journal, **parts.options())
    except BaseException:
        account.close()
        raise


BUILDERS: Final[Mapping[Mode, Callable[[Parts], ResilientExchange]]] = {Mode.REPLAY: _replay, Mode.PAPER: _paper}


def alone(name: str, config: Config) -> ResilientExchange:
    """An exchange for a program that brings its own loop: what ends it cancels the task that asked for it."""
    from papertape.runtime.clock import LoopClock

    if name != config.exchange:
        raise ConfigError(
            f'exchange "{name}": {config.layers.source} says exchange = "{config.exchange}"; ask for that, or change the file'
        )
    loop = asyncio.get_running_loop()
    owner = asyncio.current_task()

    def failed(error: BaseException) -> None:
        loop.call_exception_handler({"message": f"papertape: the bot is stopped: {error}", "exception": error})
        if owner is not None:
            owner.cancel(f"papertape: {type(error).__name__}: {error}")

    header = {"mode": str(config.mode), "exchange": config.exchange}
    return build(Parts(config, clock=LoopClock(), journal=Journal(header), keys=KeyManager(), on_error=failed, tell=lambda words: None))
