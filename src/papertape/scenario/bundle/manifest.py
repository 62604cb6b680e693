"""What a bundle says of itself, in the file `bundle.json` within it."""

from __future__ import annotations

import hashlib
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import msgspec

from papertape.version import VERSION

SUFFIX: Final = ".bundle"

FORMAT: Final = 2
"""Changes when an older papertape could not read what a newer one packs. In the first, `caveat` was called "doubt"."""

MANIFEST: Final = "bundle.json"
SCENARIO: Final = "bundle.scenario.toml"
JOURNAL: Final = "journal.jsonl"
RESULT: Final = "result.json"
README: Final = "README.md"
TAPES: Final = "tapes"

LIBRARIES: Final = (
    "aiohttp", "ccxt", "cryptography", "msgspec", "pyarrow", "PyJWT", "sortedcontainers", "websockets", "zstandard",
)  # fmt: skip
"""Whose versions can matter to a run."""

_NAME: Final = re.compile(r"(?!.*(?:^|/)\.{1,2}(?:/|$))[A-Za-z0-9_.@+ -]+(?:/[A-Za-z0-9_.@+ -]+)*")


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file in a bundle.

    Attributes:
        size: in bytes.
        sha256: hex, over its bytes.
        removed: how many secrets were taken out of it.
    """

    size: int
    sha256: str
    removed: int = 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bundle's table of contents, and what came of the run that was packed.

    Attributes:
        format: see `FORMAT`.
        papertape, python: versions that packed it.
        libraries: versions by name; those that are not installed are left out.
        title, seed, depth, status, failures, digest, wire_digest: as in `RunResult`, of a run of the bundle itself.
        caveat: why the bundle may not show what the original did; empty where it does.
        files: every other file by its name in the bundle.
    """

    format: int
    papertape: str
    python: str
    libraries: dict[str, str]
    title: str
    seed: int
    depth: str
    status: str
    failures: tuple[str, ...]
    digest: str
    wire_digest: str | None
    caveat: str
    files: dict[str, Member]

    def differences(self) -> list[str]:
        """Versions that are others here than where it was packed, a phrase each."""
        here = versions_here()
        packed = {"papertape": self.papertape, "Python": self.python, **self.libraries}
        return [f"{name} {there} then, {here.get(name, 'none')} now" for name, there in packed.items() if here.get(name) != there]


def versions_here() -> dict[str, str]:
    """The versions of everything that can matter, by name."""
    found = {"papertape": VERSION, "Python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def is_safe(name: str) -> bool:
    """Whether a file of this name stays within the folder that it is unpacked to, on every system.

    >>> [is_safe(name) for name in ("tapes/1-coinbase.parquet", "../bot.py", "a/../../b", "/etc/passwd", "C:x", "a\\\\b", "a//b", "")]
    [True, False, False, False, False, False, False, False]
    """
    return _NAME.fullmatch(name) is not None


def sha256_of(content: bytes) -> str:
    """Hex, as in `Member`."""
    return hashlib.sha256(content).hexdigest()
