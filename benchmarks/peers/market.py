"""One tape in each system's format, and the orders that all of them are given."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

from benchmarks.market import bench_tape
from benchmarks.peers.environments import KEPT
from papertape.model.event import BookSnapshot, BookUpdate
from papertape.model.units import MILLISECOND, SECOND, Nanos
from papertape.runtime.chance import Chance, Stream
from papertape.tape.export import EXPORTERS, Export
from papertape.tape.reader import Tape, open_tape

LATENCY_NS: Final = 10 * MILLISECOND
"""From the client to the venue, and back."""

_BEGIN_NS: Final = 5 * SECOND
_END_NS: Final = 2 * SECOND


def converted(tape: Path) -> dict[str, str]:
    """The tape's own path and those of its conversions, made where they are not there."""
    opened = open_tape(tape)
    folder = KEPT / "data" / f"{tape.stem}-{opened.content_hash[:12]}"
    paths = {"hftbacktest": folder / "market.npy", "nautilus": folder / "catalog"}
    for peer, path in paths.items():
        if not path.exists():
            shutil.rmtree(folder / "catalog.part", ignore_errors=True)
            part = folder / (path.name if path.suffix else f"{path.name}.part")  # a file appears whole by itself
            EXPORTERS[peer](Export(tape=opened, out=part))
            part.rename(path)
    return {"papertape": str(tape), **{peer: str(path) for peer, path in paths.items()}}


def synthetic(events: int) -> Path:
    return bench_tape(events)


def orders(tape: Tape, *, seed: int, count: int, hold: float = 0.8, lots: tuple[int, int], crossing: float = 0.1) -> list[dict[str, Any]]:
    """Limit orders, one after the other, spread over a tape of one instrument; each is cancelled before the next is sent.

    Prices are drawn around the best of the venue's book at the time of sending: mostly at it or up to four ticks behind or before it,
    never at or through the other side, but for the share `crossing`, which goes two ticks through it.

    Each has: number, sent_ns and withdrawn_ns (the client's clock, since 1970), side, ticks, lots.
    """
    draw = Chance(seed).stream("orders")
    first_ns, last_ns = tape.first_ns + _BEGIN_NS, tape.last_ns - _END_NS
    step_ns = (last_ns - first_ns) // count
    found: list[dict[str, Any]] = []
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    for _, reach_ns, _, event in tape.messages():
        while len(found) < count and reach_ns > first_ns + len(found) * step_ns and bids and asks:
            sent_ns: Nanos = first_ns + len(found) * step_ns
            found.append(
                {
                    "number": len(found) + 1,
                    "sent_ns": sent_ns,
                    "withdrawn_ns": sent_ns + int(step_ns * hold),
                    **_drawn(draw, max(bids), min(asks), crossing),
                    "lots": draw.between(*lots),
                }
            )
        if isinstance(event, BookSnapshot):
            bids, asks = dict(event.bids), dict(event.asks)
        elif isinstance(event, BookUpdate):
            for side, levels in ((bids, event.bids), (asks, event.asks)):
                for ticks, many in levels:
                    if many:
                        side[ticks] = many
                    else:
                        side.pop(ticks, None)
    return found


def _drawn(draw: Stream, bid: int, ask: int, crossing: float) -> dict[str, Any]:
    side = draw.choice(("buy", "sell"))
    if draw.random() < crossing:
        return {"side": side, "ticks": ask + 2 if side == "buy" else bid - 2}
    behind = draw.choice((-4, -2, -1, 0, 0, 0, 1, 2, 4))
    if side == "buy":
        return {"side": side, "ticks": min(bid - behind, ask - 1)}
    return {"side": side, "ticks": max(ask + behind, bid + 1)}


def kept(name: str, wanted: list[dict[str, Any]]) -> str:
    """The orders as a file."""
    path = KEPT / "data" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(wanted))
    return str(path)
