"""The exchange of mode paper."""

from __future__ import annotations

from typing import Any, Final

from papertape.exchanges.factory import ExchangeFactory
from papertape.exchanges.resilient import ResilientExchange
from papertape.model.errors import ConfigError
from papertape.trading.paper.account import PaperAccount
from papertape.trading.paper.exchange import PaperExchange
from papertape.trading.parts import Parts

ACCOUNT: Final = "account.sqlite"


def build_paper(parts: Parts) -> ResilientExchange:
    """Public streams of the real venue, and a paper account; no key is asked for."""
    config = parts.config
    kind: Any = ExchangeFactory.kind(config.exchange)
    if not hasattr(kind, "public_link"):
        raise ConfigError(
            f"{config.layers.source}: key `exchange`: {config.exchange} has no public streams, so nothing can be traded on paper there"
        )
    path = config.state_of(ACCOUNT)
    if not path.exists() and not config.venue.account:
        raise ConfigError(
            f"{config.layers.source}: [venue.{config.exchange}], key `account`: is missing; expected what a new paper account begins with, "
            'such as account = { USD = "10000" }'
        )
    venue = config.venue
    public = kind.public_link(parts.clock, rest=venue.rest, stream=venue.stream, ca="" if venue.ca is None else str(venue.ca))
    account = PaperAccount(path, venue=config.exchange, opening=venue.account)
    try:
        return PaperExchange(public, account, journal=parts.journal, model=venue.model, **parts.options())
    except BaseException:
        account.close()
        raise
