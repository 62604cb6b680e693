"""Which faults of the network are drawn at random: for each kind whole faults with coarse times and small counts, the harmless first.

A fault is a choice of kind and a choice from its list, and an earlier one is a simpler one: so a plan that fails shrinks by leaving faults
out and by moving up. Whoever draws, Hypothesis or a seed, draws from here.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from papertape.faults import FAULTS, ON_THE_LINE, NetworkFault
from papertape.faults.base import checked
from papertape.model.errors import ConfigError
from papertape.model.units import SECOND, Nanos, format_duration, parse_duration
from papertape.runtime.network.trouble import ONCE

SIZE_MAX: Final = 20
"""The most faults in one plan."""

STARTS_S: Final = (0, 1, 2, 3, 5, 8, 13, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 1800, 3600)
LENGTHS_S: Final = (1, 5, 30)

_COUNTS: Final[tuple[dict[str, Any], ...]] = ({"after_frames": 1}, {"after_frames": 3}, {"after_bytes": 100}, {"nth_connection": 1})
_WAYS: Final[tuple[dict[str, Any], ...]] = ({"direction": "to_client"}, {"direction": "to_server"})

SETTINGS: Final[dict[str, tuple[dict[str, Any], ...]]] = {
    "split": ({"size": 100}, {"size": 7, "random": True}, {"size": 1}),
    "lag": ({}, {"add": "2s"}, {"add": "100ms", "jitter": "1s"}),
    "bandwidth": ({}, {"bytes_per_second": 100}),
    "dns_slow": ({},),
    "slow_connect": ({},),
    "tls_slow": ({},),
    "close": ({}, *_COUNTS),
    "reset": ({}, *_COUNTS),
    "half_close": _WAYS,
    "connect_refused": ({},),
    "dns_failure": ({}, {"error": "try_again", "takes": "5s"}),
    "connect_timeout": ({},),
    "half_open": ({}, *_WAYS, {"after_frames": 1}),
    "black_hole": ({}, *_WAYS, {"after_frames": 1}),
    "tls_expired": ({},),
    "tls_wrong_host": ({},),
    "corrupt": _WAYS,
}
"""Each kind's settings, without host and time; kinds and settings both from harmless to harsh."""

KINDS: Final = tuple(kind for kind in SETTINGS if kind not in ("tls_expired", "tls_wrong_host", "corrupt"))
"""What is drawn where nobody says: what a program can get over by itself. A bad certificate is for a person, and TLS sees a turned bit."""


def network_menu(
    *, hosts: Sequence[str] | None = None, kinds: Sequence[str] | None = None, until: str = "60s"
) -> dict[str, tuple[NetworkFault, ...]]:
    """All faults that may be drawn, by kind; each is over at `until`.

    >>> [fault.at for fault in network_menu(kinds=["reset"], until="2s")["reset"]][:2]
    ['0s', '1s']

    Raises:
        ConfigError: there is no such kind, or no time for any fault.
    """
    return _menu(tuple(hosts or ()), tuple(_ordered(KINDS if kinds is None else kinds)), _until_ns(until))


@lru_cache(maxsize=16)  # a loop over seeds asks for the same one again and again
def _menu(hosts: tuple[str, ...], kinds: tuple[str, ...], until_ns: Nanos) -> dict[str, tuple[NetworkFault, ...]]:
    menu: dict[str, tuple[NetworkFault, ...]] = {}
    for kind in kinds:
        member = FAULTS[kind]
        assert issubclass(member, NetworkFault)
        menu[kind] = tuple(
            _made(member, {**settings, **place, **time})
            for settings in SETTINGS[kind]
            for place in ([{}] if not hosts else [{"host": host} for host in hosts])
            for time in _times(until_ns, is_instant=member.act in ONCE and "after_frames" not in settings and "after_bytes" not in settings)
        )
    return menu


def check_size(size: int) -> int:
    """`size` itself if a plan may have so many faults."""
    if not 0 <= size <= SIZE_MAX:
        raise ConfigError(f"network_faults(): max_size holds {size}; expected 0 to {SIZE_MAX}")
    return size


def _made(member: type[NetworkFault], settings: dict[str, Any]) -> NetworkFault:
    fault = member(**settings)
    checked(fault, "network_faults()")
    return fault


def _times(until_ns: Nanos, *, is_instant: bool) -> list[dict[str, str]]:
    """From early to late, and from short to long."""
    starts = [start * SECOND for start in STARTS_S if start * SECOND < until_ns]
    if is_instant:
        return [{"at": format_duration(start_ns)} for start_ns in starts]
    lengths = [length * SECOND for length in LENGTHS_S]
    return [
        {"at": format_duration(start_ns), "lasts": format_duration(length_ns)}
        for length_ns in lengths
        for start_ns in starts
        if start_ns + length_ns <= until_ns
    ]


def _until_ns(until: str) -> Nanos:
    try:
        until_ns = parse_duration(until)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"network_faults(): until: {error}") from None
    if until_ns < SECOND:
        raise ConfigError(f'network_faults(): until holds "{until}"; expected 1s or more, since no fault that is drawn is shorter')
    return until_ns


def _ordered(kinds: Sequence[str]) -> list[str]:
    known = [str(member.__struct_config__.tag) for member in ON_THE_LINE]
    for kind in kinds:
        if kind not in SETTINGS:
            near = difflib.get_close_matches(str(kind), known, n=1)
            raise ConfigError(
                f'network_faults(): kinds has "{kind}", which is no fault of the network; '
                + (f'did you mean "{near[0]}"?' if near else f"there are {', '.join(SETTINGS)}")
            )
    if not kinds:
        raise ConfigError("network_faults(): kinds is empty; leave it out for all that a program can get over by itself")
    return [kind for kind in SETTINGS if kind in kinds]
