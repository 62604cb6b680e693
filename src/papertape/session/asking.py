"""Note what a bot asks for and what it is told, outside the client's own books."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from papertape.exchanges.base import BaseExchange
from papertape.model.errors import BaseError, ExchangeError, never_sent
from papertape.model.event import Side
from papertape.model.order import NewOrder, Order, OrderType
from papertape.model.public import PublicTrade
from papertape.model.units import exact


def note_asked(
    exchange: BaseExchange,
    asked: list[NewOrder],
    on_asked: Callable[[NewOrder], None] | None = None,
    on_undone: Callable[[NewOrder], None] | None = None,
) -> None:
    """From now on every `place_order` call of the bot adds one entry to `asked`; a repeated client order id adds none.

    An entry goes again when the call tells the bot that there is no order: refused, not found, or never sent. Then an order that the venue
    has nevertheless is one that nobody asked for. A call that ends with its outcome unknown, or that the bot does not wait for, stays.

    What cannot be read as an order (a word for an amount, say) adds nothing: the call itself refuses it. `on_asked` and `on_undone` are
    told of each entry as it comes and as it goes.
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
                if on_asked is not None:
                    on_asked(wanted)
                if given is not None:
                    ids[given] = None
        try:
            return await place(symbol, type, side, amount, price, **rest)
        except BaseError as error:
            if isinstance(error, ExchangeError) or never_sent(error):
                asked[:] = [each for each in asked if each is not wanted]
                if wanted is not None and on_undone is not None:
                    on_undone(wanted)
            raise

    exchange.place_order = place_order  # type: ignore[method-assign]  # the observer's ear, on this one object


def note_shown(
    exchange: BaseExchange, numbers: Iterator[int], on_order: Callable[[int, Order], None], on_trade: Callable[[int, PublicTrade], None]
) -> None:
    """From now on hear first what each callback of `subscribe_orders` and `subscribe_trades` is told, by the subscription's number."""
    orders, trades = exchange.subscribe_orders, exchange.subscribe_trades

    def heard(callback: Callable[[Any], Any], tell: Callable[[int, Any], None]) -> Callable[[Any], Any]:
        number = next(numbers)

        @functools.wraps(callback)
        def told(item: Any) -> Any:
            tell(number, item)
            return callback(item)

        return told

    @functools.wraps(orders)
    async def subscribe_orders(callback: Any) -> Any:
        return await orders(heard(callback, on_order))

    @functools.wraps(trades)
    async def subscribe_trades(symbol: str, callback: Any) -> Any:
        return await trades(symbol, heard(callback, on_trade))

    exchange.subscribe_orders = subscribe_orders  # type: ignore[method-assign]  # as above
    exchange.subscribe_trades = subscribe_trades  # type: ignore[method-assign]  # as above
