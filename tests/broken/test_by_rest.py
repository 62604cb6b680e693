"""What REST tells is good for what it says and as long as it is new: clients that take more from it are caught."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest

import papertape
from broken.test_invariants_bite import the_market_lane_stays_down
from papertape.exchanges.base import BaseExchange
from papertape.exchanges.feeds import BookFeed
from papertape.exchanges.polling import Polling
from papertape.model import errors as ccxt
from papertape.model.event import BookSnapshot
from papertape.session.result import RunResult, Status

SYMBOL = "BTC/USD"
CUT: dict[str, object] = {"kind": "disconnect", "connection": "market", "at": "5s", "lasts": "1s"}
AWAY: dict[str, object] = {**CUT, "lasts": "70s"}
Break = Callable[[pytest.MonkeyPatch], None]


def run(bot: Any, *faults: dict[str, object]) -> RunResult:
    venue = {"feed": {"tape": "builtin:btc-usd", "end": "80s"}, "account": {"USD": "100000", "BTC": "1"}}
    return papertape.simulate(bot, venues={"coinbase": venue}, faults=faults)


async def _asks_for_candles_and_buys(exchange: BaseExchange) -> None:
    for _ in range(7):
        await exchange.fetch_ohlcv(SYMBOL, "1m", limit=1)
        with contextlib.suppress(ccxt.BaseError):
            await exchange.place_order(SYMBOL, "market", "buy", "0.01")
        await asyncio.sleep(10)


async def goes_by_a_book(exchange: BaseExchange) -> None:
    await exchange.subscribe_order_book(SYMBOL, lambda book: None)
    await _asks_for_candles_and_buys(exchange)


async def goes_by_trades(exchange: BaseExchange) -> None:
    await exchange.subscribe_trades(SYMBOL, lambda trade: None)
    await _asks_for_candles_and_buys(exchange)


async def goes_by_both(exchange: BaseExchange) -> None:
    await exchange.subscribe_trades(SYMBOL, lambda trade: None)
    await goes_by_a_book(exchange)


@pytest.mark.parametrize(("bot", "is_caught"), [(goes_by_a_book, True), (goes_by_trades, False), (goes_by_both, True)])
def test_candles_do_not_freshen_a_book(bot: Any, is_caught: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream is dead and nobody minds; the bot asks for candles every ten seconds, which tell what was traded and no more."""
    assert run(bot, CUT).status is Status.PASSED
    the_market_lane_stays_down(monkeypatch)
    result = run(bot, CUT)
    assert ("orders_from_fresh_data" in result.broken) is is_caught, result.failures


def what_rest_told_is_good_for_ever(patch: pytest.MonkeyPatch) -> None:
    """It is asked once, and the book is shown from then on."""
    poll = Polling._ask_market
    asked: dict[int, None] = {}

    async def once(self: Polling) -> None:
        if id(self) not in asked:
            asked[id(self)] = None
            await poll(self)

    async def never(self: Polling) -> None:
        return

    patch.setattr(Polling, "_ask_market", once)
    patch.setattr(Polling, "_age_books", never)


def what_rest_tells_is_merged_into_what_it_told_before(patch: pytest.MonkeyPatch) -> None:
    """A level that has gone stays for ever."""
    polled = BookFeed.polled

    def merged(self: BookFeed, event: BookSnapshot, *times: int) -> None:
        bids, asks = ({**dict(old), **dict(new)} for old, new in ((self.book.bids, event.bids), (self.book.asks, event.asks)))
        replaced = BookSnapshot(
            venue_ns=event.venue_ns,
            local_ns=event.local_ns,
            symbol=event.symbol,
            bids=tuple(sorted(bids.items(), reverse=True)),
            asks=tuple(sorted(asks.items())),
        )
        polled(self, replaced, *times)

    patch.setattr(BookFeed, "polled", merged)


@pytest.mark.parametrize("broken", [what_rest_told_is_good_for_ever, what_rest_tells_is_merged_into_what_it_told_before])
def test_a_book_by_rest_is_held_against_its_answer(broken: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = run(goes_by_a_book, AWAY)
    assert healthy.status is Status.PASSED, healthy.failures
    broken(monkeypatch)
    result = run(goes_by_a_book, AWAY)
    assert "book_matches" in result.broken, result.failures
    assert any("it is as REST told it, and" in failure for failure in result.failures)


def test_what_the_dead_held_is_nobodys_book() -> None:
    """It died as REST told its book, and is away for longer than that is good."""
    result = run(goes_by_a_book, AWAY, {"kind": "crash", "at": "25s", "down": "20s"})
    assert result.status is Status.PASSED, result.failures
