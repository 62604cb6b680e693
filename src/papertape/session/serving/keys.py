"""Keys of a venue whose date may not be that of its clients."""

from __future__ import annotations

from typing import Final

from papertape.model.units import Nanos
from papertape.runtime.clock import Clock
from papertape.venues.coinbase.auth import Credentials, Keyring

OUT_OF_TIME: Final = ("expired", "not yet valid")


class KeysOfTwoClocks(Keyring):
    """A token is in time by the venue's clock, which shows the tape's date, or by the machine's, which is what clients sign by.

    A client that asks the venue for the time first signs by that; most do not. Nothing is said twice of a stranger.
    """

    def __init__(self, clock: Clock, *credentials: Credentials) -> None:
        super().__init__(*credentials)
        self._clock = clock

    def fault(self, token: str, now_ns: Nanos, *, uri: str | None = None) -> str | None:
        found = super().fault(token, now_ns, uri=uri)
        return super().fault(token, self._clock.wall_ns(), uri=uri) if found in OUT_OF_TIME else found
