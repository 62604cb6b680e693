"""Orders, fills, faults and events of runs as Parquet, for DuckDB, polars and pandas: four files in a folder, the runs below each other.

Amounts and prices are floats here, for sums and pictures; the exact text is in the journal and in `--json`. Times are run time in
nanoseconds. Every table begins with `scenario` and `seed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.journal.reading import journal_entries
from papertape.journal.tail import TAIL
from papertape.model.errors import ConfigError
from papertape.model.units import Nanos
from papertape.reports.html.lives import Life, lives_of
from papertape.reports.html.story import Story
from papertape.session.result import RunResult

RUN: Final = {"scenario": "string", "seed": "int64"}

TABLES: Final[dict[str, dict[str, str]]] = {
    "orders": {
        **RUN, "venue": "string", "client_order_id": "string", "order_id": "string", "symbol": "string", "side": "string", "type": "string",
        "amount": "double", "price": "double", "filled": "double", "asked_ns": "int64", "sent_ns": "int64", "ended_ns": "int64",
        "outcome": "string", "believed": "string", "unknown_ns": "int64", "line": "string", "foreign": "bool",
    },
    "fills": {
        **RUN, "venue": "string", "trade_id": "string", "order_id": "string", "client_order_id": "string", "symbol": "string",
        "side": "string", "at_ns": "int64", "price": "double", "amount": "double", "fee": "double", "liquidity": "string",
    },
    "faults": {**RUN, "place": "int64", "kind": "string", "fired": "int64", "recovery_ns": "int64"},
    "events": {**RUN, "n": "int64", "at_ns": "int64", "kind": "string", "client_order_id": "string", "facts": "string"},
}  # fmt: skip
"""Columns and their types. `facts` is the rest of the journal's line, as JSON."""


def write(folder: Path, runs: Sequence[tuple[RunResult, Story | None, Path | None]]) -> None:
    """Write the four files; raises `ConfigError` where that cannot be."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    makers = {"orders": _orders, "fills": _fills, "faults": _faults, "events": _events}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, columns in TABLES.items():
            schema = pa.schema(
                [(column, getattr(pa, {"double": "float64", "bool": "bool_"}.get(kind, kind))()) for column, kind in columns.items()]
            )
            with pq.ParquetWriter(folder / f"{name}.parquet", schema, compression="zstd") as writer:
                for result, story, journal in runs:
                    rows = [{"scenario": result.scenario, "seed": result.seed, **row} for row in makers[name](result, story, journal)]
                    writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    except OSError as error:
        raise ConfigError(f"--parquet {folder.as_posix()}: cannot be written: {error.strerror}") from None


Rows = list[dict[str, Any]]


def _orders(result: RunResult, story: Story | None, journal: Path | None) -> Rows:
    if story is None:
        return []
    return [_order(life, story.end_ns) for venue in story.chronicle.venues for life in lives_of(story, venue)]


def _order(life: Life, end_ns: Nanos) -> dict[str, Any]:
    unknown_for = [(end_ns if unknown.end_ns is None else unknown.end_ns) - unknown.begin_ns for unknown in life.unknowns]
    return {
        "venue": life.venue, "client_order_id": life.key, "order_id": life.order_id, "symbol": life.symbol, "side": life.side,
        "type": life.type, "amount": _number(life.amount), "price": life.limits[-1][2] if life.limits else None,
        "filled": sum(float(fill.amount) for fill in life.fills), "asked_ns": life.asked_ns, "sent_ns": life.sent_ns,
        "ended_ns": life.ended_ns, "outcome": life.outcome, "believed": life.believed, "unknown_ns": sum(unknown_for), "line": life.line,
        "foreign": life.foreign,
    }  # fmt: skip


def _fills(result: RunResult, story: Story | None, journal: Path | None) -> Rows:
    return [
        {
            "venue": venue.venue, **msgspec.to_builtins(fill), "price": float(fill.price), "amount": float(fill.amount),
            "fee": float(fill.fee),
        }
        for venue in (() if story is None else story.chronicle.venues)
        for fill in venue.fills
    ]  # fmt: skip


def _faults(result: RunResult, story: Story | None, journal: Path | None) -> Rows:
    return [
        {"place": place, "kind": fault.kind, "fired": fault.fired, "recovery_ns": fault.recovery_ns}
        for place, fault in enumerate(result.faults, start=1)
    ]


def _events(result: RunResult, story: Story | None, journal: Path | None) -> Rows:
    if journal is None or not journal.is_file() or not journal.stat().st_size:
        return []
    encode = msgspec.json.Encoder().encode
    rows: Rows = []
    for entry in journal_entries(journal):
        if entry["kind"] == TAIL:
            break
        facts = {key: value for key, value in entry.items() if key not in ("n", "t", "kind")}
        known = {"n": entry.get("n"), "at_ns": entry["t"], "kind": entry["kind"], "client_order_id": entry.get("client_order_id")}
        rows.append({**known, "facts": encode(facts).decode()})
    return rows


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
