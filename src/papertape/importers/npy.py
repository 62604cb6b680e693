"""NumPy's files of one table of records, `.npy` or within `.npz`, read row by row."""

from __future__ import annotations

import ast
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, Final

from papertape.importers.place import Place
from papertape.model.errors import TapeError
from papertape.tape.export.npy import MAGIC

_CHUNK_ROWS: Final = 16_384
_HEADER_MAX: Final = 65_536  # longer than any table of ours could need; no reason to believe a damaged length


def read_table(path: Place, fields: Sequence[tuple[str, str]], layout: str, *, made_by: str) -> Iterator[tuple[Any, ...]]:
    """The rows of the array `data` of an `.npz`, or of an `.npy`.

    Args:
        fields: what each record must have, in this order: name and NumPy's type.
        layout: the same in the words of `struct`.
        made_by: for messages: whose table this should be.

    Raises `TapeError` where the file is another, damaged or cut short; nothing in it is ever run.
    """
    try:
        with _opened(path) as file:
            count = _count(path, file, fields, made_by)
            size = struct.calcsize(layout)
            done = 0
            while done < count:
                want = min(_CHUNK_ROWS, count - done) * size
                chunk = file.read(want)
                if len(chunk) < want:
                    raise TapeError(f"{path}: cut short: {count:,} rows were promised, after row {done + len(chunk) // size:,} it ends.")
                yield from struct.iter_unpack(layout, chunk)
                done += want // size
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        what = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise TapeError(f"{path}: does not read: {what}. Fetch it again, or leave it out.") from error


@contextmanager
def _opened(path: Place) -> Iterator[IO[bytes]]:
    if path.suffix != ".npz":
        with path.open("rb") as file:
            yield file
        return
    with path.open("rb") as packed, zipfile.ZipFile(packed) as archive:
        arrays = [name for name in archive.namelist() if name.endswith(".npy")]
        name = "data.npy" if "data.npy" in arrays else arrays[0] if len(arrays) == 1 else None
        if name is None:
            held = ", ".join(each.removesuffix(".npy") for each in arrays) or "nothing"
            raise TapeError(f"{path}: has no array `data`; it holds {held}.")
        with archive.open(name) as file:
            yield file


def _count(path: Place, file: IO[bytes], fields: Sequence[tuple[str, str]], made_by: str) -> int:
    """How many rows follow, by a header that describes these fields."""
    begin = file.read(8)
    if begin[:6] != MAGIC or len(begin) < 8:
        raise TapeError(f"{path}: no table of NumPy's: it begins with {begin[:8]!r}. Expected a .npz or .npy of {made_by}.")
    width, code = (2, "<H") if begin[6] == 1 else (4, "<I")
    length = file.read(width)
    size = struct.unpack(code, length)[0] if len(length) == width else _HEADER_MAX + 1
    text = file.read(size) if size <= _HEADER_MAX else b""
    try:
        header = ast.literal_eval(text.decode("latin-1").strip())
        found, (count, *more), is_fortran = header["descr"], header["shape"], header["fortran_order"]
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError) as error:
        raise TapeError(f"{path}: damaged: its header does not read. Fetch it again.") from error
    if more or is_fortran or not isinstance(found, list) or [tuple(each) for each in found] != list(fields):
        expected = ", ".join(f"{name} {kind}" for name, kind in fields)
        raise TapeError(f"{path}: no table of {made_by}: it holds {_said(found)}, expected one row each of {expected}.")
    if not isinstance(count, int) or count < 0:
        raise TapeError(f"{path}: damaged: it says that it has {count!r} rows.")
    return count


def _said(found: Any) -> str:
    if isinstance(found, list):
        return "rows of " + ", ".join(" ".join(str(part) for part in each) for each in found if isinstance(each, (tuple, list)))
    return f"plain numbers ({found})"
