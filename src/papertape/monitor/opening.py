"""What a person named, as what a window looks at."""

from __future__ import annotations

from pathlib import Path

from papertape.model.errors import ConfigError
from papertape.monitor.attached import Attached
from papertape.monitor.playing import Journal, read_journal
from papertape.monitor.served import STDIN, Served, read_ready, ready_in
from papertape.monitor.source import Source


def opened(word: str, symbol: str = "") -> Source | Journal:
    """A journal, an endpoint's address, or the readiness line of a served venue in a file or, for "-", on stdin.

    Raises:
        ConfigError: it is none of these; says what is there instead.
    """
    if "://" in word:
        return Attached(word, symbol)
    if word == STDIN:
        return Served(read_ready(word), symbol)
    path = Path(word)
    try:
        with path.open("rb") as file:
            begin = file.read(2_000)
    except OSError:
        begin = b""  # said by whoever reads it
    if b'"ready"' in begin and b'"api_key"' in begin:
        return Served(ready_in(path.read_text(encoding="utf-8"), word), symbol)
    journal = read_journal(path)
    if symbol and symbol not in journal.symbols:
        raise ConfigError(f"--symbol {symbol}: {word} tells nothing of it; there are: {', '.join(journal.symbols) or 'none'}")
    return journal
