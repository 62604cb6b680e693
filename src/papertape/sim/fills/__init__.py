"""The shelf of fill models: when a resting order fills.

From the kindest to the most cautious: each fills whatever the next one fills, and not later. `touch`, then the queues of which some cancel
ahead (`squared_queue`, `power_queue`, `log_queue`; of these none is always kinder than another), then `queue`, `cross`, `through`. `bars`
stands apart: it is for tapes that have neither trades nor books.
"""

from __future__ import annotations

from typing import Final

from papertape.sim.fills.bars import BarFills
from papertape.sim.fills.base import FillModel, Place
from papertape.sim.fills.cross import CrossFills
from papertape.sim.fills.log_queue import LogQueueFills
from papertape.sim.fills.power_queue import PowerQueueFills
from papertape.sim.fills.queue import QueueFills
from papertape.sim.fills.squared_queue import SquaredQueueFills
from papertape.sim.fills.through import ThroughFills
from papertape.sim.fills.touch import TouchFills

__all__ = [
    "FILLS", "AnyFills", "BarFills", "CrossFills", "FillModel", "LogQueueFills", "Place", "PowerQueueFills", "QueueFills",
    "SquaredQueueFills", "ThroughFills", "TouchFills",
]  # fmt: skip

FILLS: Final[dict[str, type[FillModel]]] = {
    "touch": TouchFills,
    "squared_queue": SquaredQueueFills,
    "power_queue": PowerQueueFills,
    "log_queue": LogQueueFills,
    "queue": QueueFills,
    "cross": CrossFills,
    "through": ThroughFills,
    "bars": BarFills,
}
"""By the word that a scenario's `kind` holds."""

AnyFills = TouchFills | SquaredQueueFills | PowerQueueFills | LogQueueFills | QueueFills | CrossFills | ThroughFills | BarFills
"""What a scenario's `fills` table may be; `msgspec.convert({"kind": "queue"}, AnyFills)` reads it."""
