"""Connections that linger after they were closed are ended; where there are none, nothing ever happens for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp.connector import NEEDS_CLEANUP_CLOSED

from papertape.links.lingering import look_when_needed
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.world import run_virtual

pytestmark = pytest.mark.skipif(not NEEDS_CLEANUP_CLOSED, reason="from 3.12.7 on nothing lingers, and aiohttp keeps no list")


class Transport:
    """Does not go by itself."""

    is_ended = False

    def abort(self) -> None:
        self.is_ended = True


def in_a_run(story: Callable[[VirtualLoop, aiohttp.TCPConnector], Awaitable[None]]) -> None:
    async def main(loop: VirtualLoop) -> None:
        loop.network = Network(loop)
        connector = aiohttp.TCPConnector(enable_cleanup_closed=True)
        look_when_needed(connector)
        await story(loop, connector)
        await connector.close()

    run_virtual(main)


def appointments(loop: VirtualLoop) -> int:
    return sum(not timer._cancelled for *_, timer in loop.agenda) - 1  # its own end


def test_nobody_looks_where_nothing_lingers() -> None:
    """aiohttp by itself would every two seconds, as long as the session is there; and it begins anew once there is something."""

    async def story(loop: VirtualLoop, connector: aiohttp.TCPConnector) -> None:
        assert appointments(loop) == 0
        for _ in range(2):
            lingering = [Transport(), Transport()]
            connector._cleanup_closed_transports.extend([None])
            for each in lingering:
                connector._cleanup_closed_transports.append(each)
            assert appointments(loop) == 1
            await asyncio.sleep(2.5)
            assert [each.is_ended for each in lingering] == [True, True]
            assert appointments(loop) == 0

    in_a_run(story)


def test_a_session_that_is_closed_ends_what_lingers_at_once() -> None:
    """And looks no more afterwards."""

    async def story(loop: VirtualLoop, connector: aiohttp.TCPConnector) -> None:
        lingering = Transport()
        connector._cleanup_closed_transports.append(lingering)
        await connector.close()
        assert lingering.is_ended
        assert appointments(loop) == 0

    in_a_run(story)
