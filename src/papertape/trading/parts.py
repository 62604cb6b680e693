"""What every builder of an exchange is handed, and what any exchange wants beside its link."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final

from papertape.exchanges.intent_file import IntentFile
from papertape.exchanges.keys import KeyManager
from papertape.journal import Journal
from papertape.resilience.settings import ShellSettings
from papertape.runtime.chance import Chance
from papertape.runtime.clock import Clock
from papertape.trading.config import Config
from papertape.trading.gate.keeper import Gatekeeper
from papertape.trading.notes import Say, TradingNotes

INTENTS: Final = "intents.jsonl"

OnError = Callable[[BaseException], None]


class Parts:
    """What every builder is handed.

    Args:
        keys: whoever knows the account's keys; asked in mode live alone.
        on_error: told what a callback of the bot raised, or what ended the exchange.
        tell: told what a person at the terminal should know.

    Attributes:
        closing: closes what was opened for the exchange; whoever had it built enters it, or leaves that to the end of the process.
        on_halted: called as trading is halted.
        notes: what the shell says of itself.
        keeper: who stands at the gate in mode live.
    """

    def __init__(self, config: Config, *, clock: Clock, journal: Journal, keys: KeyManager, on_error: OnError, tell: Say) -> None:
        self.config = config
        self.clock = clock
        self.journal = journal
        self.keys = keys
        self.on_error = on_error
        self.tell = tell
        self.closing = ExitStack()
        self.notes = TradingNotes(journal, clock, venue=config.exchange, tell=tell)
        self.on_halted: Callable[[], object] = lambda: None
        self.keeper: Gatekeeper | None = None

    def options(self) -> dict[str, Any]:
        """What any `ResilientExchange` wants beside its link. The log of intents is open, and this process's alone, from here on."""
        config = self.config
        seed = secrets.randbits(64)  # two runs must not use one id, nor two bots redial in step
        return {
            "clock": self.clock,
            "chance": Chance(seed),
            "notes": self.notes,
            "store": self.closing.enter_context(IntentFile(config.state_of(INTENTS))),
            "run_id": f"pt{seed:016x}",
            "settings": ShellSettings(cancel_on_disconnect=config.cancel_on_exit, follow_status=True),
            "on_bot_error": self.on_error,
        }
