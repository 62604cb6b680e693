"""Faults: what can be done to a venue on purpose. A new one is a file here and a word in `FAULTS`."""

from __future__ import annotations

from typing import Final

from papertape.faults.base import Fault
from papertape.faults.disconnect import Disconnect
from papertape.faults.gap import Gap
from papertape.faults.latency import Latency
from papertape.faults.lost_reply import LostReply
from papertape.faults.rate_limit import RateLimit
from papertape.faults.stall import Stall

FAULTS: Final[dict[str, type[Fault]]] = {
    str(member.__struct_config__.tag): member for member in (Disconnect, Gap, Latency, LostReply, RateLimit, Stall)
}
"""Every fault by its `kind`."""

__all__ = ["FAULTS", "Disconnect", "Fault", "Gap", "Latency", "LostReply", "RateLimit", "Stall"]
