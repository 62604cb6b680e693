"""Shut out."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from papertape.faults.base import Fault
from papertape.faults.drawing import Draw
from papertape.model.interference import Cut
from papertape.model.request import Lane, Refusal, RefusalCode, Request

_BANNED: Final = Refusal(code=RefusalCode.BANNED, message="this address is banned", is_page=True)


class Ban(Fault, frozen=True, kw_only=True, tag="ban"):
    """The venue shuts the client's address out while the window lasts: REST and streams alike, and nobody says for how long.

    As what stands before a venue does to who asked too much. Nothing that is asked for is done.

    interface: streams are reset, dialling raises ExchangeNotAvailable; each call raises RateLimitExceeded, to be asked again in a minute.
    wire: streams are reset, connects to them are refused; REST answers HTTP 403 with an HTML page and no Retry-After, which plain ccxt
    takes for ExchangeNotAvailable.
    """

    needs_start: ClassVar[bool] = True

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any] | None:
        """Never: who keeps as quiet as a ban deserves is not back as soon as a sweep demands."""
        return None

    def lanes(self) -> tuple[Lane, ...]:
        return tuple(Lane)

    def before_venue(self, request: Request) -> Refusal | None:
        return _BANNED

    def cuts(self) -> tuple[Cut, ...]:
        return (Cut(lane=Lane.MARKET, goodbye=0), Cut(lane=Lane.USER, goodbye=0))
