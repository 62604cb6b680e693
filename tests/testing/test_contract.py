"""The contract holds for the simulated exchange and for the live adapter over the wire, and it can fail."""

from __future__ import annotations

from typing import ClassVar

import pytest

from papertape.model.errors import ConfigError
from papertape.testing.contract import ExchangeContract, Subject

pytest_plugins = ["pytester"]


class AtWire(Subject):
    """The live adapter, with ccxt and websockets, against the venue's server on the in-memory network."""

    depth: ClassVar[str] = "wire"


class TestSimulatedExchange(ExchangeContract):
    """At depth interface."""


class TestCoinbaseExchange(ExchangeContract):
    """At depth wire."""

    subject = AtWire()


BROKEN = '''
import asyncio
from papertape.testing.contract import ExchangeContract, Subject

class Around:
    """An adapter that does nothing of its own."""
    def __init__(self, exchange): self.exchange = exchange
    def __getattr__(self, name): return getattr(self.exchange, name)

def subject(kind):
    class Broken(Subject):
        async def connect(self, exchange): return kind(exchange)
    return Broken()

class SendsAgain(Around):
    async def place_order(self, *args, **terms):
        try:
            return await asyncio.wait_for(self.exchange.place_order(*args, **terms), 5)
        except TimeoutError:
            return await self.exchange.place_order(*args, **terms)

class TestSendsAgain(ExchangeContract):
    subject = subject(SendsAgain)

class RoundsPrices(Around):
    async def place_order(self, symbol, type, side, amount=None, price=None, **terms):
        return await self.exchange.place_order(symbol, type, side, amount, price and round(float(price), 2), **terms)

class TestRoundsPrices(ExchangeContract):
    subject = subject(RoundsPrices)

class ForgetsPostOnly(Around):
    async def place_order(self, *args, post_only=False, **terms):
        return await self.exchange.place_order(*args, **terms)

class TestForgetsPostOnly(ExchangeContract):
    subject = subject(ForgetsPostOnly)

class NeverUnsubscribes(Around):
    async def subscribe_trades(self, symbol, callback):
        subscription = await self.exchange.subscribe_trades(symbol, callback)
        class Deaf:
            async def unsubscribe(self): pass
            async def __aenter__(self): return self
            async def __aexit__(self, *exception): pass
        return Deaf()

class TestNeverUnsubscribes(ExchangeContract):
    subject = subject(NeverUnsubscribes)

class EditsByAnotherOrder(Around):
    async def edit_order(self, order_id, symbol=None, *, amount=None, price=None):
        return await self.exchange.place_order(symbol, "limit", "buy", amount or "0.01", price)

class TestEditsByAnotherOrder(ExchangeContract):
    subject = subject(EditsByAnotherOrder)

class SwallowsErrors(Around):
    async def cancel_order(self, order_id, symbol=None):
        try:
            return await self.exchange.cancel_order(order_id, symbol)
        except Exception:
            return None

class TestSwallowsErrors(ExchangeContract):
    subject = subject(SwallowsErrors)

class CannotEditSoItRefuses(Around):
    async def edit_order(self, *args, **terms):
        from papertape.model.errors import NotSupported
        raise NotSupported("no edits")

class HonestAboutEdits(Subject):
    can = Subject.can - {"edit"}
    async def connect(self, exchange): return CannotEditSoItRefuses(exchange)

class TestHonest(ExchangeContract):
    subject = HonestAboutEdits()

class SilentAboutEdits(Subject):
    can = Subject.can - {"edit"}

class TestSilent(ExchangeContract):
    subject = SilentAboutEdits()
'''


SAMPLE = ("lost_answer", "off_the_tick", "post_only", "subscri", "edit", "nobody_made")
"""Parts of the names of those tests of the contract that some adapter below fails."""


@pytest.mark.timeout(600)  # some hundred tests in one
def test_each_broken_adapter_fails_where_it_is_broken(pytester: pytest.Pytester) -> None:
    """Six adapters with one bug each, and two that declare less: each fails by the test that names its bug, and by none of the others."""
    pytester.makepyfile(test_broken=BROKEN)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    only = " or ".join(SAMPLE)
    run = pytester.runpytest_inprocess("-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-k", only)
    failed: dict[str, list[str]] = {}
    for report in run.reprec.getreports("pytest_runtest_logreport"):  # type: ignore[attr-defined]  # there is one when it ran in this process
        if report.failed:
            _, kind, test = report.nodeid.split("::")
            failed.setdefault(kind, []).append(test)
    assert failed == {
        "TestSendsAgain": [
            "test_a_lost_answer_makes_no_second_order[lost_reply-unheard]",
            "test_a_lost_answer_makes_no_second_order[late_reply-unheard]",
        ],
        "TestRoundsPrices": ["test_a_price_off_the_tick_is_refused"],
        "TestForgetsPostOnly": ["test_a_post_only_order_never_takes"],
        "TestNeverUnsubscribes": [
            "test_whoever_unsubscribes_hears_no_more",
            "test_a_subscription_ends_with_its_block",
            "test_one_of_two_subscriptions_may_end",
            "test_callbacks_come_one_after_another",
        ],
        "TestEditsByAnotherOrder": ["test_an_edit_changes_price_and_amount"],
        "TestSwallowsErrors": ["test_an_order_that_nobody_made_is_not_found[cancel_order]"],
        "TestSilent": ["test_an_edit_changes_price_and_amount"],
    }


def test_a_capability_that_there_is_none_of_is_named() -> None:
    """At once, where the class is made."""

    class Misspelt(Subject):
        can = Subject.can | {"edits"}

    with pytest.raises(ConfigError, match='there is no capability "edits"; did you mean "edit"'):

        class Unused(ExchangeContract):
            subject = Misspelt()
