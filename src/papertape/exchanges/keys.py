"""API keys: where they come from, and that they never show up anywhere."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from papertape.model.errors import ConfigError


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
        """The keys of a venue; raises ConfigError naming the variables that are missing."""
        if venue in self._given:
            return self._given[venue]
        prefix = venue.upper().replace("-", "_")
        names = [f"{prefix}_API_KEY", f"{prefix}_API_SECRET"]
        missing = [name for name in names if not self._environment.get(name)]
        if missing:
            raise ConfigError(f"keys for {venue}: {' and '.join(missing)} not set in the environment")
        api_key, secret = (Secret(self._environment[name].replace("\\n", "\n")) for name in names)
        passphrase = self._environment.get(f"{prefix}_API_PASSPHRASE")
        return Keys(api_key=api_key, secret=secret, passphrase=Secret(passphrase) if passphrase else None)
