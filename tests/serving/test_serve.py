"""A venue on loopback, as clients in other processes meet it: whatever they are, it is a Coinbase to them."""

from __future__ import annotations

import asyncio
import http.client
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage

from papertape.faults import FAULTS
from papertape.session.serving.spec import Ready
from papertape.venues.coinbase.auth import Credentials, sign, throwaway_credentials
from serving.process import TAPE, Server, serving

API = "/api/v3/brokerage"
WITHIN_S = 20
NONCES = count()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One server for all tests of a worker: they come and go, and the market moves on. What they do to it they undo."""
    with serving("--tls", "--loop", "--dates", "now", "--account", "USD=1000000,BTC=10") as server:
        yield server


def ask(server: Server, method: str, path: str, body: Any = None, *, url: str | None = None, **headers: str) -> tuple[int, Any]:
    """One request as curl would make it; (status, content)."""
    parts = urlsplit(url or server.http)
    line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=WITHIN_S)
    try:
        line.request(method, path, body=None if body is None else msgspec.json.encode(body), headers=headers)
        answer = line.getresponse()
        content = answer.read()
    finally:
        line.close()
    is_json = answer.headers.get_content_type() == "application/json"
    return answer.status, msgspec.json.decode(content) if is_json else content.decode()


def control(server: Server, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    return ask(server, method, path, body, url=server.control, Authorization=f"Bearer {server.token}")


def now_ns() -> int:
    return time.time_ns()  # noqa: TID251 - clients sign by the machine's clock


def token(server: Server, uri: str | None = None) -> str:
    return sign(Credentials(server.api_key, server.api_secret), now_ns(), uri=uri, nonce=f"{next(NONCES)}")


def signed(server: Server, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    return ask(server, method, path, body, Authorization=f"Bearer {token(server, f'{method} 127.0.0.1{path}')}")


def create(server: Server, client_order_id: str) -> tuple[int, Any]:
    """A buy that rests."""
    terms = {"limit_limit_gtc": {"base_size": "0.01", "limit_price": "50000", "post_only": False}}
    wanted = {"client_order_id": client_order_id, "product_id": "BTC-USD", "side": "BUY", "order_configuration": terms}
    return signed(server, "POST", f"{API}/orders", wanted)


async def hear(line: ClientConnection) -> Any:
    async with asyncio.timeout(WITHIN_S):
        frame = msgspec.json.decode(await line.recv())
    assert frame.get("type") != "error", frame
    return frame


async def hear_of(line: ClientConnection, channel: str) -> Any:
    while True:
        frame = await hear(line)
        if frame["channel"] == channel:
            return frame


async def end_of(line: ClientConnection) -> ConnectionClosed:
    """Hear all that still comes, and how it ended."""
    try:
        while True:
            await hear(line)
    except ConnectionClosed as closed:
        return closed


async def wish(line: ClientConnection, server: Server, channel: str, *products: str) -> None:
    """A subscription, signed: the venue counts unsigned ones of one address together, and the tests before had some too."""
    wanted = {"type": "subscribe", "channel": channel, "product_ids": list(products), "jwt": token(server)}
    await line.send(msgspec.json.encode(wanted), text=True)


def cancel_all(server: Server) -> None:
    path = f"{API}/orders/historical/batch"
    _, found = signed(server, "GET", path)
    open_ids = [order["order_id"] for order in found["orders"] if order["status"] == "OPEN"]
    if open_ids:
        assert signed(server, "POST", f"{API}/orders/batch_cancel", {"order_ids": open_ids})[0] == 200


def test_it_says_when_it_is_ready_and_where(server: Server) -> None:
    """One line of JSON: four places on loopback, a key, a file, and where to control it."""
    ready = server.ready
    assert list(ready) == [
        "ready", "venue", "http", "ws", "https", "wss", "ca", "api_key", "api_secret", "control", "token", "pid",
    ]  # fmt: skip
    assert all(urlsplit(ready[key]).hostname == "127.0.0.1" for key in ("http", "ws", "https", "wss", "control"))
    assert len({urlsplit(ready[key]).port for key in ("http", "https", "control")}) == 3
    assert ready["pid"] == server.process.pid
    assert not any(secret in repr(msgspec.convert(ready, Ready)) for secret in (ready["api_secret"], ready["token"]))
    assert Path(ready["ca"]).read_text(encoding="ascii").startswith("-----BEGIN CERTIFICATE-----")


def test_anybody_may_look_and_nobody_may_trade_unsigned(server: Server) -> None:
    """Products without a key; accounts with one alone, that of the readiness line and signed now."""
    status, found = ask(server, "GET", f"{API}/market/products")
    assert (status, [product["product_id"] for product in found["products"]]) == (200, ["BTC-USD"])
    path = f"{API}/accounts"
    assert ask(server, "GET", path) == (401, "Unauthorized\n")
    assert signed(server, "GET", path)[0] == 200
    stale = sign(Credentials(server.api_key, server.api_secret), now_ns() - 300 * 10**9, uri=f"GET 127.0.0.1{path}", nonce="x")
    assert ask(server, "GET", path, Authorization=f"Bearer {stale}")[0] == 401


@pytest.mark.parametrize(
    "words", [b"\x16\x03\x01 no http at all\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n"]
)
def test_bytes_that_are_no_http_hurt_nobody(server: Server, words: bytes) -> None:
    """They are refused or hung up on, and the next client is served."""
    parts = urlsplit(server.http)
    with socket.create_connection((parts.hostname, parts.port), timeout=WITHIN_S) as line:
        line.sendall(words)
        line.shutdown(socket.SHUT_WR)
        while line.recv(4096):
            pass
    assert ask(server, "GET", f"{API}/time")[0] == 200


def test_tls_is_trusted_by_its_own_authority_alone(server: Server) -> None:
    """By address and by name; who does not know the authority does not connect."""
    port = urlsplit(server.https).port
    for host in ("127.0.0.1", "localhost"):
        line = http.client.HTTPSConnection(host, port, context=ssl.create_default_context(cafile=server.ca), timeout=WITHIN_S)
        line.request("GET", f"{API}/time")
        assert line.getresponse().status == 200
        line.close()
    stranger = http.client.HTTPSConnection("127.0.0.1", port, context=ssl.create_default_context(), timeout=WITHIN_S)
    with pytest.raises(ssl.SSLCertVerificationError):
        stranger.request("GET", "/")
    stranger.close()


async def test_streams_are_numbered_and_move(server: Server) -> None:
    """Book, trades and heartbeats on one connection over TLS: a snapshot, then changes, and no number is missing."""
    async with connect(server.wss, ssl=ssl.create_default_context(cafile=server.ca), max_size=None, proxy=None) as line:
        for channel, *products in (("level2", "BTC-USD"), ("market_trades", "BTC-USD"), ("heartbeats",)):
            await wish(line, server, channel, *products)
        frames = [await hear(line) for _ in range(60)]
    assert [frame["sequence_num"] for frame in frames] == list(range(60))
    kinds = [event["type"] for frame in frames if frame["channel"] == "l2_data" for event in frame["events"]]
    assert kinds[0] == "snapshot"
    assert "update" in kinds


async def test_own_orders_come_by_either_way(server: Server) -> None:
    """The user channel, on /user and on any path, tells of an order that another client placed."""
    async with connect(f"{server.ws}/user", proxy=None) as one, connect(server.ws, proxy=None) as other:
        for line in (one, other):
            await wish(line, server, "user")
            await hear_of(line, "user")
        assert create(server, "told-of")[1]["success"]
        for line in (one, other):
            (order,) = (await hear_of(line, "user"))["events"][0]["orders"]
            assert (order["client_order_id"], order["status"]) == ("told-of", "OPEN")
    cancel_all(server)


async def test_clients_come_and_go_and_the_market_moves_on(server: Server) -> None:
    """One leaves without a word, one with; a third that stayed misses nothing, and rows go on when nobody listens."""
    async with connect(server.ws, proxy=None) as stays:
        await wish(stays, server, "level2", "BTC-USD")
        first = (await hear(stays))["sequence_num"]
        for is_rude in (True, False):
            visitor = await connect(server.ws, proxy=None)
            await wish(visitor, server, "level2", "BTC-USD")
            await hear(visitor)
            if is_rude:
                visitor.transport.abort()
            await visitor.close()
        assert [(await hear(stays))["sequence_num"] for _ in range(20)] == list(range(first + 1, first + 21))
    rows = control(server, "GET", "/")[1]["rows"]
    async with connect(server.ws, proxy=None) as late:
        await wish(late, server, "level2", "BTC-USD")
        for _ in range(5):
            await hear(late)
    assert control(server, "GET", "/")[1]["rows"] > rows


async def test_plain_ccxt_trades_here(server: Server) -> None:
    """Markets, book, an order from create to cancel, and one that fills: ccxt as a user makes it, its URLs changed and no more."""
    import ccxt.async_support as ccxt

    config = {"apiKey": server.api_key, "secret": server.api_secret, "urls": {"api": {"rest": server.https}}, "cafile": server.ca}
    exchange = ccxt.coinbase({**config, "enableRateLimit": False})
    try:
        await exchange.load_markets()
        book = await exchange.fetch_order_book("BTC/USD", 5)
        assert book["bids"][0][0] < book["asks"][0][0]
        made = await exchange.create_order("BTC/USD", "limit", "buy", 0.01, 50_000)
        assert (await exchange.fetch_order(made["id"]))["status"] == "open"
        await exchange.cancel_order(made["id"])
        assert (await exchange.fetch_order(made["id"]))["status"] == "canceled"
        taken = await exchange.create_order("BTC/USD", "market", "sell", 0.01)
        assert (await exchange.fetch_order(taken["id"]))["filled"] == 0.01
        with pytest.raises(ccxt.InsufficientFunds):
            await exchange.create_order("BTC/USD", "limit", "buy", 0.01, 50_000, {"client_order_id": "pt-reject-1"})
        with pytest.raises(ccxt.NetworkError):
            await exchange.create_order("BTC/USD", "limit", "buy", 0.01, 50_000, {"client_order_id": "pt-lose-reply-ccxt"})
        (order,) = await exchange.fetch_open_orders("BTC/USD")
        assert order["clientOrderId"] == "pt-lose-reply-ccxt"
    finally:
        await exchange.close()
        cancel_all(server)


class Silence:
    """Takes no notes."""

    def mark(self, mark: Any, detail: str = "") -> None: ...

    def health_changed(self, is_healthy: bool, why: str) -> None: ...


async def test_our_own_adapter_trades_here(server: Server) -> None:
    """`CoinbaseExchange` on the machine's clock: a book that streams, an order whose reply is lost and that exists once, and its cancel."""
    from papertape.exchanges.coinbase import CoinbaseExchange
    from papertape.links.coinbase.link import CoinbaseLink, CoinbaseUrls
    from papertape.links.permits import Ungated
    from papertape.resilience.intents import MemoryIntents
    from papertape.resilience.settings import ShellSettings
    from papertape.runtime.chance import Chance
    from papertape.runtime.clock import LoopClock
    from papertape.venues.coinbase.rules import RULES

    clock = LoopClock()
    urls = CoinbaseUrls(rest=server.http, market=server.ws, user=f"{server.ws}/user")
    link = CoinbaseLink(Credentials(server.api_key, server.api_secret), rules=RULES, clock=clock, urls=urls, permits=Ungated())
    failed: list[BaseException] = []
    exchange = CoinbaseExchange(
        link, clock=clock, chance=Chance(0), notes=Silence(), store=MemoryIntents(), run_id="serve", settings=ShellSettings(),
        on_bot_error=failed.append,
    )  # fmt: skip
    books: list[Any] = []
    seen = asyncio.Event()

    async def on_book(book: Any) -> None:
        books.append(book)
        if len(books) >= 3:
            seen.set()

    async with asyncio.timeout(60), exchange:
        await exchange.subscribe_order_book("BTC/USD", on_book)
        await seen.wait()
        order = await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "50000", client_order_id="pt-lose-reply-ours")
        assert [each.client_order_id for each in await exchange.fetch_open_orders("BTC/USD")] == ["pt-lose-reply-ours"]
        await exchange.cancel_order(order.id)
        assert not await exchange.fetch_open_orders("BTC/USD")
    assert not failed


def test_the_control_endpoint_wants_its_token(server: Server) -> None:
    """Without it nothing is told and nothing done."""
    for headers in ({}, {"Authorization": "Bearer guessed"}, {"Authorization": server.token}):
        assert ask(server, "GET", "/faults", url=server.control, **headers)[0] == 401
    assert control(server, "GET", "/")[1]["started"] is True


def test_a_fault_is_armed_by_hand_and_counted(server: Server) -> None:
    """The next order's reply is lost, and the list says so; a fault that is lifted hits nothing."""
    status, armed = control(server, "POST", "/faults", {"kind": "lost_reply"})
    assert (status, armed["fault"], armed["fired"]) == (201, {"kind": "lost_reply"}, 0)
    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        create(server, "by-hand")
    number = armed["number"]
    assert control(server, "GET", f"/faults/{number}")[1]["fired"] == 1
    other = control(server, "POST", "/faults", {"kind": "reject", "reason": "unavailable"})[1]["number"]
    assert control(server, "DELETE", f"/faults/{other}")[1]["lifted"] is True
    assert create(server, "by-hand-2")[0] == 200
    assert {each["number"]: each["fired"] for each in control(server, "GET", "/faults")[1]}[other] == 0
    cancel_all(server)


async def test_a_fault_that_lasts_begins_now(server: Server) -> None:
    """An outage resets streams and turns requests away until all faults are lifted; then the venue is itself again."""
    async with connect(server.ws, proxy=None) as line:
        await wish(line, server, "level2", "BTC-USD")
        await hear(line)
        assert control(server, "POST", "/faults", {"kind": "disconnect", "connection": "market", "lasts": "10m"})[1]["fault"]["at"]
        assert (await end_of(line)).rcvd is None, "a reset, not a goodbye"
    with pytest.raises((OSError, InvalidMessage)):
        async with connect(server.ws, proxy=None):
            pass
    assert all(each["lifted"] for each in control(server, "DELETE", "/faults")[1])
    async with connect(server.ws, proxy=None) as line:
        await wish(line, server, "level2", "BTC-USD")
        await hear_of(line, "l2_data")


async def test_a_fault_of_one_lane_leaves_the_others_alone(server: Server) -> None:
    """The REST lane goes down: an idle connection that was kept is reset, new ones come to nothing, and streams and control go on."""
    parts = urlsplit(server.http)
    kept = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=WITHIN_S)
    kept.request("GET", f"{API}/time")
    kept.getresponse().read()
    async with connect(server.ws, proxy=None) as line:
        await wish(line, server, "level2", "BTC-USD")
        first = (await hear(line))["sequence_num"]
        number = control(server, "POST", "/faults", {"kind": "disconnect", "connection": "rest", "lasts": "10m"})[1]["number"]
        assert kept.sock is not None
        with pytest.raises(ConnectionResetError):
            kept.sock.recv(1)
        with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
            ask(server, "GET", f"{API}/time")
        assert [(await hear(line))["sequence_num"] for _ in range(5)] == list(range(first + 1, first + 6))
        control(server, "DELETE", f"/faults/{number}")
        assert ask(server, "GET", f"{API}/time")[0] == 200
    kept.close()


@pytest.mark.parametrize("kind", FAULTS)
def test_any_fault_can_be_asked_for(server: Server, kind: str) -> None:
    """It is armed and shown as it would stand in a file, or a sentence says what is missing."""
    status, content = control(server, "POST", "/faults", {"kind": kind, "lasts": "1ms"})
    if status != 201:
        status, content = control(server, "POST", "/faults", {"kind": kind, "on": "order.edit"})
    assert status in (201, 400)
    assert content["fault"]["kind"] == kind if status == 201 else content["error"]
    assert all(each["lifted"] for each in control(server, "DELETE", "/faults")[1])
    cancel_all(server)  # one of them places an order


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "/faults", {"kind": "lost_replay"}, 400, 'no fault is called "lost_replay"; did you mean "lost_reply"?'),
        ("POST", "/faults", {"kind": "outage"}, 400, "key `lasts`: is missing or 0; say how long it acts"),
        ("POST", "/faults", {"kind": "half_open"}, 400, "`serve` has real sockets"),
        ("POST", "/faults", {"kind": "clock_skew", "lasts": "1s", "ahead": "1s"}, 400, "key `ahead`"),
        ("POST", "/faults", {"kind": "crash", "at": "1s"}, 400, "knows its clients by their connections"),
        ("POST", "/faults", {"kind": "lost_reply", "venue": "kraken"}, 400, "key `venue`"),
        ("POST", "/faults", ["lost_reply"], 400, "is no JSON object"),
        ("PUT", "/clock", {"speed": "fast"}, 400, 'key `speed`: holds "fast", which is no number; expected'),
        ("PUT", "/clock", {}, 400, 'expected {"speed": "10"}'),
        ("PATCH", "/faults", None, 405, "/faults takes DELETE, GET, HEAD, POST"),
        ("GET", "/nothing", None, 404, "there is no /nothing here"),
        ("GET", "/faults/999", None, 400, "there is no fault 999"),
    ],
)
def test_what_cannot_be_done_is_said(server: Server, method: str, path: str, body: Any, status: int, words: str) -> None:
    """A status, and a sentence for a person."""
    got, content = control(server, method, path, body)
    assert got == status
    assert words in content["error"]


def test_the_speed_can_be_changed_while_it_runs(server: Server) -> None:
    """And is told; the outcomes of ids too."""
    assert control(server, "PUT", "/clock", {"speed": "2.5"})[1]["speed"] == "2.5"
    assert control(server, "PUT", "/clock", {"speed": 1})[1]["speed"] == "1"
    assert control(server, "GET", "/outcomes")[1]["pt-lose-reply-"].startswith("done, and then a reset")


async def test_it_ends_well() -> None:
    """Streams are closed as by a server that goes away, the exit code is 0, and no file, socket or word is left."""
    with serving("--tls") as server:
        async with connect(server.ws, proxy=None) as one, connect(f"{server.ws}/user", proxy=None) as other:
            await wish(one, server, "heartbeats")
            await wish(other, server, "user")
            for line in (one, other):
                await hear(line)
            server.process.send_signal(signal.SIGINT)
            for line in (one, other):
                goodbye = (await end_of(line)).rcvd
                assert goodbye is not None
                assert goodbye.code == 1001
        assert await asyncio.to_thread(server.end, signal.SIGTERM) == (0, ""), "a second signal changes nothing, whenever it comes"
        assert not Path(server.ca).parent.exists()
        with pytest.raises(ConnectionRefusedError):
            ask(server, "GET", "/")


def test_it_does_not_outlive_who_started_it() -> None:
    """A test suite that is killed leaves no server behind, if it asked for that."""
    command = ["-m", "papertape", "serve", "coinbase", "--with-parent", "--tape", TAPE]
    start = f"import subprocess, sys; subprocess.Popen([sys.executable, *{command!r}]); sys.stdin.read()"
    parent = subprocess.Popen([sys.executable, "-c", start], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert msgspec.json.decode(parent.stdout.readline())["ready"] is True
    parent.kill()
    assert parent.stdout.read() == b"", "its end of the pipe is closed when it has ended"
    parent.communicate()


def test_faults_come_from_files_and_words_and_mistakes_are_told_at_the_terminal(tmp_path: Path) -> None:
    """Of a scenario its [[fault]] tables alone are taken; a mistyped id and a stranger's key are said on stderr."""
    story = tmp_path / "story.scenario.toml"
    story.write_text(
        'title = "A story"\nbot = "nobody.py"\n[[fault]]\nkind = "reject"\nnth = 2\nreason = "unavailable"\n', encoding="utf-8"
    )
    journal = tmp_path / "journal.jsonl"
    with serving("--faults", str(story), "--fault", "rate_limit,nth=4", "--latency", "0ms", "--wait", "--journal", str(journal)) as server:
        assert control(server, "GET", "/")[1]["started"] is False
        answers = [create(server, client_order_id)[0] for client_order_id in ("a", "b", "pt-loose-reply", "d", "e")]
        assert answers == [200, 503, 200, 429, 200]
        stranger = sign(throwaway_credentials("another"), now_ns(), uri=f"GET 127.0.0.1{API}/accounts", nonce="x")
        assert ask(server, "GET", f"{API}/accounts", Authorization=f"Bearer {stranger}")[0] == 401
        code, errors = server.end()
    assert code == 0
    written = journal.read_text(encoding="utf-8")
    assert [line.partition('"op":"')[2].partition('"')[0] for line in written.splitlines() if '"kind":"command"' in line] == [
        "order.create"
    ] * 5
    assert not any(secret in written + errors for secret in (server.api_secret, server.token, "eyJ"))
    mistyped, strange = errors.splitlines()
    assert 'client order id "pt-loose-reply": no outcome is called that; did you mean "pt-lose-reply-…"?' in mistyped
    assert f'somebody signed with the key "{throwaway_credentials("another").name}", which is not this server\'s' in strange
