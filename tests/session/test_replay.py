"""Two cursors walk a tape, and ties at one nanosecond have an order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from papertape.model.event import Side, Trade
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.rank import COMMAND, DELIVERY, TIMER
from papertape.runtime.world import run_virtual
from papertape.session.replay import Cursors, Replay, Row

EPOCH = 1_000_000


def trade(number: int) -> Trade:
    return Trade(venue_ns=0, local_ns=0, symbol="BTC/USD", price_ticks=number, qty_lots=1, taker=Side.BUY)


class Notes:
    """What happened, in order: (run time, who, what)."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.lines: list[tuple[int, str, int]] = []
        self.count = 0

    def tape(self, rows: list[tuple[int, int]], name: str = "") -> Cursors:
        """A tape of (reach, line) instants, run time."""

        def read() -> Iterator[Row]:
            for number, (reach, line) in enumerate(rows):
                yield number, EPOCH + reach, EPOCH + line, trade(number)

        def apply(event: Trade, now_ns: int) -> int:
            assert now_ns == self.loop.now_ns
            self.lines.append((now_ns, f"reach{name}", event.price_ticks))
            self.count += 1
            return self.count

        def deliver(index: int, event: Trade) -> None:
            self.lines.append((self.loop.now_ns, f"deliver{name}", event.price_ticks))

        return Cursors(read(), origin_ns=EPOCH, delay=None, apply=apply, deliver=deliver)


def walked(*tapes: list[tuple[int, int]], more: list[tuple[int, int, str]] | None = None) -> list[tuple[int, str, int]]:
    async def main(loop: VirtualLoop) -> list[tuple[int, str, int]]:
        notes = Notes(loop)
        cursors = [notes.tape(rows, name=str(number) if len(tapes) > 1 else "") for number, rows in enumerate(tapes)]
        for when, rank, name in more or []:
            loop.schedule_ns(when, rank, lambda name=name: notes.lines.append((loop.now_ns, name, -1)))
        loop.feed = Replay(loop, cursors)
        await asyncio.sleep(1)
        return notes.lines

    return run_virtual(main, epoch_ns=EPOCH, patch=False)


def test_ties_go_market_command_delivery_timer() -> None:
    more = [(50, TIMER, "timer"), (50, DELIVERY, "answer"), (50, COMMAND, "command")]
    lines = walked([(10, 50), (50, 60)], more=more)
    assert [(who, number) for at, who, number in lines if at == 50] == [
        ("reach", 1),
        ("command", -1),
        ("deliver", 0),
        ("answer", -1),
        ("timer", -1),
    ]


def test_an_earlier_venue_or_feed_goes_first() -> None:
    lines = walked([(10, 10)], [(10, 10)])
    assert [who for _, who, _ in lines] == ["reach0", "reach1", "deliver0", "deliver1"]


def test_a_row_before_the_runs_start_reaches_the_venue_at_its_start() -> None:
    """A snapshot made for the cut, or a feed that begins earlier than another."""
    assert walked([(-500, 5)]) == [(0, "reach", 0), (5, "deliver", 0)]


rows = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 100)), max_size=20).map(
    lambda steps: [
        (reach, reach + late) for reach, late in zip(sorted(reach for reach, _ in steps), (late for _, late in steps), strict=True)
    ]
)


@given(rows, rows)
def test_every_row_reaches_the_venue_once_is_delivered_once_and_never_before_its_cause(
    one: list[tuple[int, int]], other: list[tuple[int, int]]
) -> None:
    lines = walked(one, other)
    assert [at for at, _, _ in lines] == sorted(at for at, _, _ in lines)
    for number, tape in enumerate((one, other)):
        reached = {row: at for at, who, row in lines if who == f"reach{number}"}
        delivered = {row: at for at, who, row in lines if who == f"deliver{number}"}
        assert list(reached) == list(delivered) == list(range(len(tape)))
        latest = 0
        for row, (reach, line) in enumerate(tape):
            latest = max(latest, line)
            assert reached[row] == reach
            assert delivered[row] == latest  # on one connection nothing overtakes
