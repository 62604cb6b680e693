"""Arrow's columns as numpy sees them, and back: the same memory, where Arrow takes long for what numpy does at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Whole = NDArray[np.int64]

_NAMES: Final = {"int8": "i1", "int16": "i2", "int64": "i8", "uint64": "u8"}


def ints(column: Any) -> Any:
    """A column of whole numbers without nulls as an array of numpy; not to be changed."""
    import numpy as np

    kind = np.dtype(_NAMES[str(column.type)])
    if not len(column):
        return np.zeros(0, kind)
    return np.frombuffer(column.buffers()[1], kind, len(column), column.offset * kind.itemsize)


def column_from(values: Any) -> Any:
    """An array of numpy as a column, which holds on to its memory."""
    import pyarrow as pa

    kind = next(name for name, short in _NAMES.items() if values.dtype == short)
    return pa.Array.from_buffers(pa.type_for_alias(kind), len(values), [None, pa.py_buffer(values)])


def ascends(values: Whole, least: int | None = None) -> bool:
    """Whether none is smaller than the one before it; nor the first than `least`."""
    if not len(values) or (least is not None and values[0] < least):
        return not len(values)
    return bool((values[1:] >= values[:-1]).all())


def risen(column: Any, least: int | None = None) -> Any:
    """Of each place the greatest so far, or `least` if that is greater; the column itself where it ascends."""
    import numpy as np

    values = ints(column)
    if ascends(values, least):
        return column
    found = np.maximum.accumulate(values)
    return column_from(found if least is None else np.maximum(found, least))
