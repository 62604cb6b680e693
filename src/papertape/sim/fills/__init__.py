"""The shelf of fill models: when a resting order fills."""

from __future__ import annotations

from typing import Final

from papertape.sim.fills.base import FillModel, Place
from papertape.sim.fills.queue import QueueFills
from papertape.sim.fills.touch import TouchFills

__all__ = ["FILLS", "AnyFills", "FillModel", "Place", "QueueFills", "TouchFills"]

FILLS: Final[dict[str, type[FillModel]]] = {"touch": TouchFills, "queue": QueueFills}
"""By the word that a scenario's `kind` holds."""

AnyFills = TouchFills | QueueFills
"""What a scenario's `fills` table may be; `msgspec.convert({"kind": "queue"}, AnyFills)` reads it."""
