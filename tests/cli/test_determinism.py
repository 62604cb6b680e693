"""`--check-determinism`: a program that is not the same twice is caught, and told which of its lines it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(300)  # four processes each, on a machine that may have other work

Done = subprocess.CompletedProcess[str]

SET_OF_STRINGS = """
async def main(exchange):
    for size in {"0.01", "0.02", "0.03", "0.04", "0.05", "0.06"}:
        await exchange.place_order("BTC/USD", "market", "buy", size)
"""

FILE_TIME = """
import os

def stamp():
    with open("stamp.txt", "w") as file:
        file.write("now")
    return os.stat("stamp.txt").st_mtime_ns

async def main(exchange):
    cents = stamp() // 4_000_000 % 9973
    await exchange.place_order("BTC/USD", "limit", "buy", "0.01", f"6000{cents // 100 % 10}.{cents % 100:02}")
"""

UNPATCHED_ENTROPY = """
async def main(exchange):
    with open("/dev/urandom", "rb") as source:
        drawn = source.read(4)
    lots = int.from_bytes(drawn, "big") % 10**6 + 1
    await exchange.place_order("BTC/USD", "market", "buy", f"0.{lots:08}")
"""

CLOCK_AT_IMPORT = """
import os
import time

STARTED = os.stat("/proc/self").st_ctime_ns

async def main(exchange):
    await exchange.place_order("BTC/USD", "market", "buy", f"0.{STARTED // 4_000_000 % 10**6 + 1:08}")
"""

FINE = """
import asyncio
import random
import secrets
import time
import uuid
from datetime import datetime

async def main(exchange):
    for _ in range(3):
        await asyncio.sleep(random.random())
        size = random.choice(["0.01", "0.02", "0.03"])
        price = f"6000{secrets.randbelow(10)}.{datetime.now().microsecond % 100:02}"
        await exchange.place_order("BTC/USD", "limit", "buy", size, price, client_order_id=str(uuid.uuid4()))
        for each in sorted({"a", "b", "c"}):
            print(each, time.time())
"""

PROGRAM_HEAD = """
import asyncio
import json
import os

import aiohttp
import websockets

PRODUCTS = "https://api.coinbase.com/api/v3/brokerage/market/products"
STREAM = "wss://advanced-trade-ws.coinbase.com"
"""

PROGRAM_SET = (
    PROGRAM_HEAD
    + """
async def main():
    async with websockets.connect(STREAM) as line:
        wanted = list({"BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "ADA-USD"})
        await line.send(json.dumps({"type": "subscribe", "jwt": "hush-hush", "product_ids": wanted, "channel": "ticker"}))
        await asyncio.sleep(1)

asyncio.run(main())
"""
)

PROGRAM_CLOCK = (
    PROGRAM_HEAD
    + """
def stamp():
    with open("stamp.txt", "w") as file:
        file.write("now")
    return str(os.stat("stamp.txt").st_mtime_ns)

async def main():
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer hush-hush"}) as session:
        async with session.get(PRODUCTS + "/BTC-USD", headers={"X-Asked-At": stamp()}) as answer:
            await answer.read()

asyncio.run(main())
"""
)

PROGRAM_SECRET = (
    PROGRAM_HEAD
    + """
def api_key():
    with open("stamp.txt", "w") as file:
        file.write("now")
    return f"hush-{os.stat('stamp.txt').st_mtime_ns}"

async def main():
    secret = api_key()
    async with aiohttp.ClientSession(headers={"X-Api-Key": secret}) as session:
        async with session.get(PRODUCTS + "/BTC-USD") as answer:
            await answer.read()

asyncio.run(main())
"""
)

PROGRAM_DRAWS = (
    PROGRAM_HEAD
    + """
async def main():
    for name in {"a", "bb", "ccc", "dddd", "eeeee", "ffffff"}:
        os.urandom(len(name))
    await asyncio.sleep(1)

asyncio.run(main())
"""
)

PROGRAM_FINE = (
    PROGRAM_HEAD
    + """
async def main():
    async with aiohttp.ClientSession() as session, websockets.connect(STREAM) as line:
        async with session.get(PRODUCTS + "/BTC-USD", headers={"X-Asked": os.urandom(4).hex()}) as answer:
            await answer.read()
        await line.send(json.dumps({"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "ticker"}))
        await line.recv()

asyncio.run(main())
"""
)


def check(folder: Path, text: str, *words: str) -> Done:
    (folder / "bot.py").write_text(text, encoding="utf-8")
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONHASHSEED"}
    command = [sys.executable, "-m", "papertape", "run", "bot.py", "--check-determinism", *words]
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)


def line_of(text: str, part: str) -> str:
    """`bot.py:7`, where the seventh line of `text` has `part` in it."""
    number = next(number for number, line in enumerate(text.splitlines(), start=1) if part in line)
    return f"bot.py:{number} in "


CAUGHT = [
    ("set", SET_OF_STRINGS, (), "for size", "`size` is", "place_order", "call, place_order", "repeats itself under its own PYTHONHASHSEED"),
    ("file time", FILE_TIME, (), "os.stat", "what it returns is", "place_order", "call, place_order", "neither repeats itself"),
    ("entropy", UNPATCHED_ENTROPY, (), "source.read", "`drawn` is", "place_order", "call, place_order", "neither repeats itself"),
    ("at import", CLOCK_AT_IMPORT, (), "STARTED =", "`STARTED` is", "place_order", "call, place_order", "neither repeats itself"),
    ("set, wire", SET_OF_STRINGS, ("--depth", "wire"), "for size", "`size` is", "place_order", "call, place_order", "repeats itself"),
    ("program, set", PROGRAM_SET, (), "wanted =", "`wanted` is", "line.send", "piece written, connection 1 to adv", "repeats"),
    ("program, clock", PROGRAM_CLOCK, (), "os.stat", "what it returns is", "session.get", "piece written, connection 1 to api.", "neither"),
    ("program, draws", PROGRAM_DRAWS, (), "for name", "`name` is", "os.urandom", "draw, entropy", "repeats itself"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words", "source", "value", "effect", "record", "why"), [row[1:] for row in CAUGHT], ids=[row[0] for row in CAUGHT]
)
def test_what_is_not_the_same_twice_is_caught_and_told_where(
    tmp_path: Path, text: str, words: tuple[str, ...], source: str, value: str, effect: str, record: str, why: str
) -> None:
    """Exit code 3; what differed first, on which line it left the program, and on which line the program first had it."""
    done = check(tmp_path, text, *words)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "the first run and the second part at record" in done.stdout
    assert record in done.stdout
    assert f"> {line_of(text, effect)}" in done.stdout
    (blamed,) = (line for line in done.stdout.splitlines() if "nothing of the program differs before that" in line)
    assert blamed.strip().startswith(line_of(text, source))
    assert value in blamed
    assert why in done.stdout
    assert "--check-determinism" in done.stdout.split("again: ")[1]
    assert "Traceback" not in done.stdout
    assert "hush-hush" not in done.stdout


@pytest.mark.parametrize(("text", "words"), [(FINE, ()), (PROGRAM_FINE, ())], ids=["bot", "program"])
def test_what_is_the_same_twice_passes(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    """Draws, clocks and sorted sets are no difference: the simulation stands in for all of them."""
    done = check(tmp_path, text, *words, "--json")
    result = json.loads(done.stdout)
    assert not [each for each in result["failures"] if "differ" in each], done.stdout
    assert (done.returncode == 0) == (result["status"] == "passed")


def test_the_report_is_in_the_json_too(tmp_path: Path) -> None:
    """One failure, the first, with everything in it; status error and the command that shows it again."""
    done = check(tmp_path, SET_OF_STRINGS, "--json", "--journal", "kept.jsonl")
    assert done.returncode == 3
    assert (tmp_path / "kept.jsonl").is_file()
    (line,) = done.stdout.splitlines()
    result = json.loads(line)
    assert result["status"] == "error"
    assert result["failures"][0].startswith("two runs differ: the first run and the second part at record ")
    assert "`size` is" in result["failures"][0]
    assert "so the journal of the first run and that of the second part at line" in result["failures"][0]
    assert result["repro"].endswith("--check-determinism")


def test_a_secret_that_differs_is_not_shown(tmp_path: Path) -> None:
    """Neither in the piece that carries it nor in the names that hold it; the lines are told all the same."""
    done = check(tmp_path, PROGRAM_SECRET)
    assert done.returncode == 3
    assert "they differ only in what is not shown: keys, tokens and signatures" in done.stdout
    assert (
        f"{line_of(PROGRAM_SECRET, 'return f')}api_key: what it returns is <secret> in the first run, <secret> in the second" in done.stdout
    )
    assert "hush-1" not in done.stdout
