"""A market of a few steps as a value: small enough to read, and a tape when somebody plays it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.model.errors import ConfigError
from papertape.model.event import BookSnapshot, BookUpdate, Level, MarketEvent, Side, Trade
from papertape.model.units import MILLISECOND, SECOND, Nanos
from papertape.tape.synth import BTC_USD, EPOCH_NS
from papertape.tape.writer import TapeWriter

LEVELS: Final = 5
"""Prices on each side of the book."""

LEVEL_LOTS: Final = 100_000_000
"""What each of them holds: 1 BTC."""

SPREAD_TICKS: Final = 2
LAG_NS: Final = 4 * MILLISECOND

TAIL_S: Final = 600
"""How long the market goes on, without a move, after the last step: time enough to find out what became of an order."""

PULSE_S: Final = 10
"""How often it then says that nothing has changed."""


class Move(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """One step of a small market.

    Attributes:
        after: how long after the step before, seconds.
        ticks: how far the whole book moves, up or down.
        traded: what is then traded at the best price, hundredths of a BTC: bought if above zero, sold if below.
    """

    after: int = 1
    ticks: int = 0
    traded: int = 0


class SmallTape(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """BTC/USD from 64,000 on: five levels of 1 BTC each side, a spread of two cents, and some moves. Its repr makes it again.

    >>> SmallTape((Move(), Move(ticks=-5, traded=2)))
    SmallTape((Move(), Move(ticks=-5, traded=2)))
    """

    moves: tuple[Move, ...] = ()

    def __repr__(self) -> str:
        return f"SmallTape({self.moves!r})"

    @property
    def feed(self) -> dict[str, Any]:
        """What a venue's `feed` takes; the tape is written when this is first asked for."""
        return {"tape": str(self.path)}

    @property
    def path(self) -> Path:
        """A Parquet file in a folder of this process, which is removed when it ends."""
        for move in self.moves:
            if move.after < 0:
                raise ConfigError(f"{move!r}: `after` is below 0; time goes forward")
        return _written(self)

    @property
    def seconds(self) -> int:
        """How long it lasts."""
        return sum(move.after for move in self.moves) + TAIL_S

    def events(self) -> Iterator[MarketEvent]:
        """Its messages."""
        now_ns, price, trades = EPOCH_NS, 6_400_000, 0
        yield BookSnapshot(**_when(now_ns), bids=_levels(Side.BUY, price), asks=_levels(Side.SELL, price))
        for move in self.moves:
            now_ns += move.after * SECOND
            if move.ticks:
                moved = max(price + move.ticks, 2 * LEVELS)
                # Prices that go first, so that the book is never crossed on the way.
                yield BookUpdate(**_when(now_ns), **_change(price, moved))
                price = moved
            if move.traded:
                trades += 1
                taker = Side.BUY if move.traded > 0 else Side.SELL
                at = _best(taker.opposite, price)
                yield Trade(
                    **_when(now_ns), price_ticks=at, qty_lots=abs(move.traded) * LEVEL_LOTS // 100, taker=taker, trade_id=str(trades)
                )
        for _ in range(TAIL_S // PULSE_S):
            now_ns += PULSE_S * SECOND
            yield BookUpdate(**_when(now_ns), bids=((_best(Side.BUY, price), LEVEL_LOTS),))


@lru_cache(maxsize=1)
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="papertape-tapes-")


@lru_cache(maxsize=1024)
def _written(tape: SmallTape) -> Path:
    folder = Path(_folder().name)
    path = folder / f"{_written.cache_info().misses}.parquet"
    with TapeWriter(path, venue="coinbase", instruments=[BTC_USD], connections=["drawn"], source="synthetic: drawn for a test") as writer:
        for event in tape.events():
            writer.write(event)
    return path


def _when(now_ns: Nanos) -> dict[str, Any]:
    return {"venue_ns": now_ns, "local_ns": now_ns + LAG_NS, "symbol": BTC_USD.symbol}


def _best(side: Side, price: int) -> int:
    return price - SPREAD_TICKS // 2 if side is Side.BUY else price + SPREAD_TICKS // 2


def _levels(side: Side, price: int) -> tuple[Level, ...]:
    step = -1 if side is Side.BUY else 1
    return tuple((_best(side, price) + step * place, LEVEL_LOTS) for place in range(LEVELS))


def _change(before: int, after: int) -> dict[str, Any]:
    """What makes the one book the other: levels that are gone, then those that are new."""
    change: dict[str, Any] = {}
    for name, side in (("bids", Side.BUY), ("asks", Side.SELL)):
        old, new = dict(_levels(side, before)), dict(_levels(side, after))
        change[name] = (
            *((ticks, 0) for ticks in old if ticks not in new),
            *((ticks, lots) for ticks, lots in new.items() if ticks not in old),
        )
    return change
