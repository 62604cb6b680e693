"""Who has paid for the requests that a library makes on one call of ours."""

from __future__ import annotations

from contextvars import ContextVar

from papertape.model.request import Op


class Purse:
    """The budget of one call to the link, which may turn out to be several requests.

    Attributes:
        op: whose budget they come out of.
        paid: requests that the shell has paid for before it called.
    """

    __slots__ = ("op", "paid")

    def __init__(self, op: Op, paid: int = 1) -> None:
        self.op = op
        self.paid = paid


paying: ContextVar[Purse | None] = ContextVar("papertape_purse", default=None)
"""Whose call a request belongs to; None for one that a library makes of its own accord."""
