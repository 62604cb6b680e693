"""Fills for tapes that hold nothing but bars: a stated path through each bar, with a narrow market around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from heapq import heappop, heappush
from typing import ClassVar, Final

from papertape.model.errors import ConfigError
from papertape.model.event import BookSnapshot, BookUpdate, CandleEvent, MarketEvent, Side, Trade
from papertape.model.instrument import Instrument
from papertape.model.units import MILLISECOND, Nanos
from papertape.sim.fills.base import FillModel, Place
from papertape.sim.fills.cross import LastPlace

POINTS: Final = 4
LINE_NS: Final = MILLISECOND
"""How long after the venue a client hears of a point, as of any row whose recorder's line says nothing."""

Row = tuple[int, Nanos, Nanos, MarketEvent]
"""(number, when it reached the venue, when the recorder's line delivers it, event), as a tape has it."""


class BarFills(FillModel, frozen=True, tag="bars", kw_only=True):
    """For tapes of bars alone (OHLCV): the market walks a stated path through each bar, and an order fills when the path goes past it.

    The path of a bar has four points: its open at its first nanosecond; the extreme that is nearer to the open (where both are as near,
    the low of a bar that rises, else the high) after a third of its span; the other extreme after two thirds; its close at its last
    nanosecond. At each point a fourth of the bar's volume is printed as a trade at that price (what does not divide goes to the close), its
    taker a buyer where the path rose, and the book becomes one bid a tick under the price and one ask a tick over it. So nothing of a bar
    is told before its time, but for the path itself; and the bars that a bot makes of the trades are those of the tape.

    At each point, not between them,
    - a resting order fills, at its own limit and as a maker, if the path has gone past its price: a point at that very price does not;
    - a market order, or a limit order beyond the spread, pays a tick more than the point that was last, or gets a tick less;
    - on either side no more is filled than `share` of a fourth of the bar's volume. What is left waits for the next point.

    A bar that is not over when the tape tells of it is left out, and so is one that begins before the last one ended. A tape that has
    trades or books as well says more than any path, and is refused.

    Attributes:
        share: of a bar's volume, what our orders may have on either side: above 0, at most 0.5.
    """

    counts_trades: ClassVar[bool] = False

    share: Decimal = Decimal("0.1")

    def __post_init__(self) -> None:
        if not self.share.is_finite() or not 0 < self.share <= Decimal("0.5"):
            raise ValueError(f"bars, key `share`: holds {self.share}; expected a number above 0, at most 0.5")

    def join(self, lots: int | None, mark: int, instrument: Instrument) -> Place:
        return LastPlace(mark)

    def played(self, rows: Iterator[Row], instruments: Mapping[str, Instrument]) -> Iterator[Row]:
        """The path's points instead of the bars, in the order of time; all other rows as they are."""
        waiting: list[tuple[Nanos, int, Row]] = []
        ended: dict[str, Nanos] = {}
        count = span_max_ns = last_ns = 0
        for row in rows:
            number, reach_ns, _, event = row
            if isinstance(event, Trade | BookSnapshot | BookUpdate):
                what = f"this one tells of {event.symbol} what was traded or offered"
                raise ConfigError(f'fills "bars": is for tapes that hold bars alone, and {what}; leave `fills` out, or name another')
            found = [row]
            if isinstance(event, CandleEvent):
                end_ns = event.open_ns + event.span_ns
                is_over = event.venue_ns >= end_ns and event.open_ns >= ended.get(event.symbol, event.open_ns)
                found = []
                if is_over and event.symbol in instruments:
                    ended[event.symbol] = end_ns
                    span_max_ns = max(span_max_ns, event.span_ns)
                    found = [(number, at.venue_ns, at.venue_ns + LINE_NS, at) for at in self.path(event)]
            for each in found:
                count += 1
                heappush(waiting, (each[1], count, each))
            while waiting and waiting[0][0] < reach_ns - span_max_ns:  # no bar that is yet to come begins before that, if none is longer
                last_ns = max(last_ns, waiting[0][0])
                yield _at(heappop(waiting)[2], last_ns)
        while waiting:
            last_ns = max(last_ns, waiting[0][0])
            yield _at(heappop(waiting)[2], last_ns)

    def path(self, bar: CandleEvent) -> Iterator[Trade | BookSnapshot]:
        """What happens along a bar, in the order of time."""
        first, second = bar.high_ticks, bar.low_ticks
        up, down = bar.high_ticks - bar.open_ticks, bar.open_ticks - bar.low_ticks
        if down < up or (down == up and bar.close_ticks > bar.open_ticks):
            first, second = second, first
        part, lots = bar.volume_lots // POINTS, int(bar.volume_lots * self.share) // POINTS
        before = bar.open_ticks if bar.close_ticks >= bar.open_ticks else bar.open_ticks + 1
        points = ((0, bar.open_ticks), (1, first), (2, second), (3, bar.close_ticks))
        for place, ticks in points:
            at_ns = bar.open_ns + (bar.span_ns - 1 if place == 3 else bar.span_ns * place // 3)
            amount = part if place < 3 else bar.volume_lots - 3 * part
            taker = Side.BUY if ticks >= before else Side.SELL
            before = ticks
            if amount:
                trade = Trade(venue_ns=at_ns, local_ns=at_ns, symbol=bar.symbol, price_ticks=ticks, qty_lots=amount, taker=taker)
                yield trade
            bids = ((ticks - 1, lots),) if lots and ticks > 1 else ()
            asks = ((ticks + 1, lots),) if lots else ()
            yield BookSnapshot(venue_ns=at_ns, local_ns=at_ns, symbol=bar.symbol, bids=bids, asks=asks)


def _at(row: Row, reach_ns: Nanos) -> Row:
    """The row, if it is later than it says: where bars of another length begin, a point may lie before what was told already."""
    return row if row[1] == reach_ns else (row[0], reach_ns, reach_ns + LINE_NS, row[3])
