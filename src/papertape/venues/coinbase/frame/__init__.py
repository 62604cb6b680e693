"""Stream frames, read and written: for every event `e` that a frame can carry, `decode(render(e)) == [e]`.

A frame is `{channel, client_id, timestamp, sequence_num, events: [...]}`; `sequence_num` counts per connection from 0 over all channels.
What differs from what one would expect: the book's channel is asked for as `level2` and comes as `l2_data`; its asks are called "offer";
a trade's `side` is the maker's; trades inside one message come newest first, and the first message of that channel is history, not prints;
a user order is told as its cumulative state, without its fills. An error frame has neither channel nor number.
"""

from papertape.venues.coinbase.frame.read import Frame, decode
from papertape.venues.coinbase.frame.rows import CANDLE_SPAN_NS, SNAPSHOT_ORDERS_MAX
from papertape.venues.coinbase.frame.write import (
    acknowledgement,
    candles,
    error,
    open_orders,
    render,
    status,
    ticker_batch,
    ticker_snapshot,
    trades,
)

__all__ = [
    "CANDLE_SPAN_NS",
    "SNAPSHOT_ORDERS_MAX",
    "Frame",
    "acknowledgement",
    "candles",
    "decode",
    "error",
    "open_orders",
    "render",
    "status",
    "ticker_batch",
    "ticker_snapshot",
    "trades",
]
