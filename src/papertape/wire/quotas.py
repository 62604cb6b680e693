"""How often somebody may ask: a sliding window for each, as a venue counts it."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from papertape.model.units import Nanos
from papertape.model.venue import Quota

STRANGERS_MAX: Final = 10_000
"""Windows that are kept; whoever asked longest ago is forgotten first."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is left to somebody after they asked.

    Attributes:
        limit: of the quota.
        remaining: how often they may still ask in this window.
        whole_ns: when all of it is theirs again, in the time that `ask` was given.
        is_over: this very request was one too many; it does not count.
    """

    limit: int
    remaining: int
    whole_ns: Nanos
    is_over: bool


class Quotas:
    """Counts who asked when.

    >>> quotas, two_a_second = Quotas(), Quota(count=2, per_ns=1_000)
    >>> [quotas.ask("me", two_a_second, now_ns).is_over for now_ns in (0, 10, 20, 1_000, 1_001)]
    [False, False, True, False, True]
    """

    def __init__(self) -> None:
        self._asked: dict[tuple[str, int], deque[Nanos]] = {}

    def ask(self, who: str, quota: Quota, now_ns: Nanos) -> Standing:
        """Somebody asks, and is told where they stand; `now_ns` never goes back."""
        key = (who, quota.per_ns)
        window = self._asked.pop(key, None) or deque()
        while window and window[0] <= now_ns - quota.per_ns:
            window.popleft()
        is_over = len(window) >= quota.count
        if not is_over:
            window.append(now_ns)
        self._asked[key] = window
        if len(self._asked) > STRANGERS_MAX:
            del self._asked[next(iter(self._asked))]
        whole_ns = (window[-1] if window else now_ns) + quota.per_ns
        return Standing(limit=quota.count, remaining=quota.count - len(window), whole_ns=whole_ns, is_over=is_over)
