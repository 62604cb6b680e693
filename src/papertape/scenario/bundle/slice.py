"""The part of a tape that a run plays, as a tape of its own that plays alike."""

from __future__ import annotations

from pathlib import Path

import msgspec

from papertape.model.units import SECOND, Nanos, format_duration
from papertape.scenario.bundle.manifest import TAPES
from papertape.session.spec import FeedSpec, Scenario
from papertape.session.world import Feed, open_feeds
from papertape.tape.edit import cut_tape
from papertape.tape.reader import open_tape

BEYOND_NS = 5 * SECOND
"""How much more than is played is kept, so that the run's end stays where it was: a feed ends no later than its tape."""


def slices(scenario: Scenario, folder: Path) -> Scenario:
    """Write the tapes' parts into `folder`; the scenario as it plays those.

    Rows keep their numbers and times, so that what is drawn for a row stays the same.

    Raises:
        TapeError: a tape is missing or damaged.
    """
    (folder / TAPES).mkdir(exist_ok=True)
    venues = {}
    for name, spec in scenario.venues.items():
        feeds = []
        for number, feed in enumerate(open_feeds(scenario, spec, f"{scenario.name}: [venue.{name}]"), start=1):
            path = folder / TAPES / f"{name}-{number}.parquet"
            first_ns = _cut(feed, path)
            start = format_duration(feed.start_ns - first_ns)
            end = format_duration(feed.end_ns - first_ns)
            feeds.append(FeedSpec(tape=f"{TAPES}/{path.name}", start=start, end=end, outages=feed.outages))
        venues[name] = msgspec.structs.replace(spec, feed=tuple(feeds))
    return msgspec.structs.replace(scenario, venues=venues)


def _cut(feed: Feed, path: Path) -> Nanos:
    """Write the part; returns what its times are counted from."""
    tape = feed.tape
    until_ns = None if feed.end_ns + BEYOND_NS > tape.last_ns else feed.end_ns + BEYOND_NS
    for start_ns in (feed.start_ns, None):
        cut_tape(tape.path, path, start_ns=start_ns, end_ns=until_ns)
        part = open_tape(path)
        is_early = feed.start_ns >= part.first_ns and (start_ns is None or part.first_ns == feed.start_ns)
        if is_early and (until_ns is None or part.last_ns + 1 >= feed.end_ns):
            return part.first_ns
    cut_tape(tape.path, path)  # nothing happens for long around its ends
    return open_tape(path).first_ns
