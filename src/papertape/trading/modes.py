"""From a configuration to an exchange: one builder for each mode that trades on the machine's own clock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import msgspec

from papertape.exchanges.keys import KeyManager
from papertape.exchanges.resilient import ResilientExchange
from papertape.journal import Journal
from papertape.model.errors import ConfigError
from papertape.runtime.clock import LoopClock
from papertape.trading.config import Config, Mode, load_config
from papertape.trading.gate.build import build_live
from papertape.trading.gate.halting import Halting
from papertape.trading.paper.build import build_paper
from papertape.trading.parts import Parts

__all__ = ["BANNERS", "BUILDERS", "alone", "build", "load_config"]

LOG: Final = logging.getLogger("papertape")

BANNERS: Final = {
    Mode.PAPER: "PAPER: {exchange}. The market is real, the money is not.",
    Mode.LIVE: "LIVE: {exchange}. The market is real, AND SO IS THE MONEY.",
}
"""What is said before anything else."""


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

    What ends it cancels the task that asked for it. What a person should know, first of all the mode, is said to the logger `papertape`.
    Raises `ConfigError`, also where no loop runs.
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
    tell = partial(LOG.warning, "[%s] %s", str(config.mode).upper())
    parts = Parts(config, clock=LoopClock(), journal=Journal(header), keys=KeyManager(), on_error=failed, tell=tell)
    with parts.closing:
        exchange = build(parts)
        closing = parts.closing.pop_all()
    tell(BANNERS[config.mode].format(exchange=config.exchange))
    halting = Halting(exchange, parts, is_cancelling=config.cancel_on_halt)
    halting.begin()
    disconnect = exchange.disconnect

    async def disconnect_and_let_go() -> None:
        """Whoever disconnects may ask for another, which needs the same files."""
        try:
            await disconnect()
        finally:
            await halting.end()
            closing.close()

    exchange.disconnect = disconnect_and_let_go  # type: ignore[method-assign]  # of this one alone
    return exchange
