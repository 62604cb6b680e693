"""Make a failing scenario as small as it gets while it goes on failing alike: fewer faults, then milder ones, then less of the tape.

Whoever calls says what "alike" is and runs what is to be tried; here it is decided what to try next. Every step is kept only if it fails
alike, so the outcome always does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from papertape.faults.base import Fault, as_table
from papertape.model.errors import ConfigError
from papertape.model.units import MINUTE, SECOND, Nanos, format_duration, iso_after, parse_duration
from papertape.scenario.make import make_fault
from papertape.session.spec import Expect, FeedSpec, Scenario
from papertape.session.world import open_feeds

TRIES_MAX: Final = 400
"""How many scenarios are tried before what there is has to do."""

COARSE: Final = (MINUTE, 30 * SECOND, 10 * SECOND, 5 * SECOND, SECOND)
"""What times are rounded down to, coarsest first."""

Fails = Callable[[Scenario], bool]
"""Whether a scenario fails as the one that is to be shrunk does."""


class _TriedEnough(Exception):
    """No more tries are left."""


class Shrinker:
    """Shrinks one scenario.

    Attributes:
        best: the smallest so far that fails alike.
        tries: how many scenarios were run.
    """

    def __init__(self, scenario: Scenario, fails: Fails, *, tries_max: int = TRIES_MAX) -> None:
        self.best = scenario
        self.tries = 0
        self._fails = fails
        self._tries_max = tries_max
        self._refused: list[tuple[Any, ...]] = []

    def shrink(self) -> Scenario:
        """The smallest that was found: no single step makes it smaller, unless the tries ran out."""
        try:
            while True:
                before = self.best
                self._fewer_faults()
                self._milder_faults()
                self._plainer()
                self._less_tape()
                if self.best == before:
                    return self.best
        except _TriedEnough:
            return self.best

    def _take(self, **changes: Any) -> bool:
        """Whether the best with these changes fails alike; it is the best from then on."""
        candidate = msgspec.structs.replace(self.best, **changes)
        key = (candidate.faults, candidate.heal, candidate.expect, candidate.venues)
        if candidate == self.best or key in self._refused:
            return False
        if self.tries >= self._tries_max:
            raise _TriedEnough
        self.tries += 1
        if self._fails(candidate):
            self.best = candidate
            return True
        self._refused.append(key)
        return False

    def _fewer_faults(self) -> None:
        """Without any, without half of them, a quarter and so on, and at last without each single one until none can go."""
        if self._take(faults=()):
            return
        size = max(1, len(self.best.faults) // 2)
        while self.best.faults:
            start, went = 0, False
            while start < len(self.best.faults):
                if self._take(faults=self.best.faults[:start] + self.best.faults[start + size :]):
                    went = True
                else:
                    start += size
            if size == 1 and not went:
                return
            size = max(1, size // 2)

    def _milder_faults(self) -> None:
        for place in range(len(self.best.faults)):
            went = True
            while went:
                went = any(self._put(place, milder) for milder in milder_faults(self.best.faults[place]))

    def _put(self, place: int, fault: Fault) -> bool:
        return self._take(faults=(*self.best.faults[:place], fault, *self.best.faults[place + 1 :]))

    def _plainer(self) -> None:
        """What a sweep has set and the failure does not need."""
        self._take(expect=msgspec.structs.replace(self.best.expect, must_hit=Expect().must_hit))
        self._take(heal=None)

    def _less_tape(self) -> None:
        """End earlier, to the second."""
        feeds = [feed for name, spec in self.best.venues.items() for feed in open_feeds(self.best, spec, name)]
        epoch_ns = min(feed.start_ns for feed in feeds)
        good_s = -(-(max(feed.end_ns for feed in feeds) - epoch_ns) // SECOND)
        bad_s = 0
        while good_s - bad_s > max(1, good_s // 20):
            middle_s = (good_s + bad_s) // 2
            if self._take(venues=_cut(self.best, epoch_ns, middle_s * SECOND)):
                good_s = middle_s
            else:
                bad_s = middle_s


def milder_faults(fault: Fault) -> Iterator[Fault]:
    """The fault with one setting simpler: the default, a smaller count, a rounder or shorter time; the boldest step first.

    >>> from papertape.faults import LostReply
    >>> [each.nth for each in milder_faults(LostReply(nth=8))]
    [None, 1, 4, 7]
    """
    table = as_table(fault)
    times = [key for key, _ in [("at", 0), ("from", 0), ("lasts", 0), ("until", 0), *fault.durations()] if key in table]
    for key, value in table.items():
        if key == "kind":
            continue
        tables = [{other: each for other, each in table.items() if other != key}]
        if key in times:
            tables += [{**table, key: text} for text in _rounder(value, is_moment=key in ("at", "from"))]
        elif isinstance(value, int) and not isinstance(value, bool):
            tables += [{**table, key: each} for each in dict.fromkeys((1, value // 2, value - 1)) if 1 <= each < value]
        for each in tables:
            try:
                milder = make_fault(each, "shrink", fault.kind)
            except ConfigError:
                continue
            if milder != fault:
                yield milder


def _rounder(text: str, *, is_moment: bool) -> list[str]:
    """Rounder and earlier moments; rounder and shorter lengths, at least half as long and a second."""
    ns = parse_duration(text)
    least_ns = 0 if is_moment else min(SECOND, ns)
    found = [ns // unit * unit for unit in COARSE]
    if not is_moment:
        found.append(ns // 2)
    return [format_duration(each) for each in dict.fromkeys(found) if least_ns <= each < ns]


def _cut(scenario: Scenario, epoch_ns: Nanos, span_ns: Nanos) -> dict[str, Any]:
    """The venues with every feed over at `span_ns`."""
    venues = {}
    for name, spec in scenario.venues.items():
        opened = open_feeds(scenario, spec, name)
        feeds: list[FeedSpec] = []
        for feed, each in zip(spec.feed, opened, strict=True):
            end_ns = epoch_ns + span_ns
            last_ns = max(end_ns, each.start_ns + 1)
            # Of files nobody may have read the first row, from which a duration would count.
            end = format_duration(last_ns - each.tape.first_ns) if feed.files is None else iso_after(last_ns)
            feeds.append(feed if each.end_ns <= end_ns else msgspec.structs.replace(feed, end=end))
        venues[name] = msgspec.structs.replace(spec, feed=tuple(feeds))
    return venues


def story_of(scenario: Scenario, broken: str, base: str, seed: int) -> str:
    """A title for what was found: what breaks, under what, and where it came from."""
    kinds = list(dict.fromkeys(fault.kind for fault in scenario.faults))
    return f"{broken}: {_and(kinds) if kinds else 'no fault is needed'} (seed {seed} of {base})"


def _and(words: Sequence[str]) -> str:
    """Words as a sentence lists them.

    >>> _and(["gap", "stall", "latency"])
    'gap, stall and latency'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
