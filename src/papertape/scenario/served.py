"""From the arguments of `simulate(main, servers=…)` to a checked run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from papertape.faults import ON_THE_LINE, NetworkFault
from papertape.faults.base import Fault, as_table
from papertape.model.errors import ConfigError
from papertape.model.units import parse_duration
from papertape.runtime.network import Policy
from papertape.scenario.make import make_fault
from papertape.scenario.table import Table
from papertape.session.servers import ServersSpec
from papertape.session.servers.endpoint import read_servers
from papertape.session.servers.run import LIMIT_NS
from papertape.session.spec import Depth

SOURCE: Final = "simulate()"


def make_servers(
    main: Any,
    servers: Mapping[str, Callable[..., Any]],
    *,
    faults: Sequence[Fault | Mapping[str, Any] | str],
    heal: Mapping[str, Any] | str | None,
    hosts: Mapping[str, str] | None,
    seed: int | None,
    depth: Depth | str | None,
    title: str,
    limit: str | None,
    trace: bool,
    must_hit: bool,
    not_here: Sequence[str],
    where: str,
) -> ServersSpec:
    """A run with servers; raises `ConfigError` for what must be edited."""
    if not_here:
        raise ConfigError(f"{SOURCE}: `{not_here[0]}` goes with a bot and venues; here are servers and a main of your own")
    if depth is not None and str(depth) != Depth.WIRE:
        raise ConfigError(f'{SOURCE}: `depth` holds "{depth}"; servers are always at depth "wire"')
    _check_main(main)
    read_servers(servers, SOURCE)
    made = [_fault(fault, index) for index, fault in enumerate(faults, start=1)]
    table = Table({"hosts": hosts, "seed": 0 if seed is None else seed, "heal": {"at": heal} if isinstance(heal, str) else heal}, SOURCE)
    policies = table.table("hosts")
    return ServersSpec(
        main=main,
        servers=servers,
        faults=made,
        heal_ns=_heal_ns(table),
        hosts={} if policies is None else {name: policies.choice(name, Policy, Policy.REFUSE) for name in policies.raw},
        seed=table.whole("seed", 0),
        limit_ns=_limit_ns(limit),
        trace=trace,
        must_hit=must_hit,
        title=title or getattr(main, "__qualname__", repr(main)),
        repro=_call(main, made, table, where),
    )


def _call(main: Any, faults: Sequence[NetworkFault], table: Table, where: str) -> str:
    """No command line can name a function in somebody's program; say which call it was."""
    words = [getattr(main, "__qualname__", repr(main)).rpartition("<locals>.")[2], "servers=…"]
    words += [f"faults={[as_table(fault) for fault in faults]}"] if faults else []
    heal, hosts = table.raw["heal"], table.raw["hosts"]
    words += [f"heal={heal['at']!r}"] if heal else []
    words += [f"hosts={dict(hosts)!r}"] if hosts else []
    return f"papertape.simulate({', '.join(words)}, seed={table.raw['seed']}) in {where}"


def _check_main(main: Any) -> None:
    expected = "expected `async def main(world)`"
    name = getattr(main, "__qualname__", repr(main))
    if not (inspect.iscoroutinefunction(main) or inspect.iscoroutinefunction(getattr(main, "__call__", None))):  # noqa: B004 - whether that is a coroutine function, not whether it is callable
        raise ConfigError(f"{SOURCE}: with `servers`, the first argument is {name}; {expected}")
    try:
        inspect.signature(main).bind(None)
    except TypeError:
        raise ConfigError(f"{SOURCE}: {name}{inspect.signature(main)} does not take the world alone; {expected}") from None


def _fault(value: Any, index: int) -> NetworkFault:
    where = f"[[fault]] {index}"
    fault = make_fault(value, SOURCE, where)
    if not isinstance(fault, NetworkFault):
        kinds = ", ".join(str(member.__struct_config__.tag) for member in ON_THE_LINE)
        raise ConfigError(
            f'{SOURCE}: {where}, key `kind`: "{fault.kind}" acts at the door of a venue that papertape knows, and servers of your own have '
            f"none: let the handler do it, or take a fault of the network: {kinds}"
        )
    return fault


def _heal_ns(table: Table) -> int | None:
    heal = table.table("heal")
    if heal is None:
        return None
    heal.allow("at")
    at = heal.duration("at")
    if at is None:
        raise heal.problem("at", 'is missing; expected when, such as heal="2m"')
    return parse_duration(at)


def _limit_ns(limit: str | None) -> int:
    if limit is None:
        return LIMIT_NS
    try:
        limit_ns = parse_duration(limit)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{SOURCE}: key `limit`: {error}") from None
    if not limit_ns:
        raise ConfigError(f'{SOURCE}: key `limit`: holds "{limit}"; main needs some time')
    return limit_ns
