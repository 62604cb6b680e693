"""Make a configuration from plain values, and say what is wrong with them before anything starts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from papertape.exchanges.factory import ExchangeFactory
from papertape.model.errors import ConfigError
from papertape.scenario.feed import read_feeds
from papertape.scenario.make import read_account, read_model, read_quantity
from papertape.scenario.table import Table
from papertape.session.spec import FeedSpec, ModelSpec, Quantity
from papertape.trading.config.layers import KEYS, Layered, layered
from papertape.venues import canonical

ENDPOINTS: Final = {"rest": ("https", "http"), "stream": ("wss", "ws"), "user_stream": ("wss", "ws")}
"""Keys of a venue's other addresses, and how those begin: encrypted, or on loopback."""


class Mode(StrEnum):
    """What of a run is real: nothing; the market; the money too."""

    REPLAY = "replay"
    PAPER = "paper"
    LIVE = "live"


class VenueConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One venue.

    Attributes:
        feed: what is played in replay.
        account: what replay and a new paper account begin with, by currency.
        model: how the simulated venue fills and charges, in replay and on paper.
        rest, stream, user_stream: other addresses than the venue's own; empty for those.
        ca: a file with the authority that signed for these addresses; None for those that everybody trusts.
    """

    feed: tuple[FeedSpec, ...] = ()
    account: dict[str, Decimal] = msgspec.field(default_factory=dict)
    model: ModelSpec = ModelSpec()
    rest: str = ""
    stream: str = ""
    user_stream: str = ""
    ca: Path | None = None


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a bot may do with real money; beyond any of it, nothing is sent.

    Attributes:
        order_notional: the most that one order may be worth.
        position: how far the holding of this currency may move from where it was when the bot was armed, either way.
        daily_loss: how much may be lost within one day, UTC.
        orders_per_minute: how many orders may be sent within any minute.
    """

    order_notional: Quantity
    position: Quantity
    daily_loss: Quantity
    orders_per_minute: int


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A checked configuration.

    Attributes:
        exchange: the venue's name.
        bot: "module:Name" or "file.py:name"; empty where somebody else brings the bot.
        state: the folder for accounts and logs.
        cancel_on_exit: whether the bot's own open orders are cancelled as it ends.
        cancel_on_halt: whether they are as live trading is halted.
        limits: None where none are given; then nothing trades live.
        layers: where all of it comes from.
    """

    mode: Mode
    exchange: str
    bot: str
    bot_config: dict[str, Any]
    state: Path
    cancel_on_exit: bool
    cancel_on_halt: bool
    venues: dict[str, VenueConfig]
    limits: Limits | None
    layers: Layered

    @property
    def venue(self) -> VenueConfig:
        """That of the exchange."""
        return self.venues.get(self.exchange, VenueConfig())

    def state_of(self, name: str) -> Path:
        """A file of this mode and venue; those of different modes never meet."""
        return self.state / str(self.mode) / self.exchange / name


def load_config(path: Path | None = None, *, settings: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> Config:
    """The configuration in force; see `layers.layered`. Raises `ConfigError` naming file, key, what it holds and what was expected."""
    return make_config(layered(path, os.environ if environment is None else environment, settings))


def make_config(layers: Layered) -> Config:
    """A checked configuration; raises `ConfigError`."""
    try:
        return _made(layers)
    except ConfigError as error:
        over = [f"{name} by {origin}" for name, origin in layers.origins.items() if origin[0] in "$-"]
        raise ConfigError(f"{error}; set over it: {', '.join(over)}" if over else str(error)) from None


def _made(layers: Layered) -> Config:
    top = Table(layers.raw, layers.source)
    top.allow(*KEYS)
    exchange = canonical(top.text("exchange", "coinbase") or "")
    known = [name for name in ExchangeFactory.known() if name != "simulated"]
    section = top.table("venue")
    used = [exchange, *(canonical(name) for name in ({} if section is None else section.raw))]
    known += [name for name in dict.fromkeys(used) if name not in known and name != "simulated" and ExchangeFactory.knows(name)]
    top.known("exchange", exchange, known, "exchange", "papertape doctor")
    bot = top.text("bot", "") if "bot" in layers.raw else ""
    if bot and ":" not in bot:
        raise top.problem("bot", f'holds "{bot}"; expected "module:Name", such as "papertape.bots:MarketMaker", or "bot.py:main"')
    config = top.table("bot_config")
    venues = _venues(top, known, layers.folder)
    return Config(
        mode=top.choice("mode", Mode, Mode.PAPER),
        exchange=exchange,
        bot=bot or "",
        bot_config={} if config is None else dict(config.raw),
        state=layers.folder / (top.text("state", ".papertape") or ""),
        cancel_on_exit=top.claim("cancel_on_exit", True),
        cancel_on_halt=top.claim("cancel_on_halt", True),
        venues=venues,
        limits=_limits(top),
        layers=layers,
    )


def _venues(top: Table, known: list[str], folder: Path) -> dict[str, VenueConfig]:
    """Each venue once, under whichever of its names; the environment may use another than the file."""
    section = top.table("venue")
    if section is None:
        return {}
    raw: dict[str, dict[str, Any]] = {}
    for written, value in section.raw.items():
        name = canonical(written)
        section.known(written, name, known, "venue", "papertape doctor")
        table = section.within(written, value).raw
        both = sorted(set(raw.get(name, {})) & set(table))
        if both:
            raise section.problem(written, f'is another name of the venue "{name}", and both say `{both[0]}`; keep one')
        raw[name] = {**raw.get(name, {}), **table}
    return {name: _venue(Table(table, top.source, f"[venue.{name}]"), folder, name) for name, table in raw.items()}


def _venue(venue: Table, folder: Path, name: str) -> VenueConfig:
    venue.allow("feed", "account", "model", *ENDPOINTS, "ca")
    account = venue.table("account")
    for currency in [] if account is None else account.raw:
        if account is not None and currency.islower():
            raise account.problem(currency, f"currencies are written as the venue writes them; did you mean `{currency.upper()}`?")
    ca = venue.text("ca")
    if ca is not None and not (folder / ca).is_file():
        raise venue.problem("ca", f'holds "{ca}"; there is no file {(folder / ca).as_posix()}')
    return VenueConfig(
        feed=read_feeds(venue, folder, name) if "feed" in venue.raw else (),
        account=read_account(venue) if "account" in venue.raw else {},
        model=read_model(venue),
        rest=_endpoint(venue, "rest"),
        stream=_endpoint(venue, "stream"),
        user_stream=_endpoint(venue, "user_stream"),
        ca=None if ca is None else folder / ca,
    )


def _endpoint(venue: Table, key: str) -> str:
    """Another address: encrypted, or on this machine, because keys go there."""
    text = venue.text(key)
    if text is None:
        return ""
    secure, plain = ENDPOINTS[key]
    try:
        url = urlsplit(text)
        host, scheme, has_user = url.hostname or "", url.scheme, url.username is not None
    except ValueError:
        host, scheme, has_user = "", "", False
    is_near = host in ("127.0.0.1", "localhost", "::1")
    if not host or has_user or scheme not in (secure, plain) or (scheme == plain and not is_near):
        raise venue.problem(
            key, f"is no address that may be used; expected {secure}://HOST, or {plain}://127.0.0.1:PORT, and nobody's name in it"
        )
    return text.rstrip("/")


def _limits(top: Table) -> Limits | None:
    limits = top.table("limits")
    if limits is None:
        return None
    limits.allow("order_notional", "position", "daily_loss", "orders_per_minute")
    found = {}
    for key, example in (("order_notional", "500 USD"), ("position", "0.1 BTC"), ("daily_loss", "200 USD")):
        quantity = read_quantity(limits, key, example)
        if quantity is None:
            raise limits.problem(key, f'is missing; limits are given all together: expected an amount and a currency, such as "{example}"')
        found[key] = quantity
    orders = limits.whole("orders_per_minute", 0)
    if orders < 1:
        raise limits.problem("orders_per_minute", "is missing or below 1; expected how many orders may be sent within a minute, such as 30")
    return Limits(orders_per_minute=orders, **found)
