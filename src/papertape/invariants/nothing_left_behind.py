"""Who leaves leaves nothing behind."""

from __future__ import annotations

from papertape.invariants.base import Case, NotJudged


class NothingLeftBehind:
    """After the bot has ended and `disconnect` has returned, nothing of either goes on.

    Needs: a bot on our interface. Judged when all is over: no task of the shell or of the bot is left, no subscription, no stream at the
    Door, no timer that would call the shell, and at wire depth no open connection. Tasks that died with an exception nobody looked at fail
    a run by themselves, whatever invariants it names.
    """

    name = "nothing_left_behind"
    watch = None

    def judge(self, case: Case) -> list[str]:
        if case.left_behind is None:
            raise NotJudged("the program's own affair" if case.view is None else "it did not come to its end")
        return [f"{case.venue}: left behind after disconnect: {each}" for each in case.left_behind]
