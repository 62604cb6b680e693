"""What a bot is: a class with two methods, or just `async def main(exchange, **config)`."""

from __future__ import annotations

from typing import Protocol

from papertape.exchanges.base import BaseExchange


class Bot(Protocol):
    """The longer form, for bots that want to be asked before they end.

    It is made as `Bot(**bot_config)`. `start` subscribes and returns, or goes on for as long as it likes; the run goes on while anything is
    subscribed. `stop` is called once at the end, with the exchange still connected; what it leaves open is cancelled afterwards.
    """

    async def start(self, exchange: BaseExchange) -> None: ...

    async def stop(self) -> None: ...
