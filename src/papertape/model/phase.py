"""What a venue takes in a market now."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from papertape.model.order import NewOrder, OrderType


class Phase(StrEnum):
    """A market's phase, the strictest last. Cancels are taken in every one.

    The words are those of Coinbase's status page, such as "limit-only mode: limit orders can be placed and cancelled, and matches may
    occur; market orders cannot be submitted" (danpaquin/coinbasepro-python#347); in post-only mode and in an auction nothing matches, and
    in cancel-only mode nothing is placed either.

    >>> Phase.LIMIT_ONLY.matches, Phase.POST_ONLY.matches, Phase.POST_ONLY.takes_orders, Phase.CANCEL_ONLY.takes_orders
    (True, False, True, False)
    """

    ONLINE = "online"
    LIMIT_ONLY = "limit_only"
    POST_ONLY = "post_only"
    AUCTION = "auction"
    CANCEL_ONLY = "cancel_only"
    OFFLINE = "offline"

    @property
    def takes_orders(self) -> bool:
        """Whether any new order is taken."""
        return self not in (Phase.CANCEL_ONLY, Phase.OFFLINE)

    @property
    def matches(self) -> bool:
        """Whether orders are filled."""
        return self in (Phase.ONLINE, Phase.LIMIT_ONLY)

    @property
    def words(self) -> str:
        """As a venue puts it; empty where there is nothing to say.

        >>> Phase.CANCEL_ONLY.words, Phase.ONLINE.words
        ('Cancel only mode', '')
        """
        return _WORDS[self]

    def takes(self, wanted: NewOrder) -> bool:
        """Whether this order, or what an edit makes of one, is taken."""
        if not self.takes_orders:
            return False
        is_limit = wanted.type is OrderType.LIMIT
        match self:
            case Phase.LIMIT_ONLY:
                return is_limit
            case Phase.POST_ONLY:
                return is_limit and wanted.post_only
            case Phase.AUCTION:
                return is_limit and wanted.time_in_force.rests
        return True


PHASES: Final = tuple(Phase)
"""The strictest last."""

_WORDS: Final = {
    Phase.ONLINE: "",
    Phase.LIMIT_ONLY: "Limit only mode",
    Phase.POST_ONLY: "Post only mode",
    Phase.AUCTION: "Auction mode",
    Phase.CANCEL_ONLY: "Cancel only mode",
    Phase.OFFLINE: "Trading is disabled",
}
