"""NumPy's own files of one table, written row by row; `.npz` is a zip of it.

Format of `.npy`: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. A header of fixed length is written at the end,
when the number of rows is known, so that neither memory nor a second pass is needed. The same rows are the same bytes, whenever written.
"""

from __future__ import annotations

import os
import shutil
import struct
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from papertape.model.errors import TapeError

MAGIC: Final = b"\x93NUMPY"
_HEADER_BYTES: Final = 512
_CHUNK_BYTES: Final = 1 << 20
_ZIP_LEVEL: Final = 3  # rows repeat so much that more effort gains little


def write_table(path: Path, fields: Sequence[tuple[str, str]], layout: str, rows: Iterable[tuple[Any, ...]]) -> int:
    """Write rows as one array of records, whole or not at all; how many there were.

    Args:
        path: ends in .npz (the array is then called `data`) or .npy.
        fields: name and NumPy's type of each, little-endian and of eight bytes.
        layout: the same in the words of `struct`.

    Raises `TapeError` where the folder does not take the file.
    """
    is_zip = path.suffix == ".npz"
    table = path.with_name(f".{path.name}.{os.getpid()}.npy.part")
    packed = path.with_name(f".{path.name}.{os.getpid()}.npz.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        count = _write_npy(table, fields, layout, rows)
        if is_zip:
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=_ZIP_LEVEL) as archive:
                entry = zipfile.ZipInfo("data.npy", (1980, 1, 1, 0, 0, 0))  # of no time, as a tape is
                entry.compress_type, entry.file_size = zipfile.ZIP_DEFLATED, table.stat().st_size
                with table.open("rb") as plain, archive.open(entry, "w") as member:
                    shutil.copyfileobj(plain, member, _CHUNK_BYTES)
        os.replace(packed if is_zip else table, path)
    except OSError as error:
        raise TapeError(f"{path}: could not be written: {error.strerror or error}. Nothing was left behind.") from error
    finally:
        for each in (table, packed):
            with suppress(OSError):
                each.unlink(missing_ok=True)
    return count


def _write_npy(path: Path, fields: Sequence[tuple[str, str]], layout: str, rows: Iterable[tuple[Any, ...]]) -> int:
    pack = struct.Struct(layout).pack
    count = 0
    kept = bytearray()
    with path.open("xb") as file:
        file.write(bytes(_HEADER_BYTES))
        for row in rows:
            kept += pack(*row)
            count += 1
            if len(kept) >= _CHUNK_BYTES:
                file.write(kept)
                kept.clear()
        file.write(kept)
        file.seek(0)
        file.write(_header(fields, count))
        file.flush()
        os.fsync(file.fileno())
    return count


def _header(fields: Sequence[tuple[str, str]], count: int) -> bytes:
    text = str({"descr": list(fields), "fortran_order": False, "shape": (count,)})
    begin = MAGIC + b"\x01\x00" + struct.pack("<H", _HEADER_BYTES - 10)
    return begin + text.encode().ljust(_HEADER_BYTES - len(begin) - 1) + b"\n"
