"""Who stands at the gate: asks the machine, writes down what was decided, and only then hands out a permit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.links.permits import Permits
from papertape.model.errors import GateRefused
from papertape.model.order import Order, iso
from papertape.model.request import Op, Request
from papertape.model.units import Nanos
from papertape.runtime.clock import Clock
from papertape.trading.config import Limits
from papertape.trading.gate.audit import Audit
from papertape.trading.gate.gate import Gate

HALT: Final = "HALT"
"""The file that halts trading, whoever makes it, in the folder of the state."""


class Gatekeeper:
    """The one place where permits are issued.

    What the gate knew before a restart it learns from the log.

    Args:
        until_ns: when what it was armed for is over, since 1970-01-01 UTC; trading is halted then.
        halt_file: trading is halted while it is there.
        on_halted: told why, once.
    """

    def __init__(
        self,
        limits: Limits,
        audit: Audit,
        *,
        clock: Clock,
        until_ns: Nanos,
        halt_file: Path,
        on_halted: Callable[[str], object] = lambda why: None,
    ) -> None:
        self._until_ns = until_ns
        self.permits = Permits()
        self._gate = Gate(limits)
        self._audit = audit
        self._clock = clock
        self._halt_file = halt_file
        self._on_halted = on_halted
        for record in audit.records:
            self._recall(record)
        self._standing = self._gate.standing()
        self._write("started", standing=self._standing)

    @property
    def halted(self) -> str:
        """Why nothing new is sent; empty while it is."""
        return self._gate.halted

    def admit(self, request: Request) -> None:
        """Let a request pass, or raise `GateRefused`: then nothing is sent."""
        self.look()
        now_ns = self._clock.wall_ns()
        is_halted = bool(self._gate.halted) and request.op is not Op.ORDER_CANCEL
        why = f"trading is halted: {self._gate.halted}" if is_halted else self._gate.unknown(request)
        breach = "" if why else self._gate.breach(request, now_ns)
        self._note_day()
        if why or breach:
            self._write("refused", request=_plain(request), why=why or breach)
            if breach:
                self.halt(f"a limit: {breach}")
            raise GateRefused(f"the gate: {why or breach}; nothing was sent")
        self._gate.sent(request, now_ns)
        self._write("passed", request=_plain(request))
        self.permits.issue(request)

    def hear(self, orders: Iterable[Order]) -> None:
        """The venue told of orders; those of ours count."""
        now_ns = self._clock.wall_ns()
        for order in orders:
            if self._gate.heard(order, now_ns):
                self._write("heard", order=_plain(order))
                self._check_loss()

    def priced(self, symbol: str, price: Any) -> None:
        """Something was traded at that price."""
        self._gate.priced(symbol, price)
        self._check_loss()

    def look(self) -> None:
        """Whether somebody has halted trading by the file, or its time is over."""
        if self._clock.wall_ns() >= self._until_ns:
            self.halt(f"it was armed until {iso(self._until_ns)}")
        if not self._gate.halted and self._halt_file.exists():
            self.halt(f"{self._halt_file.name} is there: {_first_line(self._halt_file)}")

    def halt(self, why: str) -> None:
        """Nothing new is sent from now on, not even after a restart, until the bot is armed anew."""
        if not self._gate.halted:
            self._gate.halt(why)
            self._write("halted", why=why)
            self._on_halted(why)

    def stopped(self) -> None:
        """The bot has ended."""
        self._write("stopped", standing=self._gate.standing())

    def _check_loss(self) -> None:
        if not self._gate.halted and (breach := self._gate.loss(self._clock.wall_ns())):
            self.halt(f"a limit: {breach}")
        self._note_day()

    def _note_day(self) -> None:
        """A day has begun: what it was all worth then must survive, or a restart would forgive what was lost."""
        standing = self._gate.standing()
        if standing != self._standing:
            self._standing = standing
            self._write("day", standing=standing)

    def _recall(self, record: dict[str, Any]) -> None:
        match record["kind"]:
            case "armed":
                self._gate.armed()
            case "passed":
                self._gate.sent(msgspec.convert(record["request"], Request), record["at"])
            case "heard":
                self._gate.heard(msgspec.convert(record["order"], Order), record["at"])
            case "halted":
                self._gate.halt(record["why"])
            case "stopped" | "started" | "day":
                self._gate.resume(record["standing"])

    def _write(self, kind: str, **facts: Any) -> None:
        self._audit.write(self._clock.wall_ns(), kind, **facts)


def since_armed(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the log holds since the bot was armed last."""
    armed = [place for place, record in enumerate(records) if record["kind"] == "armed"]
    return records[armed[-1] :] if armed else records


def _plain(what: msgspec.Struct) -> Any:
    return msgspec.to_builtins(what)


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip().partition("\n")[0][:200] or "it does not say why"
    except OSError:
        return "it cannot be read"
