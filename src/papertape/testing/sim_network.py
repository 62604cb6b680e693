"""`papertape.simulate(main, servers=…)` for tests: what did not pass is raised, with the command that runs the test again."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

import papertape.runtime.patch
import papertape.session.servers.listen  # noqa: F401 - both loaded before Hypothesis looks at its clock
from papertape.scenario.simulate import FaultLike, simulate
from papertape.session.servers import NetworkResult, ServedWorld
from papertape.testing.fixtures import cut


class SimNetwork:
    """What the fixture `sim_network` gives: it is called to run a program with its own servers; see `sim_network` below.

    In a test that is marked `@pytest.mark.papertape` its methods are about the lines to the venue.
    """

    def __call__(
        self,
        main: Callable[[ServedWorld], Any],
        *,
        servers: Mapping[str, Callable[..., Any]],
        faults: Sequence[FaultLike] = (),
        heal: str | None = None,
        hosts: Mapping[str, str] | None = None,
        seed: int = 0,
        limit: str | None = None,
        trace: bool = False,
        must_hit: bool = True,
    ) -> NetworkResult:
        __tracebackhide__ = True
        return sim_network(
            main, servers=servers, faults=faults, heal=heal, hosts=hosts, seed=seed, limit=limit, trace=trace, must_hit=must_hit
        )  # fmt: skip

    def cut(self, *lanes: str, lasts: str = "0s", clean: bool = False) -> None:
        """End every connection of these lanes ("rest", "market", "user"; all if none is named) now, and let none be opened for a while.

        Args:
            clean: whether the venue says goodbye first.
        """
        cut(lanes, lasts=lasts, clean=clean)


def sim_network(
    main: Callable[[ServedWorld], Any],
    *,
    servers: Mapping[str, Callable[..., Any]],
    faults: Sequence[FaultLike] = (),
    heal: str | None = None,
    hosts: Mapping[str, str] | None = None,
    seed: int = 0,
    limit: str | None = None,
    trace: bool = False,
    must_hit: bool = True,
) -> NetworkResult:
    """Run main in virtual time; see `papertape.simulate` for the arguments.

    Raises:
        AssertionError: the run did not pass.
        ConfigError: something in the call must be edited.
    """
    __tracebackhide__ = True
    result = simulate(
        main, servers=servers, faults=faults, heal=heal, hosts=hosts, seed=seed, limit=limit, trace=trace, must_hit=must_hit
    )  # fmt: skip
    test = current_test()
    if test:
        result = msgspec.structs.replace(result, repro=f"{test}, which calls {result.repro}")
    result.raise_for_failure()
    return result


def current_test() -> str:
    """The command that runs the test that is running; empty outside pytest.

    It names PYTHONHASHSEED where that is set, since a program that takes an order from a set of strings depends on it.
    """
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
    if not test:
        return ""
    seed = os.environ.get("PYTHONHASHSEED", "")
    return (f"PYTHONHASHSEED={seed} " if seed.isdigit() else "") + f"pytest {shlex.quote(test)}"
