"""Kill a live bot at any instant, again and again, and see each time that it knows what the venue knows.

    python -m benchmarks.power_cut --kills 200

The venue is `papertape serve` over TLS. The bot trades as fast as its limits let it, is killed (SIGKILL) at an instant drawn by the seed,
and started anew on the same state: its log of intents, the gate's log, what it was armed for. As each life begins, once the exchange is
healthy and nothing is unknown any more, it holds its own books against the venue's:

- no client order id has two orders at the venue;
- every order of its own that the venue has, it knows, in the same state and filled as far;
- what its fills moved is what the account's balance moved by, since before the first life.

A life that finds anything else writes it down, and the run fails.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.serving.process import Server, serving

from papertape.cli.arm import CONSENT

BOT: Final = '''
import asyncio
import random
from collections import Counter
from decimal import Decimal
from pathlib import Path

from papertape.model.errors import BaseError
from papertape.model.request import Op, Request

SYMBOL = "BTC/USD"


async def main(exchange, lives="x"):
    while not exchange.health.is_healthy or exchange.health.unknown_orders:
        await asyncio.sleep(0.02)
    await compare(exchange)
    with open("compared", "a") as file:
        file.write("x")
    if Path("last").exists():
        return
    print("begun", flush=True)
    subscription = await exchange.subscribe_order_book(SYMBOL, lambda book: None)
    await asyncio.gather(*[worker(exchange, number) for number in range(6)])


async def worker(exchange, number):
    """Orders of every kind, and cancels, one after another."""
    turn = number
    while True:
        turn += 1
        side = "buy" if turn % 2 else "sell"
        try:
            if turn % 3:
                await exchange.place_order(SYMBOL, "market", side, "0.001")
            else:
                price = "50000" if side == "buy" else "90000"
                order = await exchange.place_order(SYMBOL, "limit", side, "0.001", price)
                await exchange.cancel_order(order.id)
        except BaseError as error:
            with open("refused", "a") as file:
                file.write(f"{type(error).__name__}: {error}\\n")
            await asyncio.sleep(0.1)


async def compare(exchange):
    """Ask until both sides stand still, and complain of what is left."""
    problems = []
    for _ in range(40):
        link = getattr(exchange._line._link, "_link", exchange._line._link)  # behind the gate, or the simulated one
        truth = (await link.request(Request(op=Op.ORDERS_FETCH))).orders
        fills = (await link.request(Request(op=Op.FILLS_FETCH))).fills
        held = (await exchange.fetch_balance())["BTC"].total
        problems = list(differences(exchange.view(), truth, fills, held))
        if not problems:
            return
        await asyncio.sleep(0.25)
    with open("problems", "a") as file:
        file.write("".join(f"{each}\\n" for each in problems))


def differences(view, truth, fills, held):
    ours = {intent.client_order_id: intent for intent in view.intents}
    for key, count in Counter(order.client_order_id for order in truth).items():
        if count > 1:
            yield f"{key} has {count} orders at the venue"
    for order in truth:
        intent = ours.get(order.client_order_id)
        if intent is None:
            yield f"{order.client_order_id} is at the venue ({order.status}), and nobody here knows of it"
        elif intent.order is None or (intent.order.status, intent.order.filled) != (order.status, order.filled):
            yield f"{order.client_order_id} is {order.status}, {order.filled} filled at the venue; here: {intent.state}, {intent.order}"
    moved = sum((fill.moved for fill in fills), Decimal(0))
    if view.positions.get(SYMBOL, Decimal(0)) != moved:
        yield f"fills moved {moved} BTC, and here it is {view.positions}"
    if held != Decimal(1) + moved:
        yield f"the account holds {held} BTC, and fills moved {moved}"
'''

FILE: Final = """
mode = "live"
exchange = "coinbase"
bot = "mybot.py:main"
cancel_on_exit = false
[venue.coinbase]
rest = "{https}"
stream = "{wss}"
ca = "ca.pem"
[limits]
order_notional = "1000 USD"
position = "0.5 BTC"
daily_loss = "90000 USD"
orders_per_minute = 100000
"""


def main() -> int:
    """Kill and start anew; exit code 1 if any life found a difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, serving("--dates", "now", "--loop", "--tls", "--latency", "15ms") as server:
        done, orders = cut(Path(folder), server, kills=args.kills, seed=args.seed)
        problems = Path(folder, "problems")
        found = problems.read_text() if problems.exists() else ""
        compared = len(Path(folder, "compared").read_text())
        refused = Path(folder, "refused")
        print(f"{done} kills, {orders:,} orders let through, books compared in {compared} lives, {time.perf_counter() - began:,.0f} s")
        if refused.exists():
            kinds = sorted({line.partition(":")[0] for line in refused.read_text().splitlines()})
            print(f"what the bot was told now and then: {', '.join(kinds)}")
        code, said = server.end()
        if code or said:
            print(f"the server ended with {code}: {said}")
    print(found or "no difference")
    return 1 if found or not orders else 0


def cut(folder: Path, server: Server, *, kills: int, seed: int) -> tuple[int, int]:
    """Do it in `folder`; returns how many kills there were and how many orders passed the gate."""
    draw = random.Random(seed)  # noqa: TID251  # no run of papertape's: which instants, for a person to repeat
    environment = {key: value for key, value in os.environ.items() if key != "CI"}
    environment |= {"COINBASE_API_KEY": server.ready["api_key"], "COINBASE_API_SECRET": server.ready["api_secret"]}
    shutil.copy(server.ready["ca"], folder / "ca.pem")
    (folder / "mybot.py").write_text(BOT)
    (folder / "papertape.toml").write_text(FILE.format(**server.ready))
    (folder / "ok.scenario.toml").write_text(
        'bot = "mybot.py:main"\n[venue.coinbase]\nfeed = { tape = "builtin:btc-usd", end = "20s" }\n'
        'account = { BTC = "1", USD = "100000" }\n'
    )
    command = [sys.executable, "-m", "papertape"]
    armed = subprocess.run(
        [*command, "arm", "ok.scenario.toml", "--consent", CONSENT],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if armed.returncode:
        raise SystemExit(f"not armed: {armed.stdout}{armed.stderr}")
    for kill in range(kills):
        with (
            open(folder / "said", "wb") as said,
            subprocess.Popen([*command, "trade"], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=said) as life,
        ):
            assert life.stdout is not None
            if draw.random() < 0.8:  # most under load, some while it connects and reconciles
                if not life.stdout.readline():
                    raise SystemExit(f"a life ended before it had begun, exit code {life.wait()}: {(folder / 'said').read_text()[-2_000:]}")
                time.sleep(draw.uniform(0, 1.0))  # noqa: TID251  # the machine's time: it is a process of its own
            else:
                time.sleep(draw.uniform(0, 4.0))  # noqa: TID251  # likewise
            life.kill()
        if sys.stderr.isatty() or kill % 20 == 19:
            print(f"{kill + 1} of {kills} kills", file=sys.stderr, flush=True)
    (folder / "last").touch()
    subprocess.run([*command, "trade"], cwd=folder, env=environment, capture_output=True, check=False, timeout=300)
    audit = (folder / ".papertape/live/coinbase/audit.jsonl").read_text()
    return kills, audit.count('"kind":"passed","request":{"op":"order.create"')


if __name__ == "__main__":
    sys.exit(main())
