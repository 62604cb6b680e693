"""Who goes first among things due at one nanosecond; after the rank, the order in which they were scheduled.

Market rows reach the venue before commands do, so that an order arriving at t meets every price up to and including t; the venue speaks
before the client hears; timers come last, so that a timeout at t does not beat an answer that arrives at t.
"""

from typing import Final

MARKET: Final = 0
"""A recorded row reaches the venue."""

COMMAND: Final = 1
"""A request reaches the venue."""

DELIVERY: Final = 2
"""Anything reaches the client: an answer, a stream message, bytes."""

TIMER: Final = 3
"""Everything that only waited: sleeps, timeouts, `call_later`."""

END: Final = 4
"""The end of the run, after everything else due at its nanosecond."""
