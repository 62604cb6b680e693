"""The log of intents survives what it promises to survive."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from papertape.model.event import Side
from papertape.model.order import NewOrder, OrderType
from papertape.resilience.intents import MemoryIntents, Wanted

ORDER = NewOrder(symbol="BTC/USD", type=OrderType.MARKET, side=Side.BUY, amount=Decimal(1))


@given(st.lists(st.booleans(), max_size=20))
def test_a_crash_loses_only_what_was_not_synced(durable: list[bool]) -> None:
    """Everything up to the last durable record is there after a crash, and nothing after it."""
    disk = MemoryIntents()
    records = [Wanted(client_order_id=f"a-{n}", number=n, order=ORDER, at_ns=n) for n in range(len(durable))]
    for record, is_durable in zip(records, durable, strict=True):
        disk.append(record, durable=is_durable)
    disk.crash()
    synced = len(durable) - durable[::-1].index(True) if True in durable else 0
    assert list(disk.load()) == records[:synced]
