"""What a run is made of, said in full: the nouns of a scenario file.

`scenario` makes these from TOML or from a call and has checked them before anything starts; nothing here looks at the disk. Durations stay
the strings that people wrote ("250ms") so that a scenario can be written out again as it was read; the `*_ns` properties read them.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from papertape.faults.base import Fault
from papertape.faults.network import NetworkFault
from papertape.model.request import Lane
from papertape.model.units import Nanos, moment_ns, parse_duration
from papertape.tape.files import Files


class Depth(StrEnum):
    """How much of the real thing runs: our interface alone, or the live adapter over an in-memory network too."""

    INTERFACE = "interface"
    WIRE = "wire"


class HostPolicy(StrEnum):
    """What a host that is no venue does when a program calls it: nobody listens; an empty 200; silence for ever."""

    REFUSE = "refuse"
    ACCEPT = "accept"
    BLACKHOLE = "blackhole"


class FeedSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tape, or a part of one; or files of another system, read in place.

    Attributes:
        tape: a path (relative to the scenario's folder) or "builtin:NAME"; empty with `files`.
        files: what is read instead of a tape.
        start: where in the tape to begin: a duration from the tape's first row, or an ISO 8601 time; the beginning if left out.
        end: where to stop, exclusive, likewise; the tape's end if left out.
        outages: whether what went wrong on the recorder's line goes wrong on the client's too.

    >>> FeedSpec(tape="x", end="2m").window(first_ns=1_000)
    (1000, 120000001000)
    >>> FeedSpec(tape="x", start="2018-04-17T00:55:04.5Z").window(first_ns=0)
    (1523926504500000000, None)
    """

    tape: str = ""
    files: Files | None = None
    start: str | None = None
    end: str | None = None
    outages: bool = True

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.tape if self.files is None else self.files.name

    def window(self, first_ns: Nanos) -> tuple[Nanos, Nanos | None]:
        """(start, end) in nanoseconds since 1970-01-01 UTC for a tape whose first row lies at `first_ns`; end None is the tape's end."""
        start = first_ns if self.start is None else moment_ns(self.start, first_ns)
        return start, None if self.end is None else moment_ns(self.end, first_ns)


class LatencySpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A latency law (see `papertape list models`) for each way; None is the default: as recorded, 15 ms, 15 ms.

    Attributes:
        market: from the venue to the client, market data.
        order: from the client to the venue.
        answer: from the venue back to the client, answers and own-order messages.
    """

    market: msgspec.Struct | None = None
    order: msgspec.Struct | None = None
    answer: msgspec.Struct | None = None


class ModelSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the simulated venue fills, charges and delays; None is the default.

    Attributes:
        fills: a member of `sim.fills`; default `queue`.
        fees: a member of `sim.fees`; default: flat, at the venue's own rates.
    """

    fills: msgspec.Struct | None = None
    fees: msgspec.Struct | None = None
    latency: LatencySpec = LatencySpec()


class VenueSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One venue of the world: its market, our money there, its manners.

    Attributes:
        feed: the tapes that make its market.
        account: what we have there when the run begins, by currency.
    """

    feed: tuple[FeedSpec, ...]
    account: dict[str, Decimal]
    model: ModelSpec = ModelSpec()


class Heal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From `at` on no fault acts any more on the lanes in `only`, or on any lane if it is empty.

    With `only`, recovery is demanded of these lanes alone. What stays broken does so until the bot has ended; then it is mended, so that it
    can be seen what becomes of every order.

    Attributes:
        at: run time, a duration from the run's start.
    """

    at: str
    only: tuple[Lane, ...] = ()

    @property
    def at_ns(self) -> Nanos:
        return parse_duration(self.at)


class Quantity(msgspec.Struct, frozen=True):
    """An amount of a currency, as in "0.05 BTC"."""

    amount: Decimal
    currency: str


class ExpectVenue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is judged on the venue's truth alone, and so works for any program.

    Attributes:
        max_position: how far the holding of this currency may move from the opening account, either way, at any instant.
        max_open_orders: how many orders may be open at any instant.
        max_order_notional: what one order may be worth, price times amount, or what it came to where it has no price; orders in another
            quote currency are not held against it.
    """

    max_position: Quantity | None = None
    max_open_orders: int | None = None
    max_order_notional: Quantity | None = None


class Expect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must hold.

    Attributes:
        invariants: names from `papertape list invariants`, each of which must be judged; empty means all of them that can be judged.
        recovers_within: from each fault's end, the network's own included, until trading is allowed and the subscribed books are valid;
            unlimited if None.
        must_happen: names of `model.notes.Mark` that must have been seen.
        must_hit: whether a fault that hit nothing makes the run vacuous.
    """

    invariants: tuple[str, ...] = ()
    recovers_within: str | None = None
    must_happen: tuple[str, ...] = ()
    must_hit: bool = True
    venue: ExpectVenue = ExpectVenue()

    @property
    def recovers_within_ns(self) -> Nanos | None:
        return None if self.recovers_within is None else parse_duration(self.recovers_within)


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run in full; equal scenarios on equal tapes give equal digests.

    Attributes:
        title: the story, in a sentence.
        seed: for jitter and the like; never decides which faults happen.
        bot: "module:Name", "file.py:name" or the object itself: a Bot class or `async def main(exchange, **config)`; None with a program.
            `session.botfile.load_bot` makes an object of it.
        program: an unmodified script, for wire depth; its path is relative to `folder`.
        program_args: what it finds in `sys.argv` after its own name.
        venues: by the venue's name, in the order of the file.
        hosts: policies for hosts that are no venue of ours; refuse where nothing is said.
        path: the file it came from, as the user named it; None if it was made in code.
        folder: what relative paths in it are relative to.
        repro: the one command that gives this run again; empty where no command line can (a function passed to `simulate`).
    """

    title: str
    seed: int = 0
    depth: Depth = Depth.INTERFACE
    bot: str | Callable[..., Any] | None = None
    bot_config: dict[str, Any] = {}
    program: str | None = None
    program_args: tuple[str, ...] = ()
    venues: dict[str, VenueSpec]
    faults: tuple[Fault, ...] = ()
    heal: Heal | None = None
    expect: Expect = Expect()
    hosts: dict[str, HostPolicy] = {}
    path: Path | None = None
    folder: Path = Path()
    repro: str = ""

    @property
    def name(self) -> str:
        """What results call it: its file as the user named it, else its title."""
        return self.title if self.path is None else self.path.as_posix()


def network_faults(scenario: Scenario) -> list[NetworkFault]:
    """Those that act on bytes, whatever the venue; all others act at a Door."""
    return [fault for fault in scenario.faults if isinstance(fault, NetworkFault)]
