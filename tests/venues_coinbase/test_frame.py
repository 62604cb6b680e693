"""Stream frames: the law, and what the real ones are like."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.model.account import Candle
from papertape.model.event import (
    BookSnapshot,
    BookUpdate,
    CandleEvent,
    ConnectionEvent,
    ConnectionKind,
    Event,
    Heartbeat,
    MarketStatus,
    Side,
    Ticker,
    Trade,
)
from papertape.model.order import OpenOrders, OrderUpdate
from papertape.venues.coinbase import frame
from papertape.venues.coinbase.notation import format_heartbeat_time, format_time
from venues_coinbase.strategies import BTC, INSTRUMENTS, PRODUCTS, candles, events, order_updates, tickers, times, trades


@given(event=events, sequence=st.integers(0, 2**53))
def test_what_is_rendered_is_what_is_decoded(event: Event, sequence: int) -> None:
    """The dialect's law: a frame says exactly the event it was made of, under the number it was given."""
    found = frame.decode(frame.render(event, sequence, PRODUCTS), PRODUCTS, event.local_ns)
    assert found.messages == (event,)
    assert found.sequence == sequence


@given(venue_ns=times, counter=st.integers(0, 2**40), sequence=st.integers(0, 2**53))
def test_a_heartbeat_is_a_frame_like_any_other(venue_ns: int, counter: int, sequence: int) -> None:
    """It is written without the encoder's help, and comes to the same bytes."""
    beat = {"current_time": format_heartbeat_time(venue_ns), "heartbeat_counter": counter}
    said = {"channel": "heartbeats", "client_id": "", "timestamp": format_time(venue_ns), "sequence_num": sequence, "events": [beat]}
    event = Heartbeat(venue_ns=venue_ns, local_ns=0, symbol="", counter=counter)
    assert frame.render(event, sequence, PRODUCTS) == msgspec.json.encode(said)


@given(text=st.text(min_size=1, max_size=30), local_ns=times)
def test_a_complaint_is_an_event_too(text: str, local_ns: int) -> None:
    """The law holds for what has neither channel nor number: it is stamped by who heard it."""
    event = ConnectionEvent(venue_ns=local_ns, local_ns=local_ns, symbol="", connection="", what=ConnectionKind.ERROR, text=text)
    found = frame.decode(frame.render(event, 5, PRODUCTS), PRODUCTS, local_ns)
    assert (found.messages, found.sequence) == ((event,), None)


def test_the_law_is_tried_with_every_event_there_is() -> None:
    """A new kind of event must be thought of here: Coinbase's streams can say it, or the dialect says that they cannot."""
    tried = {Trade, BookSnapshot, BookUpdate, Ticker, CandleEvent, Heartbeat, ConnectionEvent, MarketStatus}
    assert {kind for kind in Event.__subclasses__() if kind.__module__ == "papertape.model.event"} == tried


@given(
    batch=st.lists(trades.filter(lambda trade: trade.symbol == BTC.symbol), max_size=5),
    bars=st.lists(candles.filter(lambda bar: bar.symbol == BTC.symbol), max_size=5),
    venue_ns=times,
)
def test_several_of_a_kind_share_a_frame(batch: list[Trade], bars: list[CandleEvent], venue_ns: int) -> None:
    """Trades as news or as history, bars likewise; each says what it was made of, in its order."""
    product = PRODUCTS.by_symbol[BTC.symbol]
    told = [msgspec.structs.replace(each, local_ns=7) for each in batch]
    news = frame.decode(frame.trades(told, product, venue_ns, 1, is_history=False), PRODUCTS, 7)
    assert (news.messages, news.history) == (tuple(told), ())
    history = frame.decode(frame.trades(told, product, venue_ns, 1, is_history=True), PRODUCTS, 7)
    assert (history.messages, history.history) == ((), tuple(told))
    shown = [msgspec.structs.replace(each, local_ns=7, venue_ns=venue_ns) for each in bars]
    for is_history in (False, True):
        assert frame.decode(frame.candles(shown, product, venue_ns, 1, is_history=is_history), PRODUCTS, 7).messages == tuple(shown)


def test_one_frame_tells_how_several_markets_stand() -> None:
    """With the steps that the product list has; a market that shares its book has a status of its own, and one we do not know has none."""
    told = [
        MarketStatus(venue_ns=9, local_ns=0, symbol=symbol, status="online", text=text)
        for symbol, text in (("BTC/USD", ""), ("ODD/USDC", "Cancel only mode"))
    ]
    data = frame.status([(PRODUCTS.by_symbol[each.symbol], each) for each in told], 9, 4)
    found = frame.decode(data, PRODUCTS, 0)
    assert (found.sequence, found.messages) == (4, tuple(told))
    row, _ = json.loads(data)["events"][0]["products"]
    assert (row["id"], row["base_increment"], row["quote_increment"], row["status"]) == ("BTC-USD", "0.00000001", "0.01", "online")
    assert frame.decode(data.replace(b'"BTC-USD"', b'"XYZ-USD"'), PRODUCTS, 0).messages == (told[1],)


@given(ticker=tickers.filter(lambda ticker: ticker.symbol == BTC.symbol))
def test_a_ticker_shows_the_last_day(ticker: Ticker) -> None:
    """Highest, lowest, volume and change of what was traded; the law holds all the same."""
    day = Candle(open_ns=0, open=Decimal(100), high=Decimal(120), low=Decimal(90), close=Decimal(110), volume=Decimal("1.5"))
    data = frame.render(ticker, 0, PRODUCTS, day)
    assert frame.decode(data, PRODUCTS, ticker.local_ns).messages == (ticker,)
    (row,) = json.loads(data)["events"][0]["tickers"]
    figures = {"volume_24_h": "1.5", "low_24_h": "90", "high_24_h": "120", "price_percent_chg_24_h": "10"}
    assert {name: row[name] for name in figures} == figures


@given(update=order_updates(), sequence=st.integers(0, 2**53))
def test_an_order_update_survives_the_user_channel(update: OrderUpdate, sequence: int) -> None:
    """All of an order's state comes through, but for the amount asked for once it is final: Coinbase then says only what was filled."""
    (message,) = frame.decode(frame.render(update, sequence, PRODUCTS), PRODUCTS, 0).messages
    assert isinstance(message, OrderUpdate)
    told = update.order.filled if update.order.status.is_final else update.order.amount
    assert message == msgspec.structs.replace(update, order=msgspec.structs.replace(update.order, amount=told))


@given(st.lists(trades, min_size=1, max_size=5))
def test_trades_of_one_message_are_turned_round(batch: list[Trade]) -> None:
    """Coinbase writes the newest trade first; we tell them in the order they happened."""
    rows = [json.loads(frame.render(trade, 0, PRODUCTS))["events"][0]["trades"][0] for trade in reversed(batch)]
    message = {"channel": "market_trades", "timestamp": "2026-01-01T00:00:00Z", "sequence_num": 0}
    data = json.dumps(message | {"events": [{"type": "update", "trades": rows}]})
    found = frame.decode(data, PRODUCTS, 0).messages
    assert [event.trade_id for event in found if isinstance(event, Trade)] == [trade.trade_id for trade in batch]


def test_the_makers_side_is_written_and_the_takers_is_meant() -> None:
    """A trade that a buyer took is written as SELL."""
    trade = Trade(venue_ns=0, local_ns=0, symbol="BTC/USD", price_ticks=1, qty_lots=1, taker=Side.BUY)
    assert b'"side":"SELL"' in frame.render(trade, 0, PRODUCTS)


@given(st.lists(trades.filter(lambda trade: trade.symbol == BTC.symbol), max_size=5), times)
def test_the_first_trades_message_is_history(batch: list[Trade], venue_ns: int) -> None:
    """What the channel begins with is no print: it takes a number and says nothing."""
    found = frame.decode(frame.trades(batch, PRODUCTS.by_symbol[BTC.symbol], venue_ns, 3, is_history=True), PRODUCTS, 0)
    assert (found.sequence, found.messages) == (3, ())


@given(st.lists(order_updates(), max_size=4), times)
def test_the_user_channel_begins_with_every_open_order(updates: list[OrderUpdate], venue_ns: int) -> None:
    """The snapshot is told as a list, at the moment of the snapshot; an empty one says that nothing is open, which is news as well."""
    found = frame.decode(frame.open_orders([update.order for update in updates], venue_ns, 0), PRODUCTS, 0)
    (listed,) = found.messages
    assert isinstance(listed, OpenOrders)
    assert [order.id for order in listed.orders] == [update.order.id for update in updates]
    assert (found.sequence, listed.venue_ns) == (0, venue_ns)


def test_an_acknowledgement_names_everything_subscribed_to() -> None:
    """It takes a number of the connection and carries no event; ccxt needs its shape to the letter."""
    data = frame.acknowledgement({"level2": ["BTC-USD"], "heartbeats": ["heartbeats"]}, 0, 5)
    found = frame.decode(data, PRODUCTS, 0)
    assert (found.sequence, found.messages) == (5, ())
    assert found.subscriptions == {"level2": ["BTC-USD"], "heartbeats": ["heartbeats"]}
    assert json.loads(frame.acknowledgement({}, 0, 5))["events"] == [{"subscriptions": {}}]


def test_an_error_frame_becomes_an_event_without_a_number() -> None:
    """An error says so and does not count."""
    found = frame.decode(frame.error("authentication failure"), PRODUCTS, 7)
    assert (found.sequence, found.error) == (None, "authentication failure")
    (event,) = found.messages
    assert isinstance(event, ConnectionEvent)
    assert event.what is ConnectionKind.ERROR


@given(update=order_updates(), tick=events, junk=st.text(max_size=5), where=st.integers(0, 30))
def test_a_damaged_field_is_a_value_error(update: OrderUpdate, tick: Event, junk: str, where: int) -> None:
    """Any text field may hold anything; the decoder tells it by ValueError or reads it, and raises nothing else."""
    for message in (update, tick):
        body = json.loads(frame.render(message, 0, PRODUCTS))
        row = next((value[0] for value in body["events"][0].values() if isinstance(value, list) and value), body["events"][0])
        row[list(row)[where % len(row)]] = junk
        with contextlib.suppress(ValueError):
            frame.decode(json.dumps(body), PRODUCTS, 0)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"channel":"tea"}', b'{"channel":"l2_data","events":[{}]}', b'"hello"'])
def test_what_is_no_frame_is_a_value_error(data: bytes) -> None:
    """Nothing but ValueError leaves the decoder, whatever arrives."""
    with pytest.raises(ValueError):
        frame.decode(data, PRODUCTS, 0)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_noise_never_breaks_the_decoder_otherwise(data: bytes | str) -> None:
    """A damaged frame is a ValueError or says nothing that counts."""
    with contextlib.suppress(ValueError):
        frame.decode(data, PRODUCTS, 0)


def test_a_product_nobody_listed_is_left_out() -> None:
    """Frames of other products are no fault of ours."""
    trade = Trade(venue_ns=0, local_ns=0, symbol="ODD/USDC", price_ticks=1, qty_lots=1, taker=Side.BUY)
    only_btc = type(PRODUCTS)(INSTRUMENTS[:1])
    assert frame.decode(frame.render(trade, 0, PRODUCTS), only_btc, 0).messages == ()
