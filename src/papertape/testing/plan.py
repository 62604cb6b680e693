"""A plan of faults as a value that can be printed, pasted and run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from papertape.faults.base import Fault, as_table
from papertape.scenario.make import make_fault
from papertape.scenario.write import value_text


class Plan(tuple[Fault, ...]):
    """Faults, in order: what `fault_plans()` draws. Its repr is Python that makes it again.

    >>> Plan([{"kind": "lost_reply", "nth": 2}])
    Plan([{'kind': 'lost_reply', 'nth': 2}])

    Raises:
        ConfigError: something is no fault.
    """

    __slots__ = ()

    def __new__(cls, faults: Iterable[Fault | Mapping[str, Any] | str] = ()) -> Plan:
        return super().__new__(cls, (make_fault(each, "Plan()", f"fault {place}") for place, each in enumerate(faults, start=1)))

    def __repr__(self) -> str:
        return f"Plan([{', '.join(repr(as_table(fault)) for fault in self)}])"


def as_python(faults: Sequence[Fault], indent: str = "    ") -> str:
    """The argument that gives these faults to a test's marker or to `papertape.simulate`.

    >>> print(as_python(Plan([{"kind": "lost_reply"}, {"kind": "gap", "at": "5s"}])))
    faults=[
        {'kind': 'lost_reply'},
        {'kind': 'gap', 'at': '5s'},
    ]
    """
    if not faults:
        return "faults=[]"
    return "\n".join(["faults=[", *(f"{indent}{as_table(fault)!r}," for fault in faults), "]"])


def as_toml(faults: Sequence[Fault]) -> str:
    """The tables that give these faults to a scenario file.

    >>> print(as_toml(Plan([{"kind": "disconnect", "at": "5s", "connection": "user"}])))
    [[fault]]
    kind = "disconnect"
    at = "5s"
    connection = "user"
    """
    tables = [["[[fault]]", *(f"{key} = {value_text(value)}" for key, value in as_table(fault).items())] for fault in faults]
    return "\n\n".join("\n".join(table) for table in tables)
