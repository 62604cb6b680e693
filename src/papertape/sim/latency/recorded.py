"""The delay that the recorder saw."""

from __future__ import annotations

from papertape.model.units import Nanos
from papertape.sim.latency.base import LatencyLaw


class RecordedLatency(LatencyLaw, frozen=True, dict=True, tag="recorded"):
    """For market data only: what the tape itself says of when a message was delivered. It draws nothing and adds nothing."""

    def ns(self, draw: int) -> Nanos:
        return 0
