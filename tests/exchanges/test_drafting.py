"""What the venue would not take never leaves."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchanges.scripted import World, play
from papertape.model.errors import BadSymbol, InvalidOrder, NotSupported


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ({"symbol": "DOGE/USD"}, BadSymbol, "BTC/USD, ETH/USD"),
        ({"price": "100.001"}, InvalidOrder, "tick 0.01"),
        ({"amount": "0.0001"}, InvalidOrder, "lot 0.001"),
        ({"amount": "0.001"}, InvalidOrder, "minimum of 0.01"),
        ({"amount": "0.01", "price": "1"}, InvalidOrder, "minimum of 1 USD"),
        ({"amount": "ten"}, InvalidOrder, "ten"),
        ({"amount": "-1"}, InvalidOrder, "positive"),
        ({"amount": "1e70"}, InvalidOrder, "positive"),
        ({"amount": float("nan")}, InvalidOrder, "nan"),
        ({"time_in_force": "DAY"}, InvalidOrder, "DAY"),
        ({"post_only": True, "time_in_force": "IOC"}, InvalidOrder, "contradict"),
        ({"price": None, "post_only": True}, InvalidOrder, "post-only"),
        ({"cost": "5"}, InvalidOrder, "market buys"),
        ({"reduce_only": True}, NotSupported, "reduce_only"),
        ({"trigger_price": "5"}, NotSupported, "does not offer stop-limit orders; nothing was sent"),
        ({"stop_loss_price": "5"}, InvalidOrder, "a bracket sells"),
        ({"time_in_force": "GTD", "expires_at": 10**19}, NotSupported, "does not offer good till date orders; nothing was sent"),
        ({"params": {"stopPrice": 5}}, NotSupported, "params"),
    ],
)
def test_what_the_venue_would_not_take_never_leaves(call: dict[str, object], error: type[Exception], words: str) -> None:
    """Each mistake is named, and nothing is rounded, written down or sent."""

    async def story(world: World) -> None:
        with pytest.raises(error, match=words):
            await world.buy(**call)  # type: ignore[arg-type]  # some of these are wrong on purpose
        assert world.link.creates() == []
        assert world.exchange.view().intents == ()

    play(story)


def test_a_float_means_what_it_prints_as() -> None:
    """0.1 is one tenth, not its nearest binary neighbour."""

    async def story(world: World) -> None:
        order = await world.exchange.place_order("BTC/USD", "limit", "buy", 0.1, 100.1)
        assert (order.amount, order.price) == (Decimal("0.1"), Decimal("100.1"))

    play(story)
