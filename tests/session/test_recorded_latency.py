"""Orders that take as long as the recorder's own line took, and laws that are fitted to a recording."""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path

import msgspec
import pytest

from papertape.cli.main import main as command_line
from papertape.exchanges.base import BaseExchange
from papertape.model.event import BookSnapshot, CandleEvent, ConnectionEvent, ConnectionKind, Side, Trade
from papertape.model.instrument import Instrument
from papertape.model.units import MILLISECOND, SECOND, Nanos
from papertape.scenario.make import make_scenario
from papertape.session.result import ExitCode
from papertape.session.run import run_scenario
from papertape.session.world import VenueWorld
from papertape.sim.fact import Reached, Sent
from papertape.sim.latency import AnyLatency, RecordedLine
from papertape.tape import lag
from papertape.tape.header import Connection
from papertape.tape.lag import Lags
from papertape.tape.writer import TapeWriter
from papertape.venues.coinbase.rules import RULES

BTC: Instrument = RULES.instruments[0]
EPOCH_NS = 1_786_309_548 * SECOND
SLOW_FROM = 20  # seconds; from then on the line takes 300 ms, until then 40


def trade(at_s: int) -> Trade:
    at_ns = EPOCH_NS + at_s * SECOND
    late_ns = (40 if at_s < SLOW_FROM else 300) * MILLISECOND
    return Trade(venue_ns=at_ns, local_ns=at_ns + late_ns, symbol="BTC/USD", price_ticks=6_400_000, qty_lots=9, taker=Side.BUY)


def recording(path: Path, asked: str = "") -> Path:
    """Forty seconds of trades, one a second, by a line that gets slow; at the start a question took as long as `asked` says."""
    lines = [Connection(name="market", skew_ns=0), Connection(name="rest", skew_ns=0)]
    book = ((6_399_900, 10**8),), ((6_400_100, 10**8),)
    with TapeWriter(path, venue="coinbase", instruments=[BTC], connections=lines) as writer:
        at_ns = EPOCH_NS + 40 * MILLISECOND
        writer.write(BookSnapshot(venue_ns=EPOCH_NS, local_ns=at_ns, symbol="BTC/USD", bids=book[0], asks=book[1]))
        if asked:
            told = {"connection": "rest", "what": ConnectionKind.LATENCY, "text": asked}
            writer.write(ConnectionEvent(venue_ns=at_ns, local_ns=at_ns, symbol="", **told), 1, is_timed=False)
        for second in range(1, 41):
            writer.write(trade(second))
    return path


def ways(tape: Path, depth: str, latency: dict[str, object]) -> list[Nanos]:
    """How long two orders took to the venue: one before the line was slow, one after."""

    async def main(exchange: BaseExchange) -> None:
        await asyncio.sleep(10)
        await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "50000")
        await asyncio.sleep(20)
        await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "50000")

    venue = {"feed": {"tape": str(tape)}, "account": {"USD": "10000"}, "model": {"latency": latency}}
    raw = {"title": "slow", "bot": main, "venue": {"coinbase": venue}, "depth": depth}
    worlds: list[VenueWorld] = []
    run_scenario(make_scenario(raw, source="a test", folder=Path()), inspect=worlds.extend)
    facts = worlds[0].door.facts
    sent = {fact.number: fact for fact in facts if isinstance(fact, Sent) and fact.request.op == "order.create"}
    reached = {fact.number: fact.at_ns for fact in facts if isinstance(fact, Reached)}
    return [reached[number] - fact.at_ns for number, fact in sent.items()]


@pytest.mark.parametrize("depth", ["interface", "wire"])
def test_an_order_takes_as_long_as_the_line_took(tmp_path: Path, depth: str) -> None:
    """What the newest message took by then, and not what a later one will."""
    took = ways(recording(tmp_path / "a.parquet"), depth, {"order": "recorded", "answer": "recorded"})
    assert [ns // MILLISECOND for ns in took] == [40, 300]


def test_an_order_takes_half_of_a_measured_round_trip(tmp_path: Path) -> None:
    """Where the recorder measured one, that counts, whatever market data took."""
    tape = recording(tmp_path / "a.parquet", asked="90ms there and back")
    assert ways(tape, "interface", {"order": "recorded"}) == [45 * MILLISECOND] * 2
    assert ways(tape, "interface", {"answer": "recorded"}) == [15 * MILLISECOND] * 2, "that of orders was not asked for"


def test_nothing_is_noted_before_it_has_happened() -> None:
    """A row that was looked at and has not reached the venue says nothing yet."""
    line = RecordedLine()
    rows = line.listening(iter([(0, 100, 107, trade(1)), (1, 200, 209, trade(2))]))
    noted = [line.ns(0) for _ in rows]
    assert (noted, line.ns(0)) == ([15 * MILLISECOND, 7], 9)


# Fitting


def fitted(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, AnyLatency]:
    """The laws that the command prints, read as a scenario reads them."""
    assert command_line(["tape", "latency", *words]) == ExitCode.PASSED
    tables = tomllib.loads(capsys.readouterr().out)["venue"]["coinbase"]["model"]["latency"]
    return {way: msgspec.convert(table, AnyLatency) for way, table in tables.items()}


def test_a_law_is_fitted_to_a_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Half of the messages took 40 ms, half 300 ms; questions 90 ms there and back. The lines can stand in a scenario as they are."""
    tape = recording(tmp_path / "a.parquet", asked="90ms there and back")
    laws = fitted(capsys, str(tape), "--points", "5")
    assert laws["market"].quantiles == ("40ms", "40ms", "300ms", "300ms", "300ms")
    assert laws["order"] == laws["answer"]
    assert {laws["order"].ns(draw) for draw in (0, 2**63, 2**64 - 1)} == {45 * MILLISECOND}
    assert ways(tape, "interface", {way: msgspec.to_builtins(law) for way, law in laws.items()}) == [45 * MILLISECOND] * 2


def test_the_lognormal_law_beside_it_can_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By taking the comment's sign away; and where the recorder asked nothing, orders take what market data took."""
    command_line(["tape", "latency", str(recording(tmp_path / "a.parquet"))])
    lines = capsys.readouterr().out.splitlines()
    table = tomllib.loads("\n".join(line.removeprefix("# or ") for line in lines if line.startswith("# or ")))
    law = msgspec.convert(table["order"], AnyLatency)
    assert (law.ns(2**63), table["order"]) == (300 * MILLISECOND, table["market"])
    assert any("the recorder asked the venue nothing" in line for line in lines)


def test_a_recording_that_measured_nothing_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With one clock every message took the least that is assumed; and bars are told whenever anybody asked for them."""
    path = tmp_path / "a.parquet"
    with TapeWriter(path, venue="coinbase", instruments=[BTC]) as writer:
        for second in range(1, 9):
            writer.write(msgspec.structs.replace(trade(second), local_ns=trade(second).venue_ns))
    assert command_line(["tape", "latency", str(path)]) == ExitCode.PASSED
    assert "# every message took 1ms: the recording has one clock only" in capsys.readouterr().out
    bars = dict.fromkeys(("open_ticks", "high_ticks", "low_ticks", "close_ticks", "volume_lots"), 1)
    with TapeWriter(path, venue="coinbase", instruments=[BTC]) as writer:
        writer.write(CandleEvent(venue_ns=EPOCH_NS, local_ns=EPOCH_NS, symbol="BTC/USD", open_ns=0, span_ns=SECOND, **bars))
    assert command_line(["tape", "latency", str(path)]) == ExitCode.DATA
    assert "holds no trades and no books" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["nowhere.parquet"], ExitCode.DATA, "nowhere.parquet"),
        (["builtin:btc-usdd"], ExitCode.CONFIG, "btc-usd"),
        (["builtin:btc-usd", "--points", "1"], ExitCode.CONFIG, "expected a whole number from 2"),
        (["damaged.parquet"], ExitCode.DATA, "damaged.parquet"),
    ],
)
def test_mistakes_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("damaged.parquet").write_bytes(b"PAR1 but nothing more")
    assert command_line(["tape", "latency", *words]) == code
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""


def test_a_long_tape_is_thinned_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept is bounded, and its quantiles are those of all."""
    monkeypatch.setattr(lag, "KEPT_MAX", 4096)
    lags = Lags()
    for ns in range(30_000):
        lags.add(ns % 1000)
    assert lags.count == 30_000
    assert len(lags._kept) <= 4096
    assert [abs(ns - expected) <= 8 for ns, expected in zip(lags.quantiles(5), (0, 250, 500, 750, 999), strict=True)] == [True] * 5
