"""A real process, recording from a real socket, killed without warning: what it had told the system before is there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from papertape.model.event import BookSnapshot, ConnectionEvent, Side, Trade
from papertape.model.request import Channel, Lane
from papertape.model.units import MILLISECOND, SECOND
from papertape.recorder import left_behind
from papertape.runtime.clock import LoopClock
from papertape.tape import open_tape
from papertape.tape.check import check_tape
from papertape.wire.coinbase.server import CoinbaseServer
from wire.scripted import KEY, ScriptedVenue

EVERY_NS = 10 * MILLISECOND
WITHIN_S = 60
LOST_MAX_NS = SECOND


class Market:
    """A venue on loopback that prints a trade every ten milliseconds, numbered from 1."""

    def __init__(self, venue: ScriptedVenue, port: int, clock: LoopClock) -> None:
        self.venue, self.port, self.clock = venue, port, clock
        self.sent: list[int] = []  # when each trade went out to at least one stream; its id is its place, from 1

    async def run(self) -> None:
        while True:
            await self.clock.sleep_ns(EVERY_NS)
            now_ns = self.clock.wall_ns()
            trade = Trade(
                venue_ns=now_ns, local_ns=0, symbol="BTC/USD", price_ticks=10_000 + len(self.sent) % 7, qty_lots=5, taker=Side.BUY,
                trade_id=str(len(self.sent) + 1),
            )  # fmt: skip
            if any((Channel.TRADES, "BTC/USD") in stream.wants for stream in self.venue.streams):
                self.sent.append(now_ns)
                self.venue.broadcast(Channel.TRADES, "BTC/USD", trade)

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not is_so():
                await self.clock.sleep_ns(EVERY_NS)


@contextlib.asynccontextmanager
async def market() -> AsyncIterator[Market]:
    clock = LoopClock()
    venue = ScriptedVenue(clock)
    server = CoinbaseServer(venue, KEY)
    runner = server.runner()
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made = Market(venue, runner.addresses[0][1], clock)
    running = asyncio.ensure_future(made.run())
    try:
        yield made
    finally:
        running.cancel()
        await runner.cleanup()


async def started(market: Market, folder: Path, *options: str, file_max: int | None = None) -> asyncio.subprocess.Process:
    """A recorder of that market; no file of its may grow beyond `file_max` bytes."""

    def limited() -> None:
        if file_max is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_max, file_max))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    url = f"127.0.0.1:{market.port}"
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "papertape", "record", "coinbase", "BTC/USD", "--out", str(folder), "--rest", f"http://{url}",
        "--stream", f"ws://{url}", "--probe", "1s", *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, preexec_fn=limited,
    )  # fmt: skip


async def command(*words: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "papertape", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def trades(folder: Path) -> list[int]:
    """The ids of all trades of all tapes, in their order."""
    found = []
    for path in sorted(folder.glob("*.parquet")):
        assert check_tape(path) == []
        found += [int(event.trade_id) for _, _, _, event in open_tape(path).messages() if isinstance(event, Trade)]
    return found


@pytest.mark.parametrize(("after", "rotate"), [(1, "1h"), (250, "1h"), (250, "1s")])
def test_a_kill_loses_less_than_a_second(tmp_path: Path, after: int, rotate: str) -> None:
    """Killed after so many trades, with one file or with several behind it: every finished file is sound, and the spool that is left has
    all but what came in the last second.
    """

    async def main() -> None:
        async with market() as its:
            process = await started(its, tmp_path, "--rotate", rotate)
            await its.until(lambda: len(its.sent) >= after)
            process.send_signal(signal.SIGKILL)
            killed_ns = its.clock.wall_ns()
            await process.wait()
            trades(tmp_path)  # before anybody repairs anything
            spools = left_behind(tmp_path)
            code, said = await command("tape", "repair", str(tmp_path))
            assert code == 0, said
            assert all(spool.stem in said for spool in spools)
            found = trades(tmp_path)
            assert found == list(range(1, len(found) + 1))
            safe = [at_ns for at_ns in its.sent if at_ns < killed_ns - LOST_MAX_NS]
            assert len(found) >= len(safe)
            assert all(path.suffix == ".parquet" for path in files(tmp_path))

    asyncio.run(main())


def test_the_next_recorder_takes_care_of_what_the_last_one_left(tmp_path: Path) -> None:
    """Killed, and started again into the same folder: what was left is a tape, and the new recording is another; SIGTERM ends it well."""

    async def main() -> None:
        async with market() as its:
            process = await started(its, tmp_path)
            await its.until(lambda: len(its.sent) >= 60)
            process.send_signal(signal.SIGKILL)
            await process.wait()
            first = len(its.sent)
            process = await started(its, tmp_path, "--json")
            await its.until(lambda: len(its.sent) >= first + 30)
            process.send_signal(signal.SIGTERM)
            out, err = await process.communicate()
            assert process.returncode == 0, err.decode()
            assert ".parquet: " in err.decode()
            (line,) = out.splitlines()
            about = msgspec.json.decode(line)
            tapes = files(tmp_path)
            assert len(tapes) == 2
            assert about["tape"] in [str(each) for each in tapes]
            assert about["content_hash"] == open_tape(about["tape"]).content_hash
            found = trades(tmp_path)
            assert found == sorted(dict.fromkeys(found))
            assert found[-1] > first

    asyncio.run(main())


def test_a_line_that_drops_is_dialled_again_and_said(tmp_path: Path) -> None:
    """On a real socket as in virtual time; stderr tells how it goes, and Ctrl-C finishes the tape."""

    async def main() -> None:
        async with market() as its:
            process = await started(its, tmp_path)
            await its.until(lambda: len(its.sent) >= 20)
            its.venue.drop(Lane.MARKET, clean=True)
            before = len(its.sent)
            await its.until(lambda: len(its.sent) >= before + 20)
            process.send_signal(signal.SIGINT)
            out, err = await process.communicate()
            assert process.returncode == 0, err.decode()
            last = err.decode().splitlines()[-1]
            assert last.endswith(" rows in all, 1 dropped connection, 0 gaps")
            (path,) = files(tmp_path)
            assert out.decode().startswith(f"{path}: ")
            told = [event for _, _, _, event in open_tape(path).messages()]
            line = [event.what.value for event in told if isinstance(event, ConnectionEvent) and event.connection == "market"]
            assert [each for each in line if each != "latency"] == ["opened", "dropped", "opened"]
            assert sum(isinstance(event, BookSnapshot) for event in told) == 2

    asyncio.run(main())


def test_a_full_disk_ends_it_with_a_sentence(tmp_path: Path) -> None:
    """What was recorded before is kept, and the sentence says how to get it."""

    async def main() -> None:
        async with market() as its:
            process = await started(its, tmp_path, file_max=30_000)
            _, err = await asyncio.wait_for(process.communicate(), WITHIN_S)
            assert process.returncode == 4, err.decode()
            last = err.decode().splitlines()[-1]
            assert last.startswith("papertape: ")
            assert "the recording ends here: File too large" in last
            assert "tape repair" in last
            assert "Traceback" not in err.decode()
            code, said = await command("tape", "repair", str(tmp_path))
            assert code == 0, said
            assert len(trades(tmp_path)) > 30

    asyncio.run(main())


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_may_not_be_written_is_a_sentence(tmp_path: Path) -> None:
    """Before anything is asked of the venue."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    code, said = asyncio.run(command("record", "coinbase", "BTC/USD", "--out", str(folder)))
    assert code == 4
    assert "cannot write there: Permission denied" in said
