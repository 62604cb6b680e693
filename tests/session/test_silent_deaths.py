"""A bot that dies without a word does not pass."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

import papertape
from papertape.exchanges.base import BaseExchange
from papertape.session.judge import NO_ORDER
from papertape.session.result import RunResult, Status

MINUTE_OF_BUILTIN = {"feed": {"tape": "builtin:btc-usd", "end": "60s"}, "account": {"USD": "100000", "BTC": "1"}}


def run(main: Any) -> RunResult:
    return papertape.simulate(main, venues={"coinbase": MINUTE_OF_BUILTIN})


async def fails_soon() -> None:
    await asyncio.sleep(1)
    raise ValueError("nobody looks at this")


def test_a_task_that_dies_while_somebody_holds_it_fails_the_run() -> None:
    """asyncio itself tells only of failed tasks that nobody holds any more."""
    held: list[asyncio.Task[None]] = []

    async def main(exchange: BaseExchange) -> None:
        held.append(asyncio.create_task(fails_soon()))
        await asyncio.sleep(5)

    result = run(main)
    assert result.status is Status.FAILED
    assert any("ended unseen with ValueError: nobody looks at this (test_silent_deaths.py" in failure for failure in result.failures)


def test_a_task_whose_error_was_looked_at_is_the_bots_own_affair() -> None:
    held: list[asyncio.Task[None]] = []

    async def main(exchange: BaseExchange) -> None:
        held.append(asyncio.create_task(fails_soon()))
        await asyncio.wait(held)
        assert isinstance(held[0].exception(), ValueError)

    assert run(main).failures == (NO_ORDER,)


@pytest.mark.parametrize("where", ["main", "callback", "task"])
def test_a_bot_that_exits_fails_the_run_and_not_the_program(where: str) -> None:
    """`sys.exit(0)` in a bot would end papertape with exit code 0 and without a verdict."""

    def leave(_: object = None) -> None:
        sys.exit(0)

    async def leaving() -> None:
        leave()

    async def main(exchange: BaseExchange) -> None:
        if where == "main":
            leave()
        elif where == "callback":
            await exchange.subscribe_trades("BTC/USD", leave)
        else:
            exchange.kept = asyncio.create_task(leaving())  # type: ignore[attr-defined]  # so that somebody holds it
        await asyncio.sleep(20)

    result = run(main)
    assert (result.status, result.failures) == (Status.FAILED, ("the bot called sys.exit(0); return from it instead",))


def test_a_bot_that_cancels_every_task_fails_the_run_and_not_the_program() -> None:
    async def main(exchange: BaseExchange) -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(5)

    result = run(main)
    assert result.status is Status.FAILED
    assert any("the bot cancelled the run itself" in failure for failure in result.failures)


@pytest.mark.parametrize("kind", ["plain", "async", "async after a wait"])
def test_a_callback_that_ends_cancelled_fails_the_run(kind: str) -> None:
    """Such as one that awaits a task which somebody has cancelled: it did not do what it was for."""

    def plain(_: object) -> None:
        raise asyncio.CancelledError

    async def coroutine(_: object) -> None:
        if kind == "async after a wait":
            await asyncio.sleep(0.01)
        raise asyncio.CancelledError

    async def main(exchange: BaseExchange) -> None:
        await exchange.subscribe_trades("BTC/USD", plain if kind == "plain" else coroutine)

    result = run(main)
    assert result.status is Status.FAILED
    assert any("the bot raised CancelledError" in failure for failure in result.failures)
