"""A program that brings keys of its own is told so: the venue knows only those that papertape made up for the run."""

from __future__ import annotations

from pathlib import Path

from papertape.session.result import Status
from programs.world import NO_TRADING, run_program

SIGNS = """
import asyncio, os
import ccxt.async_support as ccxt

async def main():
    async with ccxt.coinbase({{"apiKey": {key}, "secret": os.environ["COINBASE_API_SECRET"]}}) as exchange:
        try:
            await exchange.fetch_balance({{"v3": True}})
        except ccxt.AuthenticationError:
            print("no")

asyncio.run(main())
"""


def test_a_key_of_the_programs_own_fails_the_run_and_is_named(tmp_path: Path) -> None:
    """However well the program takes the venue's no."""
    result = run_program(tmp_path, SIGNS.format(key='"organizations/mine/apiKeys/mine"'))
    assert result.status is Status.FAILED
    (told,) = [failure for failure in result.failures if "organizations/mine/apiKeys/mine" in failure]
    assert "COINBASE_API_KEY" in told


def test_the_key_of_the_environment_opens_everything(tmp_path: Path) -> None:
    """Under ccxt's own name for it as well."""
    result = run_program(tmp_path, SIGNS.format(key='os.environ["COINBASE_APIKEY"]'), tables=NO_TRADING)
    assert result.status is Status.PASSED, result.failures
