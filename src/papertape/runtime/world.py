"""One run in virtual time, from nothing to nothing: a new loop, a main coroutine, and every trace of it removed."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final, TypeVar

from papertape.model.errors import StuckSimulation
from papertape.model.units import Nanos
from papertape.runtime.loop import Feed, VirtualLoop
from papertape.runtime.manners import Manners
from papertape.runtime.outside import NetworkMethods
from papertape.runtime.place import who_waits

if TYPE_CHECKING:
    from papertape.runtime.patch.active import Run

T = TypeVar("T")

ROUNDS_MAX: Final = 3
"""How often tasks that outlive the run are cancelled before they are given up."""

PATIENCE_S: Final = 60
"""Seconds of virtual time that each round may take."""


def run_virtual(
    main: Callable[[VirtualLoop], Coroutine[Any, Any, T]],
    *,
    seed: int | str = 0,
    epoch_ns: Nanos = 0,
    feed: Feed | None = None,
    network: Callable[[VirtualLoop], NetworkMethods] | None = None,
    limit_ns: Nanos | None = None,
    patch: bool = True,
    is_deep: bool = False,
    is_apart: bool = False,
    roots: Sequence[Any] = (),
) -> T:
    """Run `main(loop)` to its end in virtual time; may be called from inside another loop, which waits.

    Args:
        main: makes the run's main coroutine; it may set `loop.feed` and `loop.network` itself.
        seed: of the randomness that the program draws from the machine (`random`, `os.urandom`, `uuid4`, …).
        epoch_ns: what the wall clock shows at run time 0, since 1970-01-01 UTC.
        limit_ns: the run time at which `TimeIsUp` is raised.
        patch: replace clocks and entropy, and refuse threads, sockets and processes, while the run lasts; off for code of ours alone.
        roots: functions and classes of the user, such as the bot, whose own copies of clocks and the like are replaced too.
        is_deep: also replace copies that no module holds by name, such as default arguments; takes some 50 ms.
        is_apart: the caller has begun `apart`, and made nothing since that is not this run's.

    Returns:
        What main returned.

    Raises:
        StuckSimulation: nothing can happen any more, time stands still, or `limit_ns` is reached.
        EscapedSimulation: another thread called into the run.
        BaseException: whatever main raised.
    """
    loop = VirtualLoop(epoch_ns=epoch_ns, limit_ns=limit_ns, feed=feed)
    with virtual_world(loop, seed=seed, patch=patch, is_deep=is_deep, is_apart=is_apart, roots=roots):
        if network is not None:
            loop.network = network(loop)
        return loop.run_until_complete(main(loop))


@contextmanager
def virtual_world(
    loop: VirtualLoop,
    *,
    seed: int | str = 0,
    patch: bool = True,
    is_deep: bool = False,
    is_apart: bool = False,
    roots: Sequence[Any] = (),
) -> Iterator[Run | None]:
    """While it lasts, the calling thread is in the simulation of `loop`, whether that runs or not; then every trace of it is removed.

    Yields what the replaced functions see of the run; None without `patch`. For `is_deep` and `roots` see `runtime.patch.patched`, for
    `is_apart` see `run_virtual`.
    """
    outer = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    collecting = gc.isenabled()
    gc.disable()  # finalizers would run at instants that depend on the process
    try:
        with _patched(loop, seed, is_deep, roots) if patch else nullcontext() as run:
            if not is_apart:
                gc.freeze()  # what was there before is not ours to collect; after the patches, which would have to thaw it and count it
            try:
                yield run
            finally:
                clear_away(loop)
                collect()
    finally:
        loop.close()
        forget_tasks()
        if not is_apart:
            gc.unfreeze()
        if collecting:
            gc.enable()
        asyncio._set_running_loop(outer)


def clear_away(loop: VirtualLoop) -> None:
    """End what outlived main: tasks in the order they were made, then async generators. What will not end dies with the loop."""
    loop.feed = None
    loop.set_limit_ns(None)
    try:
        for _ in range(ROUNDS_MAX):
            tasks = sorted(asyncio.all_tasks(loop), key=hash)
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.wait(tasks, timeout=PATIENCE_S))
        else:
            loop.unhandled.append({"message": f"would not end when cancelled: {who_waits(loop)}"})
        loop.run_until_complete(loop.shutdown_asyncgens())
    except StuckSimulation as stuck:
        loop.unhandled.append({"message": "stuck while the run was cleared away", "exception": stuck})


def collect() -> None:
    """Let go what only a run's cycles hold.

    While everything else is frozen that is the youngest generation, unless somebody collected meanwhile; what is left of it then is what
    its caller holds, see `apart`.
    """
    is_young = not (gc.get_objects(generation=1) or gc.get_objects(generation=2))
    gc.collect(0) if is_young else gc.collect()


@contextmanager
def apart() -> Iterator[None]:
    """Around all that is made for one run: when it is over, whatever of that nobody holds is let go, without a look at all of memory.

    A world refers to what was made before it, such as its loop and its journal, and these refer to it. So what is to go with it must be as
    young as it is; else it stays until somebody looks through what is old, libraries and all, which takes a tenth of a second. That is done
    where the run itself had to: what was made before its search through memory counts as old since.
    """
    from papertape.runtime.patch.deep import Thaws

    thaws = Thaws.count
    gc.freeze()
    try:
        yield
    finally:
        if Thaws.count != thaws:
            gc.unfreeze()
        gc.collect()
        gc.unfreeze()


def forget_tasks() -> None:
    """Take the tasks of runs that are over out of asyncio's own register, which `all_tasks` walks from end to end.

    It holds none of them alive; but what is left of a run may wait long for the garbage collector, and every look in the runs that follow
    would pass all of it.
    """
    tasks: Any = asyncio.tasks
    register: Any = getattr(tasks, "_all_tasks", None) or getattr(tasks, "_scheduled_tasks", ())  # before Python 3.12, and from then on
    for task in list(register):
        whose = task.get_loop()
        if isinstance(whose, Manners) and whose.is_closed():
            tasks._unregister_task(task)


def _patched(loop: VirtualLoop, seed: int | str, is_deep: bool, roots: Sequence[Any]) -> AbstractContextManager[Run]:
    from papertape.runtime.patch import patched

    return patched(loop, seed, is_deep=is_deep, roots=roots)
