"""The tapes behind a venue's feeds, opened; those of somebody else's files are made first, if they are not kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from papertape.model.errors import ConfigError, TapeError
from papertape.model.units import Nanos
from papertape.session.spec import FeedSpec, Scenario
from papertape.tape.builtin import resolve
from papertape.tape.reader import Tape, open_tape


class OpenedTape(NamedTuple):
    """What a feed plays.

    Attributes:
        origin_ns: what durations in the feed count from, nanoseconds since 1970-01-01 UTC.
        notes: what is worth knowing of how it was read, a sentence each.
    """

    tape: Tape
    origin_ns: Nanos
    notes: tuple[str, ...] = ()


def opened(feed: FeedSpec, folder: Path, where: str, tell: Callable[[str], object] | None = None) -> OpenedTape:
    """Open what a feed names; raises `TapeError` or `ConfigError` naming what must be edited, which begins with `where` for files.

    `tell` is told before files are read that are not kept yet.
    """
    if feed.files is None:
        tape = open_tape(resolve(feed.tape, folder))
        return OpenedTape(tape, tape.first_ns)
    from papertape.importers.inplace import read_in_place
    from papertape.importers.span import Span

    try:
        found = read_in_place(feed.files, Span(feed.start, feed.end), folder=folder, tell=tell)
    except (ConfigError, TapeError) as error:
        raise type(error)(f"{where}, key `feed`: {error}") from None
    return OpenedTape(open_tape(found.path), found.origin_ns, found.notes)


def fetch(scenario: Scenario, tell: Callable[[str], object]) -> None:
    """Read what is read in place and not kept yet, so that the run that follows finds it; tells and raises as `opened` does."""
    for name, spec in scenario.venues.items():
        for feed in spec.feed:
            if feed.files is not None:
                opened(feed, scenario.folder, f"{scenario.name}: [venue.{name}]", tell)
