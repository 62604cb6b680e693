"""Paper trading: the real market's messages, orders that never leave the process, an account that outlives it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.trading.rehearsal import OPENING, rehearse

from papertape.faults import Disconnect, MarketPhase, RateLimit, Stall
from papertape.model import errors as ccxt
from papertape.model.errors import ConfigError
from papertape.model.event import Side, Trade
from papertape.model.order import Order, OrderStatus
from papertape.model.phase import Phase
from papertape.model.request import PUBLIC_OPS, Lane
from papertape.model.units import SECOND
from papertape.session.world import VenueWorld
from papertape.trading.paper.account import PaperAccount
from papertape.trading.paper.exchange import PaperExchange

SYMBOL = "BTC/USD"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "paper.sqlite"


@pytest.mark.parametrize("is_deep", [False, True], ids=["interface", "wire"])
def test_an_order_fills_at_the_real_books_prices_and_never_reaches_the_real_venue(path: Path, is_deep: bool) -> None:
    bought: list[Order] = []

    async def bot(exchange: PaperExchange, world: VenueWorld) -> None:
        bought.append(await exchange.place_order(SYMBOL, "market", "buy", "0.01"))
        asks = world.venue.books[SYMBOL].asks
        assert bought[0].average in {world.venue.instruments[SYMBOL].price(ticks) for ticks in list(asks)[:5]}
        assert not world.venue.truth_orders()
        assert all(request.op in PUBLIC_OPS for _, request in world.door.executed)

    assert rehearse(path, bot, is_deep=is_deep) == []
    (order,) = bought
    assert (order.status, order.filled, order.fee) == (OrderStatus.CLOSED, Decimal("0.01"), order.cost * Decimal("0.012"))


def test_an_order_takes_a_round_trip_to_the_market_and_meets_what_the_book_is_then(path: Path) -> None:
    """The line's round trip is 30 ms: what the bot knows is one way old as it decides, and the order has the other way before it."""

    async def bot(exchange: PaperExchange, world: VenueWorld) -> None:
        await exchange.subscribe_order_book(SYMBOL, lambda book: None)
        await asyncio.sleep(11)  # REST has been measured by then
        venue_ns = exchange.market.venue._time.now_ns + exchange.market.venue._time.epoch_ns  # type: ignore[union-attr]  # it stands
        order = await exchange.place_order(SYMBOL, "market", "buy", "0.01")
        assert 30_000_000 <= order.created_ns - venue_ns < 32_000_000

    assert rehearse(path, bot) == []


def test_paper_takes_what_the_real_market_takes(path: Path) -> None:
    """As the real venue's list tells it: nothing fills in a market that does not match, and what it does not take is refused."""
    told: list[Phase] = []

    async def bot(exchange: PaperExchange, world: VenueWorld) -> None:
        await exchange.subscribe_status(SYMBOL, lambda market: told.append(market.phase))
        await exchange.fetch_markets()
        resting = await exchange.place_order(SYMBOL, "limit", "buy", "0.01", "60000")
        await asyncio.sleep(10 - world.door._timeline.now_ns / SECOND)
        await exchange.fetch_markets()
        with pytest.raises(ccxt.MarketClosed, match="Cancel only mode"):
            await exchange.place_order(SYMBOL, "market", "buy", "0.01")
        assert (await exchange.cancel_order(resting.id)).status is OrderStatus.CANCELED
        await asyncio.sleep(10)
        await exchange.fetch_markets()
        assert (await exchange.place_order(SYMBOL, "market", "buy", "0.01")).status is OrderStatus.CLOSED
        assert told == [Phase.ONLINE, Phase.CANCEL_ONLY, Phase.ONLINE]

    assert rehearse(path, bot, MarketPhase(at="8s", lasts="8s")) == []


def test_while_the_line_is_down_nothing_fills_and_then_the_order_meets_the_market_that_came_back(path: Path) -> None:
    """The last book known shows a price at which it would fill at once; nobody can know that it still does."""
    told: list[tuple[OrderStatus, int]] = []

    async def bot(exchange: PaperExchange, world: VenueWorld) -> None:
        await exchange.subscribe_order_book(SYMBOL, lambda book: None)
        await asyncio.sleep(10 - world.door._timeline.now_ns / SECOND + 0.5)
        placing = asyncio.ensure_future(exchange.place_order(SYMBOL, "market", "buy", "0.01"))
        await asyncio.sleep(6)
        assert not placing.done()
        assert not exchange.market.venue._venue.truth_orders()  # type: ignore[union-attr]  # it stands
        order = await placing
        told.append((order.status, order.created_ns - world.epoch_ns))

    assert rehearse(path, bot, Disconnect(at="10s", connection=Lane.MARKET, lasts="8s")) == []
    ((status, created_ns),) = told
    assert status is OrderStatus.CLOSED
    assert created_ns >= 18 * SECOND


def test_what_happens_to_the_line_happens_to_the_bot(path: Path) -> None:
    """A gap makes its book doubtful, a lost connection takes it away; both are told as they would be live."""
    states: list[str] = []

    async def bot(exchange: PaperExchange, world: VenueWorld) -> None:
        await exchange.subscribe_order_book(SYMBOL, lambda book: None)
        for _ in range(200):
            await asyncio.sleep(0.1)
            state = exchange.health.lanes[1].state
            if states[-1:] != [state.name]:
                states.append(state.name)

    assert rehearse(path, bot, Disconnect(at="10s", connection=Lane.MARKET, lasts="3s")) == []
    assert states == ["LIVE", "DOWN", "LIVE"]


def test_an_account_goes_on_where_it_was(path: Path) -> None:
    """Money, an open order with its hold, one that is over, and fills: by another process, on the same file."""
    seen: list[Any] = []

    async def bot(exchange: PaperExchange, world: VenueWorld) -> None:
        if not seen:
            await exchange.place_order(SYMBOL, "market", "buy", "0.01")
            await exchange.place_order(SYMBOL, "limit", "buy", "0.01", "60000")
            await exchange.place_order(SYMBOL, "limit", "sell", "0.02", "90000")
        seen.append((await exchange.fetch_balance(), [order.id for order in await exchange.fetch_open_orders()]))
        if len(seen) == 2:
            await exchange.cancel_order("o-000002")
            seen.append((await exchange.fetch_balance()).currencies["USD"].used)
            order = await exchange.place_order(SYMBOL, "market", "sell", "0.01")
            seen.append(order.id)

    assert rehearse(path, bot, lives=2, cancels=False) == []
    (before, open_before), (after, open_after), held, number = seen
    assert (after, open_after) == (before, open_before) == (before, ["o-000002", "o-000003"])
    assert before["BTC"].used == Decimal("0.02")
    assert (held, number) == (0, "o-000004")
    with PaperAccount(path, venue="coinbase", opening={}) as account:
        assert account.kept.opening == OPENING
        assert [order.status for order in account.kept.orders] == ["closed", "canceled", "open", "closed"]
        assert [fill.order_id for fill in account.kept.fills] == ["o-000001", "o-000004"]
        moved = sum((fill.moved for fill in account.kept.fills), Decimal(0))
        assert account.kept.money["BTC"] == OPENING["BTC"] + moved


def test_an_order_that_rested_fills_at_its_limit_once_the_market_has_gone_through_it(path: Path) -> None:
    """While nobody looked: it is a maker at its own price then, never at the better one of today."""
    resumed: list[Order] = []

    async def bot(exchange: PaperExchange, world: VenueWorld) -> None:
        if not exchange.account.kept.orders:
            await exchange.place_order(SYMBOL, "limit", "buy", "0.01", "50000")
            return
        await asyncio.sleep(2)
        resumed.append(await exchange.fetch_order_status("o-000001"))

    def raise_the_limit() -> None:
        """As if the market had fallen meanwhile: the order's price is above the book now."""
        with PaperAccount(path, venue="coinbase", opening={}) as account:
            (order,) = account.kept.orders
            account.write({}, [replace(order, price=Decimal(70_000))], [])

    assert rehearse(path, bot, cancels=False) == []
    raise_the_limit()
    assert rehearse(path, bot, cancels=False) == []
    (order,) = resumed
    assert (order.status, order.average) == (OrderStatus.CLOSED, Decimal(70_000))


def test_who_is_not_told_of_an_order_finds_it_on_the_disk(path: Path) -> None:
    """Whenever a client hears of something the file has it already: a kill right then loses nothing."""

    async def bot(exchange: PaperExchange, world: VenueWorld) -> None:
        def heard(order: Order) -> None:
            on_disk = dict(exchange.account._file.execute("SELECT id, body FROM orders"))
            assert msgspec.json.decode(on_disk[order.id], type=Order) == order

        await exchange.subscribe_orders(heard)
        await exchange.place_order(SYMBOL, "market", "buy", "0.01")
        await exchange.place_order(SYMBOL, "limit", "buy", "0.01", "60000")

    assert rehearse(path, bot) == []


def test_a_market_that_nobody_has_followed_is_there_before_its_first_order(path: Path) -> None:
    async def bot(exchange: PaperExchange, world: VenueWorld) -> None:
        order = await exchange.place_order(SYMBOL, "market", "buy", "0.01")
        assert order.status is OrderStatus.CLOSED

    assert rehearse(path, bot) == []


def test_no_more_is_spent_than_the_paper_account_holds(path: Path) -> None:
    async def bot(exchange: PaperExchange, world: VenueWorld) -> None:
        with pytest.raises(ccxt.InsufficientFunds):
            await exchange.place_order(SYMBOL, "market", "buy", "5")

    assert rehearse(path, bot) == []


def test_a_line_that_stalls_or_is_limited_ends_no_paper_run(path: Path) -> None:
    async def bot(exchange: PaperExchange, world: VenueWorld) -> None:
        await exchange.subscribe_order_book(SYMBOL, lambda book: None)
        await asyncio.sleep(20)
        assert (await exchange.place_order(SYMBOL, "market", "buy", "0.01")).status is OrderStatus.CLOSED

    faults = [Stall(at="8s", connection=Lane.MARKET, lasts="3s"), RateLimit(at="9s", lasts="4s")]
    assert rehearse(path, bot, *faults) == []


def test_a_market_whose_steps_change_ends_it_before_a_price_is_taken_for_another(path: Path) -> None:
    """What comes is counted in the venue's steps of now: with ten times the tick 63 000 would be read as 6 300, and fill every bid."""

    async def bot(exchange: PaperExchange, world: VenueWorld) -> None:
        await exchange.place_order(SYMBOL, "limit", "buy", "0.01", "50000.01")
        (now,) = [market.instrument for market in await exchange.fetch_markets()]
        exchange.market.learn([replace(now, amount_min=now.amount_min * 2)])
        await asyncio.sleep(1)
        assert exchange.market.venue is not None
        rows = exchange.market.rows
        exchange.market.rotate(0, 0, [replace(now, tick=Decimal("0.1"))])
        at_ns = world.epoch_ns + world.door._timeline.now_ns
        exchange.market.write(  # in the very same moment
            [(1, None, Trade(venue_ns=at_ns, local_ns=at_ns, symbol=SYMBOL, price_ticks=630_000, qty_lots=10**9, taker=Side.SELL))]
        )
        await asyncio.sleep(5)
        assert exchange.market.rows == rows
        assert not exchange.market.venue._venue.truth_fills()

    (error,) = rehearse(path, bot, cancels=False)
    assert "coinbase has changed the steps of BTC/USD, tick 0.01 to 0.1, lot" in str(error)


def test_a_market_that_is_followed_only_after_its_steps_changed_is_not_believed_either(path: Path) -> None:
    async def bot(exchange: PaperExchange, world: VenueWorld) -> None:
        (now,) = [market.instrument for market in await exchange.fetch_markets()]
        exchange.market.learn([replace(now, lot=now.lot * 10)])
        exchange.market.follow(SYMBOL)
        await asyncio.sleep(1)

    (error,) = rehearse(path, bot)
    assert "start again: the account goes on with the new ones" in str(error)


def test_an_account_goes_on_with_new_steps_and_an_open_order_that_does_not_fit_them_is_cancelled(path: Path) -> None:
    """One that is over is kept as it was."""
    seen: list[Order] = []

    async def bot(exchange: PaperExchange, world: VenueWorld) -> None:
        if not exchange.account.kept.orders:
            for price in ("50000", "50001"):
                await exchange.place_order(SYMBOL, "limit", "buy", "0.01", price)
            await exchange.cancel_order("o-000002")
        seen[:] = [await exchange.fetch_order_status(each) for each in ("o-000001", "o-000002")]
        assert (await exchange.fetch_balance()).currencies["USD"].used == (0 if seen[0].status.is_final else Decimal("506"))

    assert rehearse(path, bot, cancels=False) == []
    assert seen[0].status is OrderStatus.OPEN
    with PaperAccount(path, venue="coinbase", opening={}) as account:
        account.write({}, [replace(order, price=order.price + Decimal("0.001")) for order in account.kept.orders if order.price], [])
    assert rehearse(path, bot, cancels=False) == []
    assert [(order.status, order.price) for order in seen] == [
        (OrderStatus.CANCELED, Decimal("50000.001")), (OrderStatus.CANCELED, Decimal("50001.001")),
    ]  # fmt: skip
    assert seen[0].reason == "BTC/USD has a tick of 0.01 and a lot of 0.00000001 by now, which it does not fit"
    with PaperAccount(path, venue="coinbase", opening={}) as account:
        assert account.kept.orders[0].status is OrderStatus.CANCELED


def test_in_a_storm_the_account_comes_out_to_the_last_digit_and_nothing_fills_twice_or_in_the_dark(path: Path) -> None:
    """Two outages and a gap while a bot trades as it can: money is what it began with and what fills moved, and never below zero."""
    outages = [(9, 12), (16, 20)]
    epochs: list[int] = []

    async def bot(exchange: PaperExchange, world: VenueWorld) -> None:
        epochs.append(world.epoch_ns)
        await exchange.subscribe_trades(SYMBOL, lambda trade: None)
        await exchange.subscribe_order_book(SYMBOL, lambda book: None)

        async def trades(side: str, far: str) -> None:
            while world.door._timeline.now_ns < 25 * SECOND:
                try:
                    await exchange.place_order(SYMBOL, "market", side, "0.05")
                    await exchange.place_order(SYMBOL, "limit", side, "0.05", far)
                except ccxt.BaseError:
                    """It has too little of something, or the line is down for long."""
                await asyncio.sleep(0.25)

        await asyncio.gather(trades("buy", "40000"), trades("buy", "64000"), trades("sell", "90000"))

    faults = [Disconnect(at=f"{begin}s", connection=Lane.MARKET, lasts=f"{end - begin}s") for begin, end in outages]
    assert rehearse(path, bot, *faults, is_deep=True) == []
    with PaperAccount(path, venue="coinbase", opening={}) as account:
        kept = account.kept
    assert len(kept.fills) > 10
    assert len({fill.trade_id for fill in kept.fills}) == len(kept.fills)
    moved = sum((fill.moved for fill in kept.fills), Decimal(0))
    spent = sum((fill.cost * (1 if fill.moved > 0 else -1) + fill.fee for fill in kept.fills), Decimal(0))
    assert kept.money == {"USD": OPENING["USD"] - spent, "BTC": OPENING["BTC"] + moved}
    assert min(kept.money.values()) >= 0
    for begin, end in outages:
        dark = (epochs[0] + begin * SECOND + SECOND // 10, epochs[0] + end * SECOND)
        assert not [fill for fill in kept.fills if dark[0] < fill.venue_ns < dark[1]]
    by_order = {order.id: order.filled for order in kept.orders}
    for order_id, filled in by_order.items():
        assert filled == sum((fill.amount for fill in kept.fills if fill.order_id == order_id), Decimal(0))


def test_an_account_that_cannot_be_written_stops_the_bot(path: Path) -> None:
    """Nothing may happen on an account that forgets it."""

    async def bot(exchange: PaperExchange, world: VenueWorld) -> None:
        exchange.account._file.execute("PRAGMA query_only = ON")
        with pytest.raises(ccxt.BaseError):
            await exchange.place_order(SYMBOL, "market", "buy", "0.01")

    (error,) = rehearse(path, bot)
    assert isinstance(error, ConfigError)
    assert "the paper account cannot be written" in str(error)
