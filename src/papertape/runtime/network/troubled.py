"""A pipe on which something may go wrong: it asks its `Way` what becomes of the head, and does it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from papertape.model.units import Nanos
from papertape.runtime.network.pipe import Mark, Piece, Pipe
from papertape.runtime.network.way import Fate, Step, Way
from papertape.runtime.rank import DELIVERY


class TroubledPipe(Pipe):
    """Like any pipe, but when and how the head arrives is the way's to say.

    Attributes:
        way: decides.
    """

    def __init__(self, *pipe: Any, way: Way, on_passed: Callable[[], None], on_given_up: Callable[[], None]) -> None:
        super().__init__(*pipe)
        self.way = way
        self._on_passed = on_passed
        self._on_given_up = on_given_up
        self._sent: deque[Nanos] = deque()  # when each piece of the queue was written
        self._passed = 0  # bytes of the head that have arrived

    def push(self, piece: Piece) -> None:
        now_ns = self._loop.now_ns
        self.pieces += 1
        due_ns = now_ns + self._latency(self.pieces) + self.way.lag_ns(self.pieces, now_ns)
        if isinstance(piece, bytes):
            self.waiting += len(piece)
        if self.on_push is not None:
            self.on_push(self.name, piece)
        self._sent.append(now_ns)
        self._queue.append((due_ns, piece))
        self._arm()

    def discard(self) -> None:
        self._passed = 0
        super().discard()
        while len(self._sent) > len(self._queue):
            self._sent.pop()

    def drop_unsent(self) -> None:
        if self._passed:
            due_ns, piece = self._queue[0]
            assert isinstance(piece, bytes)
            self._queue[0], self._passed = (due_ns, piece[self._passed :]), 0
        super().drop_unsent()
        while len(self._sent) > len(self._queue):
            self._sent.pop()

    def has_arrived(self) -> bool:
        if not self._queue or not self._is_open():
            return False
        step = self._next()
        return step.at_ns is not None and step.at_ns <= self._loop.now_ns and step.fate is Fate.ARRIVE

    def has_unread(self) -> bool:
        return self.has_arrived() and isinstance(self._queue[0][1], bytes)

    def shut(self) -> None:
        """The reader gets FIN now, and nothing after it."""
        self.way.is_shut = True
        if self.end is not None:
            self._trace(self.name, Mark.FIN)
            self.end.on_piece(Mark.FIN)
        self._arm()

    def _next(self) -> Step:
        due_ns, piece = self._queue[0]
        return self.way.next(self._sent[0], due_ns, piece, self._passed)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._queue or self._held_until_ns is None or self.end is None:
            return
        step = self._next()
        if step.at_ns is not None and (self._may_deliver() or step.fate is not Fate.ARRIVE):
            due_ns = max(step.at_ns, self._held_until_ns, self._loop.now_ns)
            self._timer = self._loop.schedule_ns(due_ns, DELIVERY, self._deliver, context=self.context)

    def _deliver(self) -> None:
        self._timer = None
        queue, now_ns = self._queue, self._loop.now_ns
        must_wait = False
        if self._may_deliver() and self.end is not None and self.end.is_paused:
            self._keep_the_reset()
        while queue and self._is_open() and not must_wait:
            step = self._next()
            if step.at_ns is None or step.at_ns > now_ns:
                break
            if step.fate is Fate.GIVE_UP:
                self.discard()
                self._on_given_up()
                return
            if step.fate is Fate.ARRIVE and not self._may_deliver():
                break
            must_wait = self._take(step)
            self._on_passed()
        if self._timer is None:
            self._arm()

    def _keep_the_reset(self) -> None:
        """What a paused reader has not read before the reset it never will."""
        reset, sent_ns = self._queue[-1], self._sent[-1]
        self.discard()
        self._queue.append(reset)
        self._sent.append(sent_ns)

    def _take(self, step: Step) -> bool:
        """The head goes, as the step says; whether the next must wait a turn."""
        piece = self._queue[0][1]
        if not isinstance(piece, bytes) or step.fate is Fate.VANISH:
            self.waiting -= len(piece) - self._passed if isinstance(piece, bytes) else 0
            self._next_piece()
            if step.fate is Fate.ARRIVE:
                self._hand_on(piece)
            else:
                self._drained()
            return False
        data = piece[self._passed : self._passed + step.size]
        self._passed += step.size
        is_whole = self._passed == len(piece)
        if is_whole:
            self._next_piece()
        self.waiting -= len(data)
        self.arrived += len(data)
        self._hand_on(self.way.passed(step, data, is_whole, self._loop.now_ns))
        if self._queue and isinstance(self._queue[0][1], Mark):
            return True  # see `Pipe`
        if not is_whole:
            self._loop.moved_on()  # an answer of a megabyte may come byte by byte, each in a turn of its own
        return not is_whole or self.way.comes_apart(self._loop.now_ns)

    def _next_piece(self) -> None:
        self._queue.popleft()
        self._sent.popleft()
        self._passed = 0

    def _hand_on(self, piece: Piece) -> None:
        assert self.end is not None
        self._trace(self.name, piece)
        self.end.on_piece(piece)
        self._drained()
