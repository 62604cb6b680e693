"""The observer's log of a run, and the digest over it.

One JSON object a line: `{"n": 17, "t": 90000000000, "kind": "command", …}`; `t` is run time in nanoseconds. The first line is the header.
The digest is SHA-256 over the lines, so it chains: it is equal exactly where every line up to there is. Market data is not written one
by one: what a connection received is written as ranges, in the numbers by which messages reached the venue from the tapes whose content is
hashed in the header.

What came of a run may stand behind the last line of its file; that is no part of the journal, nor of the digest (`journal.tail`).

Nothing bot-side reads the journal; it knows the truth.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

import msgspec

from papertape.model.errors import ConfigError
from papertape.model.units import Nanos

DIGEST_VERSION: Final = 1
"""Changes only on purpose, with a line in CHANGELOG."""

RECENT: Final = 400
"""How many lines are kept in memory to explain a failure."""

HASHED_AT_ONCE: Final = 256
"""How many lines wait to be hashed together: a call for each line costs more than the hashing."""


class Journal:
    """Write what happened; know the digest at every point.

    Attributes:
        count: lines so far, the header not counted.
        on_line: told the kind of each line and the line, before it is written; for whoever takes the run down more finely.

    >>> journal = Journal({"seed": 7})
    >>> journal.write(5, "fault", fault="gap")
    >>> journal.lines[-1]
    '{"n":1,"t":5,"kind":"fault","fault":"gap"}'
    """

    def __init__(self, header: dict[str, Any], path: Path | None = None) -> None:
        self.count = 0
        self._recent: deque[bytes] = deque(maxlen=RECENT)
        self._unhashed: list[bytes] = []
        self.on_line: Callable[[str, bytes], object] | None = None
        self._hash = hashlib.sha256()
        self._encode = msgspec.json.Encoder().encode
        self._before_write: list[Callable[[], None]] = []
        self._path = path
        self._sink: IO[bytes] | None = None
        self._failed: OSError | None = None
        if path is not None:
            try:
                self._sink = path.open("wb")
            except OSError as error:
                raise self._cannot(error) from None
        self._append({"n": 0, "t": 0, "kind": "header", "digest_version": DIGEST_VERSION, **header})

    def before_write(self, flush: Callable[[], None]) -> None:
        """Have `flush` called before each line, so that what is gathered cheaply is written in its place."""
        self._before_write.append(flush)

    def write(self, now_ns: Nanos, kind: str, **facts: Any) -> None:
        """One line. Facts are what JSON has and enums; amounts are text in canonical form (`model.units.plain`)."""
        for flush in self._before_write:
            flush()
        self.write_gathered(now_ns, kind, **facts)

    def write_gathered(self, now_ns: Nanos, kind: str, **facts: Any) -> None:
        """One line from within a `before_write` flush."""
        self.count += 1
        self._append({"n": self.count, "t": now_ns, "kind": kind, **facts})

    def of(self, venue: str) -> Journal:
        """The same journal for what is one venue's: each line that is written by it names the venue."""
        return _OfVenue(self, venue)

    def close(self) -> None:
        """Write what is gathered and close the file.

        Raises:
            ConfigError: the file could not be written, as on a full disk; the run went on all the same.
        """
        for flush in self._before_write:
            flush()
        sink, self._sink = self._sink, None
        try:
            if sink is not None:
                sink.close()
        except OSError as error:
            self._failed = error
        failed, self._failed = self._failed, None
        if failed is not None:
            raise self._cannot(failed) from None

    def _cannot(self, error: OSError) -> ConfigError:
        return ConfigError(f"the journal {self._path} cannot be written: {error.strerror}; name another place with --journal")

    @property
    def digest(self) -> str:
        """Hex digest of everything written so far."""
        self._hash_waiting()
        return self._hash.hexdigest()

    @property
    def lines(self) -> list[str]:
        """The last `RECENT` lines."""
        return [line.decode() for line in self._recent]

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _append(self, entry: dict[str, Any]) -> None:
        line = self._encode(entry)
        if self.on_line is not None:
            self.on_line(entry["kind"], line)
        self._recent.append(line)
        self._unhashed.append(line)
        if len(self._unhashed) >= HASHED_AT_ONCE:
            self._hash_waiting()
        if self._sink is not None:
            try:
                self._sink.write(line + b"\n")
            except OSError as error:  # told in the end: here a server of ours would take it for a request gone wrong
                self._failed = error
                self._sink = None

    def _hash_waiting(self) -> None:
        if self._unhashed:
            self._unhashed.append(b"")  # every line has its end
            self._hash.update(b"\n".join(self._unhashed))
            self._unhashed.clear()


class _OfVenue(Journal):
    """One venue's way into a journal of several; only what writes is there."""

    def __init__(self, journal: Journal, venue: str) -> None:
        self._journal = journal
        self._venue = venue

    def before_write(self, flush: Callable[[], None]) -> None:
        self._journal.before_write(flush)

    def write(self, now_ns: Nanos, kind: str, **facts: Any) -> None:
        self._journal.write(now_ns, kind, venue=self._venue, **facts)

    def write_gathered(self, now_ns: Nanos, kind: str, **facts: Any) -> None:
        self._journal.write_gathered(now_ns, kind, venue=self._venue, **facts)
