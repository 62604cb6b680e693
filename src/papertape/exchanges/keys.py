"""API keys: where they come from, and that they never show up anywhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

import msgspec

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


class KeyManager:
    """Looks keys up: those handed in first, then the environment.

    >>> manager = KeyManager(environment={"COINBASE_API_KEY": "k", "COINBASE_API_SECRET": "s"})
    >>> manager.keys("coinbase")
    Keys(api_key=Secret('***'), secret=Secret('***'), passphrase=None)
    """

    def __init__(self, given: Mapping[str, Keys] | None = None, environment: Mapping[str, str] | None = None) -> None:
        self._given = dict(given or {})
        self._environment = os.environ if environment is None else environment

    def keys(self, venue: str) -> Keys:
        """The keys of a venue, under whichever of its names; raises ConfigError naming the variables that are missing."""
        ours = canonical(venue)
        if venue in self._given or ours in self._given:
            keys = self._given.get(venue) or self._given[ours]
            if ours in THREE_PARTS and keys.passphrase is None:
                raise ConfigError(f"keys for {venue}: `passphrase` is missing; {WHY_THREE}")
            return keys
        wanted = ("API_KEY", "API_SECRET", *(("API_PASSPHRASE",) if ours in THREE_PARTS else ()))
        prefix = next((each for each in map(_prefix, (venue, ours)) if self._environment.get(f"{each}_API_KEY")), _prefix(ours))
        missing = [name for name in (f"{prefix}_{part}" for part in wanted) if not self._environment.get(name)]
        if missing:
            why = f"; {WHY_THREE}" if any(name.endswith("PASSPHRASE") for name in missing) else ""
            raise ConfigError(f"keys for {venue}: {' and '.join(missing)} not set in the environment{why}")
        api_key, secret = (Secret(self._environment[f"{prefix}_{part}"].replace("\\n", "\n")) for part in wanted[:2])
        passphrase = self._environment.get(f"{prefix}_API_PASSPHRASE")
        return Keys(api_key=api_key, secret=secret, passphrase=Secret(passphrase) if passphrase else None)


def _prefix(venue: str) -> str:
    return venue.upper().replace("-", "_")
