"""The exchange of mode paper."""

from __future__ import annotations

from typing import Any, Final

from papertape.exchanges.factory import ExchangeFactory
from papertape.exchanges.resilient import ResilientExchange
from papertape.model.errors import ConfigError
from papertape.model.order import Liquidity
from papertape.model.units import plain
from papertape.model.venue import VenueRules
from papertape.sim.fees import FeeModel, FlatFees
from papertape.sim.fills import BarFills
from papertape.trading.paper.account import PaperAccount
from papertape.trading.paper.exchange import PaperExchange
from papertape.trading.parts import INTENTS, Parts

ACCOUNT: Final = "account.sqlite"


def build_paper(parts: Parts) -> ResilientExchange:
    """Public streams of the real venue, and a paper account; no key is asked for."""
    config = parts.config
    kind: Any = ExchangeFactory.kind(config.exchange)
    if not hasattr(kind, "public_link"):
        raise ConfigError(
            f"{config.layers.source}: key `exchange`: {config.exchange} has no public streams, so nothing can be traded on paper there"
        )
    if isinstance(config.venue.model.fills, BarFills):
        raise ConfigError(
            f'{config.layers.source}: [venue.{config.exchange}.model], key `fills`: holds "bars", which is for tapes of bars alone, and '
            "paper hears trades and books; leave it out, or name another model"
        )
    path = config.state_of(ACCOUNT)
    if not path.exists() and not config.venue.account:
        raise ConfigError(
            f"{config.layers.source}: [venue.{config.exchange}], key `account`: is missing; expected what a new paper account begins with, "
            'such as account = { USD = "10000" }'
        )
    venue = config.venue
    public = kind.public_link(parts.clock, rest=venue.rest, stream=venue.stream, ca="" if venue.ca is None else str(venue.ca))
    _say_fees(parts, public.rules)
    if not path.exists() and config.state_of(INTENTS).exists():
        raise ConfigError(
            f"{path}: the paper account is not there, and {INTENTS}, which tells of its orders, is; restore the account from a copy, or "
            "begin anew with `papertape trade --reset`, which keeps that file beside its place"
        )
    account = PaperAccount(path, venue=config.exchange, opening=venue.account)
    try:
        return PaperExchange(public, account, journal=parts.journal, model=venue.model, **parts.options())
    except BaseException:
        account.close()
        raise


def _say_fees(parts: Parts, rules: VenueRules) -> None:
    """What is charged decides whether a bot earns anything; where nobody knows it a person must say."""
    name, fees = parts.config.exchange, parts.config.venue.model.fees
    if fees is None and not rules.taker_bps:
        raise ConfigError(
            f"{parts.config.layers.source}: [venue.{name}], key `model`: nobody here knows what {name} charges, and paper without fees "
            'flatters; say it, such as model = { fees = { kind = "flat", maker_bps = 10, taker_bps = 20 } }'
        )
    if fees is None:
        whose = "the list price; yours may differ, and [venue." + name + "] model = { fees = … } says so"
    else:
        whose = "as your file says"
    known = fees or FlatFees(maker_bps=rules.maker_bps, taker_bps=rules.taker_bps)
    if isinstance(known, FeeModel):
        maker, taker = (plain(known.bps(liquidity)) for liquidity in Liquidity)
        first = "at first, then by what is traded, " if known.counts_volume else ""
        parts.tell(f"fees: {maker} bps as a maker, {taker} as a taker, {first}{whose}")
