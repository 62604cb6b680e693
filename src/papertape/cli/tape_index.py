"""`papertape tape index`: what makes later runs over a tape fast, made before the first."""

from __future__ import annotations

from pathlib import Path

from papertape.model.errors import ConfigError
from papertape.session.result import ExitCode
from papertape.tape.builtin import resolve
from papertape.tape.index.store import find, make, places
from papertape.tape.reader import open_tape


def index(*paths: str) -> int:
    """Make the index of tapes, beside each or, where its folder takes nothing, in the cache folder.

    The second whole run over a tape of 200,000 rows or more makes it by itself; this is for tapes so long that no index of them is made
    unasked (40 million rows, which take two gigabytes), or for a time of your own choosing. An index that is damaged or of another tape
    is never played, and made anew by the next run; to be rid of one, delete it. PAPERTAPE_INDEX=off plays none and makes none.

    Parameters
    ----------
    paths
        Tapes, or builtin:NAME. One that has an index already is left alone.
    """
    if not paths:
        raise ConfigError("tape index: name at least one tape")
    code = ExitCode.PASSED
    for path in paths:
        tape = open_tape(resolve(path, Path()))
        found = find(tape)
        if found is not None:
            print(f"{path}: indexed already by {found.path}")
            continue
        made = make(tape)
        if made is None:
            folders = " or ".join(str(place.parent) for place in places(tape))
            print(f"{path}: not indexed: there is no room in {folders}, somebody else is at it, or its rows are in no order of messages")
            code = ExitCode.FAILED
        else:
            print(f"{path}: indexed by {made}, {made.stat().st_size / 1e6:,.1f} MB for {tape.rows:,} rows")
    return code
