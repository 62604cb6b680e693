"""What `BaseExchange` promises, as tests for any adapter: subclass `ExchangeContract` in a test file and give it a `Subject`.

    from papertape.testing.contract import ExchangeContract, Subject

    class MySubject(Subject):
        can = Subject.can - {"edit"}

        async def connect(self, exchange):
            return MyAdapter(exchange)

    class TestMyAdapter(ExchangeContract):
        subject = MySubject()

Each test runs in virtual time in a session of its own, and has it judged as any marked test has. What a subject does not declare it can do,
it must refuse with ccxt's `NotSupported`; saying nothing and doing something else is the one way not to.
"""

from __future__ import annotations

from typing import ClassVar

import pytest

from papertape.testing.contract.account import AccountContract
from papertape.testing.contract.line import LineContract
from papertape.testing.contract.orders import OrdersContract
from papertape.testing.contract.refusals import RefusalsContract
from papertape.testing.contract.streams import StreamsContract
from papertape.testing.contract.subject import CAPABILITIES, Subject

__all__ = ["CAPABILITIES", "ExchangeContract", "Subject"]


class ExchangeContract(AccountContract, OrdersContract, RefusalsContract, StreamsContract, LineContract):
    """All of it, for one `subject`."""

    subject: ClassVar[Subject] = Subject()
    pytestmark: ClassVar[list[pytest.MarkDecorator]] = []

    def __init_subclass__(cls) -> None:
        cls.subject.check()
        cls.pytestmark = [pytest.mark.papertape(**cls.subject.settings())]
