"""What the live link takes of the line and of the budget: each request paid for, connections kept, either kind of key."""

from __future__ import annotations

import asyncio
import base64
from decimal import Decimal

import msgspec
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from papertape.exchanges.coinbase import CoinbaseExchange
from papertape.links.coinbase.link import CoinbaseLink
from papertape.links.permits import Ungated
from papertape.model.account import Balance, Balances
from papertape.model.errors import ExchangeNotAvailable, NetworkError, never_sent
from papertape.model.event import Side
from papertape.model.order import NewOrder, OrderType
from papertape.model.request import Channel, Lane, Op, Refusal, RefusalCode, Request
from papertape.model.units import SECOND
from papertape.runtime.clock import VirtualClock
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.world import run_virtual
from papertape.venues.coinbase.auth import Credentials
from papertape.venues.coinbase.rules import RULES
from papertape.wire.coinbase.rest import RestFront
from wire.scripted import ED25519_KEY, KEY, Wire, in_memory, on_loopback
from wire.test_bad_line import BUY

REST, USER = Lane.REST, Lane.USER
CREATE = Request(op=Op.ORDER_CREATE, client_order_id="run-1", symbol="BTC/USD", order=BUY)


class Asked:
    """Every HTTP request that reached the server, and the connections by which they came."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.connections: dict[int, asyncio.BaseTransport] = {}  # kept, so that no number is given twice


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    seen, handle = Asked(), RestFront.handle

    async def noting(self: RestFront, http: web.Request) -> web.StreamResponse:
        seen.paths.append(http.path)
        assert http.transport is not None
        seen.connections[id(http.transport)] = http.transport
        return await handle(self, http)

    monkeypatch.setattr(RestFront, "handle", noting)
    return seen


def test_every_request_on_the_wire_is_paid_for_once(asked: Asked) -> None:
    """By the caller the first, by ccxt's `throttle` each further one, those included that ccxt makes of its own accord."""

    async def story(wire: Wire) -> None:
        spent: list[Op] = []

        async def spend(op: Op) -> None:
            spent.append(op)

        wire.link.spend_by(spend, lambda wait_ns: None)
        calls = 1  # opening the lane asks for the time
        await wire.link.open(REST)
        for n in range(3):
            sell = NewOrder(symbol="BTC/USD", type=OrderType.MARKET, side=Side.SELL, amount=Decimal("0.01"))
            await wire.link.request(Request(op=Op.ORDER_CREATE, client_order_id=f"run-{n}", symbol="BTC/USD", order=sell))
        wire.venue.fills = [msgspec.structs.replace(each, trade_id=f"{each.trade_id}-{n}") for n in range(75) for each in wire.venue.fills]
        questions = (Op.MARKETS_FETCH, Op.BALANCE_FETCH, Op.ORDERS_OPEN, Op.FILLS_FETCH, Op.TIME_FETCH)
        for op in questions:
            await wire.link.request(Request(op=op, symbol="BTC/USD"))
        calls += 3 + len(questions)
        # A market order is looked at once more, the markets come with the account's fees, 225 fills on three pages.
        assert spent == [Op.ORDER_CREATE] * 3 + [Op.BALANCE_FETCH] + [Op.FILLS_FETCH] * 2
        assert len(asked.paths) == calls + len(spent)
        before, paid = len(asked.paths), len(spent)
        await wire.link._rest._client.fetch_markets()  # more than one request, of which nobody told the shell
        assert len(asked.paths) - before == len(spent) - paid > 1

    in_memory(story)


def test_the_shell_is_who_pays() -> None:
    """`CoinbaseExchange` gives its own limiter: an empty budget holds the second request of a call back."""

    async def story(wire: Wire) -> None:
        paying: list[str] = []

        class Spied:
            rules = wire.link.rules

            def bind(self, receiver: object) -> None:
                """Nobody is heard here."""

            def spend_by(self, spend: object, on_limited: object) -> None:
                paying.extend(each.__qualname__ for each in (spend.func, on_limited))  # type: ignore[attr-defined]  # partials, both

        options = dict.fromkeys(("chance", "notes", "store", "settings", "on_bot_error"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("papertape.exchanges.resilient.Line", _line_of)
            CoinbaseExchange(Spied(), clock=wire.clock, run_id="run", **options)  # type: ignore[arg-type]  # what of a link is asked for
        assert paying == ["_line_of.<locals>.spend", "_line_of.<locals>.quiet"]

    in_memory(story)


def _line_of(*args: object, **options: object) -> object:
    def spend(op: Op, *, urgent: bool) -> None:
        """As `Requests.spend`."""

    def quiet(wait_ns: int | None) -> None:
        """As `Requests.quiet`."""

    requests = type("Requests", (), {"spend": staticmethod(spend), "quiet": staticmethod(quiet)})
    return type("Line", (), {"requests": requests})


@pytest.mark.parametrize("attempt", [1, 2])
@pytest.mark.parametrize("wait_ns", [3 * SECOND, None])
def test_a_wish_for_quiet_is_heard_whichever_request_it_is_said_to(attempt: int, wait_ns: int | None) -> None:
    """The order is taken and only the look at it is limited: no error need tell of that, and the shell knows all the same."""

    async def story(wire: Wire) -> None:
        limited: list[int | None] = []

        async def spend(op: Op) -> None:
            """At once."""

        wire.link.spend_by(spend, limited.append)
        await wire.connect()
        wire.venue.refuse[Op.ORDER_FETCH] = Refusal(code=RefusalCode.RATE_LIMITED, message="slow", retry_after_ns=wait_ns)
        sell = NewOrder(symbol="BTC/USD", type=OrderType.MARKET, side=Side.SELL, amount=Decimal("0.01"))
        request = Request(op=Op.ORDER_CREATE, client_order_id="run-1", symbol="BTC/USD", order=sell, attempt=attempt)
        if attempt == 1:
            assert (await wire.link.request(request)).order is not None
        else:  # it may be an older one, so that how it stands is not known
            with pytest.raises(ExchangeNotAvailable, match="exists, but was not shown"):
                await wire.link.request(request)
        assert limited == [wait_ns]

    in_memory(story)


@pytest.mark.parametrize("tell", [on_loopback, in_memory], ids=["loopback", "memory"])
def test_connections_are_kept_and_used_again(tell, asked: Asked) -> None:
    """One after another, requests share one connection; ten at once open at most ten, and ten more at once open no others."""

    async def story(wire: Wire) -> None:
        await wire.connect()
        for _ in range(10):
            await wire.link.request(Request(op=Op.BALANCE_FETCH))
        assert len(asked.connections) == 1
        for _ in range(2):
            await asyncio.gather(*(wire.link.request(Request(op=Op.BALANCE_FETCH)) for _ in range(10)))
            at_once = len(asked.connections)
            assert at_once <= 10
        for _ in range(5):
            await wire.link.request(CREATE)
        assert len(asked.connections) == at_once
        assert len(asked.paths) == 3 + 10 + 20 + 5

    tell(story)


@pytest.mark.parametrize("request_", [CREATE, Request(op=Op.BALANCE_FETCH)], ids=["POST", "GET"])
def test_a_broken_connection_is_replaced_and_nothing_is_repeated_behind_our_back(request_: Request, asked: Asked) -> None:
    """A lost reply costs its connection and is told; asking again is for the shell, even a GET, which aiohttp would repeat."""

    async def story(wire: Wire) -> None:
        await wire.connect()
        before = len(asked.paths)
        wire.venue.lose[request_.op] = 1
        with pytest.raises(NetworkError):
            await wire.link.request(request_)
        assert len(asked.paths) - before == 1
        await wire.link.request(request_)
        assert len(asked.paths) - before == 2
        assert len(asked.connections) == 2

    in_memory(story)


def test_what_never_got_a_connection_was_never_sent() -> None:
    """A dial that goes unanswered is given up in half of a request's time, and said to be that: repeating it makes no second order."""

    async def story(wire: Wire) -> None:
        await wire.connect()
        loop = asyncio.get_running_loop()

        async def unanswered(*args: object, **named: object) -> None:
            await asyncio.sleep(3600)

        client = wire.link._rest._client
        await client.session.connector.close()  # so that a new connection is needed
        client.session = client.tcp_connector = None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "getaddrinfo", unanswered)
            before_ns = wire.clock.now_ns()
            with pytest.raises(ExchangeNotAvailable, match="no connection") as caught:
                await wire.link.request(CREATE)
        assert never_sent(caught.value)
        assert wire.clock.now_ns() - before_ns <= 3 * SECOND  # of five
        assert wire.venue.requests == []

    in_memory(story)


def test_an_account_of_many_currencies_comes_whole(asked: Asked) -> None:
    """Coinbase lists 250 accounts a page, and an account for each currency that it knows."""

    async def story(wire: Wire) -> None:
        many = {f"C{n}": Balance(Decimal(n), Decimal(1)) for n in range(600)}
        wire.venue.balances = Balances(many)
        await wire.connect()
        answer = await wire.link.request(Request(op=Op.BALANCE_FETCH))
        assert answer.balances == Balances(many)
        assert asked.paths.count("/api/v3/brokerage/accounts") == 3

    in_memory(story)


def _pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def _writings() -> dict[str, Credentials]:
    ecdsa = serialization.load_pem_private_key(KEY.secret.encode(), None)
    assert isinstance(ecdsa, ec.EllipticCurvePrivateKey)
    edwards = ed25519.Ed25519PrivateKey.from_private_bytes(base64.b64decode(ED25519_KEY.secret))
    both = edwards.private_bytes_raw() + edwards.public_key().public_bytes_raw()
    return {
        "P-256, as the portal writes it": KEY,
        "P-256 in PKCS 8": Credentials(KEY.name, _pem(ecdsa)),
        "P-256 with its line breaks written out": Credentials(KEY.name, KEY.secret.replace("\n", "\\n")),
        "Ed25519 seed": ED25519_KEY,
        "Ed25519 as the portal writes it": Credentials(ED25519_KEY.name, base64.b64encode(both).decode()),
        "Ed25519 in PEM": Credentials(ED25519_KEY.name, _pem(edwards)),
    }


WRITINGS = _writings()


@pytest.mark.parametrize("key", WRITINGS.values(), ids=WRITINGS.keys())
def test_either_kind_of_key_opens_both_ways(key: Credentials) -> None:
    """REST, which ccxt signs, and the channel of own orders, which we sign; in every writing that is about."""

    async def story(wire: Wire) -> None:
        await wire.connect(USER)
        answer = await wire.link.request(CREATE)
        assert answer.order is not None
        await wire.link.subscribe(USER, Channel.ORDERS, "")
        await wire.heard.until(lambda: bool(wire.heard.of(USER)))
        assert wire.heard.closed == []

    in_memory(story, key)


def test_who_waits_for_a_name_as_the_lane_is_closed_is_told_so() -> None:
    """aiohttp cancels the lookup, and by that whoever waits for it, who was not told to stop: left alone, that is the end of a task."""

    async def main(loop: VirtualLoop) -> None:
        loop.network = Network(loop, lookup_ns=SECOND)
        link = CoinbaseLink(KEY, rules=RULES, clock=VirtualClock(loop), timeout_ns=5 * SECOND, permits=Ungated())
        waiting = asyncio.ensure_future(link.open(REST))
        await asyncio.sleep(0.5)
        await link.close(REST)
        with pytest.raises(ExchangeNotAvailable, match="no connection: the session was closed") as caught:
            await waiting
        assert never_sent(caught.value)
        stopped = asyncio.ensure_future(link.open(REST))
        await asyncio.sleep(0.5)
        stopped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopped
        await link.close(REST)

    run_virtual(main)
