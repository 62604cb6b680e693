"""Waiting for something to be so: who is woken, when, and who sleeps on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from papertape.exchanges.bell import Bell
from papertape.model.units import SECOND
from papertape.runtime.clock import VirtualClock
from papertape.runtime.loop import VirtualLoop


def played(story: Callable[[VirtualClock], Coroutine[Any, Any, None]]) -> None:
    loop = VirtualLoop()
    try:
        loop.run_until_complete(story(VirtualClock(loop)))
    finally:
        loop.close()


def test_only_those_wake_for_whom_it_has_become_true() -> None:
    """Nobody else takes a turn; those who wake do so in the order in which they came, and what is over by then lets them wait on."""

    async def story(clock: VirtualClock) -> None:
        bell, now, woken = Bell(clock), {"a": False, "b": False, "c": False}, list[str]()
        looks = dict.fromkeys(now, 0)

        async def wait(name: str, key: str) -> None:
            def claim() -> bool:
                looks[key] += 1
                return now[key]

            await bell.until(claim)
            woken.append(name)

        tasks = [asyncio.ensure_future(wait(name, key)) for name, key in (("1", "a"), ("2", "b"), ("3", "a"), ("4", "c"))]
        await asyncio.sleep(1)
        now["a"] = now["c"] = True
        bell.ring()
        now["c"] = False  # before anybody had a turn
        await asyncio.sleep(1)
        assert woken == ["1", "3"]
        steps = looks["b"]
        bell.ring()
        bell.ring()
        await asyncio.sleep(1)
        assert looks["b"] == steps + 3, "two rings, and one more look for both"
        now["b"] = now["c"] = True
        bell.ring()
        await asyncio.gather(*tasks)
        assert woken == ["1", "3", "2", "4"]

    played(story)


def test_what_changes_right_after_the_bell_has_rung_is_seen() -> None:
    """Whoever rings may not have written down yet what he rings for; nobody rings again."""

    async def story(clock: VirtualClock) -> None:
        bell, facts = Bell(clock), list[str]()
        task = asyncio.ensure_future(bell.until(lambda: bool(facts)))
        await asyncio.sleep(1)
        bell.ring()
        facts.append("so")
        await asyncio.sleep(1)
        assert task.done()
        assert task.result()

    played(story)


def test_a_deadline_ends_the_wait_however_often_the_bell_has_rung() -> None:
    async def story(clock: VirtualClock) -> None:
        bell = Bell(clock)
        task = asyncio.ensure_future(bell.until(lambda: False, 5 * SECOND))
        for _ in range(4):
            await asyncio.sleep(1)
            bell.ring()
        assert not task.done()
        await asyncio.sleep(2)
        assert task.result() is False

    played(story)


def test_a_bell_rings_the_one_beyond_it_and_not_the_other_way() -> None:
    async def story(clock: VirtualClock) -> None:
        looked = list[str]()
        orders = Bell(clock)
        lanes = Bell(clock, beyond=orders)

        async def wait(bell: Bell, name: str) -> None:
            await bell.until(lambda: bool(looked.append(name)))

        tasks = [asyncio.ensure_future(wait(lanes, "lanes")), asyncio.ensure_future(wait(orders, "orders"))]
        await asyncio.sleep(1)
        looked.clear()
        orders.ring()
        assert looked == ["orders"]
        lanes.ring()
        assert looked == ["orders", "lanes", "orders"]
        for task in tasks:
            task.cancel()

    played(story)


def test_a_claim_that_cannot_be_told_fails_him_who_waits_and_not_him_who_rings() -> None:
    async def story(clock: VirtualClock) -> None:
        bell, facts = Bell(clock), {"there": False}
        task = asyncio.ensure_future(bell.until(lambda: facts["there"]))
        await asyncio.sleep(1)
        del facts["there"]
        bell.ring()
        await asyncio.sleep(1)
        assert isinstance(task.exception(), KeyError)

    played(story)
