"""Arming: the second, deliberate act without which nothing trades live. What it vouched for must still be so when trading begins."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

import papertape
from papertape.exchanges.intent_file import sync_folder
from papertape.model.errors import ConfigError
from papertape.model.order import iso
from papertape.model.request import Op
from papertape.model.units import SECOND, Nanos
from papertape.trading.config import Config, Limits
from papertape.trading.parts import INTENTS

ARMED: Final = "armed.json"

DISARMED: Final = "DISARMED"
"""The file that says so where the gate's log could not, since a bot that traded had it open."""

FORMAT: Final = "papertape armed, 1"

SENDERS: Final = ("ccxt", "aiohttp", "websockets")
"""Libraries by which orders leave; another version of one is other code."""

BACK_NS: Final[Nanos] = 60 * SECOND
"""How far a machine's clock may have been put right backwards."""


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


def armed_bytes(armed: Armed) -> bytes:
    """What stands in the file. The gate's log has its hash, so that no other is taken for the one that was written last."""
    return msgspec.json.format(msgspec.json.encode(armed))


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
    if (path.parent / DISARMED).exists():
        found.append(f"it was disarmed while a bot traded, and {path.name} put back since; arm anew")
    found += _against_the_log(armed, content_hash(path), path.name, records, now_ns)
    if armed.endpoints != endpoints_of(config):
        found.append(f"endpoints have changed: armed for {_said(armed.endpoints)}, now {_said(endpoints_of(config))}")
    if armed.config != config_hash(config):
        found.append("the configuration has changed since it was armed")
    if armed.code != code_hash(config):
        found.append("the bot's code, or papertape's, has changed since it was armed")
    if not armed.scenarios:
        found.append("it was armed without a scenario that has passed")
    found += _lost_intents(config.state / "live" / config.exchange / INTENTS, records)
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
        file.write(armed_bytes(armed))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def note_disarmed(config: Config) -> None:
    """Keep for later that it was disarmed, where a bot has the gate's log open; raises OSError."""
    path = armed_path(config).parent / DISARMED
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    sync_folder(path.parent)


def _against_the_log(armed: Armed, content: str, name: str, records: Sequence[Mapping[str, Any]], now_ns: Nanos) -> list[str]:
    """What the gate's log says against the file, which a person may have edited, or put back."""
    acts = [each for each in records if each["kind"] in ("armed", "disarmed")]
    if not any(each["kind"] == "armed" and each["at"] == armed.armed_ns for each in acts):
        return ["the gate's log knows nothing of this arming: it was lost or put aside, and with it what the bot has sent"]
    last = acts[-1]
    if last["kind"] == "disarmed":
        return [f"it was disarmed at {iso(last['at'])}, and {name} put back since; arm anew"]
    if last["at"] != armed.armed_ns:
        return [f"{name} is that of an earlier arming, and it was armed anew at {iso(last['at'])} since; arm anew"]
    if last.get("file") != content:
        return [f"{name} is not as it was written at {iso(last['at'])}: it was changed by hand; arm anew"]
    since = [each["at"] for each in records if each["at"] >= last["at"]]
    if now_ns < max(since) - BACK_NS:
        return [f"this machine's clock has gone back: the gate's log was written to at {iso(max(since))}, and it is {iso(now_ns)}; set it"]
    return []


def _lost_intents(path: Path, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Orders that the gate let through since it was armed are in the log of intents, or that was lost, and no start knows them."""
    passed = dict[str, None]()
    for each in records:
        if each["kind"] == "armed":
            passed.clear()
        elif each["kind"] == "passed" and each["request"]["op"] == Op.ORDER_CREATE:
            passed[each["request"]["client_order_id"]] = None
    try:
        content = path.read_bytes() if passed else b""
    except FileNotFoundError:
        content = b""
    except OSError as error:
        return [f"{path.as_posix()} cannot be read: {error.strerror}"]
    lost = [key for key in passed if b'"client_order_id":%s,' % msgspec.json.encode(key) not in content]
    if not lost:
        return []
    return [
        f"{path.as_posix()} knows nothing of {len(lost)} orders that the gate let through, such as {lost[0]}: it was lost or put aside, "
        "and they may be open; look at the account, then arm anew"
    ]


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
    return hashed([msgspec.json.encode(_ordered(raw)), *(each.read_bytes() for each in trusted if each is not None)])


def code_hash(config: Config) -> str:
    """Of every Python file in the folder that the bot is found in, of papertape's own, and of what libraries send; the bot is loaded."""
    own = Path(papertape.__file__).parent
    files = [(own, each) for each in sorted(own.rglob("*.py"))] + _bot_files(config)
    named = (part for folder, file in files for part in (file.relative_to(folder).as_posix().encode(), file.read_bytes()))
    return hashed([*named, *(f"{each} {version(each)}".encode() for each in SENDERS)])


def content_hash(file: Path) -> str:
    """Of one file."""
    return hashed([file.read_bytes()])


def _bot_files(config: Config) -> list[tuple[Path, Path]]:
    """Its file and those beside and below it, or its package's, each after its folder; a bot of papertape's own is in the other half."""
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
    return [(folder, each) for each in sorted(folder.rglob("*.py")) if not any(map(_is_hidden, each.relative_to(folder).parts))]


def _is_hidden(part: str) -> bool:
    return part.startswith(".") or part in ("venv", "node_modules", "__pycache__", "site-packages")


def hashed(parts: Any) -> str:
    """Of all of these, in order."""
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
