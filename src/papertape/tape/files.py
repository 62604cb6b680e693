"""Somebody else's files as a feed: what a scenario says of them. Nothing here looks at the disk."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec

BUCKETS: Final = "s3://"
"""What the path of a file begins with that lies in a bucket."""


class Lack(StrEnum):
    """What becomes of a feed to which something is lacking: it is refused; or it is played without, and the result tells."""

    REFUSE = "refuse"
    SKIP = "skip"


class Files(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files of a format that papertape imports, read where they lie.

    Attributes:
        venue: whose market it is.
        format: as `papertape import` calls it: another system's, or a venue's for frames as they came over the wire.
        path: where they are: paths (relative to the scenario's folder) or s3:// addresses, with `*`, `?`, `[…]` and `**`, and with
            `{symbol}` and `{date}` or, to say how a date is written, `{date:%Y/%m/%d}`.
        symbol: what stands for `{symbol}`, one after another.
        instrument: steps that the files do not tell, `SYMBOL=TICK,LOT` or, where papertape has a table of the venue, SYMBOL.
        columns: of the format "columns", which column is what: a file, or the table itself.
        endpoint, region, anonymous: of the bucket; None is what the usual AWS_… variables say.
        missing: days of the span without a file.
        broken: rows that make no sense.
    """

    venue: str = ""
    format: str
    path: tuple[str, ...]
    symbol: tuple[str, ...] = ()
    instrument: tuple[str, ...] = ()
    columns: str | dict[str, Any] | None = None
    endpoint: str | None = None
    region: str | None = None
    anonymous: bool | None = None
    missing: Lack = Lack.REFUSE
    broken: Lack = Lack.REFUSE

    @property
    def name(self) -> str:
        """What messages call it."""
        return ", ".join(self.path)
