"""Keys of a venue whose date is not that of its clients."""

from __future__ import annotations

import pytest

from papertape.model.units import SECOND
from papertape.runtime.clock import VirtualClock
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.world import run_virtual
from papertape.session.serving.keys import KeysOfTwoClocks
from papertape.venues.coinbase.auth import sign, throwaway_credentials

KEY = throwaway_credentials("test")
TAPE_NS, TODAY_NS = 1_500_000_000 * SECOND, 1_790_000_000 * SECOND
URI = "GET h/accounts"


@pytest.mark.parametrize(
    ("signed_ns", "fault"),
    [
        (TAPE_NS, None),
        (TODAY_NS, None),
        (TAPE_NS - 200 * SECOND, "expired"),
        (TODAY_NS - 200 * SECOND, "expired"),
        (TODAY_NS + 200 * SECOND, "not yet valid"),
        ((TAPE_NS + TODAY_NS) // 2, "expired"),
    ],
)
def test_a_token_is_in_time_by_either_clock(signed_ns: int, fault: str | None) -> None:
    """By the venue's, which shows the tape's date, or by the machine's; by neither it is refused."""

    async def main(loop: VirtualLoop) -> None:
        keys = KeysOfTwoClocks(VirtualClock(loop), KEY)
        token = sign(KEY, signed_ns, uri=URI, nonce="n")
        assert keys.fault(token, TAPE_NS, uri="GET /accounts") == fault
        assert not keys.strangers

    run_virtual(main, epoch_ns=TODAY_NS, patch=False)


def test_no_clock_helps_a_stranger() -> None:
    """Nor another request's token; and a stranger is counted once a time."""

    async def main(loop: VirtualLoop) -> None:
        keys = KeysOfTwoClocks(VirtualClock(loop), KEY)
        stranger = throwaway_credentials("other")
        assert keys.fault(sign(stranger, TODAY_NS, uri=URI, nonce="n"), TAPE_NS, uri="GET /accounts") == "unknown key"
        assert keys.strangers == {stranger.name: 1}
        assert keys.fault(sign(KEY, TODAY_NS, uri=URI, nonce="n"), TAPE_NS, uri="GET /orders") == "another request's token"

    run_virtual(main, epoch_ns=TODAY_NS, patch=False)
