"""What many seeds come to: what was drawn and what of it hit, what was seen, what was judged, and what never was.

A sweep proves something only where the faults hit, the interesting things happened and somebody judged. So whatever could have been and
was not is counted here beside what was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from papertape.invariants import INVARIANTS
from papertape.model.notes import Mark
from papertape.model.order import OrderStatus
from papertape.scenario.seed_result import SeedResult
from papertape.session.coverage import LANE_WORDS, LANES_UP
from papertape.session.judge import kind_of
from papertape.session.result import Status

LANES: tuple[str, ...] = (LANES_UP, *reversed(LANE_WORDS.values()))

ORDER_STATES: tuple[str, ...] = ("not at the venue", *map(str, (OrderStatus.OPEN, OrderStatus.CLOSED, OrderStatus.CANCELED)))
"""Of the order that a request is about, for faults that hit a request; see `session.coverage`."""

MARKET_STATES: tuple[str, ...] = ("no order open", "orders open")
"""Of all orders, for faults that are about none."""

_NO_SEEDS_DOING = (Mark.ORDER_STALE_IN_OUTBOX, Mark.MARKET_PHASE_CHANGED)

MARKS_ONCE_ALL: tuple[str, ...] = tuple(str(mark) for mark in Mark if mark not in _NO_SEEDS_DOING)
"""What enough seeds of any trading bot must show. An order too old for its price wants a market that moves by half a percent while it waits
(`stale_price_bps`): that is the tape's doing, and no fault's. In another phase no seed puts a market."""


class FaultCount(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of fault over all seeds.

    Attributes:
        seeds_drawn, seeds_hit: seeds that had one, and in which one hit something.
        drawn, hit: faults of this kind, and those of them that hit something.
        hits: how many requests, messages and connections they hit.
    """

    seeds_drawn: int = 0
    seeds_hit: int = 0
    drawn: int = 0
    hit: int = 0
    hits: int = 0


class Reason(msgspec.Struct, frozen=True):
    """Why seeds proved nothing: how many, the first of them, and its words."""

    seeds: int
    first: int
    words: str


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All seeds of a sweep together.

    Attributes:
        statuses: seeds by verdict.
        faults: by kind; those that could have been drawn and were not are there with zeros.
        marks: (seeds, times) by mark; all marks there are.
        hollow: by the kind of reason.
        not_judged: seeds in which an invariant was not judged, by name; all invariants there are.
        broken: seeds by what broke.
        cells: (kind, state of the order, state of the lanes, how often).
    """

    seeds: int
    statuses: dict[str, int]
    faults: dict[str, FaultCount]
    marks: dict[str, tuple[int, int]]
    hollow: dict[str, Reason]
    not_judged: dict[str, int]
    broken: dict[str, int]
    cells: tuple[tuple[str, str, str, int], ...]

    @property
    def judged_seeds(self) -> int:
        """Seeds that got as far as a verdict."""
        return self.seeds - self.statuses.get(str(Status.ERROR), 0)

    def never_hit(self) -> list[str]:
        """Kinds of fault that hit nothing in any seed."""
        return [kind for kind, count in self.faults.items() if not count.hit]

    def never_judged(self) -> list[str]:
        """Invariants that no seed judged."""
        return [name for name, count in self.not_judged.items() if count >= self.judged_seeds]

    def never_exercised(self) -> dict[str, list[str]]:
        """By kind of fault, each state of the order or of the lanes in which it never hit; kinds of the network are not in it."""
        known = {kind for kind, _, _, _ in self.cells}
        missing: dict[str, list[str]] = {}
        for kind in sorted(known):
            mine = [(order, lanes) for each, order, lanes, _ in self.cells if each == kind]
            orders = {order for order, _ in mine}
            states = [*(ORDER_STATES if orders - set(MARKET_STATES) else ()), *(MARKET_STATES if orders & set(MARKET_STATES) else ())]
            lacks = [state for state in states if state not in orders]
            lacks += [lanes for lanes in LANES if lanes not in {lanes for _, lanes in mine}]
            if lacks:
                missing[kind] = lacks
        return missing

    def shortfalls(self, *, at_least: int = 0, must_happen: Sequence[str] = ()) -> list[str]:
        """What is missing for the sweep to prove something, a sentence each."""
        found = [
            f'"{kind}": {count.hit:,} of {count.drawn:,} faults drawn hit something; at least {at_least:,} had to'
            for kind, count in self.faults.items()
            if count.hit < at_least
        ]
        return found + [
            f'"{mark}" had to happen in some seed and did in none' for mark in must_happen if not self.marks.get(mark, (0, 0))[0]
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a file: the tables, and what never was."""
        return {
            **msgspec.to_builtins(self),
            "cells": [{"fault": kind, "order": order, "lanes": lanes, "count": count} for kind, order, lanes, count in self.cells],
            "never_hit": self.never_hit(),
            "never_judged": self.never_judged(),
            "never_exercised": self.never_exercised(),
        }


def as_json(whole: Summary) -> str:
    """A summary as a file, for people and machines."""
    return msgspec.json.format(msgspec.json.encode(whole.to_dict()), indent=1).decode() + "\n"


def summarize(results: Sequence[SeedResult], kinds: Iterable[str] = ()) -> Summary:
    """All results together; `kinds` are those that could have been drawn, whether or not they were."""
    drawn = sorted({fault.kind for result in results for fault in result.faults} | set(kinds))
    judged = [result for result in results if result.status is not Status.ERROR]
    return Summary(
        seeds=len(results),
        statuses={str(status): count for status in Status if (count := sum(result.status is status for result in results))},
        faults=_faults(results, drawn),
        marks={str(mark): _mark(results, str(mark)) for mark in Mark},
        hollow=_hollow(results),
        not_judged={name: sum(name in result.not_judged for result in judged) for name in INVARIANTS},
        broken=_broken(results),
        cells=_cells(results),
    )


def _faults(results: Sequence[SeedResult], kinds: Sequence[str]) -> dict[str, FaultCount]:
    seeds_drawn, seeds_hit, drawn, hit, hits = (dict.fromkeys(kinds, 0) for _ in range(5))
    for result in results:
        for fault in result.faults:
            drawn[fault.kind] += 1
            hit[fault.kind] += bool(fault.fired)
            hits[fault.kind] += fault.fired
        for kind in {fault.kind: None for fault in result.faults}:
            seeds_drawn[kind] += 1
        for kind in {fault.kind: None for fault in result.faults if fault.fired}:
            seeds_hit[kind] += 1
    return {
        kind: FaultCount(seeds_drawn=seeds_drawn[kind], seeds_hit=seeds_hit[kind], drawn=drawn[kind], hit=hit[kind], hits=hits[kind])
        for kind in kinds
    }


def _mark(results: Sequence[SeedResult], mark: str) -> tuple[int, int]:
    counts = [result.marks[mark] for result in results if mark in result.marks]
    return len(counts), sum(counts)


def _hollow(results: Sequence[SeedResult]) -> dict[str, Reason]:
    found: dict[str, Reason] = {}
    for result in results:
        if result.status is not Status.VACUOUS:
            continue
        words = {kind_of(failure): failure for failure in reversed(result.failures)}
        for kind in words or {"no reason was given": ""}:
            before = found.get(kind, Reason(0, result.seed, words.get(kind, "")))
            found[kind] = msgspec.structs.replace(before, seeds=before.seeds + 1)
    return dict(sorted(found.items()))


def _broken(results: Sequence[SeedResult]) -> dict[str, int]:
    found: dict[str, int] = {}
    for result in results:
        for kind in result.broken if result.is_failure else ():
            found[kind] = found.get(kind, 0) + 1
    return found


def _cells(results: Sequence[SeedResult]) -> tuple[tuple[str, str, str, int], ...]:
    counts: dict[tuple[str, str, str], int] = {}
    for result in results:
        for cell in result.cells:
            key = (cell.kind, cell.order, cell.lanes)
            counts[key] = counts.get(key, 0) + cell.count
    return tuple((*key, count) for key, count in sorted(counts.items()))
