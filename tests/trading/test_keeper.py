"""Who stands at the gate, where the disk, the clock or the terminal fail: never less safe, and what was decided holds after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from tests.trading.test_gate import LIMITS, told, wants

from papertape.model.errors import ConfigError, GateRefused
from papertape.model.event import Side
from papertape.model.order import Order, OrderStatus
from papertape.model.request import Op, Request
from papertape.model.units import SECOND
from papertape.runtime.clock import VirtualClock
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.world import run_virtual
from papertape.trading.gate.audit import Audit
from papertape.trading.gate.gate import DAY_NS
from papertape.trading.gate.halting import Halting
from papertape.trading.gate.keeper import Gatekeeper

SYMBOL = "BTC/USD"


class Clock:
    """One that can be set."""

    def __init__(self, wall_ns: int = DAY_NS) -> None:
        self.wall, self.now = wall_ns, 0

    def wall_ns(self) -> int:
        return self.wall

    def now_ns(self) -> int:
        return self.now

    def passes(self, ns: int) -> None:
        self.wall, self.now = self.wall + ns, self.now + ns


class Standing:
    """A keeper, and what it said."""

    def __init__(self, keeper: Gatekeeper, audit: Audit, halts: list[str]) -> None:
        self.keeper = keeper
        self.audit = audit
        self.halts = halts


@contextmanager
def standing(folder: Path, clock: Clock, until_ns: int = 1 << 62) -> Iterator[Standing]:
    halts: list[str] = []
    with Audit(folder / "audit.jsonl") as audit:
        any_clock: Any = clock
        keeper = Gatekeeper(LIMITS, audit, clock=any_clock, until_ns=until_ns, halt_file=folder / "HALT", on_halted=halts.append)
        yield Standing(keeper, audit, halts)


def fill_up(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise ConfigError("the gate's log cannot be written: No space left on device; nothing more is sent")

    monkeypatch.setattr(audit, "write", full)


def test_a_full_disk_halts_and_lets_nothing_through_but_cancels_also_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    with standing(tmp_path, clock) as at:
        fill_up(at.audit, monkeypatch)
        with pytest.raises(GateRefused, match="trading is halted: the gate's log cannot be written: No space left"):
            at.keeper.admit(wants("a"))
        assert at.keeper.permits._open == {}
        assert len(at.halts) == 1
        cancel = Request(op=Op.ORDER_CANCEL, order_id="1")
        at.keeper.admit(cancel)
        at.keeper.permits.spend(cancel)
        at.keeper.stopped()
    with standing(tmp_path, clock) as at, pytest.raises(GateRefused, match="HALT is there: the gate's log cannot be written"):
        at.keeper.admit(wants("b"))


def test_news_that_cannot_be_written_down_halt_and_kill_no_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with standing(tmp_path, Clock()) as at:
        at.keeper.admit(wants("a"))
        fill_up(at.audit, monkeypatch)
        at.keeper.hear([told(wants("a"), "0.01", status=OrderStatus.CLOSED)])
        assert len(at.halts) == 1


def test_a_clock_that_is_set_back_wins_no_time_and_no_day(tmp_path: Path) -> None:
    clock = Clock(2 * DAY_NS)
    until_ns = clock.wall + 100 * SECOND
    with standing(tmp_path, clock, until_ns) as at:
        clock.passes(60 * SECOND)
        at.keeper.admit(wants("a"))
        clock.wall -= DAY_NS
        clock.passes(39 * SECOND)
        at.keeper.admit(wants("b"))
        assert [each["at"] for each in _lines(tmp_path)] == sorted(each["at"] for each in _lines(tmp_path))
    with standing(tmp_path, clock, until_ns) as at:  # and over a restart
        clock.passes(2 * SECOND)
        at.keeper.admit(wants("c"))
        clock.wall += DAY_NS
        with pytest.raises(GateRefused, match="it was armed until"):
            at.keeper.admit(wants("d"))


def test_whoever_makes_the_file_in_whichever_way_halts(tmp_path: Path) -> None:
    (tmp_path / "HALT").symlink_to(tmp_path / "nowhere")
    with standing(tmp_path, Clock()) as at, pytest.raises(GateRefused, match="HALT is there: it cannot be read"):
        at.keeper.admit(wants("a"))


def test_what_came_to_nothing_and_by_what_a_sale_was_valued_survive_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    with standing(tmp_path, clock) as at:
        at.keeper.priced(SYMBOL, Decimal(50_000))
        at.keeper.admit(wants("no", amount="0.02"))
        at.keeper.declined(wants("no", amount="0.02"), "InsufficientFunds")
        at.keeper.admit(wants("sale", Side.SELL, amount="0.02", price="1"))
    with standing(tmp_path, clock) as at:
        passed = at.keeper._gate._passed
        assert (passed["no"].is_over, passed["sale"].worth) == (True, Decimal(1_000))
        assert at.keeper.unpriced(wants("x", Side.SELL)) == [SYMBOL], "a price of an earlier life values nothing"


def test_a_log_of_another_papertape_is_one_sentence(tmp_path: Path) -> None:
    with Audit(tmp_path / "audit.jsonl") as audit:
        audit.write(1, "passed", request={"op": "order.teleport"})
    with pytest.raises(ConfigError, match="the gate's log is of another papertape"), standing(tmp_path, Clock()):
        pass


def test_an_order_that_shows_up_after_the_halt_is_withdrawn_too_whatever_the_others_do(tmp_path: Path) -> None:
    """What was on its way as trading was halted is told of later, and a cancel that fails keeps no other from being tried."""
    late, bad = told(wants("late")), told(wants("bad"))
    cancelled: list[str] = []
    told_of: list[str] = []

    async def main(loop: VirtualLoop) -> None:
        clock = VirtualClock(loop)
        open_orders: list[Order] = []

        async def cancel(order_id: str, symbol: str) -> None:
            if order_id == bad.id:
                raise ConfigError("it will not go")
            cancelled.append(order_id)
            open_orders.remove(late)

        parts: Any = SimpleNamespace(keeper=None, clock=clock, tell=told_of.append, on_halted=None)
        exchange: Any = SimpleNamespace(own_open=open_orders, cancel_order=cancel)
        with Audit(tmp_path / "audit.jsonl") as audit:
            parts.keeper = Gatekeeper(
                LIMITS, audit, clock=clock, until_ns=1 << 62, halt_file=tmp_path / "HALT", on_halted=lambda why: parts.on_halted()
            )
            async with Halting(exchange, parts, is_cancelling=True):
                (tmp_path / "HALT").touch()
                await asyncio.sleep(5)
                open_orders += [bad, late]
                await asyncio.sleep(5)

    run_virtual(main, limit_ns=60 * SECOND)
    assert cancelled == [late.id]
    assert set(told_of) == {f"order {bad.id} could not be cancelled yet: it will not go"}


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in (folder / "audit.jsonl").read_bytes().splitlines()]
