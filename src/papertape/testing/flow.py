"""What a bot does with orders, as data: steps that can be printed, pasted and shrunk, and a driver for any exchange of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from papertape.exchanges.base import BaseExchange
from papertape.model.errors import BaseError
from papertape.model.order import Order

NOBODYS: Final = "no-such-order"
"""An order id that no venue gives."""


class Place(msgspec.Struct, frozen=True, repr_omit_defaults=True, tag="place"):
    """Place an order; amounts and prices as text. Whether the venue takes it is part of what is tried."""

    side: str = "buy"
    amount: str = "0.01"
    price: str | None = None
    time_in_force: str = "GTC"
    post_only: bool = False

    @property
    def type(self) -> str:
        return "market" if self.price is None else "limit"


class Cancel(msgspec.Struct, frozen=True, repr_omit_defaults=True, tag="cancel"):
    """Cancel the `nth` order placed so far, counted from 0, whatever has become of it; one that nobody placed if there is none."""

    nth: int = 0


class Edit(msgspec.Struct, frozen=True, repr_omit_defaults=True, tag="edit"):
    """Change the `nth` order placed so far."""

    nth: int = 0
    amount: str | None = None
    price: str | None = None


class Wait(msgspec.Struct, frozen=True, repr_omit_defaults=True, tag="wait"):
    """Do nothing for so many seconds."""

    seconds: float = 1


Step = Place | Cancel | Edit | Wait


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one step.

    Attributes:
        order: the order as the call returned it; None where it raised, and for a wait.
        error: what it raised, one of ccxt's classes.
    """

    step: Step
    order: Order | None = None
    error: BaseError | None = None


class OrderFlow(msgspec.Struct, frozen=True):
    """Steps for one symbol, one after another. Its repr makes it again.

    >>> OrderFlow("BTC/USD", (Place(price="60000"), Wait(5), Cancel()))
    OrderFlow('BTC/USD', (Place(price='60000'), Wait(seconds=5), Cancel()))
    """

    symbol: str
    steps: tuple[Step, ...] = ()

    def __repr__(self) -> str:
        return f"OrderFlow({self.symbol!r}, {self.steps!r})"

    async def run(self, exchange: BaseExchange) -> list[Outcome]:
        """Take every step and wait for its end; what the venue or the line refuses is an outcome, anything else is raised."""
        outcomes: list[Outcome] = []
        placed: list[str] = []
        for step in self.steps:
            try:
                order = await self._take(exchange, step, placed)
            except BaseError as error:
                outcomes.append(Outcome(step=step, error=error))
            else:
                outcomes.append(Outcome(step=step, order=order))
                if isinstance(step, Place) and order is not None:
                    placed.append(order.id)
        return outcomes

    async def _take(self, exchange: BaseExchange, step: Step, placed: Sequence[str]) -> Order | None:
        match step:
            case Wait(seconds):
                await asyncio.sleep(seconds)
                return None
            case Place(side, amount, price, time_in_force, post_only):
                terms: dict[str, Any] = {"time_in_force": time_in_force, "post_only": post_only}
                return await exchange.place_order(self.symbol, step.type, side, amount, price, **terms)
            case Cancel(nth):
                return await exchange.cancel_order(_id_of(placed, nth), self.symbol)
            case Edit(nth, amount, price):
                return await exchange.edit_order(_id_of(placed, nth), self.symbol, amount=amount, price=price)


def _id_of(placed: Sequence[str], nth: int) -> str:
    return placed[nth] if nth < len(placed) else NOBODYS
