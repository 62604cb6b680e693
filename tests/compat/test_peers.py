"""Other systems, each in its environment of `make peers`, at what we write; skipped, and said so, where that has not been made."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.peers.differential import RUNS, SPOT, compare, said
from benchmarks.peers.environments import HERE, KEPT, is_made
from benchmarks.peers.rules import CROSSED, LATE, RULES, STANDING, TAKING, THROUGH, TWICE, Replay

from papertape.model.event import BookSnapshot, BookUpdate, MarketEvent, Side, Trade
from papertape.model.units import MILLISECOND
from papertape.tape import open_tape
from papertape.tape.builtin import resolve
from papertape.tape.export import EXPORTERS, Export

MS = MILLISECOND


def python_of(peer: str) -> Path:
    if not is_made(peer):
        pytest.skip(f"NOT CHECKED against {peer}: it has no environment here; `make peers` makes it")
    return KEPT / peer / "bin" / "python"


def trade(at: int, ticks: int, lots: int, *, happened: int | None = None) -> MarketEvent:
    venue_ns = (at if happened is None else happened) * MS
    return Trade(venue_ns=venue_ns, local_ns=at * MS, symbol="A/B", price_ticks=ticks, qty_lots=lots, taker=Side.SELL)


def level(at: int, *, bid: tuple[int, int] | None = None, ask: tuple[int, int] | None = None) -> MarketEvent:
    return BookUpdate(venue_ns=at * MS, local_ns=at * MS, symbol="A/B", bids=(bid,) if bid else (), asks=(ask,) if ask else ())


DIFFERENT = {
    THROUGH: [trade(30, 99, 4)],
    CROSSED: [level(30, ask=(100, 3))],
    TWICE: [level(30, bid=(100, 10)), trade(31, 100, 10), trade(50, 100, 9)],
    LATE: [trade(30, 99, 10, happened=19)],
    STANDING: [trade(15, 100, 15), trade(40, 100, 10)],
    TAKING: [],
}
"""What happens around an order to buy 10 at 100, where 20 stand, that comes at 20 ms, so that a rule makes a difference."""


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_makes_the_difference_that_it_says(rule: str) -> None:
    """With all rules on an order fills as hftbacktest has it; without this one, otherwise: so an explanation by it can be wrong."""
    begin = BookSnapshot(venue_ns=MS, local_ns=MS, symbol="A/B", bids=((100, 20), (99, 50)), asks=((102, 4), (103, 50)))
    order = {
        "number": 1,
        "sent_ns": 10 * MS + 1,
        "withdrawn_ns": 90 * MS,
        "side": "buy",
        "ticks": 102 if rule == TAKING else 100,
        "lots": 10,
    }
    events: list[MarketEvent] = [begin, *DIFFERENT[rule], level(200, bid=(50, 1))]
    messages = [(row, each.local_ns, each.local_ns + MS, each) for row, each in enumerate(events)]
    on = Replay(frozenset(RULES), 10 * MS).run(messages, [order])
    off = Replay(frozenset(RULES) - {rule}, 10 * MS).run(messages, [order])
    assert on != off
    assert (on[1][0] > off[1][0]) is (rule != STANDING)


@pytest.mark.timeout(600)
def test_fills_agree_with_hftbacktest(realdata: Callable[[str], Path]) -> None:
    """On a real capture every order is filled as there, or a rule says why not; and more than nine of ten as many lots."""
    data = realdata(SPOT[0]).parents[2]
    capture, seed, count = RUNS[1]
    found = list(compare(capture, seed, count, data, python_of("hftbacktest")))
    assert [said(each) for each in found if not each.is_sound] == []
    assert sum(each.here[0] > 0 for each in found) > count // 3
    assert sum(each.here[0] == each.there[0] for each in found) > 0.9 * count


@pytest.mark.timeout(600)
def test_nautilus_reads_what_we_write(tmp_path: Path) -> None:
    """Its own catalog reads ours, and its own book has our best prices after every message."""
    python = python_of("nautilus")
    tape = open_tape(resolve("builtin:btc-usd", Path()))
    EXPORTERS["nautilus"](Export(tape=tape, out=tmp_path / "catalog"))
    done = subprocess.run([python, HERE / "read_nautilus.py", tmp_path / "catalog"], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    steps = tape.instruments[0]
    assert (told["id"], told["steps"]) == ("BTC-USD.COINBASE", ["0.01", "0.00000001"])
    books: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
    bests, trades = [], []
    for _, _, deliver_ns, event in tape.messages():
        if isinstance(event, Trade):
            side = "BUYER" if event.taker is Side.BUY else "SELLER"
            price, amount = steps.price(event.price_ticks), steps.amount(event.qty_lots)
            trades.append([deliver_ns, f"{price:.2f}", f"{amount:.8f}", side, event.trade_id])
        elif isinstance(event, BookSnapshot | BookUpdate):
            for whose, levels in ((Side.BUY, event.bids), (Side.SELL, event.asks)):
                books[whose].update(levels)
            bids, asks = ({ticks: lots for ticks, lots in book.items() if lots} for book in books.values())
            best = ((max(bids), bids), (min(asks), asks))
            words = [word for ticks, book in best for word in (f"{steps.price(ticks):.2f}", f"{steps.amount(book[ticks]):.8f}")]
            bests.append([deliver_ns, *words])
    assert told["trades"] == trades
    assert told["bests"] == bests
