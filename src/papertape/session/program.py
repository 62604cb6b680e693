"""An unmodified program's life in a simulated world: started, told to stop as Ctrl-C would, cleared away."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from papertape.model.errors import EscapedSimulation, StuckSimulation
from papertape.model.units import MILLISECOND, MINUTE, SECOND, Nanos, format_duration
from papertape.runtime.blame import users_line
from papertape.runtime.guest import HostLoop, Killed
from papertape.runtime.network import Network
from papertape.runtime.network.pipe import Mark
from papertape.runtime.patch.leaving import interrupts
from papertape.runtime.rank import END
from papertape.session.blame import line_of, program_traceback
from papertape.session.script import Script
from papertape.session.unseen import died_unseen, tell_of_context, tell_of_task
from papertape.session.world import VenueWorld

STOP_WITHIN_NS: Final = MINUTE
"""How long a program may take to end once it is told to."""

LAST_ROW_WITHIN_NS: Final = MINUTE
"""How long after the feed's end its last rows may be on their way."""

REST_WITHIN_NS: Final = 3 * MINUTE
"""How long after the program's end the last requests and answers may take; TCP sends lost bytes again every two minutes at least."""


class Program:
    """One program's life.

    Attributes:
        failures: what it did wrong, a sentence each.
        escaped: it left the simulation; nothing that followed counts.
    """

    def __init__(self, script: Script, worlds: Sequence[VenueWorld], loop: HostLoop, network: Network, end_ns: Nanos) -> None:
        self.failures: list[str] = []
        self.escaped: EscapedSimulation | None = None
        self._script = script
        self._worlds = worlds
        self._loop = loop
        self._network = network
        self._end_ns = end_ns
        self._stopped_ns: Nanos | None = None

    def run(self) -> None:
        """Run it to its end, whatever that is.

        Raises:
            KeyboardInterrupt: a person pressed Ctrl-C, whether or not the program took notice.
        """
        loop = self._loop
        loop.schedule_ns(self._end_ns, END, self._feed_ended)
        loop.on_guest_closed = self._hang_up
        self._network.asked_at = users_line
        loop.has_program = True
        with interrupts() as heard:
            try:
                self._attempt(self._script.run)
                while loop.at_exit and loop.ended is None:
                    func, args, kwargs = loop.at_exit.pop()
                    self._attempt(lambda: func(*args, **kwargs))  # noqa: B023 - called at once
            finally:
                loop.has_program = False
                self._network.asked_at = None
                asyncio._set_running_loop(None)
        if heard:
            raise KeyboardInterrupt
        if loop.ended is not None:
            self.failures.insert(0, self._why_ended(loop.ended))
        gc.collect()  # futures that nobody holds tell of their exceptions as they go
        for guest in loop.guests:
            self.failures += [tell_of_context(context) for context in guest.unhandled]
        self.failures += [tell_of_task(error, " of the program") for error in died_unseen(loop.guests)]
        for guest in loop.guests:
            guest.bury()

    def dialled(self) -> tuple[tuple[str, int, str], ...]:
        """Whom it connected to, how often; also those where nobody served."""
        opened = Counter(f"connection to {facts.host}:{facts.port}" for facts in self._network.facts())
        refused = Counter(f"refused connection to {host}:{port}" for _, host, port in self._network.refusals)
        return tuple((what, count, "") for what, count in [*opened.items(), *refused.items()])

    async def rest(self) -> None:
        """Let what is under way to the venues and at them come to its end: what a program sent may be carried out when it has long gone."""
        for world in self._worlds:
            world.observer.bot_ended()
            world.door.plan.end_all()
            world.door.broadcast.forget_lost()
        self._network.heal()
        give_up_ns = self._loop.now_ns + REST_WITHIN_NS
        while (self._network.is_bringing() or any(world.door.is_busy for world in self._worlds)) and self._loop.now_ns < give_up_ns:
            await asyncio.sleep(10 * MILLISECOND / SECOND)

    def _attempt(self, work: Callable[[], object]) -> None:
        try:
            work()
        except (Killed, StuckSimulation) as stuck:
            if self._loop.ended is None:  # else the loop knows why, and says so in the end
                self.failures.append(f"the program got stuck: {stuck}")
        except KeyboardInterrupt as error:
            if self._stopped_ns is None:
                self.failures.append(f"the program ended by a KeyboardInterrupt of its own{line_of(error)}")
        except EscapedSimulation as escaped:
            self.escaped = self.escaped or escaped
        except SystemExit as left:
            self._exited(left)
        except BaseException as error:
            print(program_traceback(error), end="", file=sys.stderr)
            self.failures.append(f"the program raised {type(error).__name__}: {error}{line_of(error)}")

    def _exited(self, left: SystemExit) -> None:
        if left.code in (None, 0):
            return
        if not isinstance(left.code, int):
            print(left.code, file=sys.stderr)
        self.failures.append(f"the program exited with {left.code!r}{line_of(left)}")

    def _feed_ended(self) -> None:
        """No row reaches the venue any more: the program hears Ctrl-C once the last has been delivered."""
        loop = self._loop
        if not loop.has_program:
            return
        key = None if loop.feed is None else loop.feed.next_key()
        if key is not None and key[0] <= self._end_ns + LAST_ROW_WITHIN_NS:
            loop.schedule_ns(key[0], END, self._feed_ended)
            return
        self._stopped_ns = loop.now_ns
        loop.set_limit_ns(loop.now_ns + STOP_WITHIN_NS)
        loop.signals.deliver(int(signal.SIGINT))

    def _why_ended(self, ended: StuckSimulation) -> str:
        if self._stopped_ns is None:
            return f"the program got stuck: {ended}"
        return (
            f"the program did not end within {format_duration(STOP_WITHIN_NS)} of the SIGINT (Ctrl-C) that it got at the feed's end, "
            f"{format_duration(self._stopped_ns)}: {ended}"
        )

    def _hang_up(self, guest: object) -> None:
        """What the operating system does for a program that has gone: its connections are closed."""
        for connection in self._network.connections():
            if connection.client.loop is guest and not connection.client.is_closing():
                connection.client.out.push(Mark.FIN)
