"""`papertape serve` says what it cannot do before it does anything, and ends with the code that fits."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import papertape.session.serving.market as market_module
import papertape.session.serving.run as run_module
from papertape.cli.main import main
from papertape.model.errors import ConfigError, TapeError
from papertape.session.serving.run import is_loopback, serve
from papertape.session.serving.spec import Ready, ServeSpec
from papertape.session.spec import FeedSpec

ROOT = Path(__file__).parents[2]
TAPE = (ROOT / "fixtures/btc-usd-30s.parquet").as_posix()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "`papertape serve --help` explains"),
        (["coinbse"], 'serve coinbse: no venue is called that; did you mean "coinbase"? There is one for: coinbase.'),
        (["binance"], "serve binance: that venue has no server yet"),
        (["coinbase", "--tape", "builtin:btc-usb"], 'no builtin market is called "btc-usb"; did you mean "builtin:btc-usd"?'),
        (["coinbase", "--speed", "fast"], '--speed fast: holds "fast", which is no number; expected 0.001 to 10000, such as 10'),
        (["coinbase", "--speed", "0"], '--speed 0: holds "0"; expected 0.001 to 10000'),
        (["coinbase", "--port", "99999"], "--port 99999: is no port; expected 1 to 65535, or 0 to have a free one picked"),
        (["coinbase", "--tls-port", "8443"], "--tls-port 8443: goes with --tls"),
        (["coinbase", "--account", "100000"], '"100000" is no holding; expected CURRENCY=AMOUNT, such as USD=100000,BTC=1'),
        (["coinbase", "--account", "USD=much"], '"much" is no number; expected one such as USD=100000'),
        (["coinbase", "--account", "USD=-1"], "USD holds -1; expected 0 to 1e+24"),
        (["coinbase", "--latency", "fast"], '--latency fast: "fast" is no duration'),
        (["coinbase", "--dates", "tomorrow"], "`papertape serve --help` explains"),
        (["coinbase", "--fault", "lost_replay"], 'no fault is called "lost_replay"; did you mean "lost_reply"?'),
        (["coinbase", "--fault", "half_open,at=1s"], 'fault "half_open": acts on the bytes of a simulated network'),
        (["coinbase", "--fault", "crash,at=1s"], "knows its clients by their connections alone"),
        (["coinbase", "--fault", "lost_reply,venue=kraken"], "key `venue`"),
        (["coinbase", "--faults", "nowhere.toml"], "nowhere.toml: there is no such file"),
        (["coinbase", "--host", "no.such.host.invalid"], "--port 0: cannot listen at no.such.host.invalid:0: "),
        (["coinbase", "--journal", "nowhere/journal.jsonl"], "the journal nowhere/journal.jsonl cannot be written"),
    ],
)
def test_bad_arguments_are_answered_for_a_person(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and a sentence; no readiness line."""
    assert main(["serve", *words]) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert out == ""
    assert "Traceback" not in err


def test_a_missing_tape_is_missing_data(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 4, as everywhere."""
    assert main(["serve", "coinbase", "--tape", "nowhere.parquet"]) == 4
    assert "nowhere.parquet" in capsys.readouterr().err


def test_a_file_without_faults_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever names one believes that something will go wrong; a mistake in one is told by its place."""
    path = tmp_path / "faults.toml"
    path.write_text('title = "nothing"\n', encoding="utf-8")
    assert main(["serve", "coinbase", "--faults", str(path)]) == 2
    path.write_text('[[fault]]\nkind = "lost_reply"\n[[fault]]\nkind = "outage"\n', encoding="utf-8")
    assert main(["serve", "coinbase", "--faults", str(path)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "holds no [[fault]]; expected one or more" in first
    assert "[[fault]] 2, key `lasts`: is missing" in second


def test_a_port_that_is_taken_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """And what to do about it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "coinbase", "--tape", TAPE, "--port", str(port)]) == 2
    assert f"--port {port}: cannot listen at 127.0.0.1:{port}: " in capsys.readouterr().err


def test_another_address_is_warned_of(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Loudly, and loopback by any name is not."""

    async def nothing(spec: ServeSpec, **more: Any) -> None:
        return None

    monkeypatch.setattr(run_module, "serve", nothing)
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        assert is_loopback(host)
        assert main(["serve", "coinbase", "--host", host]) == 0
    assert capsys.readouterr().err == ""
    for host in ("0.0.0.0", "::", "192.168.0.7", "example.com"):
        assert not is_loopback(host)
        assert main(["serve", "coinbase", "--host", host]) == 0
        assert f"WARNING: --host {host} is not loopback" in capsys.readouterr().err


def spec(**more: Any) -> ServeSpec:
    return ServeSpec(venue="coinbase", feeds=(FeedSpec(tape=TAPE),), account={"USD": Decimal(1000)}, **more)


async def serve_quietly(spec: ServeSpec) -> Ready:
    """Serve until something ends it; what the readiness line said is in the error's notes, or returned."""
    ready: list[Ready] = []

    def make_fault(table: Any, source: str) -> Any:
        raise ConfigError("not here")

    await serve(spec, make_fault=make_fault, on_ready=ready.append, tell=lambda words: None)
    return ready[0]


async def test_a_tape_that_breaks_on_the_way_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A venue that cannot go on must not stand there as if its market were quiet; the command ends with exit code 4."""

    def breaking(rows: Any, **more: Any) -> Iterator[Any]:
        for number, row in enumerate(rows()):
            if number == 20:
                raise TapeError("the tape is damaged")
            yield row

    monkeypatch.setattr(market_module, "laps", breaking)
    async with asyncio.timeout(60):
        with pytest.raises(TapeError, match="damaged"):
            await serve_quietly(spec())


async def test_cancelled_it_leaves_nothing() -> None:
    """As part of another program it ends with its task: no socket listens, no folder is left, no task goes on."""
    before = asyncio.all_tasks()
    ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
    work = asyncio.ensure_future(serve(spec(tls=True), make_fault=lambda table, source: None, on_ready=ready.set_result, tell=print))  # type: ignore[arg-type,return-value]  # stands in for what a command line gives
    async with asyncio.timeout(60):
        told = await ready
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
    assert told.ca is not None
    assert not Path(told.ca).parent.exists()
    port = int(told.http.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert asyncio.all_tasks() == before
