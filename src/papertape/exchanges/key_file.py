"""Keys in a file that is of no use without its password: scrypt makes a key of that, AES-256-GCM keeps the rest.

Parameters of scrypt are those that OWASP's Password Storage Cheat Sheet names first (N = 2^17, r = 8, p = 1; 128 MB, about half a second).
Which venues there are keys for stands in the clear, and is vouched for by the same tag as the rest.
"""

from __future__ import annotations

import base64
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.exchanges.intent_file import sync_folder
from papertape.model.errors import ConfigError

FORMAT: Final = "papertape keys, 1"
SCRYPT: Final[tuple[int, int, int]] = (1 << 17, 8, 1)
"""N, r, p."""

SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32
N_MAX: Final = 1 << 20
"""More than this a file may not ask for: it could be anybody's."""


class Sealed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is on the disk; bytes are base64."""

    format: str
    venues: tuple[str, ...]
    n: int
    r: int
    p: int
    salt: str
    nonce: str
    data: str


def venues_in(path: Path) -> tuple[str, ...]:
    """For which venues a file has keys; none where there is no file. Raises `ConfigError` where it cannot be read."""
    sealed = _read(path)
    return () if sealed is None else sealed.venues


def read_keys(path: Path, password: str) -> dict[str, dict[str, str]]:
    """Each venue's parts by name; empty where there is no file.

    Raises `ConfigError` where the file is damaged, may be read by others, or has another password; none of these says what is in it.
    """
    sealed = _read(path)
    if sealed is None:
        return {}
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        salt, nonce, data = (base64.b64decode(each, validate=True) for each in (sealed.salt, sealed.nonce, sealed.data))
        key = _key(password, salt, sealed.n, sealed.r, sealed.p)
        plain = AESGCM(key).decrypt(nonce, data, _vouched(sealed.venues))
        return msgspec.json.decode(plain, type=dict[str, dict[str, str]])
    except InvalidTag:
        raise ConfigError(f"{path}: the password is another, or the file was changed") from None
    except (ValueError, TypeError, msgspec.DecodeError):
        raise ConfigError(f"{path}: is damaged; remove it, and add the keys anew") from None


def write_keys(path: Path, password: str, keys: Mapping[str, Mapping[str, str]]) -> None:
    """Seal `keys` anew, whole or not at all, for their owner alone."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)  # noqa: TID251 - no run, and nobody may foresee these
    venues = tuple(sorted(keys))
    n, r, p = SCRYPT
    data = AESGCM(_key(password, salt, n, r, p)).encrypt(nonce, json.dumps(keys).encode(), _vouched(venues))
    sealed = Sealed(format=FORMAT, venues=venues, n=n, r=r, p=p, salt=_text(salt), nonce=_text(nonce), data=_text(data))
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # for its owner alone, and a file of ours
    try:
        with open(number, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(sealed)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """While it lasts, nobody else changes the file: two who add keys at once would lose one of them."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.with_name(f"{path.name}.lock").open("ab") as file:
        with suppress(ImportError):  # no such thing on Windows
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read(path: Path) -> Sealed | None:
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"{path}: others may read it (mode {stat.S_IMODE(mode):o}); it must be for you alone: chmod 600 {path}")
    try:
        sealed = msgspec.json.decode(content, type=Sealed)
    except msgspec.DecodeError:
        raise ConfigError(f"{path}: is no file of papertape's keys, or is damaged") from None
    if sealed.format != FORMAT or not 2 <= sealed.n <= N_MAX or not 1 <= sealed.r <= 32 or not 1 <= sealed.p <= 16:
        raise ConfigError(f"{path}: is of another version of papertape ({sealed.format[:40]})")
    return sealed


def _key(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    return Scrypt(salt=salt, length=KEY_BYTES, n=n, r=r, p=p).derive(password.encode())


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _vouched(venues: tuple[str, ...]) -> bytes:
    return json.dumps([FORMAT, *venues]).encode()


def default_path(environment: Mapping[str, str]) -> Path:
    """$PAPERTAPE_KEYS_FILE, else where this person's settings are."""
    named = environment.get("PAPERTAPE_KEYS_FILE")
    if named:
        return Path(named)
    home: Any = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME") or Path.home()) / ".config"
    return Path(home) / "papertape" / "keys.json"
