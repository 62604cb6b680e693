"""What a scenario may name, and where each kind of name is kept. Each shelf is imported when something asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from papertape.model.errors import TapeError
from papertape.scenario.table import Table

if TYPE_CHECKING:
    import msgspec

    from papertape.faults.base import Fault

BUILTIN: Final = "builtin:"

MODEL_NOUNS: Final = {"fills": "fill model", "fees": "fee model", "latency": "latency law"}


def faults() -> Mapping[str, type[Fault]]:
    """Every fault by its kind."""
    from papertape.faults import FAULTS

    return FAULTS


def recorded() -> Mapping[str, type[Fault]]:
    """What a tape brings with it, by what results call it."""
    from papertape.session.outages import RECORDED

    return RECORDED


def models(shelf: str) -> Mapping[str, type[msgspec.Struct]]:
    """The members of the shelf "fills", "fees" or "latency"."""
    if shelf == "fills":
        from papertape.sim.fills import FILLS

        return FILLS
    if shelf == "fees":
        from papertape.sim.fees import FEES

        return FEES
    from papertape.sim.latency import LATENCIES

    return LATENCIES


def venues() -> Mapping[str, Any]:
    """Every venue's rules by its name."""
    from papertape.venues import VENUES

    return VENUES


def invariants() -> Mapping[str, Any]:
    """Every invariant by its name."""
    from papertape.invariants import INVARIANTS

    return INVARIANTS


def bots() -> Mapping[str, Callable[..., Any]]:
    """The sample bots by the name that a scenario gives them."""
    from papertape import bots as samples

    return {f"papertape.bots:{name}": getattr(samples, name) for name in samples.__all__}


def canaries() -> Mapping[str, Any]:
    """Every canary by its bug."""
    from papertape.bots.canaries import CANARIES

    return CANARIES


def builtin_tapes() -> tuple[str, ...]:
    """Names of the tapes that papertape makes by itself."""
    from papertape.tape import builtin

    return tuple(builtin.BUILTIN)


def check_tape(feed: Table, tape: str, folder: Path) -> None:
    """Raise unless the tape is one of ours or a file that is there.

    Raises:
        ConfigError: no builtin tape has this name.
        TapeError: no such file.
    """
    if tape.startswith(BUILTIN):
        feed.known("tape", tape, [BUILTIN + name for name in builtin_tapes()], "tape", "papertape list tapes")
        return
    path = folder / Path(tape).expanduser()
    if not path.is_file():
        raise TapeError(
            f'{feed.source}: {feed.where}, key `tape`: holds "{tape}"; there is no file {path.as_posix()}. '
            "`papertape import` makes a tape from a capture, `papertape tape synth` from a seed"
        )
