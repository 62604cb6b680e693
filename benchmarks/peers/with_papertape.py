"""papertape's side, in a process of its own: `python -m benchmarks.peers.with_papertape JOB`, one JSON object on stdout.

All that the product does is in what is timed: the tape is read and decoded, faults are armed, fees, journal and digest are on. Loading its
modules is not, as loading and compiling theirs is not for the peers.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any, Final

import papertape
from benchmarks.bots import SYMBOL, Keeper, Watcher
from benchmarks.test_replay import play
from papertape.bots import MarketMaker, PatientMaker, twap
from papertape.exchanges.base import BaseExchange
from papertape.model.errors import BaseError
from papertape.model.units import SECOND
from papertape.session.result import RunResult, Status
from papertape.tape.index.store import _sound, find
from papertape.tape.reader import open_tape

CHUNK_S: Final = 60


async def now_and_then(exchange: BaseExchange, minutes: int) -> None:
    """Buy a little every minute or so, by ten slices each; listen to nothing between."""
    for _ in range(max(1, minutes // 10)):
        await twap(exchange, SYMBOL, amount="0.01", slices=10, over="9m")
        await asyncio.sleep(CHUNK_S)
    await asyncio.Event().wait()


def timed(job: dict[str, Any]) -> dict[str, Any]:
    tape = Path(job["data"])
    opened = open_tape(tape)
    works: dict[str, tuple[Any, dict[str, Any] | None]] = {
        "keeper": (Keeper, None),
        "watcher": (Watcher, None),
        "maker": (MarketMaker, {"symbol": SYMBOL}),
        "patient maker": (PatientMaker, {"symbol": SYMBOL}),
        "now and then": (now_and_then, {"minutes": (opened.last_ns - opened.first_ns) // SECOND // 60}),
    }
    bot, config = works[job["work"]]
    is_indexed = find(opened) is not None  # looks through it; the run does so itself, in its own time
    _sound.clear()
    importlib.import_module("pyarrow.compute")  # loads what a run needs, which is not timed for the peers either; so does the next line
    assert papertape.simulate
    begun = time.process_time()
    result = play(tape, bot, config)
    seconds = time.process_time() - begun
    assert result.status in (Status.PASSED, Status.VACUOUS), result.failures
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {"orders": result.orders, "fills": result.fills, "digest": result.digest}
    return {"seconds": seconds, "peak_mb": peak_mb, "indexed": is_indexed, **found}


def wired(job: dict[str, Any]) -> dict[str, Any]:
    """The real adapter, ccxt and websockets over the in-memory network."""
    from benchmarks import test_wire

    tape = "builtin:btc-usd" if job["work"] == "wire" else test_wire.quiet_tape()
    test_wire.play(tape, "wire", end="2s")  # imports ccxt
    begun = time.process_time()
    result = test_wire.play(tape, "wire")
    seconds = time.process_time() - begun
    heard = result.events + 2 * result.virtual_ns // SECOND
    return {"seconds": seconds, "rows": heard, "orders": result.orders, "fills": result.fills}


def schedule(job: dict[str, Any]) -> dict[str, Any]:
    """Each order sent and withdrawn at its times; what was filled of it by the end."""
    tape = open_tape(job["data"])
    orders = json.loads(Path(job["orders"]).read_text())
    instrument = tape.instruments[0]
    outcomes: list[dict[str, Any]] = []

    async def bot(exchange: BaseExchange) -> None:
        loop = asyncio.get_running_loop()

        async def until(at_ns: int) -> None:
            await asyncio.sleep((at_ns - tape.first_ns) / SECOND - loop.time())

        for order in orders:
            await until(order["sent_ns"])
            try:
                placed = await exchange.place_order(
                    instrument.symbol, "limit", order["side"], instrument.amount(order["lots"]), instrument.price(order["ticks"])
                )
            except BaseError as error:
                outcomes.append({"number": order["number"], "lots": 0, "status": repr(error), "at_ns": 0})
                continue
            await until(order["withdrawn_ns"])
            try:
                ended = await exchange.cancel_order(placed.id, instrument.symbol)
            except BaseError:
                ended = await exchange.fetch_order_status(placed.id, instrument.symbol)
            outcomes.append(
                {
                    "number": order["number"],
                    "lots": int(ended.filled / instrument.lot),
                    "status": str(ended.status),
                    "at_ns": ended.updated_ns,
                }
            )

    latency = f"{job['latency_ns']}ns"
    steady = {"kind": "constant", "value": latency}
    model = {"fills": job.get("fills", {"kind": "queue"}), "latency": {"order": steady, "answer": steady, "market": {"kind": "recorded"}}}
    money = {instrument.quote: "100000000000", instrument.base: "1000000"}
    result: RunResult = papertape.simulate(
        bot, title="orders", seed=1, venues={job["venue"]: {"feed": {"tape": job["data"]}, "account": money, "model": model}}
    )
    assert result.status in (Status.PASSED, Status.VACUOUS), result.failures
    return {"outcomes": outcomes}


def main() -> None:
    job = json.loads(sys.argv[1])
    works = {"orders": schedule, "wire": wired, "quiet wire": wired}
    done = works.get(job["work"], timed)(job)
    print(json.dumps({"version": f"papertape {papertape.__version__}", "rows": sum(open_tape(job["data"]).counts.values()), **done}))


if __name__ == "__main__":
    main()
