"""Connections that are open and on which nothing comes."""

from __future__ import annotations

from typing import ClassVar

from papertape.faults.network import NetworkFault
from papertape.runtime.network.trouble import Act


class HalfOpen(NetworkFault, frozen=True, kw_only=True, tag="half_open"):
    """Bytes are taken and not handed over until the fault ends; then all of them arrive at once, in order.

    As when something on the way acknowledges bytes and keeps them: nobody gets an error by it, however long it lasts. FIN and RST wait too.
    New connections can be made, and are held as well unless `nth_connection` says otherwise. Without `lasts` or `until` only healing ends
    it.

    interface: nothing; use "stall".
    wire: writing works until about 1 MiB is under way, then writers are paused; nothing is received.
    """

    act: ClassVar[Act] = Act.HOLD


class BlackHole(NetworkFault, frozen=True, kw_only=True, tag="black_hole"):
    """Packets are dropped without a word, on open connections and on new ones.

    As when a cable is pulled: TCP sends lost bytes again after 0.2 s, then after twice as long each time up to 120 s, so that they arrive
    some time after the fault has ended, not at once as with "half_open". Who gets no answer for 924.6 s is told TimeoutError (ETIMEDOUT)
    and has no connection any more, of which the other end does not hear; who writes nothing never notices. A RST is not sent again. SYN is
    as with "connect_timeout", unless a count of bytes must be reached first. That acknowledgements get lost too is not modelled: with one
    `direction` the other is whole.

    interface: nothing; use "stall".
    wire: writing works until about 1 MiB is under way, then writers are paused; nothing is received; connecting fails after 127 s.
    """

    act: ClassVar[Act] = Act.LOSE
