"""What must not be printed: keys, tokens and signatures, starred out at their own length so that the rest stays where it was."""

from __future__ import annotations

import os
import re
from typing import Final

STAR: Final = "*"

_NAME: Final = r"[\w-]*(?:authorization|auth|cookie|jwt|token|sign|secret|passphrase|password|passwd|key|credential)[\w-]*"
_HINT: Final = re.compile(r"auth|cookie|jwt|token|sign|secret|pass|key|credential", re.IGNORECASE)  # a quick look: most texts have none
_ENVIRONMENT: Final = re.compile(r"key|secret|token|pass|auth|credential", re.IGNORECASE)
_LENGTH_MIN: Final = 8

_WHOLE: Final = (
    re.compile(r"-----BEGIN [^-]+-----.*?(?:-----END [^-]+-----|\Z)", re.DOTALL),
    re.compile(r"eyJ[\w-]{4,}(?:\.[\w-]*){0,2}"),  # a token that says of itself that it is one
    re.compile(r"\b(?:Bearer|Basic)\s+[^\s\"']+", re.IGNORECASE),
    re.compile(r"(?<![\w+=-])[\w+=-]{40,}"),  # nothing that a person reads is this long; hashes, keys and what is left of a cut token are
)
_NAMED: Final = (
    re.compile(rf"^(?P<before>{_NAME}[ \t]*:[ \t]*)(?P<secret>[^\r\n]+)", re.IGNORECASE | re.MULTILINE),  # a header
    re.compile(rf"(?P<before>\\?[\"']?{_NAME}\\?[\"']?\s*[:=]\s*\\?\")(?P<secret>(?:[^\"\\]|\\[^\"])+)", re.IGNORECASE),
    re.compile(rf"(?P<before>\\?[\"']?{_NAME}\\?[\"']?\s*[:=]\s*')(?P<secret>(?:[^'\\]|\\.)+)", re.IGNORECASE),
    re.compile(rf"(?P<before>(?:^|[?&\s]){_NAME}=)(?P<secret>[^&\s\"']+)", re.IGNORECASE | re.MULTILINE),  # a query, a form
)


def names_secret(name: str) -> bool:
    """Whether what goes by this name is to be kept from people's eyes.

    >>> names_secret("api_key"), names_secret("CB-ACCESS-SIGN"), names_secret("amount")
    (True, True, False)
    """
    return re.fullmatch(_NAME, name, re.IGNORECASE) is not None


def mask(text: str) -> str:
    """`text` with every secret in it starred out; as long as before.

    >>> mask('GET /x?symbol=BTC&signature=5f3a HTTP/1.1')
    'GET /x?symbol=BTC&signature=**** HTTP/1.1'
    >>> mask('{"type": "subscribe", "jwt": "abc"}')
    '{"type": "subscribe", "jwt": "***"}'
    """
    for pattern in _NAMED if _HINT.search(text) else ():
        text = pattern.sub(lambda found: found["before"] + STAR * len(found["secret"]), text)
    for pattern in _WHOLE:
        text = pattern.sub(lambda found: STAR * len(found[0]), text)
    for value in _in_environment():
        text = text.replace(value, STAR * len(value))
    return text


_seen: dict[int, list[str]] = {}  # by how many variables there were: a program may load a `.env` file meanwhile


def _in_environment() -> list[str]:
    count = len(os.environ)
    if count not in _seen:
        _seen[count] = [value for name, value in os.environ.items() if len(value) >= _LENGTH_MIN and _ENVIRONMENT.search(name)]
    return _seen[count]
