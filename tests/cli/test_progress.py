"""Progress: plain lines where nobody watches, a bar on a terminal."""

from __future__ import annotations

import io

from papertape.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_a_line_for_each_scenario() -> None:
    """No escape codes, no bars."""
    file = io.StringIO()
    progress = Progress(2, file)
    progress.begin("a")
    progress.advance(1, 2)
    progress.end("passed", 0.5)
    progress.begin("b")
    progress.end("failed", 0.25)
    assert file.getvalue() == "[1/2] a: passed in 0.50 s\n[2/2] b: failed in 0.25 s\n"


def test_a_terminal_gets_a_bar() -> None:
    """Drawn in place and cleared at the end."""
    file = Terminal()
    progress = Progress(1, file)
    progress.begin("a")
    progress.advance(30_000_000_000, 60_000_000_000)
    progress.end("passed", 0.5)
    drawn = file.getvalue()
    assert "████████████░░░░░░░░░░░░  50%  30s of 1m  a" in drawn
    assert drawn.endswith("\r\x1b[2K[1/1] a: passed in 0.50 s\n")
