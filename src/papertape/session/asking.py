"""Note what a bot asks for and what it is told, outside the client's own books."""

from __future__ import annotations

import functools
from typing import Any

from papertape.exchanges.base import BaseExchange
from papertape.model.errors import BaseError, ExchangeError, never_sent
from papertape.model.event import Side
from papertape.model.order import NewOrder, OrderType
from papertape.model.units import exact


def note_asked(exchange: BaseExchange, asked: list[NewOrder]) -> None:
    """From now on every `place_order` call of the bot adds one entry to `asked`; a repeated client order id adds none.

    An entry goes again when the call tells the bot that there is no order: refused, not found, or never sent. Then an order that the venue
    has nevertheless is one that nobody asked for. A call that ends in doubt, or that the bot does not wait for, stays.

    What cannot be read as an order (a word for an amount, say) adds nothing: the call itself refuses it.
    """
    place = exchange.place_order
    ids: dict[str, None] = {}

    @functools.wraps(place)
    async def place_order(symbol: str, type: str, side: str, amount: Any = None, price: Any = None, **rest: Any) -> Any:
        given = rest.get("client_order_id")
        wanted = None
        if given is None or given not in ids:
            try:
                wanted = NewOrder(
                    symbol=symbol,
                    type=OrderType(type),
                    side=Side(side),
                    amount=None if amount is None else exact(amount),
                    price=None if price is None else exact(price),
                    cost=None if rest.get("cost") is None else exact(rest["cost"]),
                )
            except (ValueError, TypeError):
                pass
            else:
                asked.append(wanted)
                if given is not None:
                    ids[given] = None
        try:
            return await place(symbol, type, side, amount, price, **rest)
        except BaseError as error:
            if isinstance(error, ExchangeError) or never_sent(error):
                asked[:] = [each for each in asked if each is not wanted]
            raise

    exchange.place_order = place_order  # type: ignore[method-assign]  # the observer's ear, on this one object
