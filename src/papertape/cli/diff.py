"""`papertape diff`."""

from __future__ import annotations

from pathlib import Path

from papertape.reports.divergence import first_divergence
from papertape.session.result import ExitCode


def diff(left: Path, right: Path, /) -> int:
    """Show where two journals part.

    Exit code 0 if they are the same, 3 if not.

    Parameters
    ----------
    left
        A journal that `papertape run --journal FILE` wrote.
    right
        Another.
    """
    found = first_divergence(left, right)
    if found is None:
        print("the two runs are the same")
        return ExitCode.PASSED
    print(found.render(left.as_posix(), right.as_posix()))
    return ExitCode.DIFFERED
