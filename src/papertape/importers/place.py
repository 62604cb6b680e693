"""Where a file lies: on a disk, or in a bucket."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import IO, Any, Literal, Protocol


class Place(Protocol):
    """What importers ask of a file; `Path` has it all. `str` of it is what messages call it."""

    @property
    def name(self) -> str: ...
    @property
    def suffix(self) -> str: ...
    @property
    def suffixes(self) -> Sequence[str]: ...
    @property
    def parent(self) -> PurePath: ...

    def as_posix(self) -> str: ...

    def open(self, mode: Literal["rb"], /) -> IO[bytes]:
        """Its bytes, to be read from anywhere in any order."""
        ...


def parquet_source(place: Place) -> Any:
    """What pyarrow reads a Parquet file from; of one in a bucket no more is fetched than it asks for."""
    return place if isinstance(place, Path) else _unbuffered(place)


def magic_of(place: Place) -> bytes:
    """Its first four bytes; of a file in a bucket no more are fetched."""
    with _unbuffered(place) as file:
        magic: bytes = file.read(4)
        return magic


def _unbuffered(place: Place) -> Any:
    file = place.open("rb")
    return file.detach() if isinstance(file, io.BufferedReader) else file
