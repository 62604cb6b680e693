"""Made-up markets of one instrument that come by two connections, and what a client hears of a tape of them."""

from __future__ import annotations

from pathlib import Path

import msgspec
from hypothesis import strategies as st

from papertape.model.event import BookSnapshot, BookUpdate, MarketEvent, Side, Trade
from papertape.tape import TapeWriter, open_tape
from papertape.tape.export.exporter import COUNT_MAX
from tape.strategies import BTC

Arrived = list[tuple[MarketEvent, int]]

MS = 1_000_000

lots = st.integers(1, COUNT_MAX - 1)
ticks = st.integers(1, 60)
changes = st.dictionaries(ticks, st.integers(0, 9) | lots, max_size=4)
heard = st.one_of(
    st.tuples(st.just("trade"), ticks, lots, st.sampled_from(Side), st.just("") | st.integers(1, 2**64 - 1).map(str)),
    st.tuples(st.just("update"), changes, changes).filter(lambda each: bool(each[1] or each[2])),
    st.tuples(st.just("snapshot"), changes, changes),
)


def event_of(each: tuple, venue_ns: int, local_ns: int) -> MarketEvent:
    times = {"venue_ns": venue_ns, "local_ns": local_ns, "symbol": "BTC/USD"}
    if each[0] == "trade":
        return Trade(**times, price_ticks=each[1], qty_lots=each[2], taker=each[3], trade_id=each[4])
    if each[0] == "update":
        return BookUpdate(**times, bids=tuple(each[1].items()), asks=tuple(each[2].items()))
    sides = [
        tuple(sorted(((at, many) for at, many in side.items() if many), reverse=is_bid))
        for side, is_bid in zip(each[1:], (True, False), strict=True)
    ]
    return BookSnapshot(**times, bids=sides[0], asks=sides[1])


@st.composite
def tapes(draw: st.DrawFn) -> Arrived:
    """What two connections brought: no two at one time, in the order of arrival, with lags that let one overtake the other."""
    local_ns, out = 10**9, []
    for each in draw(st.lists(heard, min_size=1, max_size=25)):
        local_ns += draw(st.integers(1, 5 * MS))
        out.append((event_of(each, local_ns - draw(st.integers(0, 400 * MS)), local_ns), draw(st.integers(0, 1))))
    return out


def write(path: Path, arrived: Arrived) -> Path:
    with TapeWriter(path, venue="coinbase", instruments=[BTC], connections=("one", "two")) as writer:
        for each, connection in arrived:
            writer.write(each, connection)
    return path


def content(event: MarketEvent) -> MarketEvent:
    return msgspec.structs.replace(event, venue_ns=0, local_ns=0)


def delivered(path: Path) -> list[tuple[int, MarketEvent]]:
    """What a client hears, and when, in its order."""
    messages = sorted((deliver_ns, row, content(event)) for row, _, deliver_ns, event in open_tape(path).messages())
    return [(deliver_ns, event) for deliver_ns, _, event in messages]


def book(rows: list[MarketEvent]) -> tuple[dict[int, int], dict[int, int]]:
    """What a client's book holds after them."""
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    for each in rows:
        if isinstance(each, BookSnapshot):
            bids, asks = dict(each.bids), dict(each.asks)
        elif isinstance(each, BookUpdate):
            for side, levels in ((bids, each.bids), (asks, each.asks)):
                side.update(levels)
    return {at: many for at, many in bids.items() if many}, {at: many for at, many in asks.items() if many}


def trades(path: Path) -> list[tuple[int, MarketEvent]]:
    """Every trade, and when a client hears of it."""
    return [each for each in delivered(path) if isinstance(each[1], Trade)]


def books(path: Path) -> dict[int, int]:
    """A hash of the book that a client has at each time at which it hears of a change."""
    sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
    found: dict[int, int] = {}
    held = 0  # of all levels, whatever their order
    for at_ns, each in delivered(path):
        if isinstance(each, BookSnapshot):
            sides, held = ({}, {}), 0
        if isinstance(each, BookSnapshot | BookUpdate):
            for name, side, levels in zip("ba", sides, (each.bids, each.asks), strict=True):
                for at, lots in levels:
                    held ^= hash((name, at, side.get(at, 0))) if side.get(at, 0) else 0
                    side[at] = lots
                    held ^= hash((name, at, lots)) if lots else 0
            found[at_ns] = held
    return found
