"""`papertape list` and `papertape explain`: what can be named, and what each of it does, in the words of its docstring."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from papertape.model.errors import ConfigError
from papertape.model.notes import Mark
from papertape.model.request import Lane, Op
from papertape.scenario import shelves
from papertape.scenario.table import shown


class Entry(NamedTuple):
    """Something that can be named: what it is, and its own object if it has one."""

    name: str
    noun: str
    about: str
    thing: Any = None


def _documented(members: Mapping[str, Any], noun: str) -> list[Entry]:
    return [Entry(name, noun, inspect.getdoc(_kind(member)) or "", member) for name, member in members.items()]


def _faults() -> list[Entry]:
    return _documented(shelves.faults(), "fault")


def _invariants() -> list[Entry]:
    return _documented(shelves.invariants(), "invariant")


def _models() -> list[Entry]:
    return [entry for shelf, noun in shelves.MODEL_NOUNS.items() for entry in _documented(shelves.models(shelf), noun)]


def _venues() -> list[Entry]:
    return [Entry(name, "venue", _venue(rules), rules) for name, rules in shelves.venues().items()]


def _venue(rules: Any) -> str:
    fees = f"fees {rules.maker_bps} / {rules.taker_bps} bps (maker / taker)"
    quota = f"{rules.private_quota.count} private and {rules.public_quota.count} public requests a second"
    return f"{fees}; {quota}; a lost answer is resolved by {rules.reconcile}"


def _bots() -> list[Entry]:
    return [entry for entry in _documented(shelves.bots(), "sample bot") if not entry.name.endswith(":Bot")]


def _canaries() -> list[Entry]:
    return _documented(shelves.canaries(), "canary")


def _ops() -> list[Entry]:
    return [Entry(str(op), "op", "what a request wants done; a fault's `on`") for op in Op]


def _lanes() -> list[Entry]:
    return [Entry(str(lane), "lane", "a way to the venue; a fault's `connection`, [heal]'s `only`") for lane in Lane]


def _marks() -> list[Entry]:
    return [Entry(str(mark), "mark", "something that a run can be asked to have seen: [expect]'s `must_happen`") for mark in Mark]


def _tapes() -> list[Entry]:
    return [Entry(shelves.BUILTIN + name, "tape", "made by papertape on first use") for name in shelves.builtin_tapes()]


def _outages() -> list[Entry]:
    return [Entry(name, "outage that a tape brings with it", inspect.getdoc(kind) or "") for name, kind in shelves.recorded().items()]


KINDS: Final = {
    "faults": _faults, "outages": _outages, "invariants": _invariants, "models": _models, "venues": _venues, "bots": _bots,
    "canaries": _canaries, "ops": _ops, "lanes": _lanes,
    "marks": _marks, "tapes": _tapes,
}  # fmt: skip


def list_names(what: str = "", /) -> int:
    """Show what can be named in scenarios and on the command line.

    Parameters
    ----------
    what
        One of: faults, outages, invariants, models, venues, bots, canaries, ops, lanes, marks, tapes. All of them if left out.
    """
    if what and what not in KINDS:
        near = difflib.get_close_matches(what, KINDS, n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"expected one of {', '.join(KINDS)}"
        raise ConfigError(f'list: "{what}" is nothing to list; {hint}')
    for kind in [what] if what else KINDS:
        if not what:
            print(f"{kind}:")
        entries = KINDS[kind]()
        width = max((len(entry.name) for entry in entries), default=0)
        for entry in entries:
            noun = f"[{entry.noun}] " if kind == "models" else ""
            print(f"  {entry.name.ljust(width)}  {noun}{entry.about.partition(chr(10))[0]}")
        if not what:
            print()
    return 0


def explain(name: str, /) -> int:
    """Say what a fault, an invariant, a model, a venue or a bot does, and what can be set.

    Parameters
    ----------
    name
        As `papertape list` shows it.
    """
    entries = [entry for kind in KINDS.values() for entry in kind()]
    found = [entry for entry in entries if entry.name == name]
    if not found:
        near = difflib.get_close_matches(name, [entry.name for entry in entries], n=1)
        raise ConfigError(
            f'explain: nothing is called "{name}"' + (f'; did you mean "{near[0]}"?' if near else "; `papertape list` shows all")
        )
    for entry in found:
        print(f"{entry.name} ({entry.noun})\n")
        print(entry.about)
        settings = _settings(entry.thing)
        if settings:
            print("\nkeys:")
            print("\n".join(settings))
    return 0


def _kind(member: Any) -> Any:
    return member if inspect.isclass(member) or inspect.isfunction(member) else type(member)


def _settings(thing: Any) -> list[str]:
    if not (inspect.isclass(thing) and issubclass(thing, msgspec.Struct)):
        return []
    fields = msgspec.structs.fields(thing)
    return [f"  {field.encode_name} = {_default(field)}" for field in fields]


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT:
        return "… (must be given)"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None:
        return "(not set)"
    if isinstance(value, tuple):
        return f"[{', '.join(shown(str(each)) for each in value)}]"
    return shown(str(value)) if isinstance(value, str) else str(value) if not isinstance(value, bool) else shown(value)
