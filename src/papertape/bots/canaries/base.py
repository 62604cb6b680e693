"""What a canary is: a sample bot with one bug that is known, and whatever looks for such bugs must find it."""

from __future__ import annotations

from typing import ClassVar

from papertape.bots.market_maker import MarketMaker
from papertape.exchanges.base import BaseExchange
from papertape.exchanges.line import Line
from papertape.exchanges.resilient import ResilientExchange
from papertape.model.errors import ConfigError


class Canary(MarketMaker):
    """The market maker with one bug. It takes the same keys, so that it runs wherever the healthy one does.

    A member says in its docstring what the bug is, in whose bot it was found (the thread), and what finds it here.
    """

    caught_by: ClassVar[tuple[str, ...]] = ()
    """What may name it: invariants, or keys of [expect]; the one that is about this bug comes first."""


class BrokenShell(Canary):
    """A market maker that is well itself and trades through a shell with one bug.

    The bug is put into the one exchange that the bot is handed, before it starts, and never into a class: nothing of it is left in the next
    run of the process. It works at both depths, since the shell is the same.
    """

    async def start(self, exchange: BaseExchange) -> None:
        self.sabotage(line_of(exchange))
        await super().start(exchange)

    def sabotage(self, line: Line) -> None:
        """Break what the canary is about."""
        raise NotImplementedError


def line_of(exchange: BaseExchange) -> Line:
    """The inside of the exchange.

    Raises:
        ConfigError: it is not ours, so there is nothing in it that could be broken on purpose.
    """
    if not isinstance(exchange, ResilientExchange):
        raise ConfigError(f"a canary breaks papertape's own shell; {type(exchange).__name__} has none: run it on a ResilientExchange")
    return exchange._line
