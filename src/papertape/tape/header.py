"""What a tape says of itself: the footer's metadata, read and checked, with errors made for people."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from papertape.model.errors import TapeError
from papertape.model.instrument import Instrument
from papertape.model.units import Nanos
from papertape.tape import schema


class Connection(msgspec.Struct, frozen=True):
    """One connection of the recorder.

    Attributes:
        skew_ns: least (recorder's clock - venue's clock) seen on it: below zero where the recorder's clock was behind the venue's. What is
            left of a row's lag after taking it away is how much later than the fastest row it came. On a connection that told no time of
            the venue's, the least of the others.
    """

    name: str
    skew_ns: Nanos = 0


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """A tape's footer.

    Attributes:
        counts: messages by kind; a book message of many levels counts once.
        rows: rows after the instruments.
        row_base: number of the first such row; not 0 where the tape was cut from a longer one.
        schema_version: the oldest schema whose readers understand it.
        first_ns, last_ns: earliest and latest the venue's clock is known to have reached, nanoseconds since 1970-01-01 UTC.
    """

    venue: str
    content_hash: str
    connections: tuple[Connection, ...]
    source: str
    row_base: int
    rows: int
    counts: dict[str, int]
    first_ns: Nanos
    last_ns: Nanos
    schema_version: int = 1

    def to_metadata(self) -> dict[str, str]:
        return {
            schema.KEY_SCHEMA: str(self.schema_version),
            schema.KEY_HASH: self.content_hash,
            schema.KEY_VENUE: self.venue,
            schema.KEY_CONNECTIONS: msgspec.json.encode(self.connections).decode(),
            schema.KEY_SOURCE: self.source,
            schema.KEY_ROW_BASE: str(self.row_base),
            schema.KEY_ROWS: str(self.rows),
            schema.KEY_COUNTS: msgspec.json.encode(self.counts).decode(),
            schema.KEY_FIRST: str(self.first_ns),
            schema.KEY_LAST: str(self.last_ns),
        }


def read_header(path: Path, metadata: Mapping[bytes, bytes] | None) -> Header:
    """The header in a Parquet footer; raises `TapeError` where there is none, a newer one or a broken one."""
    texts = {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in (metadata or {}).items()}
    version = texts.get(schema.KEY_SCHEMA)
    if version is None:
        raise TapeError(
            f"{path}: a Parquet file, but no tape: its footer has no `{schema.KEY_SCHEMA}`. "
            "Recordings of a venue become tapes with `papertape import --venue VENUE CAPTURE --out TAPE`."
        )
    if not version.isdecimal() or int(version) < 1:
        raise _broken(path, f"`{schema.KEY_SCHEMA}` holds {version!r}, not a whole number from 1")
    if int(version) > schema.SCHEMA_VERSION:
        raise TapeError(
            f"{path}: written with tape schema {version}; this papertape reads schema {schema.SCHEMA_VERSION} and older. "
            "Install a newer papertape, or import the capture again with this one."
        )
    try:
        return Header(
            venue=texts[schema.KEY_VENUE],
            content_hash=texts[schema.KEY_HASH],
            connections=msgspec.json.decode(texts[schema.KEY_CONNECTIONS], type=tuple[Connection, ...]),
            source=texts[schema.KEY_SOURCE],
            row_base=int(texts[schema.KEY_ROW_BASE]),
            rows=int(texts[schema.KEY_ROWS]),
            counts=msgspec.json.decode(texts[schema.KEY_COUNTS], type=dict[str, int]),
            first_ns=int(texts[schema.KEY_FIRST]),
            last_ns=int(texts[schema.KEY_LAST]),
            schema_version=int(version),
        )
    except KeyError as missing:
        raise _broken(path, f"its footer lacks `{missing.args[0]}`") from missing
    except (ValueError, msgspec.DecodeError) as error:
        raise _broken(path, str(error)) from error


def read_instruments(path: Path, rows: list[dict[str, Any] | None]) -> tuple[Instrument, ...]:
    """The instruments in the description column of a tape's first row group."""
    try:
        instruments = tuple(
            Instrument(
                symbol=row["symbol"],
                venue_symbol=row["venue_symbol"],
                tick=Decimal(row["tick"]),
                lot=Decimal(row["lot"]),
                amount_min=Decimal(row["amount_min"]),
                cost_min=Decimal(row["cost_min"]),
                valid_from_ns=row["valid_from_ns"],
                valid_to_ns=row["valid_to_ns"],
            )
            for row in rows
            if row is not None
        )
    except (KeyError, TypeError, ArithmeticError) as error:
        raise _broken(path, f"an instrument row does not read ({error!r})") from error
    if not instruments:
        raise TapeError(
            f"{path}: the tape has no instruments, so its ticks and lots mean nothing. Import the capture again, "
            "with `--instrument SYMBOL=TICK,LOT` if the venue's product list is not in it."
        )
    return instruments


def _broken(path: Path, what: str) -> TapeError:
    return TapeError(f"{path}: the tape is damaged: {what}. Fetch or import it again; `papertape tape check {path}` lists what is wrong.")
