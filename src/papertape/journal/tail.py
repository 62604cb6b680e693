"""What may stand behind the last line of a journal's file: what came of the run, and its chronicle. No part of the journal or its digest.

Whoever compares journals stops there; whoever shows one begins there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.model.errors import ConfigError

TAIL: Final = "tail"
"""The kind of that line."""


def append_tail(path: Path, result: Mapping[str, Any], chronicle: object) -> None:
    """Write it behind a journal that is closed; raises `ConfigError` where that cannot be."""
    try:
        with path.open("ab") as file:
            file.write(msgspec.json.encode({"n": 0, "t": 0, "kind": TAIL, "result": result, "chronicle": chronicle}) + b"\n")
    except OSError as error:
        raise ConfigError(f"the journal {path} cannot be written: {error.strerror}; name another place with --journal") from None


def without_tail(text: str) -> str:
    """A journal's own lines, of the text of its file.

    >>> without_tail('{"n":1}\\n{"n":0,"t":0,"kind":"tail","result":{}}\\n')
    '{"n":1}\\n'
    """
    body, newline, last = text.removesuffix("\n").rpartition("\n")
    return f"{body}{newline}" if f'"kind":"{TAIL}"' in last[:80] else text
