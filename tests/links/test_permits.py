"""A link with a key goes by permits, whoever makes it; what the library's client is asked for by anybody else is not sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from papertape.links.ccxt.link import CcxtLink
from papertape.links.coinbase.link import CoinbaseLink
from papertape.links.permits import Permits, Ungated
from papertape.model.errors import ConfigError, GateRefused
from papertape.model.request import Op, Request
from papertape.runtime.clock import LoopClock
from papertape.venues.coinbase.auth import Credentials
from papertape.venues.coinbase.rules import RULES

KEY = {"apiKey": "k", "secret": "c2VjcmV0"}


def test_a_key_without_permits_makes_no_link() -> None:
    async def play() -> None:
        clock = LoopClock()
        with pytest.raises(ConfigError, match="kraken: a link with a key needs permits"):
            CcxtLink("kraken", clock=clock, key=KEY)
        with pytest.raises(ConfigError, match="coinbase: a link with a key needs permits"):
            CoinbaseLink(Credentials("k", "s"), rules=RULES, clock=clock)
        CcxtLink("kraken", clock=clock)
        CcxtLink("kraken", clock=clock, key=KEY, permits=Ungated())

    asyncio.run(play())


@pytest.mark.parametrize("op", [Op.ORDER_CREATE, Op.ORDER_EDIT, Op.ORDER_CANCEL])
def test_the_generic_link_sends_nothing_without_a_permit(op: Op) -> None:
    async def play() -> None:
        link = CcxtLink("kraken", clock=LoopClock(), key=KEY, permits=Permits())
        with pytest.raises(GateRefused, match="no permit for it"):
            await link.request(Request(op=op, client_order_id="a", order_id="1", symbol="BTC/USD"))

    asyncio.run(play())


def test_the_generic_link_s_clients_can_be_made_to_send_nothing_else() -> None:
    """The one with the key has no streams, the one with streams has no key."""

    async def play() -> None:
        link = CcxtLink("kraken", clock=LoopClock(), key=KEY, permits=Permits())
        keyed: Any = link._rest.make()
        streaming: Any = link._rest.make(is_stream=True)
        try:
            for ask in (lambda: keyed.cancel_order("1", "BTC/USD"), lambda: keyed.private_post_cancelorder({"txid": "1"})):
                with pytest.raises(GateRefused, match="this client belongs to a link"):
                    await ask()
            assert not hasattr(keyed, "cancel_order_ws") or not keyed.has.get("cancelOrderWs")
            assert not streaming.apiKey
        finally:
            await keyed.close()
            await streaming.close()

    asyncio.run(play())
