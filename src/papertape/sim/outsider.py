"""What somebody else on the account asks for, in the venue's own terms."""

from __future__ import annotations

from papertape.model.event import Side
from papertape.model.interference import Outsider
from papertape.model.order import NewOrder, OrderType
from papertape.model.units import exact
from papertape.sim.venue import SimVenue


def wanted_by(outsider: Outsider, venue: SimVenue) -> NewOrder | None:
    """Their order at the prices of this moment; None where there is no sound book to go by, or no such instrument."""
    symbol = outsider.symbol or next(iter(venue.instruments))
    book, it = venue.books.get(symbol), venue.instruments.get(symbol)
    if book is None or it is None or not book.is_complete:
        return None
    price = None
    if outsider.type is OrderType.LIMIT:
        best = book.best_bid if outsider.side is Side.BUY else book.best_ask
        if best is None:
            return None
        away = best[0] * outsider.away_bps // 10_000
        price = it.price(max(best[0] - away if outsider.side is Side.BUY else best[0] + away, 1))
    return NewOrder(symbol=symbol, type=outsider.type, side=outsider.side, amount=exact(outsider.amount), price=price)
