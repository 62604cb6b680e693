"""`ExchangeMachine`: our shell stands it, shells and adapters with a known bug do not."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import rule, run_state_machine_as_test

from papertape.exchanges import account, placing
from papertape.model.errors import ExchangeError
from papertape.testing.machine import ExchangeMachine

TRYING = settings(max_examples=12, stateful_step_count=20, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
FINDING = settings(TRYING, max_examples=150, stateful_step_count=12, report_multiple_bugs=False)


def test_our_shell_stands_it() -> None:
    """Orders, edits, cancels, waits, cuts and faults in any order: nothing is doubled, and in the end everything is known."""
    run_state_machine_as_test(ExchangeMachine, settings=TRYING)


def test_a_shell_that_sends_again_under_a_new_id_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    create = placing._create

    def renamed(intent: Any) -> Any:
        request = create(intent)
        if request.attempt == 1:
            return request
        return msgspec.structs.replace(request, client_order_id=f"{request.client_order_id}-{request.attempt}")

    monkeypatch.setattr(placing, "_create", renamed)
    with pytest.raises(
        AssertionError, match=r"the venue accepted \d+ orders; \d+ were asked for|client order id \S+-2, which no intent has"
    ):
        run_state_machine_as_test(ExchangeMachine, settings=FINDING)


def test_a_shell_that_takes_silence_for_a_no_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says "refused" of an order that the venue has."""

    def lost(self: account.Account, intent: Any, why: str) -> None:
        self.refused(intent, ExchangeError(why))

    monkeypatch.setattr(account.Account, "lost", lost)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(ExchangeMachine, settings=FINDING)


class Forgetful:
    """Somebody's adapter, which remembers its open orders and forgets those that were edited."""

    def __init__(self, exchange: Any) -> None:
        self.exchange = exchange
        self.edited: dict[str, None] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.exchange, name)

    async def edit_order(self, order_id: str, symbol: str, **terms: Any) -> Any:
        order = await self.exchange.edit_order(order_id, symbol, **terms)
        self.edited[order_id] = None
        return order

    async def fetch_open_orders(self, symbol: str) -> Any:
        return [order for order in await self.exchange.fetch_open_orders(symbol) if order.id not in self.edited]


class ForgetfulMachine(ExchangeMachine):
    """The machine with that adapter in between, and a rule of its own."""

    def adapter(self, exchange: Any) -> Any:
        return Forgetful(exchange)

    @rule()
    def ask(self) -> None:
        """Whoever asks hears of an order that he can hold against the venue's."""
        self.call(self.client.fetch_balance())


def test_an_adapter_of_ones_own_is_tried_and_its_bug_found() -> None:
    with pytest.raises(AssertionError, match=r"the exchange names .* as open; open at the venue are"):
        run_state_machine_as_test(ForgetfulMachine, settings=FINDING)


def test_what_it_plays_can_be_set() -> None:
    """Account, faults and depth as in the marker; here nobody can buy anything, and the venue says so each time."""

    class Poor(ExchangeMachine):
        session: ClassVar = {"account": {"USD": "0"}}

    run_state_machine_as_test(Poor, settings=settings(TRYING, max_examples=3))
