"""Who stands at the gate: asks the machine, writes down what was decided, and only then hands out a permit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.links.permits import Permits
from papertape.model.errors import ConfigError, GateRefused
from papertape.model.order import Order, iso
from papertape.model.request import Op, Request
from papertape.model.units import Nanos, plain
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
        self._from_ns = self._reached_ns = clock.wall_ns()
        self._anchor_ns = clock.now_ns()
        try:
            for record in audit.records:
                self._recall(record)
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:  # ValueError: msgspec's too
            raise ConfigError(
                f"{audit.path}: the gate's log is of another papertape ({error!r}). Look at the account at the venue, put it and its "
                "count aside, and arm anew"
            ) from None
        self._gate.prices.clear()  # they were of then
        self._standing = self._gate.standing()
        self._write("started", standing=self._standing)

    @property
    def halted(self) -> str:
        """Why nothing new is sent; empty while it is."""
        return self._gate.halted

    def unpriced(self, request: Request) -> list[str]:
        """Markets whose price is to be told before `admit` is asked; none where it would say no anyway."""
        return [] if self._gate.halted else self._gate.unpriced(request, self._now_ns())

    def admit(self, request: Request) -> None:
        """Let a request pass, or raise `GateRefused`: then nothing is sent."""
        self.look()
        now_ns = self._now_ns()
        if request.op is Op.ORDER_CANCEL:
            self._try_write("passed", request=_plain(request))  # it passes all the same: it makes less of what is at stake
            self.permits.issue(request)
            return
        why = f"trading is halted: {self._gate.halted}" if self._gate.halted else self._gate.unknown(request, now_ns)
        breach = "" if why else self._gate.breach(request, now_ns)
        self._note_day()
        if why or breach:
            self._try_write("refused", request=_plain(request), why=why or breach)
            if breach:
                self.halt(f"a limit: {breach}")
            raise GateRefused(f"the gate: {why or breach}; nothing was sent")
        if not self._try_write("passed", request=_plain(request), **self._market_of(request)):
            raise GateRefused(f"the gate: trading is halted: {self._gate.halted}; nothing was sent")
        self._gate.sent(request, now_ns)
        self.permits.issue(request)

    def _market_of(self, request: Request) -> dict[str, str]:
        """For the log: what an order is valued by, if anything was heard."""
        price = None if request.order is None else self._gate.prices.get(request.order.symbol)
        return {} if price is None else {"market": plain(price.at)}

    def declined(self, request: Request, why: str) -> None:
        """A request that was let through certainly came to nothing."""
        if request.op is Op.ORDER_CREATE and self._gate.declined(request.client_order_id):
            self._try_write("declined", client_order_id=request.client_order_id, why=why)

    def hear(self, orders: Iterable[Order]) -> None:
        """The venue told of orders; those of ours count."""
        now_ns = self._now_ns()
        for order in orders:
            if self._gate.heard(order, now_ns):
                self._try_write("heard", order=_plain(order))
                self._check_loss()

    def priced(self, symbol: str, price: Decimal) -> None:
        """That is what a market is at."""
        self._gate.priced(symbol, price, self._now_ns())
        self._check_loss()

    def look(self) -> None:
        """Whether somebody has halted trading by the file, or its time is over."""
        if self._now_ns() >= self._until_ns:
            self.halt(f"it was armed until {iso(self._until_ns)}")
        if not self._gate.halted and (why := halt_file_says(self._halt_file)):
            self.halt(why)

    def halt(self, why: str) -> None:
        """Nothing new is sent from now on, not even after a restart, until the bot is armed anew."""
        if self._gate.halted:
            return
        self._gate.halt(why)
        try:
            self._write("halted", why=why)
        except ConfigError:
            self._make_halt_file(why)
        self._on_halted(why)

    def stopped(self) -> None:
        """The bot has ended."""
        self._try_write("stopped", standing=self._gate.standing())

    def _now_ns(self) -> Nanos:
        """What time it is, since 1970-01-01 UTC. It never goes back: whoever sets the machine's clock back wins neither time nor a day."""
        passed_ns = self._clock.now_ns() - self._anchor_ns
        self._reached_ns = max(self._reached_ns, self._clock.wall_ns(), self._from_ns + passed_ns)
        return self._reached_ns

    def _check_loss(self) -> None:
        if not self._gate.halted and (breach := self._gate.loss(self._now_ns())):
            self.halt(f"a limit: {breach}")
        self._note_day()

    def _note_day(self) -> None:
        """A day has begun: what it was all worth then must survive, or a restart would forgive what was lost."""
        standing = self._gate.standing()
        if standing != self._standing:
            self._standing = standing
            self._try_write("day", standing=standing)

    def _recall(self, record: dict[str, Any]) -> None:
        self._reached_ns = max(self._reached_ns, record["at"])
        match record["kind"]:
            case "armed":
                self._reached_ns = record["at"]  # whoever armed it has seen what time it is
                self._gate.armed(record.get("open"))
            case "passed":
                request = msgspec.convert(record["request"], Request)
                if request.order is not None and "market" in record:
                    self._gate.priced(request.order.symbol, Decimal(record["market"]), record["at"])
                self._gate.sent(request, record["at"])
            case "declined":
                self._gate.declined(record["client_order_id"])
            case "heard":
                self._gate.heard(msgspec.convert(record["order"], Order), record["at"])
            case "halted":
                self._gate.halt(record["why"])
            case "stopped" | "started" | "day":
                self._gate.resume(record["standing"])

    def _write(self, kind: str, **facts: Any) -> None:
        self._audit.write(self._now_ns(), kind, **facts)

    def _try_write(self, kind: str, **facts: Any) -> bool:
        """Whether it is in the log. What cannot be is the end of trading."""
        try:
            self._write(kind, **facts)
        except ConfigError as error:
            self.halt(str(error))
            return False
        return True

    def _make_halt_file(self, why: str) -> None:
        """The log cannot tell the next start of a halt, so the file must; where that cannot be either, there is no log to start with."""
        with suppress(OSError):
            self._halt_file.touch()
            self._halt_file.write_text(f"{why}\n", encoding="utf-8")


def since_armed(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the log holds since the bot was armed last."""
    armed = [place for place, record in enumerate(records) if record["kind"] == "armed"]
    return records[armed[-1] :] if armed else records


def _plain(what: msgspec.Struct) -> Any:
    return msgspec.to_builtins(what)


def halt_file_says(path: Path) -> str:
    """Why trading is halted by that file; empty where there is none. One of which nobody knows whether it is there, is there."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        return f"nobody knows whether {path.name} is there: {error.strerror}"
    try:
        words = path.read_text(encoding="utf-8", errors="replace").strip().partition("\n")[0][:200] or "it does not say why"
    except OSError:
        words = "it cannot be read"
    return f"{path.name} is there: {words}"
