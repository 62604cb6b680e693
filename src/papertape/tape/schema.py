"""The schema of a tape: one Parquet file, one flat row for each fact, in the order of arrival.

The first rows are the instruments; all later rows name one by its index. A book message of many levels is many rows: `flags` says which row
begins it and which ends it. A book message without levels is one row of side 0. All rows of a message share its times.

What a file says of itself stands in its key-value metadata under the names below (`KEY_…`); units stand in each field's own metadata.
A change that an older reader would misread makes a new version; a new nullable column does not. Version 2 brought the kinds of
`SINCE`; a tape that has none of them still says version 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

SCHEMA_VERSION: Final = 2

INSTRUMENT: Final = 0
TRADE: Final = 1
SNAPSHOT: Final = 2
DELTA: Final = 3
TICKER: Final = 4
CANDLE: Final = 5
OPENED: Final = 10
DROPPED: Final = 11
GAP: Final = 12
ERROR: Final = 13
LATENCY: Final = 14
RATE_LIMITED: Final = 15

KIND_NAMES: Final = {
    INSTRUMENT: "instrument",
    TRADE: "trade",
    SNAPSHOT: "snapshot",
    DELTA: "delta",
    TICKER: "ticker",
    CANDLE: "candle",
    OPENED: "opened",
    DROPPED: "dropped",
    GAP: "gap",
    ERROR: "error",
    LATENCY: "latency",
    RATE_LIMITED: "rate_limited",
}
"""Kinds of rows, by the number in the `kind` column; from 10 up they tell of the recorder's own connection."""

SINCE: Final = {LATENCY: 2, RATE_LIMITED: 2}
"""The schema version that brought a kind of rows; 1 where it does not say."""

FIRST: Final = 1
LAST: Final = 2
WHOLE: Final = FIRST | LAST

NO_SIDE: Final = 0
BID: Final = 1
ASK: Final = 2
"""Sides: a bid level or a taker who bought is 1, an ask level or a taker who sold is 2."""

NO_INSTRUMENT: Final = -1

ROW_GROUP_ROWS: Final = 131_072
BLOCK_ROWS: Final = 131_072
"""How many rows the content hash takes at a time; part of its definition, unlike the size of a row group."""

NARROW: Final = (
    "kind",
    "flags",
    "venue_ns",
    "local_ns",
    "instrument",
    "connection",
    "side",
    "price_ticks",
    "qty_lots",
    "text",
)
"""Columns that every kind of row uses."""

TICKER_COLUMNS: Final = ("last_ticks", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
CANDLE_COLUMNS: Final = ("open_ns", "span_ns", "open_ticks", "high_ticks", "low_ticks", "close_ticks", "volume_lots")
WIDE: Final = TICKER_COLUMNS + CANDLE_COLUMNS
"""Columns that only tickers and candles use; null elsewhere, and not even read where a whole row group has none."""

SEQUENCE: Final = "sequence"
"""A column that only a recorder's own tapes have; nobody who replays reads it."""

DESCRIPTION: Final = "description"
INSTRUMENT_FIELDS: Final = (
    "symbol",
    "venue_symbol",
    "base",
    "quote",
    "tick",
    "lot",
    "amount_min",
    "cost_min",
    "valid_from_ns",
    "valid_to_ns",
)

KEY_SCHEMA: Final = "papertape.schema"
KEY_HASH: Final = "papertape.content_hash"
KEY_VENUE: Final = "papertape.venue"
KEY_CONNECTIONS: Final = "papertape.connections"
KEY_SOURCE: Final = "papertape.source"
KEY_ROW_BASE: Final = "papertape.row_base"
KEY_ROWS: Final = "papertape.rows"
KEY_COUNTS: Final = "papertape.counts"
KEY_FIRST: Final = "papertape.first_ns"
KEY_LAST: Final = "papertape.last_ns"

_EPOCH: Final = "ns since 1970-01-01 UTC"
_NARROW_FIELDS: Final = {
    "kind": ("int8", "1", ", ".join(f"{number} {name}" for number, name in KIND_NAMES.items() if number not in SINCE)),
    "flags": ("int8", "1", "1 first row of a message, 2 last row, 3 both"),
    "venue_ns": ("int64", _EPOCH, "venue's clock when it happened"),
    "local_ns": ("int64", _EPOCH, "recorder's clock on receipt; never decreases"),
    "instrument": ("int16", "index", "which instrument row, counted from 0; -1 none"),
    "connection": ("int16", "index", "which of the recorder's connections, counted from 0"),
    "side": ("int8", "1", "1 bid or taker bought, 2 ask or taker sold, 0 none"),
    "price_ticks": ("int64", "ticks of the instrument", "trade or level price, quote per 1 base"),
    "qty_lots": ("int64", "lots of the instrument", "traded amount, or what a level now holds; 0 deletes the level"),
    "text": ("string", "text", "trade id, or the venue's words on a connection event"),
}
_WIDE_UNITS: Final = {"ticks": "ticks of the instrument", "lots": "lots of the instrument", "ns": "ns"}


def version_of(kinds: Iterable[str]) -> int:
    """The schema version of a tape with rows of these kinds, by name."""
    return max((since for kind, since in SINCE.items() if KIND_NAMES[kind] in kinds), default=1)


@cache
def arrow_schema(is_numbered: bool = False) -> Any:
    """The `pyarrow.Schema` of a tape, without the file's own metadata; `is_numbered`: it has the column `SEQUENCE`."""
    import pyarrow as pa

    fields = []
    for name, (arrow_type, unit, meaning) in _NARROW_FIELDS.items():
        metadata = {"unit": unit, "meaning": meaning}
        fields.append(pa.field(name, getattr(pa, arrow_type)(), nullable=name == "text", metadata=metadata))
    for name in WIDE:
        unit = _EPOCH if name == "open_ns" else _WIDE_UNITS[name.rpartition("_")[2]]
        kind = "candle" if name in CANDLE_COLUMNS else "ticker"
        fields.append(pa.field(name, pa.int64(), metadata={"unit": unit, "meaning": f"of a {kind}; null in other rows"}))
    if is_numbered:
        kinds = ", ".join(f"{number} {name}" for number, name in KIND_NAMES.items())
        fields[0] = fields[0].with_metadata({"unit": "1", "meaning": kinds})
        meaning = "the venue's number of the message, counted on its connection or for its instrument; null where it has none"
        fields.append(pa.field(SEQUENCE, pa.int64(), metadata={"unit": "1", "meaning": meaning}))
    parts = [pa.field(name, pa.int64() if name.endswith("_ns") else pa.string()) for name in INSTRUMENT_FIELDS]
    meaning = (
        "of an instrument row; null in others. Steps and minima are exact decimals: tick and cost_min in quote, lot and amount_min in base"
    )
    fields.append(pa.field(DESCRIPTION, pa.struct(parts), metadata={"unit": "text", "meaning": meaning}))
    return pa.schema(fields)
