"""Whether a subscription that says nothing is dead or its market is quiet."""

from __future__ import annotations

from enum import Enum
from typing import Final

from papertape.model.units import Nanos

DOUBLINGS_MAX: Final = 4
"""A subscription that stays mute whenever it is renewed is looked at ever less often, up to so many doublings: eight minutes by default.

What comes back after hours should not be missed for half an hour more.
"""

PATIENT: Final = 4
"""Renewals in a row before that begins: a fault of minutes is over within the time that one takes to be found."""


class Look(Enum):
    """What to do about a subscription now."""

    NOTHING = "it speaks, or has not been silent for long"
    ASK = "it has been silent for long: ask REST whether there would be something to say"
    RENEW = "there was something to say, and it has not said it: subscribe anew"


class Quiet:
    """Watches one subscription. Whoever looks hands in a token that is another after each message.

    Silence is no fault: after `limit_ns` of it REST is asked, and only if that knows something which the subscription has not told within
    `grace_ns` of the answer is it taken for dead. So a dead one is found within `limit_ns`, a look, an answer, `grace_ns` and another look
    of the first thing that it keeps to itself; and a quiet market costs one question each `limit_ns`, and no alarm.
    """

    def __init__(self, *, limit_ns: Nanos, grace_ns: Nanos, now_ns: Nanos) -> None:
        self._limit_ns = limit_ns
        self._grace_ns = grace_ns
        self._since_ns = now_ns
        self._token: object = None
        self._suspect_until_ns: Nanos | None = None
        self._renewed = 0  # times in a row

    def look(self, token: object, now_ns: Nanos) -> Look:
        """What to do; asked every now and then."""
        if token != self._token:
            self._token, self._since_ns, self._suspect_until_ns, self._renewed = token, now_ns, None, 0
        elif self._suspect_until_ns is not None:
            if now_ns >= self._suspect_until_ns:
                self._suspect_until_ns, self._since_ns = None, now_ns
                self._renewed = min(self._renewed + 1, PATIENT + DOUBLINGS_MAX)
                return Look.RENEW
        elif now_ns - self._since_ns >= self._limit_ns << max(0, self._renewed - PATIENT):
            return Look.ASK
        return Look.NOTHING

    def answered(self, token: object, now_ns: Nanos, *, knows_more: bool) -> None:
        """REST has told; `knows_more`: something that the subscription has not said. If it has spoken meanwhile, that is no matter."""
        if token == self._token and knows_more:
            self._suspect_until_ns = now_ns + self._grace_ns
        else:
            self._since_ns = now_ns
