"""One direction of a connection on which something may go wrong: a pure machine that says when what is next arrives, and as what."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple

from papertape.model.units import MILLISECOND, SECOND, Nanos
from papertape.runtime.chance import Chance
from papertape.runtime.network.pipe import Mark, Piece
from papertape.runtime.network.trouble import ONCE, Act, Armed, Span

SEGMENT: Final = 1460
"""Bytes that a slow line brings at a time: what fits into one packet of Ethernet."""

RTO_NS: Final = 200 * MILLISECOND
RTO_MAX_NS: Final = 120 * SECOND
RETRIES: Final = 15
"""Linux sends lost bytes again after 200 ms, then after twice as long each time, up to 120 s; 15 times."""


def _retries() -> tuple[Nanos, ...]:
    at_ns, wait_ns, found = 0, RTO_NS, []
    for _ in range(RETRIES + 1):
        at_ns += wait_ns
        found.append(at_ns)
        wait_ns = min(2 * wait_ns, RTO_MAX_NS)
    return tuple(found)


RESENT_NS: Final = _retries()[:-1]
"""When lost bytes are sent again, counted from when they were first sent."""

GIVEN_UP_NS: Final = _retries()[-1]
"""And when their sender gives up: after 924.6 s."""


class Fate(Enum):
    """What becomes of the head of a queue."""

    ARRIVE = "it arrives, as far as it is to arrive now"
    VANISH = "it is gone, and nobody will know"
    GIVE_UP = "its sender gives the connection up"


class Step(NamedTuple):
    """What happens next: at `at_ns` (None: nothing until something changes), with the first `size` bytes of the head."""

    at_ns: Nanos | None
    fate: Fate
    size: int
    sent_ns: Nanos
    """When these bytes left, for good."""


class Effect:
    """A trouble on one way.

    Attributes:
        begun_ns: when the way was open and the count reached; None before.
        is_done: what happens once has happened.
        free_ns: when a slow line can take the next byte.
        is_slow: whether it slows the head of the queue down.
        target: the byte whose bit is turned over, counted from 0 on this way.
    """

    def __init__(self, armed: Armed) -> None:
        self.armed = armed
        self.act = armed.act
        self.begun_ns: Nanos | None = None
        self.is_done = False
        self.free_ns: Nanos = 0
        self.is_slow = False
        self.target: int | None = None
        self._is_noted = False

    def span(self) -> Span | None:
        return None if self.begun_ns is None else self.armed.span(self.begun_ns)

    def covers(self, ns: Nanos) -> bool:
        return self.begun_ns is not None and self.armed.span(self.begun_ns).covers(ns)

    def note_once(self, now_ns: Nanos) -> None:
        """It acts on this way, however many pieces it meets."""
        if not self._is_noted:
            self._is_noted = True
            self.armed.note(now_ns)


class Way:
    """Decides for one direction of one connection. The pipe asks for the next step, takes it, and says that it did.

    Attributes:
        bytes: how many have passed.
        frames: how many pieces, as they were written, have passed whole.
        is_shut: FIN was sent by a fault; what comes after is gone.
        is_cut: so was RST.
    """

    def __init__(self, troubles: Sequence[Armed], number: int, direction: str, chance: Chance, now_ns: Nanos) -> None:
        self.bytes = 0
        self.frames = 0
        self.is_shut = False
        self.is_cut = False
        self._effects = [Effect(armed) for armed in troubles if direction in armed.trouble.direction]
        self._once = [effect for effect in self._effects if effect.act in ONCE]
        self._holds, self._holes, self._limits, self._splits, self._flips, self._lags = (
            [effect for effect in self._effects if effect.act is act]
            for act in (Act.HOLD, Act.LOSE, Act.LIMIT, Act.SPLIT, Act.FLIP, Act.LAG)
        )
        self._counting = [effect for effect in self._effects if effect.armed.trouble.after_bytes is not None and effect not in self._flips]
        self._chance = chance
        self._key = (2 * number + (direction == "<")) << 48
        self._resent_ns: Nanos = 0
        self._begin(now_ns)

    def _begin(self, now_ns: Nanos) -> None:
        for effect in self._effects:
            trouble = effect.armed.trouble
            if effect.begun_ns is None and self.bytes >= (trouble.after_bytes or 0) and self.frames >= (trouble.after_frames or 0):
                effect.begun_ns = now_ns

    def _draw(self, effect: Effect, number: int) -> int:
        trouble = effect.armed.trouble
        return self._chance.keyed(f"network/{effect.armed.index}/{trouble.kind}", self._key + number)

    def lag_ns(self, piece: int, now_ns: Nanos) -> Nanos:
        """How much longer the `piece`th piece is on its way, which is written now."""
        lag_ns = 0
        for effect in self._lags:
            if effect.covers(now_ns):
                trouble = effect.armed.trouble
                lag_ns += trouble.add_ns
                if trouble.jitter_ns:
                    lag_ns += self._draw(effect, piece) % (trouble.jitter_ns + 1)
                effect.armed.note(now_ns)
        return lag_ns

    def next(self, sent_ns: Nanos, due_ns: Nanos, piece: Piece, passed: int = 0) -> Step:
        """What becomes of the head of the queue, written at `sent_ns`, on its own due at `due_ns`; `passed` bytes of it are gone already.

        Asked again when anything changes.
        """
        if piece is Mark.OPEN:
            return Step(due_ns, Fate.ARRIVE, 0, sent_ns)
        if self.is_cut or (self.is_shut and piece is not Mark.RST):
            return Step(due_ns, Fate.VANISH, 0, sent_ns)
        flight_ns = due_ns - sent_ns
        sent_ns = max(sent_ns, self._resent_ns)
        count = 0
        if isinstance(piece, bytes):
            written_ns, count = sent_ns, self._room(len(piece) - passed)
            sent_ns, count = self._paced(written_ns, count)
            part = self._part(count, passed, sent_ns + flight_ns)
            if part < count:
                sent_ns, count = self._paced(written_ns, part)
        at_ns: Nanos | None = sent_ns + flight_ns
        while True:
            assert at_ns is not None
            kept_ns = self._kept(at_ns)
            if kept_ns is None:
                return Step(None, Fate.ARRIVE, count, sent_ns)
            sent_ns, at_ns = (sent_ns, at_ns) if kept_ns == at_ns else (kept_ns, kept_ns)
            hole = self._hole(sent_ns, at_ns)
            if hole is None:
                break
            if piece is Mark.RST:
                return Step(at_ns, Fate.VANISH, 0, sent_ns)  # nobody sends that again
            again_ns = next((sent_ns + ns for ns in RESENT_NS if hole.end_ns is not None and sent_ns + ns >= hole.end_ns), None)
            if again_ns is None:
                return Step(sent_ns + GIVEN_UP_NS, Fate.GIVE_UP, 0, sent_ns)
            sent_ns, at_ns = again_ns, again_ns + flight_ns
        return Step(at_ns, Fate.ARRIVE, count, sent_ns)

    def _room(self, count: int) -> int:
        """No more than up to the next byte where something begins."""
        for effect in self._counting:
            left = (effect.armed.trouble.after_bytes or 0) - self.bytes
            if 0 < left < count:
                count = left
        return count

    def _paced(self, sent_ns: Nanos, count: int) -> tuple[Nanos, int]:
        """(when the line has taken the bytes, how many)."""
        if any(effect.covers(max(sent_ns, effect.free_ns)) for effect in self._limits):
            count = min(count, SEGMENT)
        for effect in self._limits:
            begin_ns, span = max(sent_ns, effect.free_ns), effect.span()
            effect.is_slow = span is not None and span.covers(begin_ns)
            if span is not None and effect.is_slow:
                done_ns = begin_ns - (-count * SECOND // effect.armed.trouble.size)
                sent_ns = done_ns if span.end_ns is None else min(done_ns, span.end_ns)
        return sent_ns, count

    def _kept(self, at_ns: Nanos) -> Nanos | None:
        """When bytes that come to the far end at `at_ns` are handed over; None for no end in sight."""
        moved = True
        while moved:
            moved = False
            for effect in self._holds:
                span = effect.span()
                if span is not None and span.covers(at_ns):
                    effect.note_once(at_ns)
                    if span.end_ns is None:
                        return None
                    at_ns, moved = span.end_ns, True
        return at_ns

    def _hole(self, sent_ns: Nanos, at_ns: Nanos) -> Span | None:
        """The time of loss into which bytes fall that leave and come then."""
        for effect in self._holes:
            span = effect.span()
            if span is not None and (span.covers(sent_ns) or span.covers(at_ns)):
                effect.note_once(max(sent_ns, span.start_ns))
                return span
        return None

    def _part(self, count: int, passed: int, at_ns: Nanos) -> int:
        for effect in self._splits:
            trouble = effect.armed.trouble
            if passed < trouble.of_each and effect.covers(at_ns):
                size = 1 + self._draw(effect, self.bytes) % trouble.size if trouble.is_random else trouble.size
                count = min(count, size)
        return count

    def comes_apart(self, now_ns: Nanos) -> bool:
        """Whether the reader's tasks get a turn before the next piece."""
        return any(effect.covers(now_ns) for effect in self._splits)

    def passed(self, step: Step, data: bytes, is_whole: bool, now_ns: Nanos) -> bytes:
        """These bytes pass now, `is_whole` if they end a piece; returns them as they arrive."""
        for effect in self._limits:
            if effect.is_slow:
                effect.armed.note(now_ns)
            effect.free_ns = max(effect.free_ns, step.sent_ns)
        if not is_whole:
            for effect in self._splits:
                if effect.covers(now_ns):
                    effect.armed.note(now_ns)
        self._resent_ns = max(self._resent_ns, step.sent_ns if self._holes else 0)
        for effect in self._flips:
            data = self._flipped(effect, data, now_ns)
        self.bytes += len(data)
        self.frames += is_whole
        self._begin(now_ns)
        return data

    def _flipped(self, effect: Effect, data: bytes, now_ns: Nanos) -> bytes:
        trouble = effect.armed.trouble
        if effect.is_done:
            return data
        if effect.target is None:
            if trouble.after_bytes is None and not effect.covers(now_ns):
                return data
            effect.target = max(self.bytes, trouble.after_bytes or 0) + trouble.size
        place = effect.target - self.bytes
        if place >= len(data):
            return data
        effect.is_done = True
        begun_ns = now_ns if effect.begun_ns is None else effect.begun_ns
        if not effect.armed.span(begun_ns).covers(now_ns):
            return data
        effect.armed.note(now_ns)
        bit = self._draw(effect, 0) % 8 if trouble.bit is None else trouble.bit
        return data[:place] + bytes((data[place] ^ 1 << bit,)) + data[place + 1 :]

    def due(self, now_ns: Nanos) -> list[Armed]:
        """What happens once, and happens now; each is told one time."""
        found = []
        for effect in self._once:
            if not effect.is_done and effect.covers(now_ns):
                effect.is_done = True
                found.append(effect.armed)
        return found
