"""Somebody else on the same account."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Literal

from papertape.faults.base import Fault
from papertape.faults.drawing import Draw
from papertape.model.event import Side
from papertape.model.interference import Outsider
from papertape.model.order import OrderType
from papertape.model.request import Lane


class ForeignOrder(Fault, frozen=True, kw_only=True, tag="foreign_order"):
    """Somebody with the same account, such as its owner on the venue's website, places an order of their own.

    A limit order is put `away_bps` behind the best price of its side and rests there, or takes if that is below zero; a market order takes
    at once. It holds and moves the account's money like any other. The bot hears of it as it hears of everything on the account, and has
    no business with it: invariants do not ask it to know the order, nor to count its fills. Where there is no sound book, or not enough
    money, nothing happens, and the fault has hit nothing.

    interface and wire alike: it reaches the venue by no connection of the client's; the user lane, lists and balances show it.

    Attributes:
        symbol: of what; by default the venue's first instrument.
        side: "buy" or "sell".
        type: "limit" or "market".
        amount: base, as text; it must be on the lot.
        away_bps: for a limit order, how far behind the best price of its side, in basis points.
    """

    symbol: str | None = None
    side: Side = Side.BUY
    type: Literal["limit", "market"] = "limit"
    amount: str = "0.01"
    away_bps: int = 20

    needs_start: ClassVar[bool] = True
    needs_length: ClassVar[bool] = False

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any]:
        when = {key: value for key, value in draw.moment().items() if key != "lasts"}
        kind = draw.one_of("limit", "limit", "market")
        away = {"away_bps": draw.one_of(1, 20, 500)} if kind == "limit" else {}
        return {**when, "side": str(draw.one_of(*Side)), "type": kind, "amount": draw.one_of("0.001", "0.01", "0.1"), **away}

    def problems(self) -> list[tuple[str, str]]:
        found = super().problems()
        try:
            is_amount = Decimal(self.amount) > 0
        except InvalidOperation:
            is_amount = False
        if not is_amount:
            found.append(("amount", f'holds "{self.amount}"; expected an amount above zero, such as "0.01"'))
        if self.lasts is not None or self.until is not None:
            found.append(("lasts", "has no place here; the order is placed once and stays"))
        if abs(self.away_bps) >= 10_000:
            found.append(("away_bps", f"holds {self.away_bps}; expected less than 10000, which is the whole price"))
        return found

    def lanes(self) -> tuple[Lane, ...]:
        return ()

    def outsider(self) -> Outsider:
        kind = OrderType(self.type)
        return Outsider(symbol=self.symbol, side=self.side, type=kind, amount=Decimal(self.amount), away_bps=self.away_bps)
