"""Take down a run, so that another one can be held against it: every draw, call, piece and event, each with the stack that led to it.

A run without a trace does nothing of this. Memory is bounded: records go to files as they come.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec

from papertape.model.units import Nanos
from papertape.runtime.patch.active import active
from papertape.runtime.place import who_waits
from papertape.runtime.trace.draws import trace_draws
from papertape.runtime.trace.piece import readable
from papertape.runtime.trace.record import Kind, Record, digest, encode
from papertape.runtime.trace.secret import mask
from papertape.runtime.trace.stack import Stacks
from papertape.runtime.trace.steps import Steps
from papertape.runtime.trace.value import describe

if TYPE_CHECKING:
    from papertape.runtime.loop import VirtualLoop
    from papertape.runtime.network.pipe import Piece

RECORDS: Final = "records.jsonl"
STACKS: Final = "stacks.jsonl"
STEPS: Final = "steps.jsonl"
CLOSE: Final = "close.json"


class Close(msgspec.Struct, frozen=True, kw_only=True):
    """One record, looked at closely.

    Attributes:
        index: which record.
        text: its value as far as it is text, secrets starred out at their own length; None if it is none.
        waiting: where the tasks of the run waited at that moment.
    """

    index: int
    text: str | None = None
    waiting: str = ""


class Trace:
    """The trace of one run, in a folder of its own; `with` it, around all that the run does.

    Attributes:
        count: how many records there are.
    """

    def __init__(self, folder: Path, *, at: int | None = None) -> None:
        """`at`: the record to look at closely; the user's code is then followed line by line up to it."""
        folder.mkdir(parents=True, exist_ok=True)
        self.count = 0
        self._folder = folder
        self._at = at
        self._loop: VirtualLoop | None = None
        self._records: IO[bytes] = (folder / RECORDS).open("wb")
        self._stack_file: IO[bytes] = (folder / STACKS).open("wb")
        self._step_file: IO[bytes] = (folder / STEPS).open("wb")
        self._stacks = Stacks(self._stack_file)
        self._steps = Steps(self._step_file)
        self._is_looking = False
        self._pipes: dict[str, str] = {}

    def __enter__(self) -> Trace:
        if self._at is not None:
            self._steps.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._steps.stop()
        for file in (self._records, self._stack_file, self._step_file):
            file.close()

    # Where the records come from

    def attach(self, loop: VirtualLoop, exchanges: Sequence[object] = ()) -> None:
        """Listen to what happens in the run of `loop`, in which the caller is: its draws, its network, its calls of `exchanges`."""
        self._loop = loop
        run = active()
        if run is not None:
            trace_draws(run, self._drew)
        network: Any = loop.network
        if network is not None:
            network.on_push = functools.partial(self._piece, Kind.WRITTEN)
            network.on_piece = functools.partial(self._piece, Kind.DELIVERED)
        for exchange in exchanges:
            self.listen(exchange)

    def event(self, kind: str, line: bytes) -> None:
        """A line of the journal."""
        self._note(Kind.EVENT, kind, 0, line)

    def _drew(self, source: str, size: int, value: bytes) -> None:
        self._note(Kind.DRAW, source, size, value)

    def _piece(self, kind: Kind, pipe: str, piece: Piece) -> None:
        what = self._pipes.get(pipe) or self._name(pipe)
        if isinstance(piece, bytes):
            self._note(kind, what, len(piece), piece)
        else:
            self._note(kind, f"{what} ({piece.value})", 0, b"")

    def _name(self, pipe: str) -> str:
        """`connection 3 to api.example.com:443` for the pipe "3>"."""
        network: Any = None if self._loop is None else self._loop.network
        number, direction = int(pipe[:-1]), pipe[-1]
        at = next(f"{each.host}:{each.port}" for each in network.connections() if each.number == number)
        name = self._pipes[pipe] = f"connection {number} {'to' if direction == '>' else 'from'} {at}"
        return name

    def listen(self, exchange: Any) -> None:
        """Every public coroutine method of it, on this one object."""
        for name in dir(type(exchange)):
            if not name.startswith("_") and inspect.iscoroutinefunction(getattr(type(exchange), name)):
                setattr(exchange, name, self._called(name, getattr(exchange, name)))

    def _called(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(*args: Any, **options: Any) -> Any:
            given = [*map(describe, args), *(f"{key}={describe(value)}" for key, value in options.items())]
            text = f"{name}({', '.join(given)})"
            self._note(Kind.CALL, name, 0, text.encode())
            return method(*args, **options)

        return call

    # What becomes of them

    def _now_ns(self) -> Nanos:
        return 0 if self._loop is None else self._loop.now_ns

    def _note(self, kind: Kind, what: str, size: int, value: bytes) -> None:
        if self._is_looking or self._records.closed:
            return
        self._is_looking = True  # nothing that looking does is a part of the run
        try:
            stack = self._stacks.take(sys._getframe(1))
            self._records.write(encode(Record(kind, self._now_ns(), what, size, digest(value), stack)))
            if self.count == self._at:
                self._look(kind, value)
            self.count += 1
        finally:
            self._is_looking = False

    def _look(self, kind: Kind, value: bytes) -> None:
        self._steps.stop()
        text = None if kind is Kind.DRAW else readable(value)
        waiting = "" if self._loop is None else who_waits(self._loop)
        close = Close(index=self.count, text=None if text is None else mask(text), waiting=mask(waiting))
        (self._folder / CLOSE).write_bytes(msgspec.json.encode(close))
