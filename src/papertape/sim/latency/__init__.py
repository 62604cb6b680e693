"""The shelf of latency laws: how long things are on their way."""

from __future__ import annotations

from typing import Final

from papertape.sim.latency.base import LatencyLaw
from papertape.sim.latency.constant import ConstantLatency
from papertape.sim.latency.lognormal import LognormalLatency
from papertape.sim.latency.measured import MeasuredLatency
from papertape.sim.latency.recorded import RecordedLatency, RecordedLine

__all__ = [
    "LATENCIES", "AnyLatency", "ConstantLatency", "LatencyLaw", "LognormalLatency", "MeasuredLatency", "RecordedLatency", "RecordedLine",
]  # fmt: skip

LATENCIES: Final[dict[str, type[LatencyLaw]]] = {
    "constant": ConstantLatency,
    "lognormal": LognormalLatency,
    "measured": MeasuredLatency,
    "recorded": RecordedLatency,
}
"""By the word that a scenario's `kind` holds."""

AnyLatency = ConstantLatency | LognormalLatency | MeasuredLatency | RecordedLatency
"""What a scenario's `latency` tables may be."""
