"""Serve a venue from the first socket to the last: listen, say so, wait for the end, leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import secrets
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp import web

from papertape.journal import Journal
from papertape.model.errors import ConfigError, PapertapeError
from papertape.model.request import Lane
from papertape.runtime.clock import LoopClock
from papertape.session.serving.certificate import CA_FILE, serving_tls
from papertape.session.serving.control import Control, MakeFault
from papertape.session.serving.keys import KeysOfTwoClocks
from papertape.session.serving.lookout import Lookout
from papertape.session.serving.market import ServedMarket
from papertape.session.serving.spec import LOOPBACK, Ready, ServeSpec
from papertape.venues.coinbase.auth import throwaway_credentials
from papertape.version import VERSION
from papertape.wire.coinbase.server import CoinbaseServer

GOING_AWAY: Final = 1001

GOODBYE_WITHIN_S: Final = 2.0
"""How long clients may take to answer a goodbye."""

LOOK_EVERY_S: Final = 1.0

Say = Callable[[str], object]


async def serve(spec: ServeSpec, *, make_fault: MakeFault, on_ready: Callable[[Ready], object], tell: Say, is_last: bool = False) -> None:
    """Serve until SIGINT, SIGTERM, the end of the task or, where that is wanted, of our parent; raises what ended it otherwise.

    Args:
        make_fault: makes a fault of a table that comes over the control endpoint.
        on_ready: told once, as soon as clients may come.
        tell: told what a person at the terminal should know.
        is_last: the process ends with this, so that a second signal is not obeyed: a terminal and whoever started us may both send one.

    Raises:
        ConfigError: something in `spec` must be edited, such as a port that is taken.
        TapeError: a tape is missing or damaged.
    """
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    parent = os.getppid()
    async with AsyncExitStack() as stack:
        header = {"papertape": VERSION, "serve": spec.venue, "tapes": [feed.name for feed in spec.feeds], "seed": spec.seed}
        journal = stack.enter_context(Journal(header, spec.journal))
        stack.enter_context(_until_signal(loop, over, is_last=is_last))
        clock = LoopClock(loop)
        market = ServedMarket(spec, clock, journal, tell)
        market.time.on_failure = partial(_fail, over)
        stack.callback(market.time.stop)
        credentials = throwaway_credentials(f"{spec.seed}/{spec.venue}")
        server = CoinbaseServer(market.port, keys=KeysOfTwoClocks(clock, credentials))
        runner = server.runner()
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        assert runner.server is not None
        http_server = runner.server
        market.door.on_rest_cut = lambda: server.reset_rest(http_server)

        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="papertape-")))
        tls = serving_tls(folder, clock.wall_ns(), *_names(spec.host)) if spec.tls else None
        place = _base(spec.host)
        plain = await _listen(runner, spec.host, spec.port, "--port")
        secure = None if tls is None else await _listen(runner, spec.host, spec.tls_port, "--tls-port", tls)
        token = secrets.token_urlsafe(24)
        control = web.AppRunner(
            Control(market, make_fault, token, lambda: len(server.streams)).app(), handle_signals=False, access_log=None,
            logger=server.mishaps, shutdown_timeout=GOODBYE_WITHIN_S,
        )  # fmt: skip
        stack.push_async_callback(control.cleanup)
        await control.setup()
        control_port = await _listen(control, LOOPBACK, 0, "the control endpoint")
        stack.push_async_callback(_say_goodbye, market, server, runner)

        if not spec.waits:
            market.start()
        on_ready(
            Ready(
                venue=spec.venue, http=f"http://{place}:{plain}", ws=f"ws://{place}:{plain}",
                https=None if secure is None else f"https://{place}:{secure}", wss=None if secure is None else f"wss://{place}:{secure}",
                ca=None if tls is None else str(folder / CA_FILE), api_key=credentials.name, api_secret=credentials.secret,
                control=f"http://{LOOPBACK}:{control_port}", token=token, pid=os.getpid(),
            )
        )  # fmt: skip
        lookout = Lookout(market.time, server, tell)
        while not over.done():
            await asyncio.wait([over], timeout=LOOK_EVERY_S)
            lookout.look()
            if spec.ends_with_parent and os.getppid() != parent:
                break
        if over.done():
            over.result()
    if server.failures:
        raise PapertapeError(f"{len(server.failures)} requests met a mistake of papertape's own server; please report it")


def _fail(over: asyncio.Future[None], error: Exception) -> None:
    if not over.done():
        over.set_exception(error)


async def _say_goodbye(market: ServedMarket, server: CoinbaseServer, runner: web.BaseRunner) -> None:
    """Take nobody in any more, close every stream as a server does that goes away, and answer what was asked; but not for ever."""
    for site in list(runner.sites):
        await site.stop()
    for lane in (Lane.MARKET, Lane.USER):
        market.door.broadcast.cut(lane, GOING_AWAY)
    until = asyncio.get_running_loop().time() + GOODBYE_WITHIN_S
    while (server.streams or market.door.is_busy) and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(0.01)
    market.time.stop()


async def _listen(runner: web.BaseRunner, host: str, port: int, option: str, tls: object = None) -> int:
    """Listen there; returns the port."""
    host = LOOPBACK if host == "localhost" else host  # which is two addresses, and a free port on one may be taken on the other
    site = web.TCPSite(runner, host, port, ssl_context=tls)  # type: ignore[arg-type]  # an SSLContext or None
    try:
        await site.start()
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigError(f"{option} {port}: cannot listen at {host}:{port}: {why}; give another, or 0 to have one picked") from None
    assert site._server is not None
    sockets = site._server.sockets  # type: ignore[attr-defined]  # asyncio's
    return int(sockets[0].getsockname()[1])


def _base(host: str) -> str:
    """How clients on this machine call a server that listens on `host`."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return LOOPBACK if address.version == 4 else "[::1]"
    return f"[{host}]" if address.version == 6 else host


def _names(host: str) -> list[str]:
    """What else a certificate must be good for."""
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_unspecified:
            return []
    return [host]


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach `host`."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


@contextlib.contextmanager
def _until_signal(loop: asyncio.AbstractEventLoop, over: asyncio.Future[None], *, is_last: bool) -> Iterator[None]:
    """While it lasts, SIGINT and SIGTERM end what waits for `over`, and nothing else."""

    def end() -> None:
        if not over.done():
            over.set_result(None)

    signals = (signal.SIGINT, signal.SIGTERM)
    before = {each: signal.getsignal(each) for each in signals}
    try:
        for each in signals:
            try:
                loop.add_signal_handler(each, end)
            except NotImplementedError:  # Windows
                signal.signal(each, lambda *_: loop.call_soon_threadsafe(end))
            except (ValueError, RuntimeError):  # not the main thread; whoever runs us there cancels the task
                return
        yield
    finally:
        is_told = is_last and over.done() and not over.cancelled()
        for each, handler in before.items():
            with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
                loop.remove_signal_handler(each)
            with contextlib.suppress(ValueError, TypeError):
                signal.signal(each, signal.SIG_IGN if is_told else handler)
