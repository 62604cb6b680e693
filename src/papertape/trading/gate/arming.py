"""Arming: the second, deliberate act without which nothing trades live. What it vouched for must still be so when trading begins."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

import papertape
from papertape.model.errors import ConfigError
from papertape.model.order import iso
from papertape.model.units import Nanos
from papertape.trading.config import Config, Limits

ARMED: Final = "armed.json"

FORMAT: Final = "papertape armed, 1"


class Vouched(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario that has passed.

    Attributes:
        path: relative to the configuration's folder where it lies below it.
        content: hash of the file.
        digest: of its run.
    """

    path: str
    content: str
    digest: str


class Armed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was vouched for.

    Attributes:
        account: the venue's own name for the account, as it said then.
        endpoints: where orders go, by kind; empty for the venue's own.
        code: hash of the bot's files and of papertape's.
        config: hash of all settings but the mode.
        limits: as they were shown.
        armed_ns, until_ns: from when to when, since 1970-01-01 UTC.
    """

    format: str
    exchange: str
    account: str
    endpoints: dict[str, str]
    code: str
    config: str
    limits: Limits
    scenarios: tuple[Vouched, ...]
    armed_ns: Nanos
    until_ns: Nanos


def armed_path(config: Config) -> Path:
    """Where it is kept."""
    return config.state / "live" / config.exchange / ARMED


def read_armed(path: Path) -> Armed | None:
    """What was vouched for; None where nothing was. Raises `ConfigError` where it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Armed)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, OSError) as error:
        raise ConfigError(f"{path}: is not what `papertape arm` writes ({error}); arm anew") from None


def missing_for_live(
    config: Config, *, now_ns: Nanos, environment: Mapping[str, str], halted: str, records: Sequence[Mapping[str, Any]]
) -> list[str]:
    """What keeps this from trading live, each in a sentence; the account itself is looked at once the venue can be asked.

    Args:
        halted: why trading is halted; empty where it is not.
        records: what the gate's log holds.
    """
    found = []
    if environment.get("CI") and not all(is_loopback(url) for url in endpoints_of(config).values()):
        found.append(
            "this is a CI job ($CI is set), and not all of rest, stream and user_stream are on loopback: CI never trades real money"
        )
    if config.limits is None:
        found.append("[limits] is missing: order_notional, position, daily_loss, orders_per_minute")
    if halted:
        found.append(f"trading is halted: {halted}; look at the account, then arm anew")
    path = armed_path(config)
    try:
        armed = read_armed(path)
    except ConfigError as error:
        return [*found, str(error)]
    if armed is None:
        return [*found, f"it was never armed ({path.as_posix()} is not there): papertape arm --lasts 8h SCENARIO..."]
    if armed.format != FORMAT or armed.exchange != config.exchange:
        return [*found, f"{path.as_posix()} is for {armed.exchange} by another papertape; arm anew"]
    if not armed.armed_ns <= now_ns < armed.until_ns:
        found.append(f"it was armed from {iso(armed.armed_ns)} to {iso(armed.until_ns)}, and it is {iso(now_ns)}")
    if not any(each["kind"] == "armed" and each.get("at") == armed.armed_ns for each in records):
        found.append("the gate's log knows nothing of this arming: it was lost or put aside, and with it what the bot has sent")
    if armed.endpoints != endpoints_of(config):
        found.append(f"endpoints have changed: armed for {_said(armed.endpoints)}, now {_said(endpoints_of(config))}")
    if armed.config != config_hash(config):
        found.append("the configuration has changed since it was armed")
    if armed.code != code_hash(config):
        found.append("the bot's code, or papertape's, has changed since it was armed")
    if not armed.scenarios:
        found.append("it was armed without a scenario that has passed")
    for each in armed.scenarios:
        file = config.layers.folder / each.path
        if not file.is_file() or content_hash(file) != each.content:
            found.append(f"{each.path} has changed, or is gone, since it passed")
    return found


def write_armed(path: Path, armed: Armed) -> None:
    """Keep it: whole or not at all, for its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(armed)))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def endpoints_of(config: Config) -> dict[str, str]:
    """Where a live bot's requests and streams go; empty for the venue's own. An own-order stream is where the other is, if nobody says."""
    venue = config.venue
    return {"rest": venue.rest, "stream": venue.stream, "user_stream": venue.user_stream or venue.stream}


def is_loopback(url: str) -> bool:
    """Whether nobody beyond this machine is there; the venue's own address, the empty one, is not."""
    host = urlsplit(url).hostname or ""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def config_hash(config: Config) -> str:
    """Of all settings in force but the mode, wherever they come from, and of the authorities that they name."""
    raw = {key: value for key, value in config.layers.raw.items() if key != "mode"}
    trusted = [config.venues[name].ca for name in sorted(config.venues)]
    return _hash([msgspec.json.encode(_ordered(raw)), *(each.read_bytes() for each in trusted if each is not None)])


def code_hash(config: Config) -> str:
    """Of every Python file in the folder that the bot is found in, and of papertape's own; it must have been loaded before."""
    own = Path(papertape.__file__).parent
    files = [*sorted(own.rglob("*.py")), *_bot_files(config)]
    return _hash(part for file in files for part in (file.name.encode(), file.read_bytes()))


def content_hash(file: Path) -> str:
    """Of one file."""
    return _hash([file.read_bytes()])


def _bot_files(config: Config) -> list[Path]:
    """Its file and those beside and below it, or its package's; a bot of papertape's own is in the other half."""
    module = config.bot.rpartition(":")[0]
    if module.endswith(".py"):
        folder = (config.layers.folder / module).parent
    else:
        found = sys.modules.get(module)
        file = getattr(found, "__file__", None)
        if file is None:
            raise ConfigError(f'key `bot`: "{config.bot}": its file is not known, so nobody can vouch for its code')
        folder = Path(file).parent
    if folder.is_relative_to(Path(papertape.__file__).parent):
        return []
    return sorted(each for each in folder.rglob("*.py") if not any(map(_is_hidden, each.relative_to(folder).parts)))


def _is_hidden(part: str) -> bool:
    return part.startswith(".") or part in ("venv", "node_modules", "__pycache__", "site-packages")


def _hash(parts: Any) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "big"))
        found.update(part)
    return found.hexdigest()


def _ordered(value: Any) -> Any:
    """The same whatever order its keys were written in."""
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_ordered(each) for each in value]
    return value if isinstance(value, str | int | bool) or value is None else str(value)


def _said(endpoints: Mapping[str, str]) -> str:
    own: Sequence[str] = [f"{kind} {url or 'at the venue'}" for kind, url in endpoints.items()]
    return ", ".join(own)
