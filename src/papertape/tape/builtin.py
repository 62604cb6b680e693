"""The markets that come with papertape: generated on first use, kept in the user's cache folder."""

from __future__ import annotations

import difflib
import os
from decimal import Decimal
from pathlib import Path
from typing import Final

from papertape.model.errors import ConfigError, TapeError
from papertape.model.instrument import Instrument
from papertape.model.units import MINUTE, SECOND
from papertape.tape.reader import open_tape
from papertape.tape.synth import GENERATOR_VERSION, Synth, write_synth

PREFIX: Final = "builtin:"

ETH_USD: Final = Instrument(
    symbol="ETH/USD",
    venue_symbol="ETH-USD",
    tick=Decimal("0.01"),
    lot=Decimal("0.00000001"),
    amount_min=Decimal("0.00000001"),
    cost_min=Decimal(1),
)

_LONG_NS: Final = 150 * MINUTE + 5 * SECOND
_LENGTH_NS: Final = 10 * MINUTE + 5 * SECOND  # the five seconds let a run of ten minutes end with the market still open

BUILTIN: Final = {
    "btc-usd": Synth(seed=64_000, duration_ns=_LENGTH_NS),
    "eth-usd": Synth(
        seed=3_200, duration_ns=_LENGTH_NS, instrument=ETH_USD, price_ticks=320_000, wander_ticks=20, reach_bits=10, lots_bits=31
    ),
    "btc-usd-long": Synth(seed=64_001, duration_ns=_LONG_NS, events_per_second=2, wander_ticks=40),
    "btc-usd-deep": Synth(seed=64_002, duration_ns=MINUTE + 5 * SECOND, reach_bits=22, orders=100_000, absent_every=20, lag_ns=-2 * SECOND),
}
"""Name: what is generated under it."""


def resolve(feed: str, folder: str | os.PathLike[str]) -> Path:
    """The tape that a feed names: "builtin:NAME", or a path, taken from `folder` unless it is absolute.

    Raises `ConfigError` for a builtin market that there is none of. Whether the file is there is for `open_tape` to say.
    """
    if feed.startswith(PREFIX):
        return builtin_tape(feed.removeprefix(PREFIX))
    return Path(folder) / Path(feed).expanduser()


def builtin_tape(name: str) -> Path:
    """The path of a builtin market's tape, which is generated if it is not there yet (half a second).

    Several processes may do so at once: each writes a file of its own and renames it, and all files are equal.
    """
    settings = BUILTIN.get(name)
    if settings is None:
        near = difflib.get_close_matches(name, BUILTIN, 1)
        hint = f'; did you mean "{PREFIX}{near[0]}"?' if near else "."
        raise ConfigError(f'"{PREFIX}{name}": no builtin market is called "{name}"{hint} There are: {", ".join(BUILTIN)}.')
    path = cache_folder() / f"{name}-{GENERATOR_VERSION}.parquet"
    if not _is_good(path):
        write_synth(settings, path)
    return path


def cache_folder() -> Path:
    """Where generated tapes are kept: $PAPERTAPE_CACHE, else papertape in $XDG_CACHE_HOME, else in ~/.cache."""
    chosen = os.environ.get("PAPERTAPE_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "papertape"


def _is_good(path: Path) -> bool:
    try:
        open_tape(path)
    except TapeError:
        return False
    return True
