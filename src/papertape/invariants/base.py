"""What an invariant is: a sentence about the client's belief and the venue's truth, with a judge."""

from __future__ import annotations

from typing import Protocol

import msgspec

from papertape.model.units import Nanos
from papertape.model.venue import VenueRules
from papertape.model.view import BotView, Truth


class NotJudged(Exception):
    """The case cannot be judged; a pass would claim something nobody looked at."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to judge by, at quiescence.

    Attributes:
        view: what the client believes; None for a program that does not use our interface.
        end_ns: run time of the judging, nanoseconds.
    """

    venue: str
    rules: VenueRules
    truth: Truth
    view: BotView | None
    end_ns: Nanos


class Invariant(Protocol):
    """One invariant. `name` is what scenarios call it; the class docstring is what `papertape explain` prints."""

    name: str

    def judge(self, case: Case) -> list[str]:
        """One sentence for each violation, none if it holds; raises `NotJudged` where it cannot say."""
        ...


def view_of(case: Case) -> BotView:
    """The client's side, or `NotJudged`."""
    if case.view is None:
        raise NotJudged("the program keeps its own books")
    return case.view
