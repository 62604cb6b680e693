"""`papertape keys`: put keys away, see which there are, take them away, ask the venue what they may do. No secret is ever an argument."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.cli.tape import Flag
from papertape.exchanges.factory import ExchangeFactory
from papertape.exchanges.key_file import changing, read_keys, venues_in, write_keys
from papertape.exchanges.keys import KEYRING_SERVICE, THREE_PARTS, KeyManager, Origin, in_keyring, keyring
from papertape.links.permits import Permits
from papertape.model.account import KeyRights
from papertape.model.errors import BaseError, ConfigError
from papertape.model.request import Lane
from papertape.runtime.clock import LoopClock
from papertape.session.result import ExitCode
from papertape.trading.config import Config, load_config
from papertape.trading.gate.build import wrong_key
from papertape.venues import canonical

COINBASE_FILE: Final = ("name", "privateKey")
"""What the file holds that Coinbase gives a key out as."""

PEM_BEGINS: Final = "-----BEGIN"
PEM_ENDS: Final = "-----END"


def add(venue: str, /, *, file: Path | None = None, in_keyring: Flag = False) -> int:
    """Put keys away in the encrypted file, or in this machine's keyring.

    They are read from the terminal, or from stdin where that is none: the key, the secret (PEM with its line breaks as \\n), and the
    passphrase where the venue has one, a line each. The file's password is asked for, or is $PAPERTAPE_KEYS_PASSWORD.

    Parameters
    ----------
    venue
        Whose keys, such as coinbase.
    file
        The JSON file that Coinbase gave you for the key.
    in_keyring
        Into the keyring instead of the file; needs `pip install "papertape[keyring]"`.
    """
    venue = _known(venue)
    parts = _parts_of(file) if file is not None else _parts_asked(venue)
    if in_keyring:
        ring = keyring()
        if ring is None:
            raise ConfigError('keys: the package "keyring" is not installed: pip install "papertape[keyring]"')
        ring.set_password(KEYRING_SERVICE, venue, msgspec.json.encode(parts).decode())
        print(f"{venue}: in {Origin.KEYRING}")
        return ExitCode.PASSED
    manager = asking_manager()
    with changing(manager.path):
        kept = read_keys(manager.path, password := _password_of(manager))
        write_keys(manager.path, password, {**kept, venue: parts})
    print(f"{venue}: in {manager.path}")
    return ExitCode.PASSED


def list_keys() -> int:
    """Which venues there are keys for, and where they come from; never what they are."""
    manager = asking_manager()
    names = [name for name in ExchangeFactory.known() if name != "simulated"]
    found = {name: manager.origin(name) for name in names}
    for name, origin in found.items():
        where = "no keys" if origin is None else f"{manager.path}" if origin is Origin.FILE else str(origin)
        print(f"{name:<12} {where}")
    return ExitCode.PASSED


def remove(venue: str, /) -> int:
    """Take a venue's keys out of the encrypted file and of the keyring; the environment is yours to clean."""
    venue = _known(venue)
    manager, was_there = asking_manager(), False
    ring = keyring()
    if ring is not None and in_keyring(venue) is not None:
        ring.delete_password(KEYRING_SERVICE, venue)
        was_there = True
    if venue in venues_in(manager.path):
        with changing(manager.path):
            kept = read_keys(manager.path, password := manager.password())
            write_keys(manager.path, password, {name: parts for name, parts in kept.items() if name != venue})
        was_there = True
    print(f"{venue}: removed" if was_there else f"{venue}: there were none")
    return ExitCode.PASSED


def check(venue: str, /, *, config: Path | None = None, set: list[str] | None = None) -> int:
    """Ask the venue what the keys may do; exit 1 where they may do too little for trading, or too much.

    Parameters
    ----------
    venue
        Whose keys.
    config
        Another file than papertape.toml in this folder, for the venue's addresses.
    set
        One more setting over the file's. May be given several times.
    """
    venue = _known(venue)
    manager = asking_manager()
    loaded = load_config(config, settings=[f"exchange={venue}", *(set or [])])
    rights = asyncio.run(_rights(venue, manager, loaded))
    may = [name for name, is_so in (("view", rights.can_view), ("trade", rights.can_trade), ("transfer", rights.can_transfer)) if is_so]
    print(f"{venue}: keys from {manager.origin(venue)}; account {rights.account}; may {', '.join(may) or 'nothing'}")
    why = wrong_key(rights, "")
    print(f"not for trading: {why}" if why else "good for trading")
    return ExitCode.FAILED if why else ExitCode.PASSED


async def _rights(venue: str, manager: KeyManager, config: Config) -> KeyRights:
    kind: Any = ExchangeFactory.kind(venue)
    if not hasattr(kind, "link_to_venue"):
        raise ConfigError(f"keys: nobody here can ask {venue} what keys may do")
    at = config.venue
    link = kind.link_to_venue(
        manager.keys(venue), LoopClock(), Permits(), rest=at.rest, stream=at.stream, user_stream=at.user_stream,
        ca="" if at.ca is None else str(at.ca),
    )  # fmt: skip
    try:
        await link.open(Lane.REST)
        rights: KeyRights = await link.key_rights()
    except BaseError as error:
        raise ConfigError(f"keys: {venue} says nothing of this key: {type(error).__name__}: {error}") from None
    finally:
        await link.close(Lane.REST)
    return rights


def _known(venue: str) -> str:
    ExchangeFactory.kind(venue)
    return canonical(venue)


def asking_manager() -> KeyManager:
    """One that can ask whoever sits at the terminal for the file's password."""
    return KeyManager(ask=getpass.getpass if sys.stdin.isatty() else None)


def _password_of(manager: KeyManager) -> str:
    """The file's; a new one is asked for twice."""
    is_new = not manager.path.exists()
    password = manager.password(f"New password for {manager.path}: " if is_new else "")
    if is_new and not os.environ.get("PAPERTAPE_KEYS_PASSWORD") and manager.password("Once more: ") != password:
        raise ConfigError("keys: the two are not the same; nothing was written")
    return password


def _parts_of(path: Path) -> dict[str, str]:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        return {"api_key": str(found[COINBASE_FILE[0]]), "secret": str(found[COINBASE_FILE[1]])}
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except (msgspec.DecodeError, KeyError, OSError):
        raise ConfigError(f'{path}: is no key file of Coinbase; expected JSON with "name" and "privateKey"') from None


def _parts_asked(venue: str) -> dict[str, str]:
    wanted = ["api_key", "secret", *(["passphrase"] if venue in THREE_PARTS else [])]
    parts = {}
    for name in wanted:
        parts[name] = _line(f"{venue} {name.replace('_', ' ')}: ", is_secret=name != "api_key").strip().replace("\\n", "\n")
        if parts[name].startswith(PEM_BEGINS) and PEM_ENDS not in parts[name]:
            raise ConfigError(f"keys: the {name.replace('_', ' ')} begins as PEM and does not end; nothing was written")
        if not parts[name]:
            raise ConfigError(f"keys: the {name.replace('_', ' ')} is empty; expected a line each: {', '.join(wanted)}")
    return parts


def _line(words: str, *, is_secret: bool) -> str:
    """One answer: a line, or where that begins a PEM all up to its end, whoever pastes it with its line breaks."""
    lines = [_ask(words, is_secret=is_secret)]
    if lines[0].strip().startswith(PEM_BEGINS):
        while PEM_ENDS not in lines[-1] and (more := _ask("", is_secret=is_secret)):
            lines.append(more)
    return "\n".join(line.strip() for line in lines)


def _ask(words: str, *, is_secret: bool) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline()
    return getpass.getpass(words) if is_secret else input(words)
