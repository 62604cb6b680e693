"""Taking out what nobody must see before something is handed on: keys, tokens and passwords, wherever they stand.

Found are: settings and arguments whose names say that they are secret; what a variable of this process's environment holds whose name says
so; and, in any text, PEM blocks of private keys, JSON web tokens, names of Coinbase keys, secrets in URLs, addresses
of webhooks, tokens of Telegram bots, AWS key ids, 32-byte keys in hex, and quoted values that are
assigned to a secret's name. What was found once is taken out everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

REMOVED: Final = "removed-by-papertape-bundle"

LENGTH_MIN: Final = 6
"""Shorter values are no secrets, and would be found in everything."""

_SECRET_NAME: Final = re.compile(
    r"secret|passw|passphrase|token|credential|webhook|mnemonic|seed_?phrase|(?:api|private|access|signing|master|wallet)_?-?key|(?:^|[_-])(?:key|pem|jwt|auth|pin)$",
    re.IGNORECASE,
)
_VARIABLE_NAME: Final = re.compile(r"secret|passw|passphrase|token|credential|key|private|auth|dsn", re.IGNORECASE)

_MARKET: Final = re.compile(r"[A-Z]{2,5}|[A-Z0-9]{2,10}[/-][A-Z]{3,5}")  # what a bot may well call a token

_PATTERNS: Final = (
    re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?:.|\n)*?-----END [A-Z0-9 ]*PRIVATE KEY-----"),
    re.compile(r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*"),
    re.compile(r"organizations/[0-9A-Fa-f-]{36}/apiKeys/[0-9A-Fa-f-]{36}"),
    re.compile(r"(?<=://)[^/\s:@\"']+:[^/\s@\"']+(?=@)"),
    re.compile(r"(?<=Bearer )[A-Za-z0-9._~+/=-]{6,}"),
    re.compile(r"(?<=Basic )[A-Za-z0-9+/]{8,}={0,2}"),
    re.compile(r"[?&][\w-]*(?:token|key|secret|passw(?:or)?d|signature)=([^&\s\"'#]{6,})", re.IGNORECASE),
    re.compile(r"(?<=hooks\.slack\.com/services/)[A-Za-z0-9/_-]{6,}|(?<=/api/webhooks/)\d+/[A-Za-z0-9_-]{6,}"),
    re.compile(r"\d{6,12}:[A-Za-z0-9_-]{30,}"),
    re.compile(r"\b0x[0-9A-Fa-f]{64}\b|\bAKIA[0-9A-Z]{16}\b"),
    re.compile(
        r"(?:secret|passw(?:or)?d|passphrase|token|credential|api_?key|private_?key)\w*[\"']?\s*(?::\s*str\s*)?[:=]\s*[\"']([^\"'\n]{6,})[\"']",
        re.IGNORECASE,
    ),
)


class Secrets:
    """What has been found to be secret.

    >>> secrets = Secrets()
    >>> secrets.of_table({"symbol": "BTC/USD", "api_key": "k-123456"})
    {'symbol': 'BTC/USD', 'api_key': 'removed-by-papertape-bundle'}
    >>> secrets.of_text("asked with k-123456 and eyJhbGciOi.eyJzdWIiOi.sig")
    ('asked with removed-by-papertape-bundle and removed-by-papertape-bundle', 2)
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._known: dict[str, None] = {}
        for name, value in (environment or {}).items():
            if _VARIABLE_NAME.search(name) and not _is_plain(value):
                self._learn(value)

    def of_table(self, table: Mapping[str, Any], is_secret: bool = False) -> dict[str, Any]:
        """A table of settings without the secret ones; what they held is known from then on."""
        return {key: self._of_value(value, is_secret or _is_secret_name(str(key))) for key, value in table.items()}

    def of_args(self, args: Sequence[str]) -> tuple[str, ...]:
        """A program's arguments without secret ones, such as "--api-key=…" or what follows "--token"."""
        found: list[str] = []
        for place, word in enumerate(args):
            name, equals, value = word.partition("=")
            if place and not args[place - 1].partition("=")[1] and args[place - 1].startswith("-") and _is_secret_name(args[place - 1]):
                found.append(str(self._of_value(word, is_secret=True)))
            elif equals and _is_secret_name(name):
                found.append(f"{name}={self._of_value(value, is_secret=True)}")
            else:
                found.append(self.of_text(word)[0])
        return tuple(found)

    def of_text(self, text: str) -> tuple[str, int]:
        """A text without secrets, and how many were in it."""
        removed = 0
        for pattern in _PATTERNS:
            text, count = pattern.subn(self._replaced, text)
            removed += count
        for secret in sorted(self._known, key=len, reverse=True):
            count = text.count(secret)
            if count:
                text = text.replace(secret, REMOVED)
                removed += count
        return text, removed

    def _of_value(self, value: Any, is_secret: bool) -> Any:
        if isinstance(value, Mapping):
            return self.of_table(value, is_secret)
        if isinstance(value, list | tuple):
            return [self._of_value(each, is_secret) for each in value]
        if isinstance(value, bool) or not isinstance(value, str):
            return value
        if is_secret and value and not _MARKET.fullmatch(value):
            self._learn(value)
            return REMOVED
        return self.of_text(value)[0]

    def _replaced(self, found: re.Match[str]) -> str:
        if found.lastindex is None:
            self._learn(found[0])
            return REMOVED
        if found[1] == REMOVED:
            return found[0]
        self._learn(found[1])
        start, end = found.span(1)
        return found[0][: start - found.start()] + REMOVED + found[0][end - found.start() :]

    def _learn(self, secret: str) -> None:
        """Also as JSON has it, where it has line ends or quotes."""
        for form in (secret, secret.strip(), secret.replace("\\n", "\n"), secret.replace("\n", "\\n")):
            if len(form) >= LENGTH_MIN and form != REMOVED:
                self._known[form] = None


def _is_secret_name(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _is_plain(value: str) -> bool:
    """Whether a variable's value is no secret whatever its name: a path, a number, a word that people use."""
    return (
        len(value) < LENGTH_MIN + 2
        or value.startswith(("/", "~", "."))
        or value.replace(".", "").isdigit()
        or (value.isalpha() and len(value) < 12)
    )
