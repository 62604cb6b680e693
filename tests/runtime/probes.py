"""Run in processes of its own by test_processes.py: does what asyncio programs do with sets of tasks, and prints the orders as JSON."""

# ruff: noqa: TID251 - what is banned elsewhere is what is tested here.

import asyncio
import gc
import json
import os
import sys
from typing import Any

from papertape.runtime.world import run_virtual

COUNT = 12


async def wait_for_all() -> Any:
    async def work(number: int) -> int:
        await asyncio.sleep(1)
        return number

    done, _ = await asyncio.wait([asyncio.create_task(work(number)) for number in range(COUNT)])
    return [task.result() for task in done]


async def wait_for_the_first() -> Any:
    async def work(number: int) -> int:
        await asyncio.sleep(1 + number // 6)
        return number

    done, pending = await asyncio.wait([asyncio.create_task(work(n)) for n in range(COUNT)], return_when=asyncio.FIRST_COMPLETED)
    return [task.result() for task in done], [await task for task in pending]


async def as_completed() -> Any:
    async def work(number: int) -> int:
        await asyncio.sleep(0)
        return number

    return [await future for future in asyncio.as_completed([work(number) for number in range(COUNT)])]


async def task_group() -> Any:
    cancelled: list[int] = []

    async def work(number: int) -> None:
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            cancelled.append(number)
            raise

    async def fail() -> None:
        await asyncio.sleep(1)
        raise ValueError

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(COUNT):
                group.create_task(work(number))
            group.create_task(fail())
    except* ValueError:
        pass
    return cancelled


async def all_tasks() -> Any:
    tasks = [asyncio.create_task(asyncio.sleep(9), name=f"mine {number}") for number in range(COUNT)]
    names = [task.get_name() for task in asyncio.all_tasks()]
    for task in tasks:
        task.cancel()
    return names


async def a_set_of_tasks() -> Any:
    tasks = {asyncio.create_task(asyncio.sleep(9), name=f"{number}") for number in range(COUNT)}
    names = [task.get_name() for task in tasks]
    for task in tasks:
        task.cancel()
    return names


async def a_set_of_futures() -> Any:
    loop = asyncio.get_running_loop()
    futures = {loop.create_future(): number for number in range(COUNT)}
    return [futures[future] for future in set(futures)]


async def gather() -> Any:
    order: list[int] = []

    async def work(number: int) -> None:
        order.append(number)
        await asyncio.sleep(1)
        order.append(number)

    await asyncio.gather(*(work(number) for number in range(COUNT)))
    return order


async def equal_timers() -> Any:
    order: list[int] = []
    for number in range(COUNT):
        asyncio.get_running_loop().call_at(5.0, order.append, number)
    await asyncio.sleep(6)
    return order


async def conditions() -> Any:
    order: list[int] = []
    condition = asyncio.Condition()

    async def work(number: int) -> None:
        async with condition:
            await condition.wait()
            order.append(number)

    tasks = [asyncio.create_task(work(number)) for number in range(COUNT)]
    await asyncio.sleep(0)
    async with condition:
        condition.notify_all()
    await asyncio.gather(*tasks)
    return order


async def equal_timeouts() -> Any:
    order: list[Any] = []

    async def work(number: int) -> None:
        try:
            async with asyncio.timeout(5):
                await asyncio.sleep(5)
            order.append(("slept", number))
        except TimeoutError:
            order.append(("timed out", number))

    await asyncio.gather(*(work(number) for number in range(6)))
    return order


async def async_generators() -> Any:
    closed: list[int] = []

    async def ticks(number: int) -> Any:
        try:
            yield number
        finally:
            closed.append(number)

    generators = [ticks(number) for number in range(COUNT)]
    for generator in generators:
        await anext(generator)
    await asyncio.get_running_loop().shutdown_asyncgens()
    return closed


async def leftovers(ended: list[int]) -> Any:
    async def work(number: int) -> None:
        try:
            await asyncio.sleep(99)
        finally:
            ended.append(number)

    for number in range(COUNT):
        asyncio.get_running_loop().create_task(work(number))
    await asyncio.sleep(1)


async def entropy() -> Any:
    import random
    import secrets
    import time
    import uuid

    return [random.random(), secrets.token_hex(4), str(uuid.uuid4()), str(uuid.uuid1()), os.urandom(4).hex(), time.time()]


PROBES = [
    wait_for_all,
    wait_for_the_first,
    as_completed,
    task_group,
    all_tasks,
    a_set_of_tasks,
    a_set_of_futures,
    gather,
    equal_timers,
    conditions,
    equal_timeouts,
    async_generators,
    entropy,
]


def main() -> None:
    # Addresses differ between processes as they do in real life: what is allocated before each run depends on this process alone.
    count = 2000 + int.from_bytes(os.urandom(1), "little")
    noise = [bytearray(10 + byte * 12) for byte in os.urandom(count)]
    del noise[::2]
    gc.disable()
    results: dict[str, Any] = {}
    for probe in PROBES:
        noise.append(bytearray(int.from_bytes(os.urandom(2), "little")))
        results[probe.__name__] = run_virtual(lambda loop, probe=probe: probe(), seed=1)  # type: ignore[misc]  # bound at once
    ended: list[int] = []
    run_virtual(lambda loop: leftovers(ended))
    results["leftovers"] = ended
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
