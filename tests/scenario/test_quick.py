"""Whether a file is a bot or a program: read, not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from papertape.scenario.quick import bot_scenario, has_entry

BOT = "async def main(exchange, size='1'):\n    pass\n"
RUNS = "if __name__ == '__main__':\n    asyncio.run(main(ccxt.coinbase()))\n"


@pytest.mark.parametrize(("text", "is_bot"), [
    (BOT, True),
    ("import asyncio, ccxt\n" + BOT + RUNS, False),
    ("import asyncio\nfrom papertape.exchanges.factory import ExchangeFactory\n" + BOT + RUNS, True),
    ("import papertape\n" + BOT + RUNS, True),
    ("async def main():\n    pass\n", False),
    ("def main(exchange):\n    pass\n", False),
    ("class Main:\n    async def main(self):\n        await self.main(1)\n", False),
    (BOT + "async def again(exchange):\n    await main(exchange)\n", True),
])  # fmt: skip
def test_a_bot_takes_an_exchange_and_waits_to_be_called(tmp_path: Path, text: str, is_bot: bool) -> None:
    """A script that calls its `main` with something of its own, and knows nothing of papertape, is a program."""
    path = tmp_path / "bot.py"
    path.write_text(text)
    assert has_entry(path) is is_bot
    scenario = bot_scenario(path)
    assert (scenario.bot, scenario.program) == (("bot.py:main", None) if is_bot else (None, "bot.py"))


def test_words_for_a_program_make_it_one(tmp_path: Path) -> None:
    """Whatever it looks like."""
    path = tmp_path / "bot.py"
    path.write_text(BOT)
    assert bot_scenario(path, program_args=["--size"]).program_args == ("--size",)
