"""The fill models side by side on one real tape: how much each fills of the same orders, and how soon.

    PAPERTAPE_REALDATA=… python -m benchmarks.fill_models            # prints the tables
    PAPERTAPE_REALDATA=… python -m benchmarks.fill_models --write    # and writes them into docs/fills.md

Every ten seconds of the tape a buy joins the best bid and a sell the best ask, post-only and good for ten seconds, so that one order of
each side is there at a time and none depends on what became of another. Each model has a venue of its own for each side; all hear the same
rows. Nothing is drawn: the tables come out the same on any machine.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from papertape.importers.run import import_capture
from papertape.model.event import Side
from papertape.model.order import NewOrder, Order, OrderStatus, OrderType, TimeInForce
from papertape.model.request import Op, Request
from papertape.model.units import SECOND, Nanos
from papertape.sim.fees import FlatFees
from papertape.sim.fills import FILLS, FillModel, LogQueueFills, PowerQueueFills
from papertape.sim.venue import SimVenue
from papertape.tape.reader import Tape, open_tape
from papertape.venues import VENUES
from papertape.venues.coinbase.rules import RULES as COINBASE

REALDATA: Final = "PAPERTAPE_REALDATA"
CAPTURES: Final = ("hftbacktest/spot/btcusdt_20240808.gz", "hftbacktest/spot/btcusdt_20240809.gz")
PAGE: Final = Path(__file__).parents[1] / "docs" / "fills.md"
BEGIN, END = "<!-- figures: python -m benchmarks.fill_models --write -->", "<!-- end of figures -->"
EVERY_NS: Final = 10 * SECOND
SIZES: Final = (Decimal("0.01"), Decimal("1"))
FREE: Final = FlatFees(maker_bps=Decimal(0), taker_bps=Decimal(0))

MODELS: Final[dict[str, FillModel]] = {
    **{kind: member() for kind, member in FILLS.items() if kind != "bars"},
    "power_queue, form 3": PowerQueueFills(form=3),
    "log_queue, form 2": LogQueueFills(form=2),
}
CHAIN: Final = ("touch", "squared_queue", "queue", "cross", "through")
"""From the kindest to the most cautious; the other families lie between the first and `queue` too."""


class Asked:
    """One side of one model: a venue, and the orders that were placed there."""

    def __init__(self, tape: Tape, fills: FillModel, side: Side) -> None:
        (it,) = tape.instruments
        rules = msgspec.structs.replace(VENUES[tape.venue], offers=COINBASE.offers)
        account = {it.base: Decimal(10_000), it.quote: Decimal(10**9)}
        self.venue = SimVenue(rules, [it], account, fills=fills, fees=FREE, epoch_ns=tape.first_ns, emit=lambda update: None)
        self.symbol, self.side = it.symbol, side

    def place(self, now_ns: Nanos, amount: Decimal) -> None:
        """Join the best price of our side for ten seconds; nothing where there is none."""
        book = self.venue.books[self.symbol]
        best = book.best_bid if self.side is Side.BUY else book.best_ask
        if best is None or not book.is_complete or book.is_crossed:
            return
        price = self.venue.instruments[self.symbol].price(best[0])
        order = NewOrder(
            symbol=self.symbol, type=OrderType.LIMIT, side=self.side, amount=amount, price=price, post_only=True,
            time_in_force=TimeInForce.GTD, expires_ns=self.venue.epoch_ns + now_ns + EVERY_NS - 1,
        )  # fmt: skip
        self.venue.execute(Request(op=Op.ORDER_CREATE, client_order_id=f"c-{now_ns}", order=order), now_ns)


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a model's orders.

    Attributes:
        whole, part: orders that were filled whole, and in part.
        volume: base filled, of `asked`.
        waits_ns: of each order that was filled at all, from its placing to its first fill, in order.
    """

    orders: int
    whole: int
    part: int
    volume: Decimal
    asked: Decimal
    waits_ns: tuple[Nanos, ...]


def compare(tape: Tape, amount: Decimal) -> dict[str, Figures]:
    """Every model's figures; `AssertionError` where a more cautious model filled what a kinder one did not."""
    desks = {name: [Asked(tape, fills, side) for side in Side] for name, fills in MODELS.items()}
    every = [desk for pair in desks.values() for desk in pair]
    next_ns = EVERY_NS
    for _, reach_ns, _, event in tape.messages():
        now_ns = max(reach_ns - tape.first_ns, 0)
        while now_ns > next_ns:
            for desk in every:
                desk.place(next_ns, amount)
            next_ns += EVERY_NS
        for desk in every:
            desk.venue.apply(event, now_ns)
    for desk in every:
        desk.venue.advance(next_ns + EVERY_NS)
    orders = {name: [order for desk in pair for order in desk.venue.truth_orders()] for name, pair in desks.items()}
    check_order(orders)
    return {name: figures(orders[name], pair) for name, pair in desks.items()}


def check_order(orders: dict[str, list[Order]]) -> None:
    """Each model fills of each order whatever the next one fills."""
    between = [("touch", name, "queue") for name in MODELS if name not in CHAIN]
    for chain in (CHAIN, *between):
        for kind, cautious in pairwise(chain):
            for one, other in zip(orders[kind], orders[cautious], strict=True):
                assert one.filled >= other.filled, f"{cautious} filled {other.filled} of {other.client_order_id}, {kind} {one.filled}"


def figures(orders: Sequence[Order], desks: Sequence[Asked]) -> Figures:
    first: dict[str, Nanos] = {}
    for desk in desks:
        for fill in desk.venue.truth_fills():
            first.setdefault(f"{fill.side} {fill.order_id}", fill.venue_ns)
    waits = sorted(first[f"{order.side} {order.id}"] - order.created_ns for order in orders if order.filled)
    return Figures(
        orders=len(orders),
        whole=sum(order.status is OrderStatus.CLOSED for order in orders),
        part=sum(bool(order.filled) and order.status is not OrderStatus.CLOSED for order in orders),
        volume=sum((order.filled for order in orders), Decimal(0)),
        asked=sum((order.amount for order in orders), Decimal(0)),
        waits_ns=tuple(waits),
    )


def lines(tape: Tape, found: dict[Decimal, dict[str, Figures]]) -> Iterator[str]:
    """The tables of the page."""
    for amount, rows in found.items():
        orders = next(iter(rows.values())).orders
        yield f"{orders} orders of {amount} {tape.instruments[0].base}:"
        yield ""
        yield "| model | filled whole | in part | volume filled | until the first fill: median | mean |"
        yield "|---|---:|---:|---:|---:|---:|"
        for name, row in rows.items():
            waits = [ns / SECOND for ns in row.waits_ns]
            times = (f"{median(waits):.2f} s", f"{sum(waits) / len(waits):.2f} s") if waits else ("–", "–")
            yield f"| `{name}` | {row.whole} | {row.part} | {100 * row.volume / row.asked:.1f} % | {times[0]} | {times[1]} |"
        yield ""


def tables(folder: Path) -> str:
    """What stands between the marks of the page, made from the captures in this folder."""
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "tape.parquet"
        import_capture("binance", [folder / name for name in CAPTURES], path)
        tape = open_tape(path)
        return "\n".join(lines(tape, {amount: compare(tape, amount) for amount in SIZES})).rstrip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the tables into docs/fills.md")
    asked = parser.parse_args()
    folder = os.environ.get(REALDATA)
    missing = [name for name in CAPTURES if folder is None or not (Path(folder) / name).is_file()]
    if folder is None or missing:
        print(f"${REALDATA} names the folder with the captures {', '.join(CAPTURES)}; missing: {', '.join(missing)}", file=sys.stderr)
        return 4
    found = tables(Path(folder))
    if asked.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{found}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
