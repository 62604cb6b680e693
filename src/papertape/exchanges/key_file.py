"""Keys in a file that is of no use without its password: scrypt makes a key of that, AES-256-GCM keeps the rest.

Parameters of scrypt are those that OWASP's Password Storage Cheat Sheet names first (N = 2^17, r = 8, p = 1; 128 MB, about half a second).
Which venues there are keys for stands in the clear, and is vouched for by the same tag as the rest.
"""

from __future__ import annotations

import base64
import glob
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
MEMORY_MAX: Final = 1 << 30
"""More bytes than this a file may not ask for: it could be anybody's. scrypt takes 128 for each of N times r."""

P_MAX: Final = 16


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

    Raises `ConfigError` where the file is damaged, is somebody else's, may be read by others, or has another password; none of these
    says what is in it.
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
    except MemoryError:
        raise ConfigError(f"{path}: {128 * sealed.n * sealed.r >> 20} MB of memory are wanted to open it, and are not there") from None


def write_keys(path: Path, password: str, keys: Mapping[str, Mapping[str, str]]) -> None:
    """Seal `keys` anew, whole or not at all, for their owner alone. Raises `ConfigError` where they cannot be written."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)  # noqa: TID251 - no run, and nobody may foresee these
    venues = tuple(sorted(keys))
    n, r, p = SCRYPT
    data = AESGCM(_key(password, salt, n, r, p)).encrypt(nonce, json.dumps(keys).encode(), _vouched(venues))
    sealed = Sealed(format=FORMAT, venues=venues, n=n, r=r, p=p, salt=_text(salt), nonce=_text(nonce), data=_text(data))
    target = _led_to(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        number, name = tempfile.mkstemp(prefix=_half_written(target), dir=target.parent)  # for its owner alone, and a file of ours
        try:
            with open(number, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(sealed)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        sync_folder(target.parent)
    except OSError as error:
        raise _unwritten(path, error) from None


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """While it lasts, nobody else changes the file: two who add keys at once would lose one of them.

    Raises `ConfigError` where its folder cannot be written. What a writer that was killed had written by half goes.
    """
    target = _led_to(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = target.with_name(f"{target.name}.lock").open("ab")
    except OSError as error:
        raise _unwritten(path, error) from None
    with file:
        with suppress(ImportError):  # no such thing on Windows
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        for each in target.parent.glob(f"{glob.escape(_half_written(target))}*"):
            each.unlink(missing_ok=True)
        yield


def _led_to(path: Path) -> Path:
    """The file itself where `path` is a link to it: the link stays, and nothing that was removed stays behind it."""
    return Path(os.path.realpath(path))


def _half_written(path: Path) -> str:
    """What a file's name begins with as long as it is being written."""
    return f".{path.name}.new-"


def _unwritten(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{path}: cannot be written: {error.strerror}")


def _read(path: Path) -> Sealed | None:
    try:
        with path.open("rb") as file:
            _must_be_ours(path, os.fstat(file.fileno()))
            content = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        sealed = msgspec.json.decode(content, type=Sealed)
    except (msgspec.DecodeError, UnicodeError):
        raise ConfigError(f"{path}: is no file of papertape's keys, or is damaged") from None
    if sealed.format != FORMAT:
        raise ConfigError(f"{path}: is of another version of papertape ({sealed.format[:40]!r}), or is damaged")
    if sealed.n < 2 or sealed.r < 1 or 128 * sealed.n * sealed.r > MEMORY_MAX or not 1 <= sealed.p <= P_MAX:
        raise ConfigError(f"{path}: asks for more memory or time than papertape's keys do, so it is damaged, or none of ours")
    return sealed


def _must_be_ours(path: Path, at: os.stat_result) -> None:
    if os.name != "posix":
        return
    if at.st_uid != os.geteuid():
        raise ConfigError(
            f"{path}: belongs to another user (number {at.st_uid}, and you are {os.geteuid()}); "
            "start as that user, or name a file of your own with PAPERTAPE_KEYS_FILE"
        )
    if stat.S_IMODE(at.st_mode) & 0o077:
        raise ConfigError(f"{path}: others may read it (mode {stat.S_IMODE(at.st_mode):o}); it must be for you alone: chmod 600 {path}")


def _key(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    known = password.encode(errors="surrogateescape")  # a variable of the environment may hold any bytes
    return Scrypt(salt=salt, length=KEY_BYTES, n=n, r=r, p=p).derive(known)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _vouched(venues: tuple[str, ...]) -> bytes:
    return json.dumps([FORMAT, *venues]).encode()


def default_path(environment: Mapping[str, str]) -> Path:
    """$PAPERTAPE_KEYS_FILE, else where this person's settings are."""
    named = environment.get("PAPERTAPE_KEYS_FILE")
    if named:
        return Path(named).expanduser()  # no shell has seen what a service's settings or a .env say
    home: Any = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME") or Path.home()) / ".config"
    return Path(home) / "papertape" / "keys.json"
