"""The exchange that trades at Coinbase Advanced Trade."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from papertape.exchanges.factory import ExchangeFactory
from papertape.exchanges.keys import Keys
from papertape.exchanges.resilient import ResilientExchange
from papertape.links.base import Link
from papertape.runtime.clock import Clock
from papertape.venues.coinbase.auth import Credentials
from papertape.venues.coinbase.rules import RULES

if TYPE_CHECKING:
    from papertape.links.coinbase.link import CoinbaseLink


class CoinbaseExchange(ResilientExchange):
    """A `ResilientExchange` over a link that speaks Coinbase's protocol, to the real venue or to a simulated one under its name.

    Args:
        link: one whose single call may be several requests has a `spend`; it is given this exchange's budget.
        options: those of `ResilientExchange`.
    """

    def __init__(self, link: Link, **options: Any) -> None:
        super().__init__(link, **options)
        if hasattr(link, "spend"):
            link.spend = partial(self._line.requests.spend, urgent=True)  # the call is on its way and must not starve

    @staticmethod
    def link_to_venue(keys: Keys, clock: Clock) -> CoinbaseLink:
        """A link to the real hosts. Importing what it needs takes seconds the first time.

        Raises `ValueError` where the secret is no P-256 key in PEM: Coinbase's keys since 2024 ("Cloud API keys"); it wants no passphrase.
        """
        from papertape.links.coinbase.link import CoinbaseLink
        from papertape.venues.coinbase.auth import Keyring

        credentials = Credentials(keys.api_key.reveal(), keys.secret.reveal())
        Keyring(credentials)
        return CoinbaseLink(credentials, rules=RULES, clock=clock)

    @staticmethod
    def public_link(clock: Clock, *, rest: str = "", stream: str = "") -> CoinbaseLink:
        """A link that has no key: whatever is public, at the real hosts or at those of these two URLs."""
        from papertape.links.coinbase.link import CoinbaseLink, CoinbaseUrls

        real = CoinbaseUrls()
        urls = CoinbaseUrls(rest=rest or real.rest, market=stream or real.market)
        return CoinbaseLink(None, rules=RULES, clock=clock, urls=urls)


ExchangeFactory.register_exchange("coinbase", CoinbaseExchange)
