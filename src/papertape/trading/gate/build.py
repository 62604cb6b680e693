"""The exchange of mode live, if nothing is missing for it."""

from __future__ import annotations

import os
from functools import partial
from typing import Any, Final

from papertape.exchanges.factory import ExchangeFactory
from papertape.exchanges.resilient import ResilientExchange
from papertape.model.account import KeyRights
from papertape.model.errors import ConfigError
from papertape.trading.config import Config
from papertape.trading.gate.arming import armed_path, missing_for_live, read_armed
from papertape.trading.gate.audit import Audit
from papertape.trading.gate.keeper import HALT, Gatekeeper, halt_file_says, since_armed
from papertape.trading.gate.link import GatedLink
from papertape.trading.parts import Parts

AUDIT: Final = "audit.jsonl"


def build_live(parts: Parts) -> ResilientExchange:
    """Everything that is missing is told at once; whose account it is, as REST is opened."""
    config = parts.config
    kind: Any = ExchangeFactory.kind(config.exchange)
    if not hasattr(kind, "link_to_venue"):
        raise ConfigError(f"{config.layers.source}: key `exchange`: {config.exchange} has no adapter that trades live")
    keys = parts.keys.keys(config.exchange)
    audit = parts.closing.enter_context(Audit(config.state_of(AUDIT)))
    missing = missing_for_live(
        config, now_ns=parts.clock.wall_ns(), environment=os.environ, halted=halted_in(config, audit), records=audit.records
    )
    if missing:
        audit.write(parts.clock.wall_ns(), "live refused", missing=missing)
        raise ConfigError("live is refused:" + "".join(f"\n  - {each}" for each in missing))
    armed = read_armed(armed_path(config))
    assert armed is not None, "it is not missing"
    assert config.limits is not None, "they are not missing"

    def halted(why: str) -> None:
        parts.on_halted()  # whoever is told by `tell` may not be there any more
        parts.tell(f"HALTED: {why}; no new order leaves until the bot is armed anew")

    parts.keeper = keeper = Gatekeeper(
        config.limits, audit, clock=parts.clock, until_ns=armed.until_ns, halt_file=config.state_of(HALT), on_halted=halted
    )  # fmt: skip
    parts.closing.callback(keeper.stopped)
    venue = config.venue
    link = kind.link_to_venue(
        keys, parts.clock, keeper.permits, rest=venue.rest, stream=venue.stream, user_stream=venue.user_stream,
        ca="" if venue.ca is None else str(venue.ca),
    )  # fmt: skip
    gated = GatedLink(link, keeper, partial(wrong_key, account=armed.account), journal=parts.journal, clock=parts.clock)
    exchange: ResilientExchange = kind(gated, **parts.options())
    return exchange


def halted_in(config: Config, audit: Audit) -> str:
    """Why trading is halted, by the file or by the log; empty where it is not."""
    why = halt_file_says(config.state / "live" / config.exchange / HALT)
    if why:
        return why
    return next((str(each["why"]) for each in since_armed(audit.records) if each["kind"] == "halted"), "")


def wrong_key(rights: KeyRights, account: str) -> str:
    """Why a key must not be traded with, in words; empty if it may. `account` is the one that was armed for; empty for any."""
    if rights.can_transfer:
        return (
            "this key may move money away (its right to transfer is set), and whoever gets hold of a bot gets hold of its key: make one "
            "that may view and trade, and no more"
        )
    if not rights.can_trade or not rights.can_view:
        return "this key may not " + " and not ".join(
            each for each, may in (("view", rights.can_view), ("trade", rights.can_trade)) if not may
        )
    if account and rights.account != account:
        return f"this key opens account {rights.account}, and the bot was armed for {account}"
    return ""
