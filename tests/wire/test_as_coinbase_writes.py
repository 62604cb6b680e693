"""The real adapter before a Coinbase that writes as the real one does where ours is tidier: the same facts, in the odd words of real captures.

What a story comes to must not depend on how its frames are worded: each run is held against the tidy one by its digest.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import papertape
from papertape.links.coinbase import stream as coinbase_stream
from papertape.model.event import Trade
from papertape.session.result import RunResult
from papertape.wire.coinbase.stream import StreamFront

STORY = Path(__file__).parents[2] / "scenarios" / "coinbase" / "the_dialect.scenario.toml"
Frame = dict[str, Any]
NEVER = "0001-01-01T00:00:00Z"


class Wording:
    """How one Coinbase writes; counts what it did.

    Args:
        reword: changes a frame before it is written, and may add frames that follow it.
        batches: several trades of one moment are one message, newest first, as a taker who sweeps levels is told of.
    """

    def __init__(self, reword: Callable[[Frame, Counter[str]], list[Frame]], *, batches: bool = False) -> None:
        self.done: Counter[str] = Counter()
        self._reword = reword
        self._batches = batches
        self._written: dict[StreamFront, int] = {}

    def teach(self, patch: pytest.MonkeyPatch) -> None:
        send, put = StreamFront._send, asyncio.Queue.put_nowait

        def batching(front: StreamFront, sequence: int, message: Any) -> None:
            queued = front._outbox._queue  # type: ignore[attr-defined]
            place = next((n for n, item in enumerate(queued) if type(item) is tuple and type(item[1]) is Trade), None)
            if not self._batches or type(message) is not Trade or place is None:
                send(front, sequence, message)
                return
            first, now = json.loads(queued[place][0]), json.loads(front._frame(sequence, message))
            first["events"][0]["trades"][:0] = now["events"][0]["trades"]
            queued[place] = (json.dumps(first).encode(), queued[place][1])
            self.done["trades in one message"] += 1

        patch.setattr(StreamFront, "_send", batching)
        assert put is asyncio.Queue.put_nowait
        send_frame = coinbase_socket().send_frame

        async def rewording(socket: Any, data: bytes, *others: Any) -> None:
            told = json.loads(data)
            for frame in [told] if "channel" not in told else [told, *self._reword(told, self.done)]:
                if "channel" in frame:
                    frame["sequence_num"] = self._written.get(socket, 0)
                    self._written[socket] = frame["sequence_num"] + 1
                await send_frame(socket, json.dumps(frame).encode(), *others)

        patch.setattr(coinbase_socket(), "send_frame", rewording)


def coinbase_socket() -> Any:
    from aiohttp import web

    return web.WebSocketResponse


def tell(patch: pytest.MonkeyPatch, reword: Callable[[Frame, Counter[str]], list[Frame]], *, batches: bool = False) -> tuple[RunResult, Counter[str]]:
    wording = Wording(reword, batches=batches)
    wording.teach(patch)
    return papertape.simulate(STORY), wording.done


def in_production(frame: Frame, done: Counter[str]) -> list[Frame]:
    """What differs from one recording to the next and means nothing."""
    del frame["client_id"]
    frame["a_key_of_next_year"] = {"nested": [1, None]}
    for event in frame["events"]:
        match frame["channel"]:
            case "heartbeats":
                event["current_time"] += " m=+41691.260485341"
                event["heartbeat_counter"] = str(event["heartbeat_counter"])
                done["counters as text"] += 1
            case "subscriptions":
                for names in event["subscriptions"].values():
                    names.reverse()
                event["subscriptions"]["futures_balance_summary"] = ["futures_balance_summary"]
                done["acknowledgements of more"] += 1
            case "ticker":
                for row in event["tickers"]:
                    row["price_percentage_change_24h"] = None
                done["tickers"] += 1
            case "l2_data" if event["type"] == "update":
                for row in list(event["updates"]):  # twice, first as it was not; and one that nobody has
                    event["updates"][:0] = [{**row, "new_quantity": "7.00000000"}, {**row, "price_level": "1.01", "new_quantity": "0.00"}]
                done["levels twice"] += 1
    return []
