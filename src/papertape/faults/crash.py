"""The bot dies, and starts again."""

from __future__ import annotations

from typing import Any, ClassVar

from papertape.faults.base import Fault
from papertape.faults.drawing import Draw
from papertape.model.interference import Crash as Death
from papertape.model.interference import Disk, Moment, Trigger, Window
from papertape.model.request import Lane, Op
from papertape.model.units import parse_duration


class Crash(Fault, frozen=True, kw_only=True, tag="crash"):
    """At one instant the bot is gone; the venue goes on, and `down` later a fresh bot starts on the same account.

    None of the bot's tasks ever runs again, no `finally` has any effect on the run (one is begun when the dead are buried, after the
    verdict, and what it awaits never happens), nothing is sent and nothing heard; connections end as those of a dead process do.

    The fresh bot has the same class and `bot_config`, a new exchange, and the log of intents that the disk has kept. What the bot holds in
    module globals outlives it here, as it would not in life. What both lives asked for and did is judged together. With `step` it dies
    after that step of its event loop: at any await; steps shift with every change of the code.

    Without anything else it happens at the first order.create. A program that papertape does not start anew cannot have it.

    interface: the bot's own loop is dead from one step to the next; what it asked for goes on at the Door, and its answer finds nobody.
    wire: the same, and the adapter's connections are closed by a FIN that nobody of the bot's writes; bytes that had left arrive.

    Attributes:
        down: how long nobody is there.
        moment: how far the request has come that it waits for: "leaving" (it never leaves), "sent" (it is on its way, and arrives),
            "executed" (the venue has done it, and nobody hears the answer), "answered" (the answer is there, unread).
        disk: what is left of the log of intents: "kept" all of it, "loses_unsynced" what was durable, "torn" half of the rest as well.
        step: after which step of the bot's loop it dies, counted from 1 over all its lives.
    """

    down: str = "5s"
    moment: Moment = Moment.EXECUTED
    disk: Disk = Disk.LOSES_UNSYNCED
    step: int | None = None

    default_on: ClassVar[Op | None] = Op.ORDER_CREATE
    needs_length: ClassVar[bool] = False
    needs_bot: ClassVar[bool] = True

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any] | None:
        """Half as often as others: a bot that starts again takes its time to find its feet."""
        if draw.one_of(True, False):
            return None
        when = draw.one_of("request", "request", "time")
        if when == "time":
            window = draw.window()
            chosen = {"at": window["at"], "down": window["lasts"]}
        else:
            chosen = {**draw.request(), "moment": str(draw.one_of(*Moment)), "down": draw.one_of("2s", "5s", "20s")}
        return {**chosen, "disk": str(draw.one_of(*Disk))}

    def durations(self) -> list[tuple[str, str | None]]:
        return [("down", self.down)]

    def problems(self) -> list[tuple[str, str]]:
        found = super().problems()
        found += [(key, "has no place here; `down` says how long nobody is there") for key in ("lasts", "until") if getattr(self, key)]
        if not found and parse_duration(self.down) == 0:
            found.append(("down", f'holds "{self.down}"; a bot that starts again takes longer than that, such as "5s"'))
        if self._has_window and (self.on or self.nth or self.nth_intent):
            found.append(("at", "stands beside `on` or `nth`; a bot dies at a time or at a request, not both"))
        if self.step is not None and (self.step < 1 or self._has_window or self.on or self.nth or self.nth_intent):
            found.append(("step", f"holds {self.step}; expected 1 or more, and neither `at` nor `on` beside it"))
        return found

    def trigger(self) -> Trigger | None:
        return None if self.step is not None else super().trigger()

    def window(self) -> Window:
        start = self.at or self.from_
        return Window(start_ns=None if start is None else parse_duration(start), lasts_ns=parse_duration(self.down))

    def lanes(self) -> tuple[Lane, ...]:
        return tuple(Lane)

    def crash(self) -> Death:
        return Death(moment=self.moment, disk=self.disk, step=self.step)
