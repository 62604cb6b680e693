"""The client's book is the venue's, or it says that it is not."""

from __future__ import annotations

from papertape.invariants.base import Case, Watch, told, view_of, watch_of
from papertape.model.units import Nanos


class BookWatch(Watch):
    """Take down each comparison."""

    def book_compared(self, at_ns: Nanos, symbol: str, problem: str) -> None:
        self.looks += 1
        if problem:
            self.found(at_ns, f"the client's book of {symbol} is flagged valid and is not the venue's: {problem}")


class BookMatches:
    """Each subscribed book that the client holds valid is the venue's book at the point of the stream that was delivered, or of an answer.

    Needs: the client's books and the venue's, so it judges bots on our interface. Compared level by level now and then: as orders leave (at
    most once in 10 s), every 30 s, at `heal` and at the end. Left out are the levels of messages that have not been delivered yet, and, at
    wire depth, every instant at which anything is still under way. A message that was lost, or a snapshot that was wrong, may go unnoticed
    for 30 s. Where nothing shows it, the book is not held against the client until it has been subscribed to anew: no number is missing,
    the snapshot is neither empty nor older than what came before, or it is an old change that came again under a new number. A book that
    the client has from REST while the stream's is away is the one of an answer that the venue gave no longer than 10 s ago.
    """

    name = "book_matches"
    watch = BookWatch

    def judge(self, case: Case) -> list[str]:
        view_of(case)
        return told(case, watch_of(case, self.name, BookWatch, "no book was valid when anybody looked"))
