"""A run as a page tells it: read back from its journal and the tail behind that, and from the journal alone where there is no tail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from papertape.journal.reading import WRITES, journal_entries
from papertape.journal.tail import TAIL
from papertape.model.errors import ConfigError
from papertape.model.units import Nanos, parse_duration
from papertape.reports.html.lanes import Lanes, Span
from papertape.reports.html.retold import retold
from papertape.session.chronicle import Chronicle
from papertape.session.result import RunResult


class Band(msgspec.Struct, kw_only=True):
    """A time in which a fault could act.

    Attributes:
        label: "F" and its place in the plan, from 1; empty where that is not known.
        is_planned: the journal does not say when it began and ended; the plan does.
    """

    label: str
    kind: str
    begin_ns: Nanos
    end_ns: Nanos
    is_planned: bool = False


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a fault did, as the journal tells it."""

    label: str
    kind: str
    at_ns: Nanos
    words: str


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A mark: something worth having seen."""

    at_ns: Nanos
    venue: str
    mark: str
    detail: str


class Story(msgspec.Struct, kw_only=True):
    """All that a page shows of one run.

    Attributes:
        header: the journal's first line.
        result: what came of it; None where the journal does not tell.
        lines: how many lines the journal has.
        told: when the client heard of an order by stream, by client order id.
        lanes: how each lane stood, by its name.
    """

    header: dict[str, Any]
    result: RunResult | None
    chronicle: Chronicle
    bands: list[Band]
    acts: list[Act]
    marks: list[Seen]
    told: dict[str, list[Nanos]]
    lanes: dict[str, list[Span]]
    lines: int

    @property
    def end_ns(self) -> Nanos:
        return self.chronicle.end_ns


def read_story(path: Path) -> Story:
    """The story of the run whose journal is in that file.

    Raises:
        ConfigError: it is missing, or no journal.
    """
    entries = journal_entries(path)
    header = next(entries, None)
    if header is None or header["kind"] != "header":
        raise ConfigError(f"{path.as_posix()}: does not begin as a journal does; {WRITES}")
    reader = _Reader(header)
    tail: dict[str, Any] = {}
    for number, entry in enumerate(entries, start=2):
        if entry["kind"] == TAIL:
            tail = entry
            break
        try:
            reader.read(entry)
        except (KeyError, TypeError, AttributeError):
            raise ConfigError(f'{path.as_posix()}: line {number} is no line of kind "{entry["kind"]}"; {WRITES}') from None
    try:
        result = RunResult.from_dict(tail["result"]) if tail else None
        chronicle = msgspec.convert(tail["chronicle"], Chronicle) if tail.get("chronicle") else None
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise ConfigError(f"{path.as_posix()}: its last line was written by another version of papertape: {error}") from None
    return reader.story(result, chronicle)


class _Reader:
    """Takes up a journal line by line."""

    def __init__(self, header: dict[str, Any]) -> None:
        self._header = header
        self._faults: list[dict[str, Any]] = [each for each in header.get("faults", ()) if isinstance(each, dict)]
        self._open: dict[str, list[Band]] = {}
        self._bands: list[Band] = []
        self._acts: list[Act] = []
        self._marks: list[Seen] = []
        self._told: dict[str, list[Nanos]] = {}
        self._lanes = Lanes(several=len(header.get("venues", ())) > 1)
        self._entries: list[dict[str, Any]] = []
        self._lines = 1
        self._end_ns: Nanos = 0

    def read(self, entry: dict[str, Any]) -> None:
        self._lines += 1
        at_ns: Nanos = entry["t"]
        self._end_ns = max(self._end_ns, at_ns)
        match entry["kind"]:
            case "fault":
                self._fault(at_ns, entry)
            case "health":
                self._lanes.on(at_ns, entry["venue"], is_healthy=entry["healthy"], why=entry["why"])
            case "mark":
                self._marks.append(Seen(at_ns=at_ns, venue=entry["venue"], mark=entry["mark"], detail=entry.get("detail", "")))
            case "told":
                if entry.get("client_order_id"):
                    self._told.setdefault(entry["client_order_id"], []).append(at_ns)
            case "command" | "answered" | "request_lost" | "order":
                self._entries.append(entry)

    def _fault(self, at_ns: Nanos, entry: dict[str, Any]) -> None:
        kind, what = entry.get("fault", ""), entry.get("what", "")
        if what == "begins":
            band = Band(label=self._label(kind, at_ns), kind=kind, begin_ns=at_ns, end_ns=-1)
            self._bands.append(band)
            self._open.setdefault(kind, []).append(band)
        elif what == "ends" and self._open.get(kind):
            self._open[kind].pop(0).end_ns = at_ns
        elif what != "ends":
            words = " ".join(str(entry[key]) for key in ("what", "op", "client_order_id") if entry.get(key))
            self._acts.append(Act(label=self._label(kind, at_ns), kind=kind, at_ns=at_ns, words=words))

    def _label(self, kind: str, at_ns: Nanos) -> str:
        places = [place for place, fault in enumerate(self._faults) if fault.get("kind") == kind]
        starts = [place for place in places if _starts_ns(self._faults[place]) == at_ns]
        running = [band.label for band in self._open.get(kind, ())]
        if not starts and running:
            return running[0]
        found = starts or places
        return f"F{found[0] + 1}" if found else ""

    def story(self, result: RunResult | None, chronicle: Chronicle | None) -> Story:
        """What it came to; `chronicle` is the run's own, where it left one."""
        made = chronicle or retold(self._header, self._entries, self._end_ns)
        for band in self._bands:
            band.end_ns = made.end_ns if band.end_ns < 0 else band.end_ns
        return Story(
            header=self._header, result=result, chronicle=made, bands=[*self._bands, *self._planned(made.end_ns)], acts=self._acts,
            marks=self._marks, told=self._told, lanes=self._lanes.ended(made.end_ns), lines=self._lines,
        )  # fmt: skip

    def _planned(self, end_ns: Nanos) -> list[Band]:
        """Windows of faults that the journal does not tell of: those of the network."""
        told = {band.kind: None for band in self._bands} | {act.kind: None for act in self._acts}
        found = []
        for place, fault in enumerate(self._faults):
            begin_ns = _starts_ns(fault)
            if begin_ns is None or fault["kind"] in told or begin_ns >= end_ns:
                continue
            until_ns = _ns(fault.get("until")) or (begin_ns + (_ns(fault.get("lasts")) or 0)) or end_ns
            end_at_ns = min(until_ns, end_ns)
            found.append(Band(label=f"F{place + 1}", kind=fault["kind"], begin_ns=begin_ns, end_ns=end_at_ns, is_planned=True))
        return found


def _starts_ns(fault: dict[str, Any]) -> Nanos | None:
    return _ns(fault.get("at") or fault.get("from"))


def _ns(text: object) -> Nanos | None:
    try:
        return parse_duration(text) if isinstance(text, str) else None
    except ValueError:
        return None
