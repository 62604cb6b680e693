"""Processes that do a sweep's jobs: as many as are asked for, each replaced when it dies or takes too long.

What the results are does not depend on how many there are, nor on who did what.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import IO, Final

import msgspec

from papertape.model.errors import PapertapeError
from papertape.runtime.clock import wall_seconds
from papertape.scenario.seed_result import DIED, TOOK_TOO_LONG, SeedResult, of_error
from papertape.scenario.worker import READY, Job

LOOK_S: Final = 0.2
"""How often to see whether somebody takes too long."""

PATIENCE_S: Final = 60.0
"""How long a new process may take to begin."""

PRINTED_MAX: Final = 64 * 1024
"""How much of what bots print is kept; only its end is ever shown, and only of a process that died."""


class Worker:
    """One process, and what it is doing."""

    def __init__(self) -> None:
        self.job: tuple[int, Job] | None = None
        self.since_s = wall_seconds()
        self.is_ready = False
        self._buffer = b""
        self._printed: IO[bytes] = tempfile.TemporaryFile("a+b", buffering=0)  # noqa: SIM115 - `end` closes it
        seed = os.environ.get("PYTHONHASHSEED", "")
        environment = {**os.environ, "PYTHONHASHSEED": seed if seed.isdigit() else "0"}  # as `papertape run` has it
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "papertape.scenario.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._printed, bufsize=0, env=environment,
            start_new_session=True,  # an interrupt is for whoever started us, who then ends this process
        )  # fmt: skip

    @property
    def process_id(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def give(self, index: int, job: Job) -> None:
        self.job, self.since_s = (index, job), wall_seconds()
        if os.fstat(self._printed.fileno()).st_size > PRINTED_MAX:
            self._printed.truncate(0)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode(job) + b"\n")
        except BrokenPipeError:
            return  # it is dead, which `read` will find out

    def read(self) -> list[bytes] | None:
        """The lines that have come; None if nothing will come any more."""
        piece = os.read(self.fileno(), 1 << 16)
        if not piece:
            return None
        *found, self._buffer = (self._buffer + piece).split(b"\n")
        return found

    def end(self) -> str:
        """End the process if it has not; how it ended, in words."""
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._printed.seek(0)
        printed = self._printed.read().decode(errors="replace").strip().splitlines()
        self._printed.close()
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"{how}; the last it printed: {printed[-1]}" if printed else how

    def wait_to_die(self) -> str:
        """It has closed its end: how it died, in words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        return self.end()


class Crew:
    """`size` processes. Within a `with`; afterwards none is left.

    Args:
        limit_s: how long a job may take, real seconds.
    """

    def __init__(self, size: int, *, limit_s: float = 120.0) -> None:
        self._size = size
        self._limit_s = limit_s
        self._workers: list[Worker] = []
        self._selector = selectors.DefaultSelector()
        self._failed_starts = 0

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in list(self._workers):
            self._dismiss(worker)
        self._selector.close()

    @property
    def process_ids(self) -> list[int]:
        return [worker.process_id for worker in self._workers]

    def do(self, jobs: Iterable[Job], done: Callable[[int, SeedResult], None]) -> None:
        """Do all jobs; `done` is called with each job's place and its result as it comes, in any order.

        Raises:
            PapertapeError: processes die before they can begin.
        """
        waiting = deque(enumerate(jobs))
        while waiting or any(worker.job is not None for worker in self._workers):
            while waiting and len(self._workers) < min(self._size, len(waiting) + sum(w.job is not None for w in self._workers)):
                worker = Worker()
                self._workers.append(worker)
                self._selector.register(worker.fileno(), selectors.EVENT_READ, worker)
            for worker in self._workers:
                if worker.is_ready and worker.job is None and waiting:
                    worker.give(*waiting.popleft())
            for key, _ in self._selector.select(LOOK_S):
                self._hear(key.data, done)
            for worker in list(self._workers):
                self._check_time(worker, done)

    def one(self, job: Job) -> SeedResult:
        """The result of a single job."""
        results: list[SeedResult] = []
        self.do([job], lambda index, result: results.append(result))
        return results[0]

    def _hear(self, worker: Worker, done: Callable[[int, SeedResult], None]) -> None:
        found = worker.read()
        if found is None:
            self._mourn(worker, done)
            return
        for line in found:
            if line + b"\n" == READY:
                worker.is_ready, self._failed_starts = True, 0
            elif worker.job is not None:
                index, worker.job = worker.job[0], None
                done(index, msgspec.json.decode(line, type=SeedResult))

    def _mourn(self, worker: Worker, done: Callable[[int, SeedResult], None]) -> None:
        self._forget(worker)
        how = worker.wait_to_die()
        if worker.job is not None:
            index, job = worker.job
            failure = f"the process that ran seed {job.seed} died ({how})"
            done(index, of_error(job.base.path, job.seed, DIED, failure, job.base.repro(job.seed)))
        elif not worker.is_ready:
            self._failed_starts += 1
            if self._failed_starts > 2:
                raise PapertapeError(f"the processes of a sweep die before they begin ({how})")

    def _check_time(self, worker: Worker, done: Callable[[int, SeedResult], None]) -> None:
        took_s = wall_seconds() - worker.since_s
        if worker.job is not None and took_s > self._limit_s:
            index, job = worker.job
            self._dismiss(worker)
            failure = f"seed {job.seed} took longer than {self._limit_s:g} s of real time and was ended"
            done(index, of_error(job.base.path, job.seed, TOOK_TOO_LONG, failure, job.base.repro(job.seed)))
        elif not worker.is_ready and took_s > PATIENCE_S:
            self._dismiss(worker)
            raise PapertapeError(f"a process of a sweep has not begun within {PATIENCE_S:g} s")

    def _dismiss(self, worker: Worker) -> None:
        self._forget(worker)
        worker.end()

    def _forget(self, worker: Worker) -> None:
        self._selector.unregister(worker.fileno())
        self._workers.remove(worker)
