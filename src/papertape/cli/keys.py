"""`papertape keys`: put keys away, see which there are, take them away, ask the venue what they may do. No secret is ever an argument."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.cli.tape import Flag
from papertape.exchanges.factory import ExchangeFactory
from papertape.exchanges.key_file import changing, read_keys, venues_in, write_keys
from papertape.exchanges.key_ring import is_readable_by_all, kept_in_keyring, put_in_keyring, take_from_keyring
from papertape.exchanges.keys import THREE_PARTS, KeyManager, Origin
from papertape.links.permits import Permits
from papertape.model.account import KeyRights
from papertape.model.errors import BaseError, ConfigError, NotSupported
from papertape.model.request import Lane
from papertape.runtime.clock import LoopClock
from papertape.session.result import ExitCode
from papertape.trading.config import Config, load_config
from papertape.trading.gate.build import wrong_key
from papertape.venues import canonical

COINBASE: Final = "coinbase"

COINBASE_FILE: Final = {"name": "api_key", "privateKey": "secret"}
"""What the file holds that Coinbase gives a key out as, and which part that is."""

NAME_MAX: Final = 40
"""No venue's name is longer; keys are."""

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
    parts = _parts_asked(venue) if file is None else _parts_of(file, venue)
    if in_keyring:
        kind = put_in_keyring(venue, parts)
        print(f"{venue}: in {Origin.KEYRING} ({kind})")
        if is_readable_by_all(kind):
            _warn(f"{kind} does not encrypt: whoever reads this disk reads them; without --in-keyring they go into the encrypted file")
    else:
        manager = asking_manager()
        password = _password_of(manager)
        with changing(manager.path):
            write_keys(manager.path, password, {**read_keys(manager.path, password), venue: parts})
        print(f"{venue}: in {manager.path}")
    if file is not None:
        _warn(f"{file} still holds them for whoever can read it; keep it somewhere safe, or remove it")
    return ExitCode.PASSED


def list_keys() -> int:
    """Which venues there are keys for, and where they come from; never what they are. Exit 2 where some place does not open."""
    manager = asking_manager()
    names = [name for name in ExchangeFactory.known() if name != "simulated"]
    held, troubles = _venues_in(manager)
    for name in [*names, *(each for each in held if each not in names)]:
        try:
            origin = manager.origin(name)
            where = "no keys" if origin is None else f"{manager.path}" if origin is Origin.FILE else str(origin)
        except ConfigError as error:
            troubles.append(str(error))
            where = "not known" + (f"; {manager.path} has some" if name in held else "")
        print(f"{name:<12} {where}")
    if troubles:
        raise ConfigError("; ".join(dict.fromkeys(troubles)))
    return ExitCode.PASSED


def _venues_in(manager: KeyManager) -> tuple[tuple[str, ...], list[str]]:
    """For which venues the file has keys, and what is wrong with it."""
    try:
        return venues_in(manager.path), []
    except ConfigError as error:
        return (), [str(error)]


def remove(venue: str, /) -> int:
    """Take a venue's keys out of the encrypted file and of the keyring; the environment is yours to clean."""
    venue = _known(venue)
    manager, was_there = asking_manager(), False
    is_in_keyring = kept_in_keyring(venue) is not None  # whoever put it there: with something else there, our keys cannot be used either
    if venue in venues_in(manager.path):
        password = manager.password()
        with changing(manager.path):
            kept = read_keys(manager.path, password)
            write_keys(manager.path, password, {name: parts for name, parts in kept.items() if name != venue})
        was_there = True
    if is_in_keyring:
        take_from_keyring(venue)
        was_there = True
    print(f"{venue}: removed" if was_there else f"{venue}: there were none")
    if (origin := manager.origin(venue)) is not None:
        _warn(f"there are still keys for {venue} in {origin}")
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
    except NotSupported as error:
        raise ConfigError(f"keys: {error}; look at the venue's own page of its keys. On paper no key is used") from None
    except BaseError as error:
        raise ConfigError(f"keys: {venue} says nothing of this key: {type(error).__name__}: {error}") from None
    finally:
        await link.close(Lane.REST)
    return rights


def _known(venue: str) -> str:
    if len(venue) > NAME_MAX or not venue.isprintable():  # a key, typed or pasted where it does not belong: it is not to be repeated
        raise ConfigError(
            "keys: what stands for the venue is no venue's name; expected one, such as coinbase; keys are asked for, and typed then"
        )
    ExchangeFactory.kind(venue)
    return canonical(venue)


def _warn(words: str) -> None:
    print(f"papertape: {words}", file=sys.stderr)


def asking_manager() -> KeyManager:
    """One that can ask whoever sits at the terminal for the file's password."""
    return KeyManager(ask=_password_asked if sys.stdin.isatty() else None)


def _password_asked(words: str) -> str:
    try:
        return getpass.getpass(words)
    except EOFError:  # Ctrl-D
        raise ConfigError("keys: no password was typed; nothing was done") from None


def _password_of(manager: KeyManager) -> str:
    """The file's; a new one is asked for twice."""
    is_new = not manager.path.exists()
    password = manager.password(f"New password for {manager.path}: " if is_new else "")
    if is_new and not os.environ.get("PAPERTAPE_KEYS_PASSWORD") and manager.password("Once more: ") != password:
        raise ConfigError("keys: the two are not the same; nothing was written")
    if is_new and not password:
        raise ConfigError("keys: the password is empty, which is none; nothing was written")
    return password


def _parts_of(path: Path, venue: str) -> dict[str, str]:
    if venue != COINBASE:
        raise ConfigError(f"keys: --file reads what Coinbase gives out for `{COINBASE}`; leave it out, and type the parts for {venue}")
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeError):
        raise ConfigError(f"{path}: is no key file of Coinbase; expected JSON with {_quoted(COINBASE_FILE)}") from None
    parts = {}
    for key, part in COINBASE_FILE.items():
        if key not in found:
            raise ConfigError(f"{path}: has no `{key}`; a key file of Coinbase is JSON with {_quoted(COINBASE_FILE)}")
        if not isinstance(found[key], str):
            raise ConfigError(f"{path}: `{key}` is no text; a key file of Coinbase is JSON with {_quoted(COINBASE_FILE)}")
        parts[part] = _checked(found[key], f"{path}: `{key}`", "expected it as Coinbase wrote it", is_name=part == "api_key")
    return parts


def _quoted(names: Iterable[str]) -> str:
    return " and ".join(f'"{name}"' for name in names)


def _parts_asked(venue: str) -> dict[str, str]:
    wanted = ["api_key", "secret", *(["passphrase"] if venue in THREE_PARTS else [])]
    expected, parts = f"expected a line each: {', '.join(wanted)}", {}
    for name in wanted:
        said = name.replace("_", " ")
        line = _line(f"{venue} {said}: ", is_secret=name != "api_key")
        parts[name] = _checked(line, f"keys: the {said}", expected, is_name=name == "api_key")
    return parts


def _checked(text: str, what: str, expected: str, *, is_name: bool) -> str:
    """One part, as it is kept; raises `ConfigError`, which never repeats it, where it cannot be what it is said to be."""
    part = text.strip().replace("\\n", "\n").strip()
    if not part:
        raise ConfigError(f"{what} is empty; {expected}")
    if is_name and part.startswith("{"):
        raise ConfigError(f"{what} is JSON; a key file of Coinbase is read with --file; nothing was written")
    if is_name and part.startswith(PEM_BEGINS):
        raise ConfigError(f"{what} is PEM, as a secret is; {expected}; nothing was written")
    if part.startswith(PEM_BEGINS) and PEM_ENDS not in part:
        raise ConfigError(f"{what} begins as PEM and does not end; nothing was written")
    if PEM_ENDS in part and not part.startswith(PEM_BEGINS):
        raise ConfigError(f"{what} ends as PEM and does not begin; nothing was written")
    if not all(line.isprintable() for line in part.splitlines()) or (is_name and "\n" in part):
        raise ConfigError(f"{what} holds characters that no key has; was it pasted whole? nothing was written")
    return part


def _line(words: str, *, is_secret: bool) -> str:
    """One answer: a line, or where that begins a PEM all up to its end, whoever pastes it with its line breaks."""
    lines = [_ask(words, is_secret=is_secret)]
    if lines[0].strip().startswith(PEM_BEGINS):
        while PEM_ENDS not in lines[-1] and (more := _ask("", is_secret=is_secret)):
            lines.append(more)
    return "\n".join(line.strip() for line in lines)


def _ask(words: str, *, is_secret: bool) -> str:
    try:
        if not sys.stdin.isatty():
            return sys.stdin.readline()
        return getpass.getpass(words) if is_secret else input(words)
    except EOFError:  # Ctrl-D
        return ""
    except UnicodeError:
        raise ConfigError("keys: what was typed is no text; nothing was written") from None
