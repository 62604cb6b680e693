"""API keys: where they come from, and that they never show up anywhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from papertape.exchanges.key_file import default_path, read_keys, venues_in
from papertape.exchanges.key_ring import HERE, in_keyring
from papertape.model.errors import ConfigError
from papertape.venues import canonical

THREE_PARTS: Final = ("coinbaseexchange",)
"""Venues that sign with a passphrase as well, by ccxt's names. Coinbase Advanced Trade, `coinbase`, is none of them."""


class Secret:
    """A text that does not print.

    >>> str(Secret("hunter2")), repr(Secret("hunter2")), Secret("hunter2").reveal()
    ('***', "Secret('***')", 'hunter2')
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; for whoever signs, and for nobody's log."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not to be pickled")


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """What opens an account at a venue; `passphrase` where the venue wants one."""

    api_key: Secret
    secret: Secret
    passphrase: Secret | None = None


WHY_THREE: Final = (
    "this venue's keys have three parts, and the third, the passphrase, is the one that you chose when you made the key; it cannot be "
    "looked up again, so without it make a new key"
)


class Origin(StrEnum):
    """Where keys come from; earlier ones are asked first."""

    GIVEN = "handed in"
    ENVIRONMENT = "the environment"
    KEYRING = HERE
    FILE = "the encrypted file"


class KeyManager:
    """Looks keys up: those handed in first, then the environment, the machine's keyring, and an encrypted file.

    Args:
        given: keys by venue.
        environment: for COINBASE_API_KEY, COINBASE_API_SECRET and, where a venue wants it, COINBASE_PASSPHRASE; and for
            PAPERTAPE_KEYS_FILE and PAPERTAPE_KEYS_PASSWORD.
        ask: asks a person for the file's password; None where there is nobody to ask.

    >>> manager = KeyManager(environment={"COINBASE_API_KEY": "k", "COINBASE_API_SECRET": "s"})
    >>> manager.keys("coinbase")
    Keys(api_key=Secret('***'), secret=Secret('***'), passphrase=None)
    """

    def __init__(
        self,
        given: Mapping[str, Keys] | None = None,
        environment: Mapping[str, str] | None = None,
        ask: Callable[[str], str] | None = None,
    ) -> None:
        self._given = dict(given or {})
        self._environment = os.environ if environment is None else environment
        self._ask = ask
        self.path = default_path(self._environment)

    def __reduce__(self) -> str:
        raise TypeError("whoever knows keys is not to be pickled")

    def keys(self, venue: str) -> Keys:
        """The keys of a venue, under whichever of its names; raises ConfigError naming what is missing."""
        ours = canonical(venue)
        match self._origin(venue, ours):
            case Origin.GIVEN:
                return _whole(venue, ours, self._given.get(venue) or self._given[ours])
            case Origin.KEYRING:
                return _whole(venue, ours, _of_parts(in_keyring(ours) or {}))
            case Origin.FILE:
                return _whole(venue, ours, _of_parts(read_keys(self.path, self.password()).get(ours, {})))
        return self._from_environment(venue, ours)

    def origin(self, venue: str) -> Origin | None:
        """Where a venue's keys would come from; None where there are none. No password is asked for."""
        return self._origin(venue, canonical(venue))

    def _origin(self, venue: str, ours: str) -> Origin | None:
        if venue in self._given or ours in self._given:
            return Origin.GIVEN
        if any(self._environment.get(name) for each in (venue, ours) for name in _variables(_prefix(each))):
            return Origin.ENVIRONMENT  # half of it too: what is missing is a mistake, and no other key is meant
        if in_keyring(ours) is not None:
            return Origin.KEYRING
        return Origin.FILE if ours in venues_in(self.path) else None

    def password(self, why: str = "") -> str:
        """The file's password: $PAPERTAPE_KEYS_PASSWORD, or asked for; raises ConfigError where nobody can be asked."""
        known = self._environment.get("PAPERTAPE_KEYS_PASSWORD")
        if known:
            return known
        if self._ask is None:
            raise ConfigError(f"{self.path}: its password is wanted; set PAPERTAPE_KEYS_PASSWORD, or start from a terminal")
        return self._ask(why or f"Password of {self.path}: ")

    def _from_environment(self, venue: str, ours: str) -> Keys:
        held = [each for each in map(_prefix, (venue, ours)) if any(self._environment.get(name) for name in _variables(each))]
        prefix = held[0] if held else _prefix(ours)
        passphrase = self._environment.get(f"{prefix}_PASSPHRASE") or self._environment.get(f"{prefix}_API_PASSPHRASE")
        missing = [name for name in (f"{prefix}_API_KEY", f"{prefix}_API_SECRET") if not self._environment.get(name)]
        missing += [f"{prefix}_PASSPHRASE"] if ours in THREE_PARTS and not passphrase else []
        if missing:
            why = f"; {WHY_THREE}" if missing[-1].endswith("PASSPHRASE") else ""
            elsewhere = "" if why or held else f"; nor does the keyring or {self.path} have any (`papertape keys add {ours}`)"
            raise ConfigError(f"keys for {venue}: {' and '.join(missing)} not set in the environment{why or elsewhere}")
        api_key, secret = (Secret(self._environment[f"{prefix}_{part}"].replace("\\n", "\n")) for part in ("API_KEY", "API_SECRET"))
        return Keys(api_key=api_key, secret=secret, passphrase=Secret(passphrase) if passphrase else None)


def _whole(venue: str, ours: str, keys: Keys) -> Keys:
    empty = [name for name, part in (("api_key", keys.api_key), ("secret", keys.secret)) if not part.reveal()]
    if empty:
        raise ConfigError(f"keys for {venue}: `{'` and `'.join(empty)}` empty; add them anew (`papertape keys add {ours}`)")
    if ours in THREE_PARTS and keys.passphrase is None:
        raise ConfigError(f"keys for {venue}: `passphrase` is missing; {WHY_THREE}")
    return keys


def _of_parts(parts: Mapping[str, str]) -> Keys:
    passphrase = parts.get("passphrase")
    return Keys(
        api_key=Secret(parts.get("api_key", "")),
        secret=Secret(parts.get("secret", "").replace("\\n", "\n")),
        passphrase=Secret(passphrase) if passphrase else None,
    )


def _prefix(venue: str) -> str:
    return venue.upper().replace("-", "_")


def _variables(prefix: str) -> tuple[str, ...]:
    return tuple(f"{prefix}_{part}" for part in ("API_KEY", "API_SECRET", "PASSPHRASE", "API_PASSPHRASE"))
