"""`papertape doctor` and `papertape init`: what is in force and from where, and a first file."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from papertape.exchanges.keys import KeyManager
from papertape.model.errors import ConfigError
from papertape.model.units import plain
from papertape.runtime.clock import wall_ns
from papertape.session.botfile import load_bot
from papertape.session.result import ExitCode
from papertape.trading.config import FILE, Config, Mode, load_config
from papertape.trading.gate.arming import endpoints_of, missing_for_live
from papertape.trading.gate.audit import Audit
from papertape.trading.gate.build import AUDIT, halted_in
from papertape.trading.paper.account import PaperAccount
from papertape.trading.paper.build import ACCOUNT
from papertape.version import VERSION

LIBRARIES: Final = ("ccxt", "websockets", "aiohttp", "pyarrow", "cryptography")

FIRST: Final = """\
# What `papertape trade` trades, and how. PAPERTAPE_MODE, PAPERTAPE_LIMITS__POSITION and the like lie over this; `papertape doctor` tells.
mode = "paper"                        # replay: a tape; paper: the real market, no real money; live: both real, after `papertape arm`
exchange = "coinbase"
bot = "papertape.bots:MarketMaker"    # yours: "mybot.py:main", with  async def main(exchange, symbol="BTC/USD"): ...
bot_config = { symbol = "BTC/USD", size = "0.001" }

[venue.coinbase]
feed = { tape = "builtin:btc-usd" }   # replay
account = { USD = "10000", BTC = "0.1" }    # replay, and what a new paper account begins with

# [limits]                            # live refuses to start without them
# order_notional = "500 USD"
# position = "0.01 BTC"
# daily_loss = "50 USD"
# orders_per_minute = 30
"""


def init(folder: Path = Path(), /) -> int:
    """Write a first papertape.toml; one that is there stays as it is.

    Parameters
    ----------
    folder
        Where to; this one if left out.
    """
    path = folder / FILE
    if not folder.is_dir():
        raise ConfigError(f"init: {folder.as_posix()} is no folder")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(FIRST)
    except FileExistsError:
        raise ConfigError(f"init: {path.as_posix()} is there already, and stays as it is") from None
    print(f"{path.as_posix()}: paper is its mode; `papertape trade --mode replay` plays it, `papertape trade` needs a line to the venue")
    return ExitCode.PASSED


def doctor(*, config: Path | None = None, set: list[str] | None = None) -> int:
    """Say what is in force and where each setting comes from, which keys there are, and what is missing for trading live.

    Parameters
    ----------
    config
        Another file than papertape.toml in this folder.
    set
        One more setting over the file's. May be given several times.
    """
    loaded = load_config(config, settings=set or [])
    print(f"papertape {VERSION}, Python {platform.python_version()}, {', '.join(f'{each} {_version(each)}' for each in LIBRARIES)}")
    print(f"settings from {loaded.layers.source}\n")
    for name, value in _settings(loaded):
        print(f"  {name:<34} {value:<40} {loaded.layers.said(name)}")
    print()
    problems = [each for each in (_bot(loaded), _keys(loaded), _paper(loaded)) if each]
    live = _missing(loaded)
    print("live: nothing is missing" if not live else "live would be refused:")
    for each in live:
        print(f"  - {each}")
    if loaded.mode is Mode.LIVE:
        problems += live
    return ExitCode.CONFIG if problems else ExitCode.PASSED


def _settings(config: Config) -> list[tuple[str, str]]:
    found: list[tuple[str, Any]] = [
        ("mode", config.mode), ("exchange", config.exchange), ("bot", config.bot or "(none)"),
        ("bot_config", ", ".join(config.bot_config) or "(none)"),  # people keep tokens in there
        ("state", config.state.as_posix()), ("cancel_on_exit", config.cancel_on_exit), ("cancel_on_halt", config.cancel_on_halt),
    ]  # fmt: skip
    for name, venue in config.venues.items():
        money = ", ".join(f"{plain(amount)} {currency}" for currency, amount in venue.account.items())
        found += [
            (f"venue.{name}.feed", ", ".join(each.name for each in venue.feed) or "(none)"),
            (f"venue.{name}.account", money or "(none)"),
        ]
        found += [(f"venue.{name}.{kind}", url) for kind, url in endpoints_of(config).items() if url and name == config.exchange]
    if config.limits is not None:
        for key in ("order_notional", "position", "daily_loss"):
            quantity = getattr(config.limits, key)
            found.append((f"limits.{key}", f"{plain(quantity.amount)} {quantity.currency}"))
        found.append(("limits.orders_per_minute", config.limits.orders_per_minute))
    return [(name, str(value).lower() if isinstance(value, bool) else str(value)) for name, value in found]


def _bot(config: Config) -> str:
    if not config.bot:
        print("bot: none; set `bot`")
        return ""
    try:
        load_bot(config.bot, config.layers.folder)
    except ConfigError as error:
        print(f"bot: {error}")
        return str(error)
    print(f"bot: {config.bot} loads")
    return ""


def _keys(config: Config) -> str:
    manager = KeyManager()
    try:
        origin = manager.origin(config.exchange)
    except ConfigError as error:
        print(f"keys: {error}")
        return str(error)
    print(f"keys for {config.exchange}: {'none; only live needs them' if origin is None else f'from {origin}'}")
    return ""


def _paper(config: Config) -> str:
    path = config.state / "paper" / config.exchange / ACCOUNT
    if not path.exists():
        print(f"paper account: none yet; it would be {path.as_posix()}")
        return ""
    try:
        with PaperAccount(path, venue=config.exchange, opening={}) as account:
            held = ", ".join(f"{plain(amount)} {currency}" for currency, amount in account.kept.money.items() if amount)
            print(
                f"paper account: {path.as_posix()}, {held or 'nothing'}; {len(account.kept.orders)} orders, {len(account.kept.fills)} fills"
            )
    except ConfigError as error:
        print(f"paper account: {error}")
        return str(error)
    return ""


def _missing(config: Config) -> list[str]:
    halted, records = "", list[dict[str, Any]]()
    path = config.state / "live" / config.exchange / AUDIT
    if path.exists():
        try:
            with Audit(path) as audit:
                halted, records = halted_in(config, audit), audit.records
        except ConfigError as error:
            return [str(error)]
    with suppress(ConfigError):
        load_bot(config.bot, config.layers.folder)
    found = missing_for_live(config, now_ns=wall_ns(), environment=os.environ, halted=halted, records=records)
    with suppress(ConfigError):
        if KeyManager().origin(config.exchange) is None:
            found.append(f"there are no keys for {config.exchange}: papertape keys add {config.exchange}")
    return found


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "missing"
