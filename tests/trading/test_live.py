"""The gate to real money, attacked: a simulated Coinbase at its real URLs stands for the real one, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.trading.rehearsal import Notes, Stage, staged

from papertape.exchanges.coinbase import CoinbaseExchange
from papertape.journal import Journal
from papertape.links.coinbase.link import CoinbaseLink
from papertape.links.permits import Permits
from papertape.model import errors as ccxt
from papertape.model.account import KeyRights
from papertape.model.errors import GateRefused
from papertape.model.event import Side
from papertape.model.order import NewOrder, Order, OrderStatus, OrderType
from papertape.model.request import Lane, Op, Request
from papertape.model.units import SECOND
from papertape.resilience.intents import MemoryIntents
from papertape.resilience.settings import ShellSettings
from papertape.session.spec import Quantity
from papertape.trading.config import Limits
from papertape.trading.gate.audit import Audit
from papertape.trading.gate.build import wrong_key
from papertape.trading.gate.keeper import Gatekeeper
from papertape.trading.gate.link import GatedLink

SYMBOL = "BTC/USD"
LIMITS = Limits(
    order_notional=Quantity(Decimal(2_000), "USD"), position=Quantity(Decimal("0.05"), "BTC"), daily_loss=Quantity(Decimal(200), "USD"),
    orders_per_minute=20,
)  # fmt: skip

Bot = Callable[[CoinbaseExchange, Gatekeeper, Stage], Awaitable[object]]


FOREVER = 1 << 62


def nothing(rights: KeyRights) -> str:
    """Whoever it is may trade."""
    return ""


def live(
    folder: Path, *bots: Bot, limits: Limits = LIMITS, objection: Callable[[KeyRights], str] = nothing, lasts_ns: int = FOREVER
) -> list[str]:
    """Run bots one after another, each in a life of its own on one state and one market; returns why trading was halted, if it was."""
    halts: list[str] = []

    async def play(stage: Stage) -> None:
        store, until_ns = MemoryIntents(), min(FOREVER, stage.clock.wall_ns() + lasts_ns)
        for life, bot in enumerate(bots):
            with Audit(folder / "audit.jsonl") as audit:
                keeper = Gatekeeper(limits, audit, clock=stage.clock, until_ns=until_ns, halt_file=folder / "HALT", on_halted=halts.append)
                link: Any = CoinbaseLink(stage.credentials, rules=stage.world.rules, clock=stage.clock, permits=keeper.permits)
                gated = GatedLink(link, keeper, objection, journal=Journal({}), clock=stage.clock)
                exchange = CoinbaseExchange(
                    gated, clock=stage.clock, chance=stage.chance, notes=Notes(), store=store,
                    run_id=f"live{life}", settings=ShellSettings(), on_bot_error=lambda error: None,
                )  # fmt: skip
                async with exchange:
                    await bot(exchange, keeper, stage)

    staged(play)
    return halts


def buy(amount: str = "0.01", price: str | None = None) -> Bot:
    async def bot(exchange: CoinbaseExchange, keeper: Gatekeeper, stage: Stage) -> None:
        await exchange.subscribe_trades(SYMBOL, lambda trade: None)
        await exchange.subscribe_order_book(SYMBOL, lambda book: None)
        await asyncio.sleep(2)
        await exchange.place_order(SYMBOL, "market" if price is None else "limit", "buy", amount, price)

    return bot


def refused(amount: str = "0.01", price: str | None = None, match: str = "the gate: ") -> Bot:
    async def bot(exchange: CoinbaseExchange, keeper: Gatekeeper, stage: Stage) -> None:
        before = len(stage.world.venue.truth_orders())
        with pytest.raises(GateRefused, match=match):
            await buy(amount, price)(exchange, keeper, stage)
        assert len(stage.world.venue.truth_orders()) == before, "nothing was sent"

    return bot


def test_within_its_limits_a_bot_trades_and_all_of_it_is_in_the_log(tmp_path: Path) -> None:
    seen: list[Order] = []

    async def bot(exchange: CoinbaseExchange, keeper: Gatekeeper, stage: Stage) -> None:
        await buy()(exchange, keeper, stage)
        order = await exchange.place_order(SYMBOL, "limit", "buy", "0.01", "60000")
        await exchange.cancel_order(order.id)
        seen.extend(stage.world.venue.truth_orders())

    assert live(tmp_path, bot) == []
    assert [order.status for order in seen] == [OrderStatus.CLOSED, OrderStatus.CANCELED]
    with Audit(tmp_path / "audit.jsonl") as audit:
        passed = [each["request"]["op"] for each in audit.records if each["kind"] == "passed"]
        heard = [each["order"]["status"] for each in audit.records if each["kind"] == "heard"]
    assert passed == ["order.create", "order.create", "order.cancel"]
    assert (heard[0], heard[-1]) == ("closed", "canceled")


def test_a_breach_of_a_limit_is_not_sent_and_halts_also_after_a_restart(tmp_path: Path) -> None:
    (why,) = live(tmp_path, refused("0.04", match="order_notional is 2000 USD"), refused(match="trading is halted: a limit"))
    assert "it is worth 25" in why


def test_the_same_limit_holds_over_restarts(tmp_path: Path) -> None:
    """What was bought in an earlier life still counts."""
    (why,) = live(tmp_path, buy("0.03"), refused("0.025", match=r"could move by 0\.055 BTC"))
    assert "position is 0.05 BTC" in why


def test_a_loss_halts_at_once(tmp_path: Path) -> None:
    async def bot(exchange: CoinbaseExchange, keeper: Gatekeeper, stage: Stage) -> None:
        await buy("0.03")(exchange, keeper, stage)
        keeper.priced(SYMBOL, Decimal(50_000))
        with pytest.raises(GateRefused, match="trading is halted: a limit: 4"):
            await exchange.place_order(SYMBOL, "limit", "buy", "0.001", "60000")

    (why,) = live(tmp_path, bot)
    assert "were lost today, and daily_loss is 200 USD" in why


def test_a_burst_is_stopped_by_the_file_and_no_order_leaves_after_it(tmp_path: Path) -> None:
    """The kill switch in the midst of it: what had left is settled, what had not never does."""
    before: list[int] = []

    async def bot(exchange: CoinbaseExchange, keeper: Gatekeeper, stage: Stage) -> None:
        placing = [asyncio.ensure_future(exchange.place_order(SYMBOL, "limit", "buy", "0.001", str(40_000 + n))) for n in range(45)]
        while len(stage.world.venue.truth_orders()) < 5:
            await asyncio.sleep(0.005)
        (tmp_path / "HALT").write_text("enough\n")
        asked = sum(each["kind"] == "passed" for each in _records(keeper))
        results = await asyncio.gather(*placing, return_exceptions=True)
        assert sum(isinstance(each, GateRefused) for each in results) == 45 - asked
        before.append(asked)
        assert len(stage.world.venue.truth_orders()) == asked

    def _records(keeper: Gatekeeper) -> list[dict[str, Any]]:
        return [msgspec.json.decode(line) for line in (tmp_path / "audit.jsonl").read_bytes().splitlines()]

    (why,) = live(tmp_path, bot, limits=msgspec.structs.replace(LIMITS, orders_per_minute=100))
    assert why == "HALT is there: enough"
    assert 5 <= before[0] < 45


def test_what_was_armed_for_a_while_is_over_then_also_for_a_bot_that_trades(tmp_path: Path) -> None:
    async def bot(exchange: CoinbaseExchange, keeper: Gatekeeper, stage: Stage) -> None:
        await buy()(exchange, keeper, stage)
        await asyncio.sleep(10)
        with pytest.raises(GateRefused, match="trading is halted: it was armed until "):
            await exchange.place_order(SYMBOL, "limit", "buy", "0.001", "60000")

    (why,) = live(tmp_path, bot, lasts_ns=10 * SECOND)
    assert why.startswith("it was armed until ")


def test_a_sale_far_below_its_market_is_worth_what_the_market_pays(tmp_path: Path) -> None:
    """0.04 BTC at a price of 1 would be sold for some 2600 USD, not for four cents; nothing of the market was subscribed to."""

    async def bot(exchange: CoinbaseExchange, keeper: Gatekeeper, stage: Stage) -> None:
        with pytest.raises(GateRefused, match=r"it is worth 2\d{3}\.?\d* USD, and order_notional is 2000 USD"):
            await exchange.place_order(SYMBOL, "limit", "sell", "0.04", "100")
        assert not stage.world.venue.truth_orders()

    (why,) = live(tmp_path, bot)
    assert why.startswith("a limit: it is worth 2")


def test_orders_that_the_venue_refuses_use_up_no_limit(tmp_path: Path) -> None:
    """A market maker whose post-only orders would take is told no all day; nothing of that is at stake."""

    async def bot(exchange: CoinbaseExchange, keeper: Gatekeeper, stage: Stage) -> None:
        for _ in range(10):
            with pytest.raises(ccxt.OrderImmediatelyFillable):
                await exchange.place_order(SYMBOL, "limit", "buy", "0.02", "90000", post_only=True)
        await buy("0.02")(exchange, keeper, stage)

    assert live(tmp_path, bot) == []


def test_cancels_pass_while_trading_is_halted(tmp_path: Path) -> None:
    async def bot(exchange: CoinbaseExchange, keeper: Gatekeeper, stage: Stage) -> None:
        order = await exchange.place_order(SYMBOL, "limit", "buy", "0.001", "60000")
        keeper.halt("by hand")
        await exchange.cancel_order(order.id)
        assert stage.world.venue.truth_open() == ()

    assert live(tmp_path, bot) == ["by hand"]


@pytest.mark.parametrize("op", [Op.ORDER_CREATE, Op.ORDER_EDIT, Op.ORDER_CANCEL])
def test_who_goes_round_the_exchange_to_its_link_has_no_permit(tmp_path: Path, op: Op) -> None:
    async def bot(exchange: CoinbaseExchange, keeper: Gatekeeper, stage: Stage) -> None:
        bare = exchange._line._link._link
        wanted = NewOrder(symbol=SYMBOL, type=OrderType.LIMIT, side=Side.BUY, amount=Decimal("0.001"), price=Decimal(60_000))
        with pytest.raises(GateRefused, match="no permit for it"):
            await bare.request(Request(op=op, client_order_id="mine", order_id="o-1", symbol=SYMBOL, order=wanted))
        assert not [request for _, request in stage.world.door.executed if request.op is op]

    live(tmp_path, bot)


def test_who_takes_the_library_s_own_client_out_of_the_link_sends_nothing_by_it(tmp_path: Path) -> None:
    """Also not after a request of the exchange's own, made by the same task."""

    async def bot(exchange: CoinbaseExchange, keeper: Gatekeeper, stage: Stage) -> None:
        order = await exchange.place_order(SYMBOL, "limit", "buy", "0.001", "60000")
        await exchange.fetch_balance()
        library = exchange._line._link._link._rest._client
        await library.fetch_time()
        library.options["fetchMarkets"] = library.markets = {}
        for post in (lambda: library.cancel_orders([order.id]), lambda: library.request("brokerage/orders", ["v3", "private"], "POST", {})):
            with pytest.raises(GateRefused, match="this client belongs to a link"):
                await post()
        assert len(stage.world.venue.truth_open()) == 1
        await exchange.cancel_order(order.id)

    live(tmp_path, bot)


def test_a_permit_is_for_one_sending_of_one_request() -> None:
    permits, request = Permits(), Request(op=Op.ORDER_CANCEL, order_id="1")
    permits.issue(request)
    with pytest.raises(GateRefused):
        permits.spend(Request(op=Op.ORDER_CANCEL, order_id="2"))
    permits.spend(request)
    with pytest.raises(GateRefused):
        permits.spend(request)
    permits.issue(request)
    permits.revoke(request)
    with pytest.raises(GateRefused):
        permits.spend(request)


@pytest.mark.parametrize(
    ("rights", "why"),
    [
        (
            KeyRights(account="other", can_view=True, can_trade=True, can_transfer=False),
            "this key opens account other, and the bot was armed for mine",
        ),
        (KeyRights(account="mine", can_view=True, can_trade=True, can_transfer=True), "may move money away"),
        (KeyRights(account="mine", can_view=True, can_trade=False, can_transfer=False), "this key may not trade"),
    ],
)
def test_the_wrong_key_trades_nothing(tmp_path: Path, rights: KeyRights, why: str) -> None:
    async def bot(exchange: CoinbaseExchange, keeper: Gatekeeper, stage: Stage) -> None:
        raise AssertionError("it never connected")

    with pytest.raises(ccxt.PermissionDenied, match=why):
        live(tmp_path, bot, objection=lambda seen: wrong_key(rights, "mine"))


def test_the_right_key_is_the_one_that_the_venue_says_opens_the_account(tmp_path: Path) -> None:
    seen: list[KeyRights] = []

    def objection(rights: KeyRights) -> str:
        seen.append(rights)
        return wrong_key(rights, rights.account)

    live(tmp_path, buy("0.01"), objection=objection)
    assert [(each.can_trade, each.can_transfer) for each in seen] == [(True, False)]


def test_before_the_account_was_seen_nothing_is_sent(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        with Audit(tmp_path / "audit.jsonl") as audit:
            keeper = Gatekeeper(LIMITS, audit, clock=stage.clock, until_ns=FOREVER, halt_file=tmp_path / "HALT")
            bare = CoinbaseLink(stage.credentials, rules=stage.world.rules, clock=stage.clock, permits=keeper.permits)
            link = GatedLink(bare, keeper, nothing, journal=Journal({}), clock=stage.clock)
            with pytest.raises(GateRefused, match="whose account this is was not seen yet"):
                await link.request(Request(op=Op.ORDER_CANCEL, order_id="1"))
            await link.close(Lane.REST)

    staged(play)


def test_a_log_that_cannot_be_written_lets_nothing_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from papertape.model.errors import ConfigError

    async def bot(exchange: CoinbaseExchange, keeper: Gatekeeper, stage: Stage) -> None:
        def full(*_: object, **__: object) -> None:
            raise ConfigError("the gate's log cannot be written")

        monkeypatch.setattr(keeper._audit, "write", full)
        with pytest.raises(BaseException):  # noqa: B017  # whichever it is: what matters is that nothing leaves
            await asyncio.wait_for(exchange.place_order(SYMBOL, "limit", "buy", "0.001", "60000"), timeout=20)
        assert not stage.world.venue.truth_orders()

    live(tmp_path, bot)
