"""The Door's faults as bytes: what a plain ccxt program sees of them."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from papertape.faults import LateReply, Reject
from papertape.model.request import Op
from papertape.model.units import SECOND
from wire.booth import Booth, at_a_booth

BTC = "BTC/USD"


async def raw(booth: Booth, call: Any) -> tuple[Any, str]:
    """What `call` raises or returns, and the last body that came."""
    try:
        outcome = await call
    except ccxt.BaseError as error:
        outcome = error
    return outcome, booth.exchange.last_http_response


def test_a_late_reply_is_written_after_its_delay() -> None:
    """Whoever is patient gets it; ccxt's ten seconds are up before, and the order stands."""

    async def story(booth: Booth) -> None:
        exchange = booth.exchange
        with pytest.raises(ccxt.RequestTimeout):
            await exchange.create_order(BTC, "limit", "buy", 0.01, 60_000)
        assert booth.loop.now_ns >= 10 * SECOND
        (order,) = booth.venue.truth_orders()
        assert order.created_ns - booth.loop.epoch_ns < SECOND
        exchange.timeout = 60_000
        start_ns = booth.loop.now_ns
        await exchange.fetch_order(order.id)
        assert 25 * SECOND <= booth.loop.now_ns - start_ns < 26 * SECOND

    at_a_booth(story, LateReply(), LateReply(on=Op.ORDER_FETCH, delay="25s"))


@pytest.mark.parametrize(
    ("reason", "kind", "words"),
    [
        ("insufficient_funds", ccxt.InsufficientFunds, "Insufficient balance in source account"),
        ("post_only_would_take", ccxt.ExchangeError, "INVALID_LIMIT_PRICE_POST_ONLY"),
        ("amount_too_small", ccxt.ExchangeError, "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL"),
        ("unknown_symbol", ccxt.ExchangeError, "INVALID_PRODUCT_ID"),
        ("unavailable", ccxt.ExchangeNotAvailable, "Service Unavailable"),
    ],
)
def test_a_rejection_is_in_the_venues_own_words(reason: Any, kind: type[Exception], words: str) -> None:
    async def story(booth: Booth) -> None:
        error, body = await raw(booth, booth.exchange.create_order(BTC, "limit", "buy", 0.01, 60_000))
        assert isinstance(error, kind)
        assert words in body
        assert list(booth.venue.truth_orders()) == []
        await booth.exchange.create_order(BTC, "limit", "buy", 0.01, 60_000)

    at_a_booth(story, Reject(reason=reason))
