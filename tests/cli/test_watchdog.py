"""A bot that never gives way is stopped at its own line."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

import papertape
from papertape.cli.watchdog import Watchdog
from papertape.model.errors import StuckSimulation


def forever() -> None:
    while True:
        pass


def test_what_never_ends_is_stopped_where_it_is() -> None:
    """The message names file, line and function."""
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(StuckSimulation, match=r"test_watchdog\.py:\d+ in forever does not give way"), Watchdog(0.01):
        forever()
    assert signal.getsignal(signal.SIGALRM) is before


STUBBORN = """
from papertape.cli.watchdog import Watchdog

def stubborn():
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass

with Watchdog(0.02):
    stubborn()
"""


def test_a_bot_that_catches_everything_ends_with_its_process() -> None:
    """Otherwise a job of a night hangs until somebody looks."""
    done = subprocess.run([sys.executable, "-c", STUBBORN], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 5
    assert "in stubborn does not give way, and catches whatever stops it" in done.stderr


def test_what_moves_on_is_left_alone() -> None:
    """As long as it is fed, it does not bite."""
    with Watchdog(0.005) as watchdog:
        for _ in range(200_000):
            watchdog.feed()


def test_a_bot_that_computes_for_ever_fails_its_run() -> None:
    """The run ends with a verdict, and with the bot's line."""

    async def gives_way(exchange: papertape.BaseExchange) -> None:
        await exchange.fetch_balance()

    async def main(exchange: papertape.BaseExchange) -> None:
        forever()

    papertape.simulate(gives_way)  # everything is imported and the market is there
    with Watchdog(0.5):
        result = papertape.simulate(main)
    assert result.status == "failed"
    assert "in forever does not give way" in result.failures[0]
