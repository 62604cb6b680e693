"""`papertape.simulate(main, servers={url: handler})`: somebody's program, somebody's servers, and a verdict that hides nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosedError, InvalidStatus

import papertape
from papertape.session.result import Status
from papertape.session.servers import Connections, NetworkResult, ServedWorld

WS = "wss://ws.example.com/v1"
HTTP = "https://api.example.com/v3"
TCP = "tcp://db.example.com:5432"


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def tell_path(request: web.Request) -> web.Response:
    return web.json_response({"path": request.path, "body": await request.text()})


async def echo_bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1024):
        writer.write(data)
        await writer.drain()


SERVERS: dict[str, Callable[..., Any]] = {WS: echo, HTTP: tell_path, TCP: echo_bytes}


async def say(data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("db.example.com", 5432)
    try:
        writer.write(data)
        return await reader.readexactly(len(data))
    finally:
        writer.close()


def wall() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - as a user's program would


def passed(main: Callable[[ServedWorld], Any], **options: Any) -> NetworkResult:
    result = papertape.simulate(main, **{"servers": SERVERS, **options})
    assert result.is_passed, result.failures
    result.raise_for_failure()
    return result


def failed(main: Callable[[ServedWorld], Any], **options: Any) -> NetworkResult:
    result = papertape.simulate(main, **{"servers": SERVERS, **options})
    assert result.status is Status.FAILED
    return result


# Who answers


def test_each_scheme_has_its_handler() -> None:
    """A websocket, a request and a bare stream, by their real URLs; what main returns is the result's value."""

    async def main(world: ServedWorld) -> tuple[Any, ...]:
        async with connect(WS) as connection:
            await connection.send("over websockets")
            heard = await connection.recv()
        async with aiohttp.ClientSession() as session, session.post(HTTP + "/orders", data="b") as answer:
            told = await answer.json()
        return heard, told, await say(b"over streams")

    assert passed(main).value == ("over websockets", {"path": "/v3/orders", "body": "b"}, b"over streams")


def test_a_websocket_and_requests_share_a_port() -> None:
    """The url decides by the path, and on one port by what the client asks for; a path that nobody answers is not found."""

    async def other(connection: ServerConnection) -> None:
        await connection.send("other")

    async def upgrading(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("from aiohttp")
        return socket

    servers = {
        "wss://one.example.com/v1": echo,
        "wss://one.example.com/v1/other": other,
        "https://one.example.com/v1": tell_path,
        "https://one.example.com/aio": upgrading,
    }

    async def main(world: ServedWorld) -> list[Any]:
        heard: list[Any] = []
        async with connect("wss://one.example.com/v1?token=7") as connection:
            await connection.send("echo")
            heard.append(await connection.recv())
        async with connect("wss://one.example.com/v1/other/x") as connection:
            heard.append(await connection.recv())
        async with connect("wss://one.example.com/aio") as connection:
            heard.append(await connection.recv())
        async with aiohttp.ClientSession() as session:
            for path in ("/v1/x", "/v10"):
                async with session.get("https://one.example.com" + path) as answer:
                    heard.append(answer.status)
        with pytest.raises(InvalidStatus, match="404"):
            await connect("wss://one.example.com/v2")
        return heard

    assert passed(main, servers=servers).value == ["echo", "other", "from aiohttp", 200, 404]


def test_a_connection_ends_with_its_handler() -> None:
    """A handler of bare streams that returns hangs up, as those of the other kinds do."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")

    async def main(world: ServedWorld) -> bytes:
        reader, writer = await asyncio.open_connection("db.example.com", 5432)
        data = await reader.read()
        writer.close()
        return data

    assert passed(main, servers={TCP: greet}).value == b"hello"


def test_hosts_say_who_else_is_there() -> None:
    """What nobody serves is refused, unless `hosts` accepts it or lets it vanish."""

    async def main(world: ServedWorld) -> int:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("elsewhere.example.com", 80)
        async with aiohttp.ClientSession() as session, session.get("http://stats.example.com/") as answer:
            return answer.status

    assert passed(main, hosts={"stats.example.com": "accept"}).value == 200


# The world


def test_time_is_the_worlds() -> None:
    """Hours pass in no time, for main and for what it asks; the wall clock shows a date that is always the same."""

    async def main(world: ServedWorld) -> tuple[Any, ...]:
        began = wall()
        await world.sleep(3600)
        await asyncio.sleep(0.5)
        return world.now_ns, world.now, began, (wall() - began).total_seconds()

    assert passed(main).value == (3_600_500_000_000, 3600.5, datetime(2026, 1, 1, tzinfo=UTC), 3600.5)


def test_connections_are_counted_by_place() -> None:
    """Opened since the start, and open now; urls of one host and port share them."""

    async def main(world: ServedWorld) -> list[Connections]:
        seen = [world.connections(WS)]
        async with connect(WS):
            async with connect(WS):
                seen.append(world.connections("wss://WS.example.com:443/other"))
            await world.sleep(1)
            seen.append(world.connections(WS))
        await say(b"x")
        await world.sleep(1)
        return [*seen, world.connections()]

    result = passed(main)
    assert result.value == [Connections(0, 0), Connections(2, 2), Connections(2, 1), Connections(3, 0)]
    assert result.connections == {"ws.example.com:443": 2, "db.example.com:5432": 1}


def test_bytes_are_kept_when_asked_for() -> None:
    """By connection and direction, as they arrived; without `trace=True` the world says what to do."""

    async def main(world: ServedWorld) -> list[Any]:
        await say(b"one")
        await say(b"two")
        await world.sleep(1)
        kept = world.trace(TCP)
        assert kept == world.trace()
        assert [piece.direction for piece in kept[0].pieces] == ["to_server", "to_client"]
        return [(each.number, each.to_server, each.to_client) for each in kept]

    assert passed(main, trace=True).value == [(1, b"one", b"one"), (2, b"two", b"two")]
    assert "world.trace(): no bytes were kept; say simulate(…, trace=True)" in failed(main).failures[0]


def test_a_run_is_the_same_twice_and_another_by_its_seed() -> None:
    """Both digests agree for one seed; what the program draws differs with it."""

    async def main(world: ServedWorld) -> str:
        async with connect(WS) as connection:
            await connection.send("x")
            await connection.recv()
        import uuid

        return str(uuid.uuid4())  # noqa: TID251 - as a user's program would

    first, second, other = passed(main, seed=3), passed(main, seed=3), passed(main, seed=4)
    assert (first.value, first.digest, first.wire_digest) == (second.value, second.digest, second.wire_digest)
    assert first.value != other.value
    assert first.wire_digest != other.wire_digest


def test_what_was_intercepted_is_told() -> None:
    """What the program asked of the machine, how often, and on which line first."""

    async def main(world: ServedWorld) -> None:
        for _ in range(3):
            wall()

    asked = {what: (count, line) for what, count, line in passed(main).intercepted}
    count, line = asked["datetime.now"]
    assert count == 3
    assert f"{__file__}:{wall.__code__.co_firstlineno + 1} in wall" in line


# The verdict


def test_mains_own_exception_is_the_cause() -> None:
    """The failure names the line; what is raised comes from the very exception, and ends with how to repeat it."""

    async def main(world: ServedWorld) -> None:
        raise KeyError("price")

    result = failed(main, seed=8)
    assert result.failures[0].startswith("main raised KeyError: 'price' (")
    assert __file__ in result.failures[0]
    with pytest.raises(AssertionError, match=r"seed=8\) in ") as caught:
        result.raise_for_failure()
    assert isinstance(caught.value.__cause__, KeyError)


def test_hypothesis_tells_one_bug_from_another() -> None:
    """What is raised has main's exception for its context, and that is what Hypothesis goes by: two bugs are two."""

    @settings(database=None, derandomize=True)
    @given(st.booleans())
    def is_well(is_first: bool) -> None:
        async def main(world: ServedWorld) -> None:
            if is_first:
                raise ValueError("one")
            raise ValueError("the other")

        papertape.simulate(main, servers=SERVERS).raise_for_failure()

    with pytest.raises(ExceptionGroup) as caught:
        is_well()
    assert sorted(str(error.__context__) for error in caught.value.exceptions) == ["one", "the other"]


def test_a_hang_is_a_deadlock_that_names_the_line() -> None:
    """Nothing more can happen, and main waits: the verdict says where."""

    async def main(world: ServedWorld) -> None:
        reader, writer = await asyncio.open_connection("db.example.com", 5432)
        try:
            await reader.read(1)  # nobody sends anything
        finally:
            writer.close()

    (failure,) = failed(main).failures
    assert failure.startswith("deadlock: nothing can ever happen again after 300us of virtual time; still waiting: task main at ")
    line = main.__code__.co_firstlineno + 3
    assert f"{__file__}:{line} in test_a_hang_is_a_deadlock_that_names_the_line.<locals>.main" in failure


def test_a_hang_that_is_kept_alive_is_a_deadlock_too() -> None:
    """websockets pings for ever; main has a limit, and a longer one if it says so."""

    async def main(world: ServedWorld) -> None:
        async with connect(WS) as connection:
            await connection.recv()

    (failure,) = failed(main).failures
    assert failure.startswith("deadlock: main never ended; the limit of 2h of virtual time is reached; still waiting: task main at ")
    assert "limit" in failure.rpartition("; task")[2]

    async def long(world: ServedWorld) -> None:
        await world.sleep(6 * 3600)

    assert failed(long).failures[0].startswith("deadlock: main never ended")
    passed(long, limit="7h")


def test_a_task_that_died_unseen_is_a_failure() -> None:
    """Whether somebody still holds it or not."""

    async def die() -> None:
        raise ValueError("in the background")

    async def main(world: ServedWorld) -> None:
        held.append(asyncio.create_task(die()))
        lost = asyncio.create_task(die())
        await world.sleep(1)
        del lost

    held: list[Any] = []
    failures = failed(main).failures
    assert len(failures) == 2
    assert all("ValueError: in the background" in failure and __file__ in failure for failure in failures)


def test_a_handlers_crash_is_told_as_its_own() -> None:
    """Main may survive it; the verdict does not, and says that it was not main. Its client is told in the protocol's words."""

    async def crash(*args: Any) -> None:
        raise ZeroDivisionError("in the handler")

    async def crash_on_request(request: web.Request) -> web.Response:
        raise ZeroDivisionError("in the handler")

    async def crash_on_stream(reader: Any, writer: Any) -> None:
        raise ZeroDivisionError("in the handler")

    async def crash_on_connection(connection: Any) -> None:
        raise ZeroDivisionError("in the handler")

    async def main(world: ServedWorld) -> None:
        async with connect(WS) as connection:
            with pytest.raises(ConnectionClosedError, match="1011"):
                await connection.recv()
        async with aiohttp.ClientSession() as session, session.get(HTTP) as answer:
            assert answer.status == 500
        with pytest.raises(ConnectionResetError):
            await say(b"x")

    failures = failed(main, servers={WS: crash_on_connection, HTTP: crash_on_request, TCP: crash_on_stream}).failures
    assert [failure.split(" crashed (it, not main): ZeroDivisionError: in the handler (")[0] for failure in failures] == [
        f"the handler of {url}" for url in (WS, HTTP, TCP)
    ]
    assert crash is not None


def test_a_handler_may_end_with_its_connection() -> None:
    """A broken line is no crash: websockets' and asyncio's own exceptions for it are what any handler ends with."""

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(100)

    async def greet(connection: ServerConnection) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(connection.recv())  # type: ignore[arg-type]  # recv is a coroutine function, typed as less

    async def main(world: ServedWorld) -> None:
        _, writer = await asyncio.open_connection("db.example.com", 5432)
        connection = await connect(WS)
        await world.sleep(1)
        world.network.reset_all()
        await world.sleep(1)
        assert world.connections() == Connections(2, 0)
        writer.close()
        await connection.close()

    passed(main, servers={TCP: ask, WS: greet})


def test_a_handler_that_answers_nonsense_is_told_so() -> None:
    """An HTTP handler must return a response."""

    async def nothing(request: web.Request) -> None:
        return None

    async def main(world: ServedWorld) -> int:
        async with aiohttp.ClientSession() as session, session.get(HTTP) as answer:
            return answer.status

    (failure,) = failed(main, servers={HTTP: nothing}).failures
    assert "it returned None; expected an aiohttp.web.StreamResponse" in failure


def test_who_leaves_the_simulation_is_an_error() -> None:
    """Also where the program swallowed the exception."""

    async def main(world: ServedWorld) -> None:
        import socket

        try:
            socket.socket()
        except Exception:
            return

    result = papertape.simulate(main, servers=SERVERS)
    assert result.status is Status.ERROR
    assert result.failures[0].startswith("something left the simulation: ")
    assert __file__ in result.failures[0]
    assert result.exit_code == 5


def test_leaving_by_the_back_door_is_told() -> None:
    """sys.exit is no way to end main, and neither is cancelling the whole run."""

    async def leaves(world: ServedWorld) -> None:
        raise SystemExit(3)

    async def cancels(world: ServedWorld) -> None:
        for task in asyncio.all_tasks():
            task.cancel()
        await world.sleep(1)

    assert failed(leaves).failures == ("main called sys.exit(3); return from it instead",)
    assert "cancelled" in failed(cancels).failures[0]


def test_what_ends_with_the_run_is_nobodys_fault() -> None:
    """Open connections, waiting handlers and tasks that complain about being cancelled are cleared away in silence; no log is written."""

    async def stubborn() -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            raise ConnectionError("cancelled") from None

    async def main(world: ServedWorld) -> str:
        kept.append(await connect(WS))
        kept.append(await asyncio.open_connection("db.example.com", 5432))
        await world.sleep(1)
        return "done"

    async def handler(reader: Any, writer: Any) -> None:
        await stubborn()

    kept: list[Any] = []
    assert passed(main, servers={**SERVERS, TCP: handler}).value == "done"


def test_what_a_hang_ends_in_hides_nothing_and_adds_nothing() -> None:
    """When main and a handler that hang are cancelled, what they then raise is not told; the deadlock alone is."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        finally:
            raise ValueError("the handler was cancelled")

    async def main(world: ServedWorld) -> None:
        reader, writer = await asyncio.open_connection("db.example.com", 5432)
        try:
            await reader.read()
        except asyncio.CancelledError:
            raise KeyError("main was cancelled") from None
        finally:
            writer.close()

    (failure,) = failed(main, servers={TCP: handler}).failures
    assert failure.startswith("deadlock: ")


def test_a_group_of_tasks_that_fails_is_told() -> None:
    """A TaskGroup cancels whoever waits for it; that is no reason to believe that the run did."""

    async def die() -> None:
        raise ZeroDivisionError("in a group")

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(die())

    async def main(world: ServedWorld) -> None:
        reader, writer = await asyncio.open_connection("db.example.com", 5432)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        async with asyncio.TaskGroup() as group:
            group.create_task(die())

    crashed, raised = failed(main, servers={TCP: handler}).failures
    assert crashed.startswith(f"the handler of {TCP} crashed (it, not main): ExceptionGroup")
    assert raised.startswith("main raised ExceptionGroup")


def test_noise_of_broken_lines_stays_in_its_logger(caplog: pytest.LogCaptureFixture) -> None:
    """What the serving libraries have to say about bad requests goes to the logger papertape.servers alone."""

    async def main(world: ServedWorld) -> None:
        _, writer = await asyncio.open_connection("ws.example.com", 443)
        writer.write(b"nonsense\r\n\r\n")
        await world.sleep(1)
        writer.close()

    with caplog.at_level(logging.DEBUG):
        passed(main)
    assert {record.name for record in caplog.records} <= {"papertape.servers", "asyncio"}


# Mistakes in the call


async def fine(connection: Any) -> None:
    """A handler of the right shape for ws and http."""


async def main_of_two(world: Any, other: Any) -> None: ...


def sync_main(world: Any) -> None: ...


async def good_main(world: Any) -> None: ...


@pytest.mark.parametrize(
    ("servers", "message"),
    [
        ({}, r"`servers` holds {}; expected handlers by url"),
        ({"ftp://h/": fine}, r"servers\['ftp://h/'\]: the scheme is 'ftp'; expected one of ws, wss, http, https, tcp, tls"),
        ({"ws.example.com": fine}, r"the scheme is ''; expected one of ws"),
        ({"ws://:80/": fine}, r"names no host; expected one such as ws://api.example.com"),
        ({"ws://h:0/": fine}, r"the port is 0; expected 1 to 65535, such as ws://h:9000"),
        ({"ws://h:99999/": fine}, r"is no port; expected 1 to 65535"),
        ({"tcp://h": fine}, r"names no port, and tcp has none of its own; expected 1 to 65535, such as tcp://h:9000"),
        ({"tcp://h:1/x": echo_bytes}, r"has the path '/x'; tcp knows hosts and ports alone"),
        ({"ws://h/?a=1": fine}, r"has the query 'a=1'"),
        ({"ws://me@h/": fine}, r"has the user name 'me'"),
        ({"ws://[h/": fine}, r"is no url"),
        ({"ws://h/": "echo"}, r"holds 'echo'; expected async def handler\(connection\), with a websockets ServerConnection"),
        ({"http://h/": sync_main}, r"sync_main is no `async def`; expected async def handler\(request\)"),
        ({"tls://h:1": fine}, r"fine\(connection: 'Any'\) -> 'None' does not take 2; expected async def handler\(reader, writer\)"),
        ({"ws://h/a": fine, "wss://H:80/a/": fine}, r"is answered by 'ws://h/a' already; one handler for each path at h:80"),
        ({"ws://h/a": fine, "tcp://h:80": echo_bytes}, r"stands beside 'ws://h/a'; a tcp or tls handler has h:80 for itself"),
    ],
)
def test_servers_that_cannot_be_are_named(servers: Any, message: str) -> None:
    """Before anything starts: which url, what is wrong with it, what was expected."""
    with pytest.raises(papertape.ConfigError, match=r"simulate\(\): .*" + message):
        papertape.simulate(good_main, servers=servers)


@pytest.mark.parametrize(
    ("main", "options", "message"),
    [
        (sync_main, {}, r"with `servers`, the first argument is sync_main; expected `async def main\(world\)`"),
        (main_of_two, {}, r"does not take the world alone; expected `async def main\(world\)`"),
        ("lost.scenario.toml", {}, r"the first argument is 'lost.scenario.toml'; expected `async def main"),
        (good_main, {"venues": {"coinbase": {}}}, r"`venues` goes with a bot and venues"),
        (good_main, {"depth": "interface"}, r'`depth` holds "interface"; servers are always at depth "wire"'),
        (good_main, {"limit": "soon"}, r'key `limit`: "soon" is no duration'),
        (good_main, {"limit": "0s"}, r'key `limit`: holds "0s"; main needs some time'),
        (good_main, {"heal": "later"}, r'key `at`: "later" is no duration'),
        (good_main, {"heal": {"at": "1s", "only": ["rest"]}}, r"key `only`: there is no such key"),
        (good_main, {"seed": "x"}, r"key `seed`: holds \"x\"; expected a whole number"),
        (good_main, {"hosts": {"h": "vanish"}}, r"key `h`: holds \"vanish\""),
    ],
)
def test_a_call_that_cannot_be_is_named(main: Any, options: dict[str, Any], message: str) -> None:
    """The other arguments are checked as strictly."""
    with pytest.raises(papertape.ConfigError, match=r"simulate\(\): .*" + message):
        papertape.simulate(main, servers=SERVERS, **options)


def test_what_goes_with_servers_goes_with_nothing_else() -> None:
    """A bot has no `limit`, `trace` or `must_hit`."""
    with pytest.raises(papertape.ConfigError, match="`trace` goes with `servers`"):
        papertape.simulate(good_main, trace=True)  # type: ignore[call-overload]  # wrong on purpose
