"""A bot that dies and starts again: its lives, one after another, on one account and one log of intents."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Callable, Sequence

from papertape.exchanges.resilient import ResilientExchange
from papertape.journal import Journal
from papertape.links.base import Link, Receiver
from papertape.model.event import Event
from papertape.model.interference import Crash, Disk, Moment
from papertape.model.notes import Mark
from papertape.model.order import OrderUpdate
from papertape.model.request import Answer, Lane, Request
from papertape.resilience.intents import MemoryIntents
from papertape.runtime.life import Life
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.network.pipe import Mark as Sign
from papertape.session.drive import Drive
from papertape.session.observer import Observer
from papertape.session.spec import Scenario
from papertape.session.world import VenueWorld

MakeDrive = Callable[[VirtualLoop | Life], Drive]
MakeExchange = Callable[[VenueWorld, Life, Drive], ResilientExchange]


def may_crash(scenario: Scenario) -> bool:
    """Whether the bot needs a loop of its own, so that it can be taken from it."""
    return any(fault.crash() is not None for fault in scenario.faults)


class Lives:
    """Gives a bot one life after another.

    Attributes:
        drives: how each life was driven, first to last.
        lives: each life's loop.
    """

    def __init__(
        self, worlds: Sequence[VenueWorld], loop: VirtualLoop, network: Network, journal: Journal,
        make_drive: MakeDrive, make_exchange: MakeExchange,
    ) -> None:  # fmt: skip
        self.drives: list[Drive] = []
        self.lives: list[Life] = []
        self._worlds = worlds
        self._loop = loop
        self._network = network
        self._journal = journal
        self._make_drive = make_drive
        self._make_exchange = make_exchange
        self._links: list[tuple[Life, Link]] = []
        self._steps = 0
        self._died_ns = -1
        self._changed: asyncio.Future[None] = loop.create_future()
        for world in worlds:
            world.door.on_crash, world.door.on_restart = self._crash, self._restart
        loop.who_waits = self._who_waits  # type: ignore[method-assign]  # what matters is what the bot waits for

    async def run(self) -> None:
        """Until one life has come to its end; raises what ended it."""
        while True:
            task = self._begin()
            while not task.done() and self._is_alive:
                await self._change()
            if self._is_alive:
                return task.result()
            while self._is_down:
                await self._change()

    def bury(self) -> None:
        """The run is over."""
        for life in self.lives:
            life.bury(*(link.abandon for each, link in self._links if each is life and life.is_over))
        self._links.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()  # what libraries of the dead say as they go is said to nobody

    def tie(self, link: Link, life: Life, world: VenueWorld) -> Link:
        """Make a link one life's: it brings nothing to the dead and takes nothing from them, and what is about to leave can be the end."""
        bind, request = link.bind, link.request
        self._links.append((life, link))

        async def ask(wanted: Request) -> Answer:
            if not life.is_over:
                world.door.plan.crash_at(Moment.LEAVING, wanted)
            if life.is_over:
                await life.create_future()  # for ever
            return await request(wanted)

        link.bind = lambda receiver: bind(_Ear(receiver, life))  # type: ignore[method-assign]  # on this one object
        link.request = ask  # type: ignore[assignment, method-assign]  # as above
        return link

    def _begin(self) -> asyncio.Task[None]:
        life = Life(self._loop)
        life.begin()
        drive = self._make_drive(life)
        self.lives.append(life)
        self.drives.append(drive)
        for world in self._worlds:
            world.exchange = life.inside(self._make_exchange, world, life, drive)
        if any(crash.step is not None for world in self._worlds for crash in world.door.plan.crashes):  # else nobody counts
            life.on_step = self._stepped  # what was made so far is no step of its own
        task = life.create_task(drive.run(is_first=len(self.lives) == 1), name="the bot's life")
        task.add_done_callback(lambda _: self._wake())
        return task

    def _stepped(self, steps: int) -> None:
        self._steps += 1
        for world in self._worlds:
            world.door.plan.crash_after(self._steps)

    def _crash(self, crash: Crash) -> bool:
        if not self._is_alive:
            return self._died_ns == self._loop.now_ns  # of several venues' doors, all saw it
        if not self.lives:
            return False
        life, self._died_ns = self.lives[-1], self._loop.now_ns
        life.die()
        for world in self._worlds:
            lost = _lose(world.disk, crash.disk)
            world.observer.health_changed(False, "the bot has crashed")
            world.door.client_died()
            self._journal.write(self._loop.now_ns, "crash", venue=world.name, life=len(self.lives), disk=crash.disk, records_lost=lost)
        for connection in self._network.connections():  # as the operating system does for a process that is gone
            home: object = connection.client.loop
            if home is life and not connection.client.is_closing():
                connection.client.out.push(Sign.FIN)
        self._wake()
        return True

    def _restart(self) -> bool:
        may_start = not self._is_alive and not self._is_down
        if may_start:
            for world in self._worlds:
                self._journal.write(self._loop.now_ns, "restart", venue=world.name, life=len(self.lives) + 1)
            self._wake()
        return may_start

    @property
    def _is_alive(self) -> bool:
        return not self.lives or not self.lives[-1].is_over

    @property
    def _is_down(self) -> bool:
        return any(world.door.plan.is_down for world in self._worlds)

    async def _change(self) -> None:
        await self._changed
        self._changed = self._loop.create_future()

    def _wake(self) -> None:
        if not self._changed.done():
            self._changed.set_result(None)

    def _who_waits(self) -> str:
        from papertape.runtime.place import who_waits

        return who_waits(self.lives[-1] if self.lives else self._loop)


class NotesOfLife:
    """What the client's machinery says of itself, while it lives."""

    def __init__(self, observer: Observer, life: Life) -> None:
        self._observer = observer
        self._life = life

    def mark(self, mark: Mark, detail: str = "") -> None:
        if not self._life.is_over:
            self._observer.mark(mark, detail)

    def health_changed(self, is_healthy: bool, why: str) -> None:
        if not self._life.is_over:
            self._observer.health_changed(is_healthy, why)


class _Ear:
    """Hears for a receiver what the link brings from outside of its life."""

    def __init__(self, receiver: Receiver, life: Life) -> None:
        self._receiver = receiver
        self._life = life

    def on_message(self, lane: Lane, sequence: int | None, message: Event | OrderUpdate) -> None:
        if not self._life.is_over:
            self._life.inside(self._receiver.on_message, lane, sequence, message)

    def on_closed(self, lane: Lane, reason: str) -> None:
        if not self._life.is_over:
            self._life.inside(self._receiver.on_closed, lane, reason)


def _lose(disk: MemoryIntents, how: Disk) -> int:
    """What the disk forgets as its machine dies; returns how many records."""
    unsynced = disk.unsynced
    keeps = {Disk.KEPT: unsynced, Disk.LOSES_UNSYNCED: 0, Disk.TORN: unsynced // 2}[how]
    disk.crash(keeps)
    return unsynced - keeps
