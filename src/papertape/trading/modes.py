"""From a configuration to an exchange: one builder for each mode that trades on the machine's own clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from papertape.exchanges.keys import KeyManager
from papertape.exchanges.resilient import ResilientExchange
from papertape.journal import Journal
from papertape.model.errors import ConfigError
from papertape.runtime.clock import LoopClock
from papertape.trading.config import Config, Mode, load_config
from papertape.trading.gate.build import build_live
from papertape.trading.paper.build import build_paper
from papertape.trading.parts import Parts

__all__ = ["BUILDERS", "alone", "build", "load_config"]


def build(parts: Parts) -> ResilientExchange:
    """The exchange that the configuration asks for; raises `ConfigError`."""
    return BUILDERS[parts.config.mode](parts)


def _replay(parts: Parts) -> ResilientExchange:
    raise ConfigError(
        f"{parts.config.layers.source}: mode is replay, and no session is running here: run the bot with `papertape trade`, or "
        "`papertape run`, which play a tape"
    )


BUILDERS: Final[Mapping[Mode, Callable[[Parts], ResilientExchange]]] = {
    Mode.REPLAY: _replay,
    Mode.PAPER: build_paper,
    Mode.LIVE: build_live,
}


def alone(name: str, config: Config) -> ResilientExchange:
    """An exchange for a program that brings its own loop, whatever `exchange` the file names.

    What ends it cancels the task that asked for it. Raises `ConfigError`, also where no loop runs.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigError(
            f'exchange "{name}": no event loop runs here; ask for it inside of `async def`, or run the bot with `papertape trade`'
        ) from None
    owner = asyncio.current_task()

    def failed(error: BaseException) -> None:
        loop.call_exception_handler({"message": f"papertape: the bot is stopped: {error}", "exception": error})
        if owner is not None:
            owner.cancel(f"papertape: {type(error).__name__}: {error}")

    config = msgspec.structs.replace(config, exchange=name)
    header = {"mode": str(config.mode), "exchange": config.exchange}
    parts = Parts(config, clock=LoopClock(), journal=Journal(header), keys=KeyManager(), on_error=failed, tell=lambda words: None)
    with parts.closing:
        exchange = build(parts)
        parts.closing.pop_all()  # it is the process's now
    return exchange
