"""The exchange that trades at Coinbase Advanced Trade."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from papertape.exchanges.factory import ExchangeFactory
from papertape.exchanges.keys import Keys
from papertape.exchanges.resilient import ResilientExchange
from papertape.links.base import Link
from papertape.links.permits import Permits
from papertape.model.errors import ConfigError
from papertape.runtime.clock import Clock
from papertape.venues.coinbase.auth import Credentials
from papertape.venues.coinbase.rules import RULES

if TYPE_CHECKING:
    from papertape.links.coinbase.link import CoinbaseLink, CoinbaseUrls


class CoinbaseExchange(ResilientExchange):
    """A `ResilientExchange` over a link that speaks Coinbase's protocol, to the real venue or to a simulated one under its name.

    Args:
        link: one whose single call may be several requests has a `spend_by`, one whose lane may be several
            connections an `admit_by`; they are given this exchange's budget.
        options: those of `ResilientExchange`.
    """

    def __init__(self, link: Link, **options: Any) -> None:
        super().__init__(link, **options)
        spend_by = getattr(link, "spend_by", None)
        if spend_by is not None:
            requests = self._line.requests
            spend_by(partial(requests.spend, urgent=True), requests.quiet)  # the call is on its way and must not starve
        admit_by = getattr(link, "admit_by", None)
        if admit_by is not None:
            admit_by(self._line.admission.dial, self._line.admission.message)

    @staticmethod
    def link_to_venue(
        keys: Keys, clock: Clock, permits: Permits, *, rest: str = "", stream: str = "", user_stream: str = "", ca: str = ""
    ) -> CoinbaseLink:
        """A link to the real hosts, or to those of these URLs, that `ca` has signed for; an own-order stream is where the other is.

        It sends nothing that may change something without one of these `permits`, which a gate issues. Importing what it needs takes
        seconds the first time; raises `ConfigError` as `cloud_key` does.
        """
        from papertape.links.coinbase.link import CoinbaseLink

        urls = _urls(rest, stream, user_stream, ca)
        return CoinbaseLink(cloud_key(keys), rules=RULES, clock=clock, urls=urls, permits=permits)

    @staticmethod
    def public_link(clock: Clock, *, rest: str = "", stream: str = "", ca: str = "") -> CoinbaseLink:
        """A link that has no key: whatever is public, at the real hosts or at those of these two URLs."""
        from papertape.links.coinbase.link import CoinbaseLink

        return CoinbaseLink(None, rules=RULES, clock=clock, urls=_urls(rest, stream, "", ca))


def _urls(rest: str, stream: str, user_stream: str, ca: str) -> CoinbaseUrls:
    from papertape.links.coinbase.link import CoinbaseUrls

    real = CoinbaseUrls()
    return CoinbaseUrls(rest=rest or real.rest, market=stream or real.market, user=user_stream or stream or real.user, ca=ca)


def cloud_key(keys: Keys) -> Credentials:
    """A key as Advanced Trade wants it, checked before anything is sent.

    Raises `ConfigError` for any other kind of key, saying which kind it is and where it belongs. A passphrase is of no use here: only
    Coinbase Exchange asks for one.
    """
    from papertape.venues.coinbase.auth import Keyring

    credentials = Credentials(keys.api_key.reveal(), keys.secret.reveal())
    try:
        Keyring(credentials)
    except ValueError:  # whose words may quote the key
        raise ConfigError(_what_key(keys)) from None
    return credentials


def _what_key(keys: Keys) -> str:
    wanted = (
        'wanted: a Cloud API key, that is its name, "organizations/…/apiKeys/…", as COINBASE_API_KEY and its private key, ECDSA (P-256) in '
        "PEM or Ed25519 in PEM or base64, as COINBASE_API_SECRET"
    )
    if keys.passphrase is not None:
        return (
            "keys for coinbase: this key came with a passphrase, so it is one of Coinbase Exchange, a venue of its own, whose accounts "
            f"Advanced Trade does not see; {_for_coinbase_exchange()}; {wanted}"
        )
    if keys.secret.reveal().startswith("-----BEGIN"):
        return f"keys for coinbase: the secret is PEM, but no P-256 or Ed25519 private key; is it whole, line breaks included? {wanted}"
    return (
        "keys for coinbase: the secret is no private key; keys of the old kind (a short key and a short secret) are no longer taken by "
        f"Coinbase: make a new one; {wanted}"
    )


def _for_coinbase_exchange() -> str:
    try:
        ExchangeFactory.kind("coinbaseexchange")
    except ConfigError:
        return (
            "papertape has no adapter for that one: make a Cloud API key to trade at Advanced Trade, or register an adapter of your own "
            'with `ExchangeFactory.register_exchange("coinbaseexchange", …)`'
        )
    return 'use the exchange "coinbaseexchange" for it'


ExchangeFactory.register_exchange("coinbase", CoinbaseExchange)
