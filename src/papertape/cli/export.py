"""`papertape tape export`: a tape in, files of another system out."""

from __future__ import annotations

import difflib
from pathlib import Path

from papertape.model.errors import ConfigError
from papertape.session.result import ExitCode
from papertape.session.spec import FeedSpec
from papertape.tape.builtin import PREFIX, resolve
from papertape.tape.export import EXPORTERS, Export
from papertape.tape.reader import open_tape


def export(path: str, out: Path, /, *, format: str, symbol: str | None = None, start: str | None = None, end: str | None = None) -> int:
    """Write a tape in the format of another system; what that has no place for is counted and said.

    Parameters
    ----------
    path
        The tape, or builtin:NAME.
    out
        Where it goes: for hftbacktest a file that ends in .npz or .npy, for nautilus a catalog's folder.
    format
        Of which system: hftbacktest or nautilus.
    symbol
        Of which instrument, where the tape has several and the format takes one.
    start
        A duration from the tape's beginning, such as 90s, or an ISO 8601 time; the beginning if left out. Books begin as they stood.
    end
        Likewise, exclusive; the end if left out.
    """
    exporter = EXPORTERS.get(format)
    if exporter is None:
        near = difflib.get_close_matches(format, EXPORTERS, 1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        raise ConfigError(f'tape export: --format: no format is called "{format}"; there are {", ".join(EXPORTERS)}{hint}')
    tape = open_tape(resolve(path, Path()) if path.startswith(PREFIX) else Path(path).expanduser())
    try:
        start_ns, end_ns = FeedSpec(tape=path, start=start, end=end).window(tape.first_ns)
    except ValueError as error:
        raise ConfigError(f"tape export: {error}") from error
    done = exporter(Export(tape=tape, out=out.expanduser(), symbol=symbol, start_ns=start_ns, end_ns=end_ns))
    print(f"{out}: {done.rows:,} rows of {format}" + (f" in {len(done.paths)} files" if len(done.paths) > 1 else ""))
    for reason, count in done.left_out.items():
        print(f"  left out: {count:,} {reason}")
    return ExitCode.PASSED
