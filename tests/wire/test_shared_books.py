"""Coinbase keeps one book for BTC-USD and BTC-USDC, and its streams tell of it as BTC-USD, whichever was asked for."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

import papertape
from papertape.links.coinbase.memory import Memory
from papertape.model.event import BookUpdate, Side
from papertape.model.instrument import Instrument
from papertape.model.order import Order, OrderStatus, OrderType, OrderUpdate, TimeInForce
from papertape.model.units import SECOND
from papertape.session.result import RunResult, Status
from papertape.tape.synth import BTC_USD, Synth, write_synth
from papertape.venues.coinbase import frame
from papertape.venues.coinbase.notation import Products, alias_of
from papertape.wire.coinbase import server

BTC_USDC = msgspec.structs.replace(BTC_USD, symbol="BTC/USDC", venue_symbol="BTC-USDC")
CHANGE = BookUpdate(venue_ns=SECOND, local_ns=SECOND, symbol="BTC/USD", bids=((6_400_000, 1),))


def told_of(*followed: str, aliases: dict[str, str] | None = None) -> list[str]:
    """Of which markets a frame of BTC-USD tells a client who follows these, of a venue that lists both."""
    products = Products()
    products.learn([BTC_USDC, BTC_USD], {"BTC-USDC": "BTC-USD"} if aliases is None else aliases)
    for symbol in followed:
        products.follow(symbol)
    messages = frame.decode(frame.render(CHANGE, 1, Products([BTC_USD])), products, 0).messages
    assert {each.bids for each in messages if isinstance(each, BookUpdate)} == {CHANGE.bids}
    return [each.symbol for each in messages if isinstance(each, BookUpdate)]


def test_a_shared_book_is_told_to_who_follows_it() -> None:
    """Under its own name to one, under the other's to another, and to both who follow both."""
    assert told_of() == ["BTC/USD"]
    assert told_of("BTC/USD") == ["BTC/USD"]
    assert told_of("BTC/USDC") == ["BTC/USDC"]
    assert sorted(told_of("BTC/USD", "BTC/USDC")) == ["BTC/USD", "BTC/USDC"]
    assert told_of("BTC/USDC", aliases={}) == ["BTC/USD"], "a venue that shares nothing tells each its own"


@pytest.mark.parametrize(
    ("base", "quote", "expected"),
    [("BTC", "USDC", "BTC-USD"), ("BTC", "USD", ""), ("BTC", "EUR", ""), ("USDT", "USDC", ""), ("EURC", "USDC", "")],
)
def test_markets_against_usdc_share_their_books(base: str, quote: str, expected: str) -> None:
    """As in Coinbase's list of products: all of them, but for those of other currencies' coins."""
    step = Decimal("0.01")
    it = Instrument(symbol=f"{base}/{quote}", venue_symbol=f"{base}-{quote}", tick=step, lot=step, amount_min=step, cost_min=Decimal(1))
    assert alias_of(it) == expected


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("usdc") / "usdc.parquet"
    write_synth(Synth(seed=5, duration_ns=20 * SECOND, instrument=BTC_USDC), path)
    return path


def run(tape: Path) -> tuple[RunResult, dict[str, int]]:
    """A bot that follows all there is of BTC/USDC and buys some, at our own venue; and what it was told how often."""
    heard = dict.fromkeys(("book", "trade", "ticker", "order"), 0)

    def note(what: str) -> Any:
        def on(event: Any) -> None:
            assert getattr(event, "symbol", "BTC/USDC") == "BTC/USDC"
            heard[what] += 1

        return on

    async def follows(exchange: Any) -> None:
        await exchange.subscribe_order_book("BTC/USDC", note("book"))
        await exchange.subscribe_trades("BTC/USDC", note("trade"))
        await exchange.subscribe_ticker("BTC/USDC", note("ticker"))
        await exchange.subscribe_orders(note("order"))
        await asyncio.sleep(2)
        await exchange.place_order("BTC/USDC", "market", "buy", "0.001")
        await asyncio.sleep(15)

    venue = {"feed": {"tape": str(tape)}, "account": {"USDC": "1000"}}
    return papertape.simulate(follows, venues={"coinbase": venue}, depth="wire"), heard


def test_a_bot_that_follows_a_shared_book_is_told_of_it(tape: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our venue names it as Coinbase does; a client that was not told whose book it shares would hear nothing of it."""
    result, heard = run(tape)
    assert result.is_passed, result.failures
    assert all(heard.values()), heard
    assert result.fills == 1
    monkeypatch.setattr(server, "alias_of", lambda instrument: "")
    apart, heard_apart = run(tape)
    assert (apart.status, heard_apart, apart.digest) == (Status.PASSED, heard, result.digest), "names are all that differs"
    assert apart.wire_digest != result.wire_digest


def test_an_order_stays_in_the_market_that_it_was_placed_in() -> None:
    """Whatever name a stream gives it."""
    memory = Memory()
    order = Order(
        id="1", client_order_id="a", symbol="BTC/USDC", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal(1), price=Decimal(9),
        time_in_force=TimeInForce.GTC, post_only=False, status=OrderStatus.OPEN, created_ns=0, updated_ns=0,
    )  # fmt: skip
    memory.complete(order)
    told = memory.complete_update(OrderUpdate(venue_ns=0, order=msgspec.structs.replace(order, symbol="BTC/USD")))
    assert told.order.symbol == "BTC/USDC"
    stranger = msgspec.structs.replace(order, id="2", client_order_id="b", symbol="BTC/USD")
    assert memory.complete_update(OrderUpdate(venue_ns=0, order=stranger)).order.symbol == "BTC/USD"
