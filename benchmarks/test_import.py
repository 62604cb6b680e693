"""Frames a second from a capture to a tape.

The captures are synthetic: the benchmark tape's first events in the venue's own words. The baseline decodes every frame's JSON, once.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.market import EVENTS, MARKET, messages
from benchmarks.measure import beside
from papertape.importers import import_capture
from papertape.model.event import BookSnapshot, BookUpdate, MarketEvent, Trade
from papertape.model.units import SECOND, plain
from papertape.tape.reader import open_tape
from papertape.venues.coinbase.frame import render
from papertape.venues.coinbase.notation import Product, Products, format_time

pytestmark = pytest.mark.timeout(3_600)

FRAMES = max(1_000, EVENTS // 20)


def test_coinbase(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Advanced Trade, one JSON object a line."""
    products = Products([MARKET.instrument])
    lines = []
    for number, event in enumerate(itertools.islice(messages(), FRAMES)):
        frame = render(event, number, products).decode()
        stamp = f"{event.local_ns // SECOND}.{event.local_ns % SECOND:09d}"
        lines.append(f'{{"t":"recv","ts":{stamp},"conn":"feed","data":{json.dumps(frame)}}}')
    measure(benchmark, "coinbase", lines, tmp_path)


def test_coinbase_exchange(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """The older feed, `<recv_ns> <frame>` a line."""
    lines = [f"{event.local_ns} {json.dumps(frame)}" for event, frame in old_frames(Product(MARKET.instrument))]
    measure(benchmark, "coinbase-exchange", lines, tmp_path)


def measure(benchmark: BenchmarkFixture, venue: str, lines: list[str], folder: Path) -> None:
    capture = folder / "capture.txt"
    capture.write_text("\n".join(lines) + "\n")
    out = folder / "out.parquet"

    def bare() -> None:
        decode = msgspec.json.Decoder().decode
        with capture.open("rb") as file:
            for line in file:
                found = decode(line[line.index(b"{") :])
                if "data" in found:
                    decode(found["data"])

    beside(
        benchmark,
        f"import of a {venue} capture",
        lambda: import_capture(venue, [capture], out, instruments=[MARKET.instrument]),
        bare,
        count=len(lines),
        unit="frames",
    )
    assert sum(open_tape(out).counts.values()) == len(lines)
    benchmark.extra_info["bytes"] = capture.stat().st_size


def old_frames(product: Product) -> Iterator[tuple[MarketEvent, dict[str, object]]]:
    it = product.instrument

    def price(ticks: int) -> str:
        return plain(it.price(ticks))

    def amount(lots: int) -> str:
        return plain(it.amount(lots))

    for event in itertools.islice(messages(), FRAMES):
        frame: dict[str, object] = {"product_id": it.venue_symbol, "time": format_time(event.venue_ns)}
        if isinstance(event, BookUpdate):
            changes = [("buy", price(t), amount(q)) for t, q in event.bids] + [("sell", price(t), amount(q)) for t, q in event.asks]
            yield event, {"type": "l2update", "changes": changes, **frame}
        elif isinstance(event, Trade):
            frame |= {"price": price(event.price_ticks), "size": amount(event.qty_lots), "trade_id": int(event.trade_id)}
            yield event, {"type": "match", "side": str(event.taker.opposite), **frame}
        elif isinstance(event, BookSnapshot):
            del frame["time"]
            sides = {name: [(price(t), amount(q)) for t, q in levels] for name, levels in (("bids", event.bids), ("asks", event.asks))}
            yield event, {"type": "snapshot", **sides, **frame}
