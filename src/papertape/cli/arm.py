"""`papertape arm`, `disarm`, `halt`: the deliberate acts around live trading."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.cli.keys import asking_manager
from papertape.cli.progress import Progress
from papertape.cli.run import attempt
from papertape.exchanges.factory import ExchangeFactory
from papertape.exchanges.intent_file import sync_folder
from papertape.links.permits import Permits
from papertape.model.account import Balances, KeyRights
from papertape.model.errors import BaseError, ConfigError, NotSupported
from papertape.model.order import Order, iso
from papertape.model.request import Lane, Op, Request
from papertape.model.units import parse_duration, plain
from papertape.reports.table import write as write_table
from papertape.runtime.clock import LoopClock, wall_ns
from papertape.scenario.load import find_scenarios, load_scenario
from papertape.session.botfile import load_bot
from papertape.session.result import ExitCode, RunResult, Status
from papertape.trading.config import Config, load_config
from papertape.trading.gate.arming import (
    DISARMED,
    FORMAT,
    Armed,
    Vouched,
    armed_bytes,
    armed_path,
    code_hash,
    config_hash,
    content_hash,
    endpoints_of,
    hashed,
    note_disarmed,
    write_armed,
)
from papertape.trading.gate.audit import Audit, is_in_use
from papertape.trading.gate.build import AUDIT, halted_in, wrong_key
from papertape.trading.gate.keeper import HALT

CONSENT: Final = "yes, trade real money"


def arm(*scenarios: Path, config: Path | None = None, set: list[str] | None = None, lasts: str = "8h", consent: str | None = None) -> int:
    """Let the bot of papertape.toml trade live for a while: run its scenarios, look at the account, write down what was vouched for.

    Live trading is refused if anything of that has changed by then: the bot's code, papertape's, the settings, the endpoints, the account,
    the scenarios. A halt is lifted by arming anew.

    Parameters
    ----------
    scenarios
        Scenario files, or folders of them, that this bot must pass now.
    config
        Another file than papertape.toml in this folder.
    set
        One more setting over the file's. May be given several times; `trade` must be given the same.
    lasts
        For how long.
    consent
        What would be asked for at the terminal; for those who have none.
    """
    loaded = load_config(config, settings=["mode=live", *(set or [])])
    try:
        lasts_ns = parse_duration(lasts)
    except ValueError as error:
        raise ConfigError(f"--lasts {lasts}: {error}") from None
    if loaded.limits is None:
        raise ConfigError(
            f"{loaded.layers.source}: [limits] is missing; live trading needs order_notional, position, daily_loss, orders_per_minute"
        )
    if not loaded.bot:
        raise ConfigError(f"{loaded.layers.source}: key `bot`: is missing; expected what is to trade")
    if not scenarios:
        raise ConfigError("arm: name the scenarios that the bot must pass, such as `papertape arm scenarios/`")
    load_bot(loaded.bot, loaded.layers.folder)
    with Audit(loaded.state_of(AUDIT)) as audit:  # from here on no bot trades live with this state
        return _arm(loaded, audit, list(scenarios), lasts_ns, consent)


def _arm(config: Config, audit: Audit, scenarios: list[Path], lasts_ns: int, consent: str | None) -> int:
    limits = config.limits
    assert limits is not None, "it was looked at"
    code = code_hash(config)
    vouched = _vouch(config, scenarios)
    if vouched is None:
        print("papertape: not armed: every scenario must pass", file=sys.stderr)
        return ExitCode.FAILED
    rights, balances, open_orders, now_ns = asyncio.run(_look(config))
    why = wrong_key(rights, "")
    if why:
        raise ConfigError(f"not armed: {why}")
    if not rights.account:
        raise ConfigError(f"not armed: {config.exchange} does not say whose account this key opens, so nobody could tell it from another")
    halted = halted_in(config, audit)
    _show(config, rights, balances, open_orders, now_ns + lasts_ns, halted)
    if not _agreed(consent):
        print("papertape: not armed", file=sys.stderr)
        return ExitCode.FAILED
    if halted_in(config, audit) != halted:
        raise ConfigError(f"not armed: trading was halted meanwhile: {halted_in(config, audit)}; look at the account, then arm anew")
    if code_hash(config) != code:
        raise ConfigError("not armed: the bot's code has changed while its scenarios ran; run `papertape arm` again")
    armed = Armed(
        format=FORMAT, exchange=config.exchange, account=rights.account, endpoints=endpoints_of(config), code=code,
        config=config_hash(config), limits=limits, scenarios=tuple(vouched), armed_ns=now_ns, until_ns=now_ns + lasts_ns,
    )  # fmt: skip
    audit.write(
        now_ns, "armed", account=rights.account, until=armed.until_ns, config=armed.config, code=armed.code,
        limits=msgspec.to_builtins(limits, str_keys=True), file=hashed([armed_bytes(armed)]),
        open=[order.client_order_id for order in open_orders if order.client_order_id],
    )  # fmt: skip
    write_armed(armed_path(config), armed)
    _lift(config.state_of(DISARMED))
    _lift(config.state_of(HALT))  # last: whatever ends this before leaves it halted
    print(f"armed until {iso(armed.until_ns)}: papertape trade --mode live")
    return ExitCode.PASSED


def _lift(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{path.as_posix()}: cannot be taken away: {error.strerror}; take it away yourself, then it is armed") from None


def disarm(*, config: Path | None = None, set: list[str] | None = None) -> int:
    """Take back what was armed; a bot that trades live already goes on (`papertape halt` stops it).

    Parameters
    ----------
    config
        Another file than papertape.toml in this folder.
    set
        One more setting over the file's, as `trade` was given it.
    """
    loaded = load_config(config, settings=["mode=live", *(set or [])])
    path = armed_path(loaded)
    was_there, runs = path.exists(), is_in_use(loaded.state_of(AUDIT))
    try:
        if was_there and runs:  # the bot has the log, so this cannot be written down there
            note_disarmed(loaded)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{path.as_posix()}: cannot be taken away: {error.strerror}; `papertape halt` stops a bot all the same") from None
    if not was_there:
        print(f"nothing was armed: {path.as_posix()} is not there")
    elif runs:
        print("disarmed; A BOT THAT TRADES LIVE WITH THIS STATE GOES ON: `papertape halt` stops it")
    else:
        with Audit(loaded.state_of(AUDIT)) as audit:
            audit.write(wall_ns(), "disarmed")
        print("disarmed")
    return ExitCode.PASSED


def halt(reason: str = "papertape halt", /, *, config: Path | None = None, set: list[str] | None = None) -> int:
    """Stop live trading at once: no new order leaves, now or after a restart, until the bot is armed anew.

    Parameters
    ----------
    reason
        For who looks at it later.
    config
        Another file than papertape.toml in this folder.
    set
        One more setting over the file's, as `trade` was given it.
    """
    loaded = load_config(config, settings=["mode=live", *(set or [])])
    path = loaded.state_of(HALT)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()  # the name is what counts, and may find room where the reason does not
        sync_folder(path.parent)
        with suppress(OSError):
            path.write_text(f"{reason}\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path.as_posix()}: cannot be made: {error.strerror}; NOTHING WAS HALTED. Send the process SIGUSR1, or make that file"
        ) from None
    if is_in_use(loaded.state_of(AUDIT)):
        print(f"halted: {path.as_posix()} is there, and the bot that trades sees it within a second")
    else:
        print(
            f"halted: {path.as_posix()} is there; but NO BOT TRADES LIVE WITH THIS STATE NOW. If you meant one that does, it has another "
            "folder, exchange or `state`: name its file by --config, or give the --set that `trade` was given"
        )
    return ExitCode.PASSED


def _vouch(config: Config, paths: list[Path]) -> list[Vouched] | None:
    """What passed; None where something did not. Each must run the bot that is to trade."""
    files = [file for path in paths for file in find_scenarios(path)]
    progress = Progress(len(files))
    results: list[RunResult] = []
    vouched = []
    for file in files:
        scenario = load_scenario(file)
        if _named(scenario.bot, file.parent) != _named(config.bot, config.layers.folder):
            raise ConfigError(
                f"{file.as_posix()}: runs {scenario.bot or scenario.program}, and the bot that is to trade is {config.bot}; name scenarios "
                "that run it"
            )
        content = content_hash(file)  # what is read now, and not what somebody writes meanwhile
        results.append(attempt(file.as_posix(), lambda scenario=scenario: scenario, None, progress, scenario.repro))  # type: ignore[misc]  # bound at once
        vouched.append(Vouched(path=os.path.relpath(file, config.layers.folder), content=content, digest=results[-1].digest))
    write_table(results, sys.stdout)
    return vouched if all(result.status is Status.PASSED for result in results) else None


def _named(bot: Any, folder: Path) -> str:
    """Which bot that is: a file's by its place, a module's by its name."""
    module, _, name = str(bot).rpartition(":")
    return f"{(folder / module).resolve()}:{name}" if module.endswith(".py") else str(bot)


async def _look(config: Config) -> tuple[KeyRights, Balances, tuple[Order, ...], int]:
    """Whose account it is, what it holds, which orders are open there, and what time it is."""
    kind: Any = ExchangeFactory.kind(config.exchange)
    if not hasattr(kind, "link_to_venue"):
        raise ConfigError(f"{config.layers.source}: key `exchange`: {config.exchange} has no adapter that trades live")
    venue, clock = config.venue, LoopClock()
    link = kind.link_to_venue(
        asking_manager().keys(config.exchange), clock, Permits(), rest=venue.rest, stream=venue.stream,
        user_stream=venue.user_stream, ca="" if venue.ca is None else str(venue.ca),
    )  # fmt: skip
    try:
        await link.open(Lane.REST)
        rights = await link.key_rights()
        answer = await link.request(Request(op=Op.BALANCE_FETCH))
        await link.request(Request(op=Op.MARKETS_FETCH))  # or nobody can read its orders
        orders = (await link.request(Request(op=Op.ORDERS_OPEN))).orders
    except NotSupported as error:
        raise ConfigError(
            f"not armed: {error}. papertape trades live only where the venue says what a key may do; on paper it trades there as well"
        ) from None
    except BaseError as error:
        raise ConfigError(f"not armed: {config.exchange} did not show the account: {type(error).__name__}: {error}") from None
    finally:
        await link.close(Lane.REST)
    return rights, answer.balances or Balances({}), orders, clock.wall_ns()


def _show(config: Config, rights: KeyRights, balances: Balances, open_orders: tuple[Order, ...], until_ns: int, halted: str) -> None:
    limits = config.limits
    assert limits is not None, "it was looked at"
    held = ", ".join(f"{plain(each.total)} {currency}" for currency, each in balances.currencies.items() if each.total) or "nothing"
    print(f"exchange   {config.exchange}, account {rights.account}, which holds {held}")
    for order in open_orders:
        price = "" if order.price is None else f" at {plain(order.price)}"
        print(f"open       {order.side} {plain(order.remaining)} {order.symbol}{price} ({order.client_order_id or order.id})")
    print("endpoints  " + ", ".join(f"{kind} {url or 'the real one'}" for kind, url in endpoints_of(config).items()))
    print(f"bot        {config.bot} {config.bot_config or ''}")
    for name in ("order_notional", "position", "daily_loss"):
        quantity = getattr(limits, name)
        print(f"limit      {name} {plain(quantity.amount)} {quantity.currency}")
    print(f"limit      orders_per_minute {limits.orders_per_minute}")
    print(f"until      {iso(until_ns)}")
    if halted:
        print(f"HALTED     {halted}; this lifts it")


def _agreed(consent: str | None) -> bool:
    if consent is None and sys.stdin.isatty():
        print(f'To arm it, type "{CONSENT}": ', end="", flush=True)
        consent = sys.stdin.readline().strip()
    return consent == CONSENT
