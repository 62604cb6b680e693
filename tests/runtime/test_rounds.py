"""Rounds that are passed over leave the agenda, and whoever has them, as if each had happened."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from hypothesis import example, given
from hypothesis import strategies as st

from papertape.model.units import Nanos
from papertape.runtime.loop import FOREVER_NS, VirtualLoop
from papertape.runtime.rank import END, TIMER
from papertape.runtime.rounds import Round, told_in_order

ROUNDS = st.lists(
    st.builds(
        Round,
        when_ns=st.integers(0, 12),
        rank=st.sampled_from([TIMER, END]),
        sequence=st.just(0),
        every_ns=st.sampled_from([1, 2, 3, 4, 6]),
    ),
    min_size=1,
    max_size=6,
)


@given(rounds=ROUNDS, order=st.randoms(use_true_random=False), bound_ns=st.integers(0, 40))
def test_what_is_passed_over_is_what_would_have_happened(rounds: list[Round], order: object, bound_ns: Nanos) -> None:
    """How often and until when, the last two of each in their order; and what is due after that comes in the order of the loop's."""
    numbers = list(range(len(rounds)))
    order.shuffle(numbers)  # type: ignore[attr-defined]  # Hypothesis' own Random
    rounds = [Round(each.when_ns, each.rank, number, each.every_ns) for each, number in zip(rounds, numbers, strict=True)]
    happened, after = one_by_one(rounds, bound_ns)
    told, order_after = told_in_order(rounds, [True] * len(rounds), bound_ns)
    for which in range(len(rounds)):
        own = [at_ns for each, count, last_ns in told if each == which for at_ns in before(rounds[which], count, last_ns)]
        assert own == [at_ns for each, at_ns in happened if each == which]
    apart = [(which, at_ns) for which, count, at_ns in told if count == 1]
    lasts = [each for place, each in enumerate(happened) if sum(other[0] == each[0] for other in happened[place:]) <= 2]
    assert [each for each in apart if each in lasts] == [each for each in lasts if each in apart]
    assert all(each in apart for each in lasts)
    assert order_after == [which for which in after if any(each == which for each, _ in happened)]
    counts = [(which, each, each.before(bound_ns)) for which, each in enumerate(rounds)]
    at_once = [(which, count, each.when_ns + (count - 1) * each.every_ns) for which, each, count in counts if count]
    assert told_in_order(rounds, [False] * len(rounds), bound_ns) == (at_once, order_after)


def before(each: Round, count: int, last_ns: Nanos) -> list[Nanos]:
    return [last_ns - number * each.every_ns for number in reversed(range(count))]


def one_by_one(rounds: list[Round], bound_ns: Nanos) -> tuple[list[tuple[int, Nanos]], list[int]]:
    """What happens before a time, and which rounds were put on the agenda anew, in the order of the last time that they were."""
    agenda = [(each.when_ns, each.rank, each.sequence, which) for which, each in enumerate(rounds)]
    heapify(agenda)
    sequence, happened = len(rounds), []
    while agenda[0][0] < bound_ns:
        at_ns, rank, _, which = heappop(agenda)
        happened.append((which, at_ns))
        sequence += 1
        heappush(agenda, (at_ns + rounds[which].every_ns, rank, sequence, which))
    return happened, [which for _, which in sorted((sequence, which) for _, _, sequence, which in agenda if sequence > len(rounds))]


class Ticks:
    """Counts; what may be passed over is as it is told."""

    is_ordered = True

    def __init__(self, loop: VirtualLoop, name: str, every_ns: Nanos, log: list[object], quiet_ns: Nanos) -> None:
        self.loop, self.name, self.every_ns, self.log, self.quiet_ns = loop, name, every_ns, log, quiet_ns
        self.count, self.last_ns, self.happened = 0, 0, 0

    def go_on(self) -> None:
        self.loop.schedule_round(self.loop.now_ns + self.every_ns, TIMER, self.every_ns, self, self.tick)

    def tick(self) -> None:
        self.happened += 1
        self.passed(1, self.loop.now_ns)
        if not self.quiet_until_ns(self.loop.now_ns) > self.loop.now_ns:
            self.log.append((self.loop.now_ns, self.name, self.count))
        self.go_on()

    def quiet_until_ns(self, due_ns: Nanos) -> Nanos:
        return self.quiet_ns if due_ns < self.quiet_ns else due_ns

    def passed(self, count: int, last_ns: Nanos) -> None:
        self.count, self.last_ns = self.count + count, last_ns


@given(
    every=st.lists(st.sampled_from([2, 3, 4, 6]), min_size=1, max_size=4),
    quiet=st.lists(st.integers(0, 120), min_size=4, max_size=4),
    others=st.lists(st.integers(1, 100), max_size=5),
    tape_ns=st.integers(0, 130),
)
@example(every=[2, 4, 2], quiet=[120, 120, 50, 0], others=[8, 16, 40], tape_ns=130)
def test_a_loop_that_passes_rounds_over_goes_the_same_way(every: list[int], quiet: list[int], others: list[int], tape_ns: int) -> None:
    """Whatever else is due sees the same counts at the same times and in the same order, and what must happen does."""
    assert ticked(every, quiet, others, tape_ns)[0] == ticked(every, quiet, others, None)[0]


def ticked(every: list[int], quiet: list[int], others: list[int], tape_ns: int | None) -> tuple[list[object], int]:
    """What was seen, and how many rounds happened one by one; where nothing is passed over there is no tape."""
    loop, log = VirtualLoop(), []
    if tape_ns is not None:
        loop.quiet_until_ns = lambda: tape_ns if loop.now_ns < tape_ns else FOREVER_NS
    ticks = [
        Ticks(loop, str(number), every_ns, log, quiet_ns) for number, (every_ns, quiet_ns) in enumerate(zip(every, quiet, strict=False))
    ]
    for each in ticks:
        each.go_on()

    def look() -> None:
        log.append((loop.now_ns, [(each.count, each.last_ns) for each in ticks]))

    for at_ns in others:
        loop.schedule_ns(at_ns, TIMER, look)
        loop.schedule_ns(at_ns, TIMER, loop.schedule_ns, at_ns + 3, TIMER, look)
    called_off = loop.schedule_round(50, TIMER, 3, ticks[0], look)
    for each in (called_off, loop.schedule_ns(51, TIMER, look)):
        loop.schedule_ns(10, TIMER, each.cancel)
    loop.schedule_ns(125, END, loop.stop)
    loop.run_forever()
    look()
    loop.close()
    return log, sum(each.happened for each in ticks)


def test_few_rounds_happen_where_nothing_else_does() -> None:
    """A thousand quiet rounds, and two looks of somebody else: at each something may have to happen in its time."""
    assert ticked([2, 3, 4], [FOREVER_NS] * 3, [50, 100], FOREVER_NS)[1] <= 6
    assert ticked([2, 3, 4], [FOREVER_NS] * 3, [50, 100], None)[1] > 120
