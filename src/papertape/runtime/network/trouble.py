"""What goes wrong on a network: a pure machine that says what becomes of each lookup, dial, handshake and connection. It awaits nothing.

A fault is told here as a `Trouble`: what it does, to whom, from when to when. `Troubles` has all those of a run and counts what they did;
what happens to bytes is decided by the `Way` of each direction of each connection (`runtime.network.way`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final, Literal, NamedTuple, Protocol

import msgspec

from papertape.model.units import SECOND, Nanos
from papertape.runtime.network.address import literal_ip

SYN_NS: Final = tuple((2**n - 1) * SECOND for n in range(7))
"""When Linux sends a SYN, counted from the first: at 0, 1, 3, 7, 15, 31 and 63 s."""

CONNECT_PATIENCE_NS: Final = 127 * SECOND
"""How long after the first SYN Linux gives up."""


class Act(Enum):
    """What a trouble does; the value says when."""

    FAIL_LOOKUP = "a name is looked up: there is no such name"
    SLOW_LOOKUP = "a name is looked up: the answer comes late"
    REFUSE = "a SYN arrives: it is answered with RST"
    IGNORE = "a SYN arrives: it is not answered"
    SLOW_CONNECT = "a connection is dialled: the handshake takes longer"
    EXPIRE = "TLS is started: the certificate has expired"
    MISNAME = "TLS is started: the certificate is another host's"
    SLOW_TLS = "TLS is started: the handshake takes longer"
    RESET = "once: both ends get RST"
    CLOSE = "once: the server's end closes"
    HALF_CLOSE = "once: FIN in one direction, and nothing after it"
    HOLD = "while it lasts: bytes are taken and kept"
    LOSE = "while it lasts: bytes are dropped, and sent again as TCP does"
    LIMIT = "while it lasts: so many bytes a second"
    SPLIT = "while it lasts: pieces come in parts"
    FLIP = "once in each direction: one bit is turned over"
    LAG = "while it lasts: bytes take longer"


ONCE: Final = (Act.RESET, Act.CLOSE, Act.HALF_CLOSE)
ON_BYTES: Final = (*ONCE, Act.HOLD, Act.LOSE, Act.LIMIT, Act.SPLIT, Act.FLIP, Act.LAG)


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """One fault, in the network's terms.

    Attributes:
        host: the host's name or address; None means any.
        nth_connection: which dial to that host (for lookups: which lookup), from 1; None means every one.
        direction: ">" to the server, "<" to the client, "<>" both, each for itself.
        after_bytes, after_frames: how many bytes, or pieces as they were written, must have passed in that direction before it begins.
        start_ns: when it begins, run time; None: with the connection, or when the count is reached.
        lasts_ns: how long from then; None: until healed; 0: at that instant only.
        size: bytes per second, bytes in a part, bytes to skip.
        add_ns, jitter_ns: how much longer something takes, and how much more than that at most.
        of_each: how many bytes of each piece come in parts; the rest comes whole.
        is_random: parts of random size, from 1 up to `size`.
        bit: which bit is turned over; None draws one.
        code: what `getaddrinfo` fails with.
    """

    kind: str
    act: Act
    host: str | None = None
    nth_connection: int | None = None
    direction: Literal[">", "<", "<>"] = "<>"
    after_bytes: int | None = None
    after_frames: int | None = None
    start_ns: Nanos | None = None
    lasts_ns: Nanos | None = None
    size: int = 0
    add_ns: Nanos = 0
    jitter_ns: Nanos = 0
    of_each: int = 0
    is_random: bool = False
    bit: int | None = None
    code: int = 0


class Troublesome(Protocol):
    """A fault that acts on the network."""

    def trouble(self) -> Trouble: ...


class Span(NamedTuple):
    """From when to when something is wrong: nanoseconds of run time, the end excluded; None means no end is in sight."""

    start_ns: Nanos
    end_ns: Nanos | None

    def covers(self, ns: Nanos) -> bool:
        """Whether it is wrong at `ns`.

        >>> Span(5, 7).covers(7), Span(5, 5).covers(5), Span(5, None).covers(4)
        (False, True, False)
        """
        return ns >= self.start_ns and (self.end_ns is None or ns < self.end_ns or ns == self.start_ns == self.end_ns)


class Armed:
    """A trouble in a run, and what it did.

    Attributes:
        index: its place among the faults of the network, from 0.
        fired: how often it acted.
        first_ns, last_ns: when it acted first and last.
        healed_ns: since when it acts no more.
        on_acted: told each time it has acted.
    """

    def __init__(self, index: int, trouble: Trouble, host: str | None) -> None:
        self.index = index
        self.trouble = trouble
        self.act = trouble.act
        self.host = host
        self.fired = 0
        self.first_ns: Nanos | None = None
        self.last_ns: Nanos | None = None
        self.healed_ns: Nanos | None = None
        self.on_acted: Callable[[Armed], None] = lambda armed: None
        self._met_ns: Nanos | None = None

    @property
    def kind(self) -> str:
        return self.trouble.kind

    def note(self, now_ns: Nanos) -> None:
        """It has just acted."""
        self.fired += 1
        self.first_ns = now_ns if self.first_ns is None else self.first_ns
        self.last_ns = now_ns
        self.on_acted(self)

    def concerns(self, host: str, ip: str, nth: int) -> bool:
        nth_wanted = self.trouble.nth_connection
        return (self.host is None or self.host in (host, ip)) and (nth_wanted is None or nth_wanted == nth)

    def span(self, begun_ns: Nanos) -> Span:
        """When it acts on something that began, or reached the count, at `begun_ns`."""
        start_ns, lasts_ns, healed_ns = self.trouble.start_ns, self.trouble.lasts_ns, self.healed_ns
        end_ns = None if lasts_ns is None else (begun_ns if start_ns is None else start_ns) + lasts_ns
        if healed_ns is not None and (end_ns is None or healed_ns < end_ns):
            end_ns = healed_ns
        begins_ns = begun_ns if start_ns is None else max(start_ns, begun_ns)
        return Span(begins_ns, end_ns)

    def acts_at(self, now_ns: Nanos) -> bool:
        """Whether it acts on a lookup, dial or handshake now; one without a start begins at the first that it meets."""
        if self.healed_ns is not None:
            return False
        if self._met_ns is None:
            self._met_ns = now_ns
        begun_ns = self._met_ns if self.trouble.start_ns is None else 0
        return self.span(begun_ns).covers(now_ns)

    def ends_ns(self) -> Nanos | None:
        """When what it has done so far is over, as far as can be said now: run time; None if no end is in sight.

        One that is on for each connection anew is over, at the latest, its time after it last acted; what it made late comes late.
        """
        trouble, last_ns = self.trouble, self.last_ns
        if last_ns is None:
            return 0
        end_ns: Nanos | None = last_ns
        if self.act not in ONCE:
            end_ns = None if trouble.lasts_ns is None else (last_ns if trouble.start_ns is None else trouble.start_ns) + trouble.lasts_ns
            if self.healed_ns is not None and (end_ns is None or self.healed_ns < end_ns):
                end_ns = self.healed_ns
        return None if end_ns is None else max(end_ns, last_ns + trouble.add_ns + trouble.jitter_ns)

    def disturbed_ns(self, now_ns: Nanos) -> Nanos:
        """Until when, as far as can be said now, what goes wrong is its doing: it acted, and is or was on; 0 if it has not acted."""
        end_ns = self.ends_ns()
        return now_ns if end_ns is None else min(now_ns, end_ns)

    def over_ns(self) -> Nanos | None:
        """When it is over without being healed; None if that cannot be known beforehand."""
        trouble = self.trouble
        return None if trouble.start_ns is None or trouble.lasts_ns is None else trouble.start_ns + trouble.lasts_ns


class Dial(NamedTuple):
    """Who is dialled.

    Attributes:
        number: of the connection on this network, from 1.
        nth: which dial to this host it is, from 1.
    """

    number: int
    host: str
    ip: str
    nth: int


class Checks(NamedTuple):
    """What a client's SSLContext looks at."""

    certificate: bool
    host: bool


class Reply(Enum):
    """What comes back for a SYN."""

    ACCEPT = "SYN, ACK"
    REFUSE = "RST"
    SILENCE = "nothing"


class Troubles:
    """All that is to go wrong on a network, in the order of the plan."""

    def __init__(self, faults: Sequence[Troublesome], canonical: Callable[[str], str]) -> None:
        troubles = [fault.trouble() for fault in faults]
        hosts = [None if each.host is None else literal_ip(each.host) or canonical(each.host) for each in troubles]
        self.all = [Armed(index, trouble, hosts[index]) for index, trouble in enumerate(troubles)]
        self._by_act = {act: [armed for armed in self.all if armed.act is act] for act in Act}
        self._lookups: dict[str, int] = {}

    def _acting(self, act: Act, host: str, ip: str, nth: int, now_ns: Nanos) -> list[Armed]:
        return [armed for armed in self._by_act[act] if armed.concerns(host, ip, nth) and armed.acts_at(now_ns)]

    def lookup(self, host: str, now_ns: Nanos) -> tuple[Nanos, int | None]:
        """(how much longer it takes to look up `host`, the code with which it then fails, if it does)."""
        nth = self._lookups[host] = self._lookups.get(host, 0) + 1
        delay_ns = 0
        for armed in self._acting(Act.SLOW_LOOKUP, host, host, nth, now_ns):
            armed.note(now_ns)
            delay_ns += armed.trouble.add_ns
        for armed in self._acting(Act.FAIL_LOOKUP, host, host, nth, now_ns):
            armed.note(now_ns)
            return delay_ns + armed.trouble.add_ns, armed.trouble.code
        return delay_ns, None

    def connect_delay_ns(self, dial: Dial, now_ns: Nanos) -> Nanos:
        """How much longer the handshake takes."""
        delay_ns = 0
        for armed in self._acting(Act.SLOW_CONNECT, dial.host, dial.ip, dial.nth, now_ns):
            armed.note(now_ns)
            delay_ns += armed.trouble.add_ns
        return delay_ns

    def reply(self, dial: Dial, now_ns: Nanos, *, is_first: bool) -> Reply:
        """What becomes of a SYN that is sent now; `is_first`: no SYN of this dial was sent before."""
        silent = self._acting(Act.IGNORE, dial.host, dial.ip, dial.nth, now_ns) + self._holes(dial, now_ns)
        if silent:
            if is_first:
                silent[0].note(now_ns)
            return Reply.SILENCE
        for armed in self._acting(Act.REFUSE, dial.host, dial.ip, dial.nth, now_ns):
            armed.note(now_ns)
            return Reply.REFUSE
        return Reply.ACCEPT

    def _holes(self, dial: Dial, now_ns: Nanos) -> list[Armed]:
        """Black holes that a dial falls into: not those that wait for bytes, nor those that begin with a connection and end after it."""
        return [
            armed
            for armed in self._by_act[Act.LOSE]
            if armed.trouble.after_bytes is None
            and armed.trouble.after_frames is None
            and (armed.trouble.start_ns is not None or armed.trouble.lasts_ns is None)
            and armed.concerns(dial.host, dial.ip, dial.nth)
            and armed.acts_at(now_ns)
        ]

    def is_cut(self, dial: Dial, now_ns: Nanos, *, is_first: bool) -> bool:
        """Whether what is sent now on a connection that has not got as far as bytes is lost or kept; `is_first`: nothing was before."""
        cuts = self._holes(dial, now_ns) + [
            armed
            for armed in self._acting(Act.HOLD, dial.host, dial.ip, dial.nth, now_ns)
            if armed.trouble.after_bytes is None and armed.trouble.after_frames is None
        ]
        if cuts and is_first:
            cuts[0].note(now_ns)
        return bool(cuts)

    def handshake(self, dial: Dial, checks: Checks, now_ns: Nanos) -> tuple[Nanos, Act | None]:
        """(how much longer TLS takes, what is wrong with the certificate, if anything that the client looks at)."""
        delay_ns, where = 0, (dial.host, dial.ip, dial.nth, now_ns)
        for armed in self._acting(Act.SLOW_TLS, *where):
            armed.note(now_ns)
            delay_ns += armed.trouble.add_ns
        for act, is_checked in ((Act.EXPIRE, checks.certificate), (Act.MISNAME, checks.certificate and checks.host)):
            for armed in self._acting(act, *where) if is_checked else ():
                armed.note(now_ns)
                return delay_ns, act
        return delay_ns, None

    def on_bytes(self, dial: Dial) -> list[Armed]:
        """What may go wrong once a connection is open."""
        return [armed for armed in self.all if armed.act in ON_BYTES and armed.concerns(dial.host, dial.ip, dial.nth)]

    def starts_ns(self) -> list[Nanos]:
        """The instants at which something happens by itself, whether bytes come or not."""
        starts = [armed.trouble.start_ns for armed in self.all if armed.act in ONCE and armed.trouble.start_ns is not None]
        return sorted(dict.fromkeys(starts))

    def over_ns(self) -> Nanos | None:
        """When all of it is over; None if that cannot be known beforehand."""
        ends = [armed.over_ns() for armed in self.all if armed.healed_ns is None]
        return None if None in ends else max((end for end in ends if end is not None), default=0)

    def disturbed_ns(self, now_ns: Nanos) -> Nanos:
        """Until when, as far as can be said now, what goes wrong is the network's doing; 0 if nothing has gone wrong."""
        return max((armed.disturbed_ns(now_ns) for armed in self.all), default=0)

    def heal(self, now_ns: Nanos) -> None:
        for armed in self.all:
            armed.healed_ns = now_ns if armed.healed_ns is None else armed.healed_ns
