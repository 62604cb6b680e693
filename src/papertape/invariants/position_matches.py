"""The client's position is the venue's."""

from __future__ import annotations

from decimal import Decimal

from papertape.invariants.base import Case, NotJudged, view_of
from papertape.model.units import EXACT, plain


class PositionMatches:
    """Once things are quiet, the client's position in each instrument is the sum of the venue's own fills.

    Needs: the venue's fills and ledger, and the client's positions. Judged at quiescence: per symbol against the fills, and the fills
    against the ledger (what the account gained of a base currency is what was bought less what was sold).
    """

    name = "position_matches"
    watch = None

    def judge(self, case: Case) -> list[str]:
        view = view_of(case)
        if not case.truth.fills and not view.positions and not view.intents:
            raise NotJudged("no order was placed")
        filled: dict[str, Decimal] = {}
        everybody: dict[str, Decimal] = {}  # on the account, others too
        for fill in case.truth.fills:
            everybody[fill.symbol] = EXACT.add(everybody.get(fill.symbol, Decimal(0)), fill.moved)
            if fill.client_order_id not in case.truth.foreign:
                filled[fill.symbol] = EXACT.add(filled.get(fill.symbol, Decimal(0)), fill.moved)
        problems = []
        for symbol in sorted(filled.keys() | view.positions.keys()):
            believed, true = view.positions.get(symbol, Decimal(0)), filled.get(symbol, Decimal(0))
            if believed != true:
                problems.append(
                    f"{case.venue} {symbol}: the client believes it holds {plain(believed)}; its fills at the venue sum to {plain(true)}"
                )
        gained: dict[str, Decimal] = {}
        for symbol, amount in everybody.items():
            base = symbol.split("/")[0]
            gained[base] = EXACT.add(gained.get(base, Decimal(0)), amount)
        quotes = {symbol.split("/")[1].split(":")[0] for symbol in everybody}
        for base, amount in gained.items():
            moved = EXACT.subtract(case.truth.balances[base].total, case.truth.opening[base].total)
            if base not in quotes and moved != amount:
                problems.append(f"{case.venue} {base}: the ledger moved by {plain(moved)}; the fills sum to {plain(amount)}")
        return problems
