"""`papertape trade`: a bot in the mode that papertape.toml says, until it ends or somebody says stop."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape import reports
from papertape.cli.keys import asking_manager
from papertape.cli.progress import Progress
from papertape.cli.run import Named, told_whole
from papertape.cli.tape import Flag
from papertape.journal import Journal
from papertape.model.errors import ConfigError
from papertape.model.units import SECOND, format_duration, parse_duration, plain
from papertape.reports.table import write as write_table
from papertape.runtime.clock import LoopClock, wall_seconds
from papertape.scenario.make import make_scenario
from papertape.session.botfile import load_bot
from papertape.session.result import ExitCode
from papertape.trading.config import Config, Mode, load_config
from papertape.trading.gate.halting import Halting
from papertape.trading.gate.keeper import Gatekeeper
from papertape.trading.modes import BANNERS, build
from papertape.trading.paper.account import reset as reset_account
from papertape.trading.paper.build import ACCOUNT
from papertape.trading.parts import INTENTS, Parts
from papertape.trading.status import Status
from papertape.trading.trade import Trade
from papertape.version import VERSION

ABORTED: Final = 130


def trade(
    *,
    config: Path | None = None,
    mode: str | None = None,
    set: list[str] | None = None,
    reset: Flag = False,
    lasts: str | None = None,
    journal: Path | None = None,
    status: int | None = None,
    json: Flag = False,
) -> int:
    """Trade with the bot and in the mode that papertape.toml says: replay, paper or live.

    The first Ctrl-C lets the bot end: what is on its way is waited for, and its open orders are cancelled unless the file says otherwise.
    The second ends at once; what the bot was about is in its log of intents, and the next start takes it up.

    Parameters
    ----------
    config
        Another file than papertape.toml in this folder.
    mode
        Instead of the file's: replay, paper or live.
    set
        One more setting over the file's, such as venue.coinbase.rest=http://127.0.0.1:8000. May be given several times.
    reset
        Put the paper account aside and begin a new one.
    lasts
        End after so long, such as 10m.
    journal
        Write what happens, line by line, to this file.
    status
        Answer on this port of loopback how it goes: /health, /events, /metrics; 0 picks a free one.
    json
        What came of it as one JSON object on stdout instead of text.
    """
    settings = [*([] if mode is None else [f"mode={mode}"]), *(set or [])]
    loaded = load_config(config, settings=settings)
    if not loaded.bot:
        raise ConfigError(f'{loaded.layers.source}: key `bot`: is missing; expected what is to trade, such as bot = "mybot.py:main"')
    if reset and loaded.mode is not Mode.PAPER:
        raise ConfigError(f"--reset: goes with mode paper, and it is {loaded.mode}; nothing else has an account of ours to begin anew")
    if loaded.mode is Mode.REPLAY:
        words = [word for each in set or [] for word in ("--set", each)] + ([] if config is None else ["--config", config.as_posix()])
        return _replay(loaded, journal, shlex.join(["papertape", "trade", "--mode", "replay", *words]), json=json)
    lasts_s = None if lasts is None else _seconds(lasts)
    bot = load_bot(loaded.bot, loaded.layers.folder)
    if reset and reset_account(loaded.state_of(ACCOUNT), loaded.state_of(INTENTS)):
        _tell(loaded, "the paper account was put aside; a new one begins")
    return asyncio.run(_trade(loaded, bot, journal, lasts_s, status, json=json))


async def _trade(config: Config, bot: Any, journal_path: Path | None, lasts_s: float | None, status_port: int | None, *, json: bool) -> int:
    loop = asyncio.get_running_loop()
    began_s = wall_seconds()
    header = {
        "papertape": VERSION, "mode": str(config.mode), "exchange": config.exchange, "bot": config.bot, "bot_config": config.bot_config,
    }  # fmt: skip
    with Journal(header, journal_path) as journal, ExitStack() as closing:
        trading = Trade(bot, config.bot_config, name=config.exchange, tell=lambda words: _tell(config, words))
        parts = Parts(
            config, clock=LoopClock(loop), journal=journal, keys=asking_manager(), on_error=trading.bot_failed,
            tell=lambda words: _tell(config, words),
        )  # fmt: skip
        closing.enter_context(parts.closing)
        exchange = build(parts)
        halting = Halting(exchange, parts, is_cancelling=config.cancel_on_halt)
        _tell(config, BANNERS[config.mode].format(exchange=config.exchange))
        _tell(config, f"{config.bot}; state in {config.state_of('').as_posix()}; connecting; Ctrl-C ends it")
        _obey_signals(loop, trading, config, parts.keeper)
        if lasts_s is not None:
            loop.call_later(lasts_s, trading.drain)
        async with AsyncExitStack() as beside:
            await beside.enter_async_context(halting)
            if status_port is not None:
                status = await beside.enter_async_context(Status(exchange, parts, port=status_port))
                trading.onlooking = status.onlooking
                _tell(config, f"how it goes: {status.url}/health, /events, /metrics")
            await trading.run(exchange)
    _say_result(config, trading, wall_seconds() - began_s, json=json)
    return ExitCode.FAILED if trading.failures else ExitCode.PASSED


def _obey_signals(loop: asyncio.AbstractEventLoop, trading: Trade, config: Config, keeper: Gatekeeper | None) -> None:
    heard: list[int] = []

    def obey(number: int) -> None:
        heard.append(number)
        if len(heard) > 1:
            _tell(config, "a second signal: ended at once; the next start takes up what was under way")
            os._exit(ABORTED)
        _tell(config, "ending: no new orders, what is on its way is waited for; once more ends at once")
        trading.drain()

    hangup = getattr(signal, "SIGHUP", None)  # a terminal that is closed, or a line to it; `nohup` means what it says
    ends = [signal.SIGINT, signal.SIGTERM, *([hangup] if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN else [])]
    for number in ends:
        with suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt
            loop.add_signal_handler(number, obey, number)
    if keeper is not None and hasattr(signal, "SIGUSR1"):
        loop.add_signal_handler(signal.SIGUSR1, keeper.halt, "signal SIGUSR1")


def _replay(config: Config, journal: Path | None, command: str, *, json: bool) -> int:
    """Play the tape once, as `run` would, with no expectations."""
    venue = config.layers.raw.get("venue", {}).get(config.exchange)
    if venue is None or "feed" not in venue:
        raise ConfigError(
            f"{config.layers.source}: [venue.{config.exchange}], key `feed`: is missing; expected what to play, such as "
            'feed = { tape = "builtin:btc-usd" }'
        )
    raw = {
        "bot": config.bot, "bot_config": config.bot_config,
        "venue": {config.exchange: {key: venue[key] for key in ("feed", "account", "model") if key in venue}},
    }  # fmt: skip
    scenario = make_scenario(raw, source=config.layers.source, folder=config.layers.folder, repro=command)
    result = told_whole(Named(config.layers.source, lambda: scenario, command), journal, Progress(1))
    if json:
        sys.stdout.write(reports.render("json", [result]))
    else:
        write_table([result], sys.stdout)
    return result.exit_code


def _say_result(config: Config, trading: Trade, took_s: float, *, json: bool) -> None:
    balances = {} if trading.balances is None else trading.balances.currencies
    held = {each: plain(balance.total) for each, balance in balances.items() if balance.total}
    if json:
        about = {"mode": str(config.mode), "exchange": config.exchange, "bot": config.bot, "seconds": round(took_s, 3), "holds": held}
        print(msgspec.json.encode({**about, "failures": trading.failures}).decode(), flush=True)
        return
    money = ", ".join(f"{amount} {currency}" for currency, amount in held.items()) or "nothing"
    told = f"the account holds {money}" if trading.balances is not None else "what the account holds was not told any more"
    print(f"{str(config.mode).upper()} {config.exchange}: {config.bot} ran {format_duration(int(took_s) * SECOND)}; {told}")
    for failure in trading.failures:
        print(f"  {failure}")


def _tell(config: Config, words: str) -> None:
    with suppress(OSError, ValueError):  # a terminal that was closed must not keep anybody from trading in order, or from halting
        print(f"[{str(config.mode).upper()}] {words}", file=sys.stderr, flush=True)


def _seconds(text: str) -> float:
    try:
        return parse_duration(text) / SECOND
    except ValueError as error:
        raise ConfigError(f"--lasts {text}: {error}") from None
