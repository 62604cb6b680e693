"""The exchange that trades at any venue that ccxt knows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from papertape.exchanges.keys import Keys
from papertape.exchanges.resilient import ResilientExchange
from papertape.links.base import Link
from papertape.links.permits import Permits
from papertape.model.errors import ConfigError
from papertape.runtime.clock import Clock

if TYPE_CHECKING:
    from papertape.links.ccxt.link import CcxtLink


class CcxtExchange(ResilientExchange):
    """A `ResilientExchange` over a link that speaks through ccxt's unified calls. Each venue is a subclass, which `of` makes.

    Attributes:
        venue: ccxt's id.
    """

    venue: ClassVar[str] = ""

    def __init__(self, link: Link, **options: Any) -> None:
        super().__init__(link, **options)
        spend_by = getattr(link, "spend_by", None)
        if spend_by is not None:
            requests = self._line.requests
            spend_by(partial(requests.spend, urgent=True), requests.quiet)  # the call is on its way and must not starve

    @staticmethod
    def of(venue: str) -> type[CcxtExchange]:
        """The adapter of one venue; imports no ccxt.

        >>> CcxtExchange.of("kraken").venue
        'kraken'
        """
        return type(f"CcxtExchange[{venue}]", (CcxtExchange,), {"venue": venue, "__module__": __name__})

    @classmethod
    def link_to_venue(
        cls, keys: Keys, clock: Clock, permits: Permits, *, rest: str = "", stream: str = "", user_stream: str = "", ca: str = ""
    ) -> CcxtLink:
        """A link to the venue's real hosts, which ccxt knows; it sends nothing that may change something without a permit.

        Importing what it needs takes seconds the first time; raises ConfigError for addresses of one's own.
        """
        from papertape.links.ccxt.link import CcxtLink

        cls._refuse_addresses(rest, stream, user_stream)
        key = {"apiKey": keys.api_key.reveal(), "secret": keys.secret.reveal()}
        if keys.passphrase is not None:
            key["password"] = keys.passphrase.reveal()
        return CcxtLink(cls.venue, clock=clock, key=key, permits=permits, ca=ca)

    @classmethod
    def public_link(cls, clock: Clock, *, rest: str = "", stream: str = "", ca: str = "") -> CcxtLink:
        """A link that has no key: whatever is public."""
        from papertape.links.ccxt.link import CcxtLink

        cls._refuse_addresses(rest, stream)
        return CcxtLink(cls.venue, clock=clock, ca=ca)

    @classmethod
    def _refuse_addresses(cls, *addresses: str) -> None:
        for address in addresses:
            if address:
                raise ConfigError(
                    f'[venue.{cls.venue}]: it holds the address "{address}", but the generic adapter goes to the hosts that ccxt knows; '
                    "leave the address out"
                )
