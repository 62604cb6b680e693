"""The venue's own books, gone over: an order that was moved is judged by the limit it had when it was filled."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from papertape.model.event import BookSnapshot
from papertape.model.request import Op, Request
from papertape.sim.audit import audit
from papertape.sim.fees import FlatFees
from sim.room import BUY, Room, in_room

FREE = FlatFees(maker_bps=Decimal(0), taker_bps=Decimal(0))


def test_a_fill_is_judged_by_the_limit_of_its_time() -> None:
    """Filled in part at 101, then moved down to 98: the fill was right; without the move it would have been beyond the limit."""

    async def story(room: Room) -> None:
        room.market(BookSnapshot(venue_ns=0, local_ns=0, symbol="BTC/USD", bids=((9900, 5),), asks=((10_100, 10**7), (10_300, 10**8))))
        order = await room.create(order=msgspec.structs.replace(BUY, price=Decimal("101.00")))
        assert order.filled == Decimal("0.1")
        moved = msgspec.structs.replace(BUY, price=Decimal("98.00"))
        await room.link.request(Request(op=Op.ORDER_EDIT, client_order_id="pt-1", order_id=order.id, symbol="BTC/USD", order=moved))
        truth = room.door.truth()
        assert truth.orders[0].price == Decimal("98.00")
        assert audit(truth, FREE) == []
        (problem,) = audit(msgspec.structs.replace(truth, moves=()), FREE)
        assert "beyond the limit 98" in problem

    in_room(story)
