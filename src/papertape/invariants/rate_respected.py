"""Never faster than the venue allows, and never again before it said."""

from __future__ import annotations

from collections import deque

from papertape.invariants.base import Case, NotJudged
from papertape.model.units import Nanos, format_duration
from papertape.model.venue import Quota
from papertape.model.view import RequestSeen


class RateRespected:
    """The client stays within the venue's quotas and waits as long as the venue asks.

    Needs: the requests as the Door saw them; so it judges any program. Two things: in no window of a quota's length did more requests
    leave the client than it allows; and after an answer that says "wait that long", no private request left before that time had passed
    since the client heard it. After a crash the second begins anew: a fresh process does not know what the venue had asked of the last one.
    The quotas go on, over all lives: a venue does not forget them.
    """

    name = "rate_respected"
    watch = None

    def judge(self, case: Case) -> list[str]:
        requests = case.truth.requests
        if not requests:
            raise NotJudged("no request was made")
        problems = []
        for what, private, quota in (("private", True, case.rules.private_quota), ("public", False, case.rules.public_quota)):
            times = sorted(seen.sent_ns for seen in requests if seen.is_private is private)
            problems += _over_quota(f"{case.venue}: {what} requests", times, quota)
        for life in range(1, max(seen.life for seen in requests) + 1):
            problems += self._judge_life(case, tuple(seen for seen in requests if seen.life == life))
        return problems

    def _judge_life(self, case: Case, requests: tuple[RequestSeen, ...]) -> list[str]:
        problems = []
        waits = [
            (seen.told_ns, seen.told_ns + seen.retry_after_ns) for seen in requests if seen.told_ns is not None and seen.retry_after_ns
        ]
        for told_ns, until_ns in waits:
            for seen in requests:
                if seen.is_private and told_ns < seen.sent_ns < until_ns:
                    problems.append(
                        f"{case.venue}: {seen.op} left at {format_duration(seen.sent_ns)}, although the venue had asked at "
                        f"{format_duration(told_ns)} for quiet until {format_duration(until_ns)}"
                    )
                    break
        return problems


def _over_quota(what: str, times: list[Nanos], quota: Quota) -> list[str]:
    window: deque[Nanos] = deque()
    for now_ns in times:
        window.append(now_ns)
        while window[0] <= now_ns - quota.per_ns:
            window.popleft()
        if len(window) > quota.count:
            return [f"{what}: {len(window)} within {format_duration(quota.per_ns)} at {format_duration(now_ns)}; {quota.count} are allowed"]
    return []
