"""Part of a venue is away."""

from __future__ import annotations

from typing import Any, ClassVar

from papertape.faults.base import Fault
from papertape.faults.drawing import Draw
from papertape.model.interference import Cut
from papertape.model.request import Answer, Lane, Refusal, RefusalCode, Request

_AWAY = Refusal(code=RefusalCode.UNAVAILABLE, message="the venue is away")
_PAGE = Refusal(code=RefusalCode.UNAVAILABLE, message="the venue is down for maintenance", is_page=True)


class Outage(Fault, frozen=True, kw_only=True, tag="outage"):
    """Some of a venue's lanes are away while the window lasts: its streams end and cannot be opened, its REST answers that it cannot.

    With `connections = ["market", "user"]` REST is up and the streams are down; with `["rest"]` it is the other way about. Other than in a
    `disconnect` of the REST lane, requests get there and are answered; with `on` and a window only requests of that op are. A request that
    arrived before is answered as always.

    interface: streams are reset, dialling raises ExchangeNotAvailable; each call raises ExchangeNotAvailable.
    wire: streams are reset, connects to them are refused; REST takes connections and answers HTTP 503 in plain text, or with an HTML page.

    Attributes:
        connections: the lanes that are away.
        executes: whether what is asked for by REST is done all the same, so that the answer is worth nothing.
        page: whether REST answers with a page for people, as in announced maintenance.
    """

    connections: tuple[Lane, ...] = (Lane.REST, Lane.MARKET, Lane.USER)
    executes: bool = False
    page: bool = False

    needs_start: ClassVar[bool] = True

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any]:
        lanes = draw.one_of(tuple(Lane), tuple(Lane), (Lane.REST,), (Lane.REST, Lane.USER), (Lane.MARKET, Lane.USER))
        executes = {"executes": draw.one_of(False, False, True)} if Lane.REST in lanes else {}
        return {**draw.moment(), "connections": [str(lane) for lane in lanes], **executes}

    def problems(self) -> list[tuple[str, str]]:
        found = super().problems()
        if not self.connections:
            found.append(("connections", f"is empty; expected some of {', '.join(Lane)}"))
        for key in ("executes", "page"):
            if getattr(self, key) and Lane.REST not in self.connections:
                found.append((key, 'is about requests, and "rest" is not among the connections'))
        return found

    def lanes(self) -> tuple[Lane, ...]:
        return self.connections

    def before_venue(self, request: Request) -> Refusal | None:
        return self._refusal if Lane.REST in self.connections and not self.executes else None

    def after_venue(self, request: Request, answer: Answer) -> Answer | None:
        return Answer(refusal=self._refusal) if self.executes else answer

    @property
    def _refusal(self) -> Refusal:
        return _PAGE if self.page else _AWAY

    def cuts(self) -> tuple[Cut, ...]:
        return tuple(Cut(lane=lane, goodbye=0) for lane in self.connections if lane is not Lane.REST)
