"""Keys in the keyring of this machine: the package `keyring`, and whatever it finds there. What goes wrong with it is one sentence.

A keyring's own words are never repeated: nobody knows what is in them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from papertape.model.errors import ConfigError

HERE: Final = "the keyring of this machine"

KEYRING_SERVICE: Final = "papertape"
"""What our entries lie under; the user's name of each is the venue's."""

_NONE_HERE: Final = "NoKeyringError"
_PLAINLY: Final = ("keyrings.alt.file.PlaintextKeyring",)
"""Keyrings that keep what they are given for everybody to read who can read the disk."""


def keyring() -> Any:
    """The package, or None where it is not installed (`pip install "papertape[keyring]"`). Raises `ConfigError` where it does not load."""
    try:
        return importlib.import_module("keyring")
    except Exception as error:  # a half installed one raises what it likes
        if isinstance(error, ModuleNotFoundError) and error.name == "keyring":
            return None
        raise ConfigError(f"the package keyring does not load ({type(error).__name__}); install it anew, or uninstall it") from None


def kept_in_keyring(venue: str) -> str | None:
    """What lies under a venue's name, whoever put it there; None where nothing does, or where this machine has no keyring.

    Raises `ConfigError` where there is one and it does not open: another key than the one in it must not be taken for it.
    """
    ring = keyring()
    if ring is None:
        return None
    try:
        kept: str | None = ring.get_password(KEYRING_SERVICE, venue)
    except Exception as error:  # whatever a desktop's keyring does
        if type(error).__name__ == _NONE_HERE:
            return None
        raise _closed(error) from None
    return kept


def in_keyring(venue: str) -> dict[str, str] | None:
    """Parts of a venue's keys; None and `ConfigError` as `kept_in_keyring` has them.

    Raises `ConfigError` too where what lies there is not ours.
    """
    kept = kept_in_keyring(venue)
    try:
        return None if kept is None else msgspec.json.decode(kept, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeError):
        raise ConfigError(
            f"{HERE} holds something for {venue} that papertape did not put there; `papertape keys remove {venue}`, and add the keys anew"
        ) from None


def put_in_keyring(venue: str, parts: Mapping[str, str]) -> str:
    """Keep a venue's keys there; returns the kind of keyring. Raises `ConfigError` where there is none, or where it did not keep them."""
    ring = keyring()
    if ring is None:
        raise ConfigError('keys: the package "keyring" is not installed: pip install "papertape[keyring]"')
    told = msgspec.json.encode(parts).decode()
    _changing(lambda: ring.set_password(KEYRING_SERVICE, venue, told), "nothing was kept")
    if kept_in_keyring(venue) != told:
        raise ConfigError(f"{HERE} ({_kind(ring)}) took the keys and has not kept them; leave out --in-keyring, or choose another keyring")
    return _kind(ring)


def take_from_keyring(venue: str) -> None:
    """Forget what lies under a venue's name; something does. Raises `ConfigError` where it stays."""
    _changing(lambda: keyring().delete_password(KEYRING_SERVICE, venue), "it still holds what it held")


def is_readable_by_all(kind: str) -> bool:
    """Whether a kind of keyring, as `put_in_keyring` tells it, does not encrypt.

    >>> is_readable_by_all("keyrings.alt.file.PlaintextKeyring"), is_readable_by_all("keyring.backends.SecretService.Keyring")
    (True, False)
    """
    return kind in _PLAINLY


def _changing(change: Callable[[], object], so: str) -> None:
    try:
        change()
    except Exception as error:  # as above
        if type(error).__name__ == _NONE_HERE:
            raise ConfigError(f"this machine has no keyring; {so}: leave out --in-keyring, and they go into the encrypted file") from None
        raise _closed(error, so) from None


def _closed(error: Exception, so: str = "") -> ConfigError:
    return ConfigError(
        f"{HERE} does not open ({type(error).__name__}){f'; {so}' if so else ''}: unlock it, or uninstall the package keyring"
    )


def _kind(ring: Any) -> str:
    """Which of its kinds the package uses, by class."""
    kind = type(ring.get_keyring())
    return f"{kind.__module__}.{kind.__qualname__}"
