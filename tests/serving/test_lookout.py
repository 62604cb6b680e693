"""Whoever looks after a server tells of each thing once, and cuts off who does not read."""

from __future__ import annotations

from fractions import Fraction

from papertape.model.units import SECOND
from papertape.runtime.clock import VirtualClock
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.paced import Pace, PacedTime
from papertape.runtime.world import run_virtual
from papertape.session.serving.lookout import BACKLOG_MAX, BEHIND_MAX_NS, Lookout


class Client:
    def __init__(self, backlog: int) -> None:
        self.backlog = backlog
        self.is_cut_off = False

    def cut_off(self) -> None:
        self.is_cut_off = True


class Booth:
    """A server with its clients."""

    def __init__(self, *clients: Client) -> None:
        self.streams = dict.fromkeys(clients)
        self.strangers: dict[str, int] = {}
        self.failures: list[str] = []


def looking(front: Booth, time: PacedTime) -> tuple[Lookout, list[str]]:
    told: list[str] = []
    return Lookout(time, front, told.append), told


def test_who_does_not_read_is_cut_off() -> None:
    """Not who is merely slow."""

    async def main(loop: VirtualLoop) -> None:
        slow, dead = Client(BACKLOG_MAX), Client(BACKLOG_MAX + 1)
        lookout, told = looking(Booth(slow, dead), PacedTime(VirtualClock(loop), Pace()))
        lookout.look()
        assert (slow.is_cut_off, dead.is_cut_off, len(told)) == (False, True, 1)

    run_virtual(main, patch=False)


def test_strangers_and_mistakes_are_told_once() -> None:
    """However often somebody looks; new ones are told when they come."""

    async def main(loop: VirtualLoop) -> None:
        front = Booth()
        lookout, told = looking(front, PacedTime(VirtualClock(loop), Pace()))
        front.strangers["a"] = 1
        front.failures.append("one")
        lookout.look()
        front.strangers |= {"a": 9, "b": 1}
        front.failures.append("two")
        lookout.look()
        lookout.look()
        assert [line.split(",")[0] for line in told] == [
            'somebody signed with the key "a"', "a request met a mistake of papertape's own",
            'somebody signed with the key "b"', "a request met a mistake of papertape's own",
        ]  # fmt: skip

    run_virtual(main, patch=False)


def test_a_market_that_is_late_is_told_by_the_clock_on_the_wall() -> None:
    """Five seconds of the wall's, whatever the speed; again only after it had caught up."""

    async def main(loop: VirtualLoop) -> None:
        time = PacedTime(VirtualClock(loop), Pace(Fraction(10)))
        lookout, told = looking(Booth(), time)
        time.start()
        for late_ns in (BEHIND_MAX_NS, SECOND, SECOND):
            loop.advance_ns(loop.now_ns + late_ns)
            lookout.look()
        assert told == ["the market is 1m late: this machine is too slow for this speed; take a lower one"]
        time.catch_up()
        lookout.look()
        loop.advance_ns(loop.now_ns + 6 * SECOND)
        lookout.look()
        assert len(told) == 2

    run_virtual(main, patch=False)
