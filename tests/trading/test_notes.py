"""What stands in the journal of an exchange that trades."""

from __future__ import annotations

import asyncio
import json

from papertape.journal import Journal
from papertape.model.notes import Mark
from papertape.model.units import SECOND
from papertape.runtime.clock import VirtualClock
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.world import run_virtual
from papertape.trading.notes import TradingNotes


def test_a_clock_that_is_put_right_all_the_time_is_told_once_a_minute() -> None:
    """As by a venue that is served at five times its speed; each is counted, and what else happens is told each time."""
    journal = Journal({})

    async def main(loop: VirtualLoop) -> None:
        notes = TradingNotes(journal, VirtualClock(loop), venue="coinbase", tell=print)
        for _ in range(150):
            notes.mark(Mark.CLOCK_CORRECTED, "this machine's clock is behind")
            notes.mark(Mark.RECONNECTED)
            await asyncio.sleep(1)
        assert notes.marks == {Mark.CLOCK_CORRECTED: 150, Mark.RECONNECTED: 150}

    run_virtual(main)
    lines = [json.loads(line) for line in journal.lines[1:]]
    assert [line["t"] // SECOND for line in lines if line["mark"] == Mark.CLOCK_CORRECTED] == [0, 60, 120]
    assert sum(line["mark"] == Mark.RECONNECTED for line in lines) == 150
