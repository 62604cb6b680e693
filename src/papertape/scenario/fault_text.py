"""A fault as one word of a command line: `KIND[,key=value…]`, such as `lost_reply,nth=3,where.side=buy`; and the command that runs it."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from papertape.faults import FAULTS
from papertape.faults.base import Fault, as_table
from papertape.model.errors import ConfigError
from papertape.scenario.make import make_fault


def parse_fault(text: str) -> Fault:
    """The fault that `--fault TEXT` asks for.

    >>> parse_fault("lost_reply,nth=3,where.side=buy").where
    {'side': 'buy'}
    >>> parse_fault("disconnect,at=90s,lasts=5s,clean=true").clean
    True
    >>> parse_fault("outage,at=90s,lasts=5s,connections=market+user").connections
    (<Lane.MARKET: 'market'>, <Lane.USER: 'user'>)

    Raises:
        ConfigError: what is wrong with it.
    """
    kind, *settings = text.split(",")
    table: dict[str, Any] = {"kind": kind.strip()}
    lists = _list_keys(table["kind"])
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f'--fault {text}: "{setting}" is no setting; expected key=value, such as nth=3')
        outer, _, inner = key.strip().partition(".")
        if inner:
            table[outer] = {**table.get(outer, {}), inner: _value(value.strip())}
        else:
            table[outer] = value.strip().split("+") if outer in lists else _value(value.strip())
    return make_fault(table, f"--fault {text}", table["kind"] or "the fault")


def fault_text(fault: Fault) -> str:
    """The text from which `parse_fault` makes the same fault.

    >>> fault_text(parse_fault("lost_reply, nth=3, where.side=buy"))
    'lost_reply,nth=3,where.side=buy'
    """
    words = [fault.kind]
    for key, value in as_table(fault).items():
        if key == "kind":
            continue
        for name, each in [(f"{key}.{inner}", one) for inner, one in value.items()] if isinstance(value, dict) else [(key, value)]:
            words.append(f"{name}={_text(each)}")
    return ",".join(words)


def rerun_command(
    path: Path,
    *,
    seed: int | None,
    depth: object = None,
    faults: Sequence[Fault] = (),
    venue: str | None = None,
    tape: str | None = None,
    program_args: Sequence[str] | None = None,
) -> str:
    """The one command line that runs this again."""
    words = ["papertape", "run", path.as_posix()]
    words += ["--venue", venue] if venue else []
    words += ["--tape", tape] if tape else []
    words += ["--depth", str(depth)] if depth is not None else []
    for fault in faults:
        words += ["--fault", fault_text(fault)]
    words += ["--seed", str(seed)] if seed is not None else []
    return shlex.join(words if program_args is None else [*words, "--", *program_args])


def _list_keys(kind: str) -> list[str]:
    """Which of a fault's keys hold lists: on a command line with a plus between."""
    member = FAULTS.get(kind)
    return [] if member is None else [field.name for field in msgspec.structs.fields(member) if isinstance(field.default, tuple)]


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "+".join(str(each) for each in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(text: str) -> Any:
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a bare word or a duration
    return value if isinstance(value, bool | int | float | str) else text
