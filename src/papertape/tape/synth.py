"""A seeded market that never was: strangers send limit orders, cancel them and take, so that book and trades agree.

The flow has no intelligence, only a common opinion of the price that wanders; orders are placed around it, so the price follows.
Whole numbers and named streams only: the same settings give the same tape on every machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from papertape.model.event import BookSnapshot, BookUpdate, MarketEvent, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.units import MICROSECOND, MILLISECOND, MINUTE, SECOND, Nanos
from papertape.runtime.chance import Chance, Stream
from papertape.tape.header import Header
from papertape.tape.market import Market
from papertape.tape.writer import TapeWriter

GENERATOR_VERSION: Final = 1
"""Goes up when the same settings give another tape; part of every name under which a generated tape is kept."""

EPOCH_NS: Final = 1_767_571_200 * SECOND
"""Monday 2026-01-05 00:00 UTC, when every generated market opens."""

BTC_USD: Final = Instrument(
    symbol="BTC/USD",
    venue_symbol="BTC-USD",
    tick=Decimal("0.01"),
    lot=Decimal("0.00000001"),
    amount_min=Decimal("0.00000001"),
    cost_min=Decimal(1),
)

# Quantiles of the exponential law with mean 1000, at (i + 1/2) / 64: waiting times without floating point.
_WAITS: Final = (
    8, 24, 40, 56, 73, 90, 107, 125, 143, 161, 179, 198, 217, 237, 257, 277, 298, 319, 341, 363, 386, 409,
    433, 458, 483, 508, 535, 562, 589, 618, 647, 678, 709, 741, 774, 809, 845, 882, 920, 960, 1002, 1045, 1091, 1138,
    1188, 1241, 1297, 1356, 1418, 1485, 1556, 1633, 1717, 1808, 1908, 2019, 2144, 2287, 2454, 2655, 2906, 3243, 3753, 4852,
)  # fmt: skip
_WAIT_MEAN: Final = 1000
_LEVELS_MIN: Final = 3  # no order sweeps the last levels away: a side is never empty


class Synth(msgspec.Struct, frozen=True, kw_only=True):
    """What to generate.

    Attributes:
        events_per_second: about how many messages, all kinds together.
        price_ticks: where the price begins.
        wander_ticks: how far the opinion of the price typically gets in a second.
        reach_bits: limit orders rest up to about 2 ** reach_bits ticks from the opinion, nearer ones likelier.
        orders: about how many orders rest at once, both sides together.
        lots_bits: order sizes have up to this many bits.
        absent_every: one step in so many tells of a level that is gone and never was there, as Coinbase does at times; 0 is never.
        lag_ns: least time from the venue to the recorder; more comes on top, seldom much. Below zero where the recorder's clock is behind.
    """

    seed: int = 0
    duration_ns: Nanos = 10 * MINUTE
    events_per_second: int = 40
    instrument: Instrument = BTC_USD
    venue: str = "coinbase"
    price_ticks: int = 6_400_000
    wander_ticks: int = 200
    reach_bits: int = 13
    orders: int = 600
    lots_bits: int = 27
    absent_every: int = 0
    lag_ns: Nanos = 4 * MILLISECOND


def write_synth(settings: Synth, path: str | os.PathLike[str]) -> Header:
    """Generate a tape; about 100,000 messages a second."""
    source = f"synthetic: papertape generator {GENERATOR_VERSION}, seed {settings.seed}; no venue ever saw these orders"
    with TapeWriter(path, venue=settings.venue, instruments=[settings.instrument], connections=["synthetic"], source=source) as writer:
        for event in synth(settings):
            writer.write(event)
    return writer.close()


def synth(settings: Synth) -> Iterator[MarketEvent]:
    """The messages of such a market: an opening snapshot, then updates of one level, trades, and a ticker after each taker.

    Every trade is at the then best price and is followed by the change of the level it took from; the book is never crossed or one-sided.
    """
    flow = _Flow(settings)
    yield flow.opening()
    end_ns = EPOCH_NS + settings.duration_ns
    while flow.next_step() < end_ns:
        yield from flow.step()


class _Flow:
    """Everybody who trades on the market, and the clocks."""

    def __init__(self, settings: Synth) -> None:
        self._settings = settings
        self._symbol = settings.instrument.symbol
        self._market = Market()
        self._draws: Stream = Chance(settings.seed).stream("tape/synth")
        self._absences: Stream = Chance(settings.seed).stream("tape/synth/absences")
        self._opinion = settings.price_ticks
        # A walk of n steps gets sqrt(n) times as far as one; a uniform step of up to s gets s / sqrt(3) far.
        self._stride = max(1, settings.wander_ticks * 17 // (10 * _square_root(settings.events_per_second)))
        self._pause_ns = 9 * SECOND // (5 * settings.events_per_second)  # a step makes about 1.8 messages
        self._venue_ns = EPOCH_NS
        self._local_ns = EPOCH_NS + min(0, settings.lag_ns)
        self._trades = 0

    def opening(self) -> BookSnapshot:
        settings = self._settings
        while len(self._market.orders) < settings.orders:
            side = Side.BUY if len(self._market.orders) % 2 else Side.SELL
            self._market.rest(side, self._place(side, 1 + self._distance()), self._lots())
        self._receive()
        return BookSnapshot(
            venue_ns=self._venue_ns, local_ns=self._local_ns, symbol=self._symbol,
            bids=self._market.bids.levels(), asks=self._market.asks.levels(),
        )  # fmt: skip

    def next_step(self) -> Nanos:
        """Let time pass until somebody does something; when that is."""
        self._venue_ns += max(MICROSECOND, self._pause_ns * self._wait() // _WAIT_MEAN)
        self._receive()
        return self._venue_ns

    def step(self) -> Iterator[MarketEvent]:
        """What somebody does now."""
        market, draws = self._market, self._draws
        self._opinion = max(1 << self._settings.reach_bits, self._opinion + draws.between(-self._stride, self._stride))
        draw = draws.word()
        side = Side.BUY if draw & 1 else Side.SELL
        act = draw >> 1 & 0x3FF
        if act < 40:  # one in 25 takes what there is
            yield from self._cross(side, self._lots() >> 2 or 1, limit_ticks=self._best(side.opposite))
        elif (draw >> 16) % (2 * self._settings.orders) >= len(market.orders):  # so many rest as shall
            ticks = self._place(side, self._distance())
            best = self._best(side.opposite)
            if (ticks >= best) if side is Side.BUY else (ticks <= best):
                yield from self._cross(side, self._lots(), limit_ticks=ticks)
            else:
                yield self._change(side, ticks, market.rest(side, ticks, self._lots()))
        else:
            order = market.orders[(draw >> 16) % len(market.orders)]
            if len(market.ladder(order.side).queues) > _LEVELS_MIN:
                yield self._change(order.side, order.ticks, market.cancel(order))
        if self._settings.absent_every and self._absences.between(1, self._settings.absent_every) == 1:
            yield self._absence()

    def _absence(self) -> BookUpdate:
        """A level of nobody's is gone."""
        side = Side.BUY if self._absences.between(0, 1) else Side.SELL
        ticks, queues = self._place(side, 1 + self._absences.between(1, 1_000)), self._market.ladder(side).queues
        while ticks in queues:
            ticks += -1 if side is Side.BUY else 1
        return self._change(side, ticks, 0)

    def _cross(self, side: Side, lots: int, *, limit_ticks: int) -> Iterator[MarketEvent]:
        last = 0
        for ticks, traded, left in self._market.take(side, lots, limit_ticks=limit_ticks, levels_min=_LEVELS_MIN):
            self._trades += 1
            last = ticks
            yield Trade(
                venue_ns=self._venue_ns, local_ns=self._local_ns, symbol=self._symbol, price_ticks=ticks, qty_lots=traded, taker=side,
                trade_id=str(self._trades),
            )  # fmt: skip
            yield self._change(side.opposite, ticks, left)
        if last:
            bid, ask = self._best(Side.BUY), self._best(Side.SELL)
            yield Ticker(
                venue_ns=self._venue_ns, local_ns=self._local_ns, symbol=self._symbol, last_ticks=last,
                bid_ticks=bid, bid_lots=self._market.bids.totals[bid], ask_ticks=ask, ask_lots=self._market.asks.totals[ask],
            )  # fmt: skip

    def _change(self, side: Side, ticks: int, lots: int) -> BookUpdate:
        level = ((ticks, lots),)
        if side is Side.BUY:
            return BookUpdate(venue_ns=self._venue_ns, local_ns=self._local_ns, symbol=self._symbol, bids=level)
        return BookUpdate(venue_ns=self._venue_ns, local_ns=self._local_ns, symbol=self._symbol, asks=level)

    def _best(self, side: Side) -> int:
        return self._market.ladder(side).best()

    def _place(self, side: Side, distance: int) -> int:
        return max(1, self._opinion - distance if side is Side.BUY else self._opinion + distance)

    def _distance(self) -> int:
        """Ticks from the opinion: one bit more is as likely as one bit less, so most orders are near and some far."""
        draw = self._draws.word()
        bits = 4 + (draw & 0xFF) % (self._settings.reach_bits - 3)
        return draw >> 8 & (1 << bits) - 1

    def _lots(self) -> int:
        draw = self._draws.word()
        bits = self._settings.lots_bits - (draw & 0xFF) % 8
        return 1 + (draw >> 8 & (1 << max(1, bits)) - 1)

    def _wait(self) -> int:
        return _WAITS[self._draws.word() & 63]

    def _receive(self) -> None:
        """The recorder hears of now: a little later, seldom much, and never out of order."""
        draw = self._draws.word()
        lag_ns = self._settings.lag_ns + MILLISECOND * _WAITS[draw & 63] // _WAIT_MEAN * (1 if draw >> 6 & 0xFF else 20)
        self._local_ns = max(self._local_ns, self._venue_ns + lag_ns)


def _square_root(number: int) -> int:
    root = 1
    while (root + 1) ** 2 <= number:
        root += 1
    return root
