"""`papertape serve` as a process of its own, as a person starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).parents[2]
TAPE = (ROOT / "fixtures/btc-usd-30s.parquet").as_posix()
ENDS_WITHIN_S = 20


class Server:
    """A running server, and what its readiness line said."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(self.end()[1])
        self.ready: dict[str, Any] = msgspec.json.decode(line)

    def __getattr__(self, key: str) -> Any:
        return self.ready[key]

    def end(self, by: signal.Signals | None = signal.SIGTERM) -> tuple[int, str]:
        """Tell it to end, or wait until it has; its exit code and all of its stderr."""
        if by is not None and self.process.poll() is None:
            self.process.send_signal(by)
        _, errors = self.process.communicate(timeout=ENDS_WITHIN_S)
        return self.process.returncode, errors


@contextmanager
def serving(*words: str, tape: str = TAPE) -> Iterator[Server]:
    """A server of the fixture's tape until the block ends; then it must end well, if it has not yet."""
    command = [sys.executable, "-m", "papertape", "serve", "coinbase", "--with-parent", "--tape", tape, *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=dict(os.environ))
    try:
        server = Server(process)
        yield server
        if process.poll() is None:
            code, errors = server.end()
            assert (code, errors) == (0, "")
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
