"""A market that takes no orders, or not every order."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from papertape.faults.base import Fault
from papertape.faults.drawing import Draw
from papertape.model.phase import Phase
from papertape.model.request import Lane


class MarketPhase(Fault, frozen=True, kw_only=True, tag="market_phase"):
    """A market is in another phase than usual: what it does not take then is refused, new orders and edits alike; cancels are taken.

    "limit_only" takes no market orders. "post_only" takes post-only orders alone, "auction" limit orders that rest; in both, in
    "cancel_only" and in "offline", which take none at all, nothing of ours is filled. What the tape tells goes on, as if it were another's
    market; once orders match again, what stands at or through a limit of ours fills it, and a post-only order that would take is
    cancelled. Of several that are open at a time the strictest counts. It has hit something once it refused an order, or was told of.

    interface: the call raises MarketClosed; fetch_markets, and the status stream within five seconds, tell the phase.
    wire: of a Coinbase, HTTP 200 with ORDER_ENTRY_DISABLED; the flags of the product list, and the `status` channel's words, tell.

    Attributes:
        phase: which.
        symbol: of which market; by default all of the venue's.
    """

    phase: Literal["limit_only", "post_only", "auction", "cancel_only", "offline"] = "cancel_only"
    symbol: str = ""

    needs_start: ClassVar[bool] = True

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any] | None:
        """Never: a seed's bot may refuse to go on where nothing can be bought, and would be right."""
        return None

    def problems(self) -> list[tuple[str, str]]:
        found = super().problems()
        if self.symbol and "/" not in self.symbol:
            found.append(("symbol", f'holds "{self.symbol}"; expected an instrument as ccxt writes it, such as "BTC/USD"'))
        return found

    def lanes(self) -> tuple[Lane, ...]:
        return ()

    def sets_phase(self) -> tuple[str, Phase]:
        return self.symbol, Phase(self.phase)
