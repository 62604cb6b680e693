"""Whatever Coinbase's frames and bodies can carry, drawn by Hypothesis."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies as st

from papertape.model.event import BookSnapshot, BookUpdate, CandleEvent, Heartbeat, MarketStatus, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.order import Fill, Liquidity, NewOrder, Order, OrderStatus, OrderType, OrderUpdate, StopDirection, TimeInForce
from papertape.model.units import EXACT, MINUTE, SECOND
from papertape.venues.coinbase.notation import Products

BTC = Instrument(
    symbol="BTC/USD",
    venue_symbol="BTC-USD",
    tick=Decimal("0.01"),
    lot=Decimal("0.00000001"),
    amount_min=Decimal("0.00000001"),
    cost_min=Decimal("1"),
)
ODD = Instrument(
    symbol="ODD/USDC", venue_symbol="ODD-USDC", tick=Decimal("0.25"), lot=Decimal("10"), amount_min=Decimal("10"), cost_min=Decimal("5")
)
INSTRUMENTS = (BTC, ODD)
PRODUCTS = Products(INSTRUMENTS)

times = st.integers(0, 4_000_000_000 * SECOND)
symbols = st.sampled_from([instrument.symbol for instrument in INSTRUMENTS])
ticks = st.integers(1, 10**11)
lots = st.integers(1, 10**14)
sides = st.sampled_from(Side)
ids = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=36)
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30)
levels = st.lists(st.tuples(ticks, st.integers(0, 10**14)), max_size=5).map(tuple)
whole_levels = st.lists(st.tuples(ticks, lots), max_size=5).map(tuple)

trades = st.builds(Trade, venue_ns=times, local_ns=times, symbol=symbols, price_ticks=ticks, qty_lots=lots, taker=sides, trade_id=ids)
snapshots = st.builds(BookSnapshot, venue_ns=times, local_ns=times, symbol=symbols, bids=whole_levels, asks=whole_levels)
updates = st.builds(BookUpdate, venue_ns=times, local_ns=times, symbol=symbols, bids=levels, asks=levels)
maybe_ticks = st.none() | ticks
tickers = st.builds(
    Ticker,
    venue_ns=times,
    local_ns=times,
    symbol=symbols,
    last_ticks=maybe_ticks,
    bid_ticks=maybe_ticks,
    bid_lots=st.integers(0, 10**14),
    ask_ticks=maybe_ticks,
    ask_lots=st.integers(0, 10**14),
)
candles = st.builds(
    CandleEvent,
    venue_ns=times,
    local_ns=times,
    symbol=symbols,
    open_ns=st.integers(0, 10_000_000).map(lambda n: n * 5 * MINUTE),
    span_ns=st.just(5 * MINUTE),
    open_ticks=ticks,
    high_ticks=ticks,
    low_ticks=ticks,
    close_ticks=ticks,
    volume_lots=st.integers(0, 10**14),
)
heartbeats = st.builds(Heartbeat, venue_ns=times, local_ns=times, symbol=st.just(""), counter=st.integers(0, 10**9))
statuses = st.builds(
    MarketStatus, venue_ns=times, local_ns=times, symbol=symbols, status=st.sampled_from(["online", "offline", "delisted"]), text=words
)
events = trades | snapshots | updates | tickers | candles | heartbeats | statuses


@st.composite
def new_orders(draw: st.DrawFn) -> NewOrder:
    """An order that Coinbase's spot market offers."""
    instrument = draw(st.sampled_from(INSTRUMENTS))
    common = {"symbol": instrument.symbol, "side": draw(sides)}
    amount = instrument.amount(draw(lots))
    match draw(st.sampled_from(["limit", "amount", "cost"])):
        case "amount":
            return NewOrder(type=OrderType.MARKET, amount=amount, **common)
        case "cost":
            cost = EXACT.multiply(instrument.tick, Decimal(draw(ticks)))
            return NewOrder(type=OrderType.MARKET, cost=cost, **{**common, "side": Side.BUY})
    tif = draw(st.sampled_from(TimeInForce))
    post_only = draw(st.booleans()) if tif.rests else False
    price = instrument.price(draw(ticks))
    terms: dict[str, Any] = {"expires_ns": draw(times)} if tif is TimeInForce.GTD else {}
    if tif.rests and not post_only:
        stop = instrument.price(draw(ticks))
        terms |= draw(
            st.just({})
            | st.just({"stop_loss_price": stop})
            | st.builds(lambda way: {"trigger_price": stop, "stop_direction": way}, st.sampled_from(StopDirection))
        )
    return NewOrder(type=OrderType.LIMIT, amount=amount, price=price, time_in_force=tif, post_only=post_only, **terms, **common)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """An order in any state; a market order asked for an amount."""
    wanted = draw(new_orders().filter(lambda order: order.cost is None))
    assert wanted.amount is not None
    instrument = PRODUCTS.by_symbol[wanted.symbol].instrument
    amount_lots = instrument.to_lots(wanted.amount)
    status = draw(st.sampled_from(OrderStatus))
    if status is OrderStatus.CLOSED:
        filled_lots = amount_lots
    elif status is OrderStatus.REJECTED:
        filled_lots = 0
    else:
        filled_lots = draw(st.integers(0, amount_lots - 1))
    created_ns = draw(times)
    fills_count = draw(st.integers(1, 9)) if filled_lots else 0
    price_ticks = draw(ticks)
    is_refused = status in (OrderStatus.REJECTED, OrderStatus.CANCELED, OrderStatus.EXPIRED)
    return Order(
        id=draw(ids),
        client_order_id=draw(ids),
        symbol=wanted.symbol,
        type=wanted.type,
        side=wanted.side,
        amount=wanted.amount,
        price=wanted.price,
        time_in_force=wanted.time_in_force,
        post_only=wanted.post_only,
        status=status,
        created_ns=created_ns,
        updated_ns=created_ns + (draw(st.integers(0, 10**12)) if fills_count else 0),
        filled=instrument.amount(filled_lots),
        cost=instrument.cost(price_ticks, filled_lots),
        fee=instrument.cost(price_ticks, filled_lots) / 1000,
        fills_count=fills_count,
        reason=draw(words) if is_refused else "",
        expires_ns=wanted.expires_ns,
        trigger_price=wanted.trigger_price,
        stop_direction=wanted.stop_direction,
        stop_loss_price=wanted.stop_loss_price,
        is_triggered=draw(st.booleans()) if wanted.trigger_price or wanted.stop_loss_price else False,
    )


@st.composite
def order_updates(draw: st.DrawFn) -> OrderUpdate:
    order = msgspec.structs.replace(draw(orders()), stop_direction=None)  # of which the channel says nothing
    return OrderUpdate(venue_ns=order.updated_ns, order=order)


@st.composite
def fills(draw: st.DrawFn) -> Fill:
    instrument = draw(st.sampled_from(INSTRUMENTS))
    price_ticks, qty_lots = draw(ticks), draw(lots)
    return Fill(
        trade_id=draw(ids),
        order_id=draw(ids),
        client_order_id="",
        symbol=instrument.symbol,
        side=draw(sides),
        price=instrument.price(price_ticks),
        amount=instrument.amount(qty_lots),
        cost=instrument.cost(price_ticks, qty_lots),
        fee=instrument.cost(price_ticks, qty_lots) / 1000,
        fee_currency=instrument.quote,
        liquidity=draw(st.sampled_from(Liquidity)),
        venue_ns=draw(times),
    )
