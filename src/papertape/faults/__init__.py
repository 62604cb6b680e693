"""Faults: what can be done to a venue, and to the line to it, on purpose. A new one is a file here and a word in `FAULTS`."""

from __future__ import annotations

from typing import Final

from papertape.faults.ban import Ban
from papertape.faults.base import Fault
from papertape.faults.certificate import TlsExpired, TlsSlow, TlsWrongHost
from papertape.faults.clock_skew import ClockSkew
from papertape.faults.connecting import ConnectRefused, ConnectTimeout, SlowConnect
from papertape.faults.crash import Crash
from papertape.faults.crossed_snapshot import CrossedSnapshot
from papertape.faults.disconnect import Disconnect
from papertape.faults.drop import Drop
from papertape.faults.duplicate import Duplicate
from papertape.faults.empty_snapshot import EmptySnapshot
from papertape.faults.ending import Close, HalfClose, Reset
from papertape.faults.foreign_order import ForeignOrder
from papertape.faults.gap import Gap
from papertape.faults.late_release import LateRelease
from papertape.faults.late_reply import LateReply
from papertape.faults.late_snapshot import LateSnapshot
from papertape.faults.late_visibility import LateVisibility
from papertape.faults.latency import Latency
from papertape.faults.lost_reply import LostReply
from papertape.faults.lost_snapshot import LostSnapshot
from papertape.faults.lost_subscription import LostSubscription
from papertape.faults.market_phase import MarketPhase
from papertape.faults.mute import Mute
from papertape.faults.names import DnsFailure, DnsSlow
from papertape.faults.network import NetworkFault
from papertape.faults.outage import Outage
from papertape.faults.rate_limit import RateLimit
from papertape.faults.refused_subscription import RefusedSubscription
from papertape.faults.reject import Reject
from papertape.faults.reorder import Reorder
from papertape.faults.shaping import Bandwidth, Corrupt, Lag, Split
from papertape.faults.short_lived import ShortLived
from papertape.faults.silence import BlackHole, HalfOpen
from papertape.faults.stale_snapshot import StaleSnapshot
from papertape.faults.stall import Stall

AT_THE_DOOR: Final[tuple[type[Fault], ...]] = (
    Ban, ClockSkew, Crash, CrossedSnapshot, Disconnect, Drop, Duplicate, EmptySnapshot, ForeignOrder, Gap, LateRelease, LateReply,
    LateSnapshot, LateVisibility, Latency, LostReply, LostSnapshot, LostSubscription, MarketPhase, Mute, Outage, RateLimit,
    RefusedSubscription, Reject, Reorder, ShortLived, StaleSnapshot, Stall,
)  # fmt: skip
"""What a venue does, at both depths."""

ON_THE_LINE: Final[tuple[type[NetworkFault], ...]] = (
    DnsFailure, DnsSlow, ConnectRefused, ConnectTimeout, SlowConnect, TlsExpired, TlsWrongHost, TlsSlow,
    Reset, Close, HalfClose, HalfOpen, BlackHole, Bandwidth, Split, Lag, Corrupt,
)  # fmt: skip
"""What the network does, at depth `wire` alone."""

FAULTS: Final[dict[str, type[Fault]]] = {str(member.__struct_config__.tag): member for member in (*AT_THE_DOOR, *ON_THE_LINE)}
"""Every fault by its `kind`."""

__all__ = [
    "AT_THE_DOOR", "FAULTS", "ON_THE_LINE", "Ban", "Bandwidth", "BlackHole", "ClockSkew", "Close", "ConnectRefused", "ConnectTimeout",
    "Corrupt", "Crash", "CrossedSnapshot", "Disconnect", "DnsFailure", "DnsSlow", "Drop", "Duplicate", "EmptySnapshot", "Fault",
    "ForeignOrder", "Gap", "HalfClose", "HalfOpen", "Lag", "LateRelease", "LateReply", "LateSnapshot", "LateVisibility", "Latency",
    "LostReply", "LostSnapshot", "LostSubscription", "MarketPhase", "Mute", "NetworkFault", "Outage", "RateLimit",
    "RefusedSubscription", "Reject", "Reorder", "Reset", "ShortLived", "SlowConnect", "Split", "StaleSnapshot", "Stall", "TlsExpired",
    "TlsSlow", "TlsWrongHost",
]  # fmt: skip
