"""A bot that dies and starts again finds its orders as they are, whatever it was doing."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from papertape.exchanges.base import BaseExchange
from papertape.exchanges.factory import ExchangeFactory
from papertape.faults import ClockSkew, Crash, Disconnect, Fault, LostReply
from papertape.model.errors import BaseError, ConfigError, ExchangeNotAvailable
from papertape.model.interference import Disk, Moment
from papertape.model.request import Lane, Op
from papertape.resilience.intents import Began, Sending, Wanted
from papertape.scenario.make import make_scenario
from papertape.session.result import RunResult, Status
from papertape.session.run import run_scenario
from papertape.session.spec import Depth
from papertape.session.world import KeptRows, VenueWorld
from thorough import THOROUGH

DEPTHS = [Depth.INTERFACE, Depth.WIRE]


KEPT = KeptRows()


class Diary:
    """What the lives of a bot wrote of themselves; module globals outlive a crash here."""

    def __init__(self) -> None:
        self.lines: list[str] = []


DIARY = Diary()


async def places_three(exchange: BaseExchange) -> None:
    """Two buys that rest, one at market, a cancel; then it waits for its end."""
    DIARY.lines.append("born")
    try:
        for order in await exchange.fetch_open_orders():
            DIARY.lines.append(f"found {order.client_order_id}")
            await exchange.cancel_order(order.id)
        first = await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "60000")
        await exchange.place_order("BTC/USD", "limit", "buy", "0.02", "60001")
        await exchange.place_order("BTC/USD", "market", "buy", "0.01")
        await exchange.cancel_order(first.id)
        await asyncio.sleep(3600)
    except BaseError as error:
        DIARY.lines.append(type(error).__name__)
        await asyncio.sleep(3600)
    finally:
        DIARY.lines.append("farewell")
        with suppress(ExchangeNotAvailable):  # not while the outcome of an earlier one is unknown
            await exchange.place_order("BTC/USD", "market", "buy", "0.5")  # of the dead, it must never have an effect
        DIARY.lines.append("sent from the grave")


def run(*faults: Fault, depth: Depth = Depth.INTERFACE, bot: Any = places_three, end: str = "40s") -> tuple[RunResult, VenueWorld]:
    DIARY.lines.clear()
    worlds: list[VenueWorld] = []
    feed = {"tape": "builtin:btc-usd", "start": "0s", "end": end}
    raw = {"bot": bot, "depth": depth, "venue": {"coinbase": {"feed": feed, "account": {"USD": "100000", "BTC": "1"}}}}
    scenario = make_scenario(raw, source="test", folder=Path.cwd(), more_faults=faults)
    result = run_scenario(scenario, inspect=worlds.extend, kept=KEPT)
    return result, worlds[0]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(
    ("moment", "reaches"), [(Moment.LEAVING, False), (Moment.SENT, True), (Moment.EXECUTED, True), (Moment.ANSWERED, True)]
)
def test_an_order_on_its_way_survives_its_bot(depth: Depth, moment: Moment, reaches: bool) -> None:
    """Whatever the instant, the fresh bot knows the order if the venue has it, and nobody sends it again."""
    result, world = run(Crash(on=Op.ORDER_CREATE, nth=2, moment=moment), depth=depth)
    assert result.status is Status.PASSED, result.failures
    assert DIARY.lines[:2] == ["born", "born"]
    second = [order for order in world.door.truth().orders if order.client_order_id == "pt0-2"]
    assert [bool(second), *(order.filled for order in second)] == [reaches, *([Decimal(0)] if reaches else [])]
    seen = [request for request in world.door.truth().requests if request.client_order_id == "pt0-2" and request.op is Op.ORDER_CREATE]
    assert len(seen) == reaches


@pytest.mark.parametrize("direction", ["ahead", "behind"])
def test_an_order_that_was_sent_under_a_wrong_date_is_found_by_the_next_life(direction: str) -> None:
    """The log is stamped by the machine's own date; when that is right again, nobody looks for the order in the future."""
    skew = ClockSkew(at="0s", lasts="3s", by="3h", direction=direction)
    result, world = run(skew, Crash(on=Op.ORDER_CREATE, nth=3), end="60s")
    assert result.status is Status.PASSED, result.failures
    assert [fault.fired for fault in result.faults] == [1, 1]
    assert "pt0-3" in {order.client_order_id for order in world.door.truth().orders}


@pytest.mark.parametrize("depth", DEPTHS)
def test_nothing_of_the_dead_has_an_effect(depth: Depth) -> None:
    """What it awaits in its `finally` never happens; the `finally` itself is only begun when the dead are buried, after the verdict."""
    result, world = run(Crash(at="10s"), depth=depth)
    assert result.status is Status.PASSED, result.failures
    assert DIARY.lines == ["born", "born", "found pt0-2", "farewell", "sent from the grave", "farewell"]
    assert [order.client_order_id for order in world.door.truth().orders if order.amount == Decimal("0.5")] == ["pt0-7"]


def test_a_fresh_bot_has_a_fresh_exchange_and_goes_on_counting() -> None:
    result, world = run(Crash(at="10s"))
    ids = [order.client_order_id for order in world.door.truth().orders]
    assert ids == [f"pt0-{number}" for number in range(1, 8)]
    assert "found pt0-2" in DIARY.lines
    assert result.marks["took_up_intents"] == 1


@pytest.mark.parametrize(("disk", "kept"), [(Disk.KEPT, True), (Disk.LOSES_UNSYNCED, False)])
def test_what_was_not_synced_is_lost_if_it_is_to_be(disk: Disk, kept: bool) -> None:
    """That an order was wanted and sent is always there; what the venue said of the last one need not be."""
    found: list[int] = []

    async def looks(exchange: BaseExchange) -> None:
        if not found:
            await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "60000")
        await asyncio.sleep(20)

    worlds: list[VenueWorld] = []
    raw = {"bot": looks, "venue": {"coinbase": {"feed": {"tape": "builtin:btc-usd", "end": "30s"}, "account": {"USD": "100000"}}}}
    scenario = make_scenario(raw, source="test", folder=Path.cwd(), more_faults=[Crash(at="10s", disk=disk, down="60s")])
    run_scenario(scenario, inspect=worlds.extend)
    records = list(worlds[0].disk.load())
    assert [type(record) for record in records[:3]] == [Began, Wanted, Sending]
    told_before = [record for record in records if getattr(record, "at_ns", 0) < worlds[0].venue.epoch_ns + 10 * 10**9]
    assert (len(told_before) > 3) is kept


def test_a_fault_that_finds_nobody_hits_nothing() -> None:
    """The second comes while the bot is down."""
    result, _ = run(Crash(at="5s", down="10s"), Crash(at="8s"))
    assert [fault.fired for fault in result.faults] == [1, 0]
    assert DIARY.lines.count("born") == 2


def test_a_fault_that_keeps_the_dead_down_has_hit_and_recovery_is_timed_from_its_end() -> None:
    """The first would have let the bot come back ten seconds before the second does."""
    result, _ = run(Crash(at="5s", down="2s"), Crash(at="6s", down="11s"))
    assert [fault.fired for fault in result.faults] == [1, 1]
    assert DIARY.lines.count("born") == 2
    assert all(fault.recovery_ns is not None and fault.recovery_ns < 2 * 10**9 for fault in result.faults)


def test_a_bot_may_die_again_and_again() -> None:
    result, _ = run(*(Crash(at=f"{at}s", down="2s") for at in (1, 5, 9, 13)))
    assert DIARY.lines.count("born") == 5
    assert [fault.fired for fault in result.faults] == [1, 1, 1, 1]


def test_a_bot_that_dies_as_the_feed_ends_is_brought_to_rest_by_the_next() -> None:
    """It still learns what became of its orders."""
    result, world = run(Crash(at="39s", down="20s"), bot=quiet)
    assert result.status is Status.PASSED, result.failures
    assert all(order.status.is_final for order in world.door.truth().orders)


async def quiet(exchange: BaseExchange) -> None:
    """Places one order in each life, and waits."""
    await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "60000")
    await asyncio.sleep(3600)


def test_recovery_is_timed_from_the_restart() -> None:
    result, _ = run(Crash(at="10s", down="8s"), bot=quiet)
    (fault,) = result.faults
    assert fault.recovery_ns is not None
    assert 0 < fault.recovery_ns < 2 * 10**9


def test_the_same_crash_gives_the_same_run() -> None:
    assert len({run(Crash(on=Op.ORDER_CREATE, nth=2))[0].digest for _ in range(2)}) == 1


def test_other_faults_go_on_while_the_bot_is_down() -> None:
    """The fresh bot comes up against a venue that is half away."""
    faults = [Crash(at="10s", down="5s"), Disconnect(at="12s", lasts="10s", connection=Lane.USER), LostReply(nth=2)]
    result, _ = run(*faults, bot=quiet, end="90s")
    assert result.status is Status.PASSED, result.failures


def test_a_program_cannot_crash(tmp_path: Path) -> None:
    (tmp_path / "bot.py").write_text("print('hello')\n")
    raw = {"program": "bot.py", "venue": {"coinbase": {"feed": {"tape": "builtin:btc-usd"}, "account": {"USD": "1"}}}}
    with pytest.raises(ConfigError, match="a program is nothing that could be started anew"):
        make_scenario(raw, source="test", folder=tmp_path, more_faults=[Crash(at="1s")])


def test_a_bot_at_two_venues_dies_at_both() -> None:
    """It is one process: whichever venue's fault it is, each Door sees it go, and both logs are taken up."""
    worlds: list[VenueWorld] = []

    async def bot(exchange: BaseExchange) -> None:
        for name in ("coinbase", "binance"):
            await ExchangeFactory.get_exchange(name).place_order("BTC/USD", "limit", "buy", "0.01", "60000")
        await asyncio.sleep(3600)

    venue = {"feed": {"tape": "builtin:btc-usd", "end": "30s"}, "account": {"USD": "100000"}}
    raw = {"bot": bot, "venue": {"coinbase": venue, "binance": venue}}
    scenario = make_scenario(raw, source="test", folder=Path.cwd(), more_faults=[Crash(at="10s"), Crash(at="20s", venue="binance")])
    result = run_scenario(scenario, inspect=worlds.extend, kept=KEPT)
    assert result.status is Status.PASSED, result.failures
    assert [fault.fired for fault in result.faults] == [1, 1, 1]
    assert [len(world.door.truth().orders) for world in worlds] == [3, 3]
    assert result.marks["took_up_intents"] == 4


def test_fills_that_nobody_saw_are_found_at_the_start() -> None:
    """A quote that was filled while the bot was down: the fresh one knows it before it quotes, and counts from there."""
    feed = {"tape": "builtin:btc-usd", "end": "2m"}
    raw = {
        "bot": "papertape.bots:MarketMaker", "bot_config": {"symbol": "BTC/USD"},
        "venue": {"coinbase": {"feed": feed, "account": {"USD": "100000", "BTC": "1"}}},
        "expect": {"must_happen": ["missed_fill_found", "took_up_intents"]},
    }  # fmt: skip
    scenario = make_scenario(raw, source="test", folder=Path.cwd(), more_faults=[Crash(at="30s", down="20s")])
    result = run_scenario(scenario, kept=KEPT)
    assert result.status is Status.PASSED, result.failures


# At every await


async def trades_a_little(exchange: BaseExchange) -> None:
    """Every kind of thing that a bot does with orders, for a few seconds; a later life first looks around."""
    heard: list[Any] = []
    subscription = await exchange.subscribe_orders(heard.append)
    try:
        for order in await exchange.fetch_open_orders():
            await exchange.edit_order(order.id, price="59000")
        for number in range(3):
            mine = await exchange.place_order("BTC/USD", "limit", "buy", "0.01", f"6000{number}")
            market = exchange.place_order("BTC/USD", "market", "sell", "0.02")
            await asyncio.gather(market, exchange.place_order("BTC/USD", "limit", "sell", "0.01", f"6900{number}"))
            await exchange.edit_order(mine.id, amount="0.02")
            await exchange.cancel_order(mine.id)
            await exchange.fetch_balance()
    except ExchangeNotAvailable:
        pass  # not while the outcome of an earlier one is unknown
    await asyncio.sleep(1)
    await subscription.unsubscribe()


@pytest.mark.parametrize("disk", [Disk.LOSES_UNSYNCED, Disk.TORN, Disk.KEPT])
def test_it_may_die_after_any_step(disk: Disk) -> None:
    """Some hundred instants between two awaits: afterwards orders, fills and balances are the venue's, and nothing was sent twice."""
    usually = {Disk.LOSES_UNSYNCED: (1, 9999, 5), Disk.TORN: (2, 9999, 9), Disk.KEPT: (4, 9999, 13)}
    died, places = 0, range(*((1, 9999) if THOROUGH else usually[disk]))
    for step in places:
        result, world = run(Crash(step=step, disk=disk, down="2s"), bot=trades_a_little, end="5s")
        if not result.faults[0].fired:
            break
        died += 1
        assert result.failures == (), f"crash after step {step}: {result.failures}"
        truth = world.door.truth()
        assert world.exchange is not None
        assert truth.balances["BTC"].total == 1 + world.exchange.view().positions.get("BTC/USD", 0)
    assert died > 120 // places.step


async def asks_a_lot(exchange: BaseExchange) -> None:
    """As fast as it is let, and with open orders to see to."""
    await exchange.subscribe_orders(lambda order: None)
    await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "60000")
    for _ in range(3):
        with suppress(BaseError):
            await asyncio.gather(*(exchange.fetch_balance() for _ in range(24)))
        await asyncio.sleep(5)


def test_the_quota_goes_on_over_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fresh bot asks no faster than if the dead one had asked a moment ago, as it has; one that begins with a full purse is caught."""
    dies = Crash(on=Op.BALANCE_FETCH, nth=22, down="100ms", moment=Moment.SENT)
    result, _ = run(dies, bot=asks_a_lot, end="20s")
    assert result.status is Status.PASSED, result.failures
    monkeypatch.setattr("papertape.resilience.limiter.Limiter.follow_on", lambda *_: None)
    result, _ = run(dies, bot=asks_a_lot, end="20s")
    assert "rate_respected" in result.broken, result.failures
