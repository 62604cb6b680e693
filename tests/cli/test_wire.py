"""`--depth wire` from the command line: the live adapter, over a network in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

BOT = """
async def main(exchange):
    order = await exchange.place_order("BTC/USD", "market", "buy", "0.01")
    assert order.filled == order.amount
"""


def test_a_bot_runs_over_the_wire_from_the_command_line(tmp_path: Path) -> None:
    """The same bot and fault as at interface depth, and one order at the venue; the bytes have a digest of their own."""
    (tmp_path / "bot.py").write_text(BOT, encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONHASHSEED"}
    words = ["run", "bot.py", "--depth", "wire", "--fault", "lost_reply", "--json", "--check-determinism"]
    done = subprocess.run(
        [sys.executable, "-m", "papertape", *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert (result["depth"], result["status"], result["orders"]) == ("wire", "passed", 1)
    assert result["wire_digest"]
