"""Leaving while every lane flaps: it ends in time, and whatever is left is said to be left."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from exchanges.scripted import Fate, World, play, trade
from papertape.model.errors import BaseError, NetworkError
from papertape.model.order import OrderStatus
from papertape.model.request import Lane, Op
from papertape.resilience.settings import ShellSettings

LIMITS = ShellSettings()
WITHIN_NS = LIMITS.drain_within_ns + 2 * LIMITS.hang_up_within_ns
"""As `settings` say: for what is on its way, and for every lane to be hung up."""

lanes = st.sampled_from(Lane)
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["drop", "refuse", "admit", "mute", "speak", "skip"]), lanes),
        st.tuples(st.sampled_from(["hang", "let go"]), st.sampled_from(["open", "close", "request"])),
        st.tuples(st.just("fate"), st.sampled_from([(op, fate) for op in (Op.ORDER_CREATE, Op.ORDER_CANCEL) for fate in Fate])),
        st.tuples(st.just("buy"), st.sampled_from(["BTC/USD", "ETH/USD"])),
        st.tuples(st.just("sleep"), st.sampled_from([0.0, 0.005, 0.3, 2.0, 15.0])),
    ),
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(steps)
@example([("fate", (Op.ORDER_CREATE, Fate.LOST_BEFORE)), ("buy", "BTC/USD"), ("sleep", 15.0), ("refuse", Lane.REST), ("drop", Lane.REST)])
@example([("buy", "BTC/USD"), ("sleep", 0.3), ("hang", "request"), ("hang", "close"), ("hang", "open"), ("drop", Lane.USER)])
def test_leaving_ends_in_time_and_leaves_nothing_unsaid(steps: list[tuple[str, object]]) -> None:
    """No task, no open connection, no callback that hears; an order of ours that is open at the venue is cancelled or known to be open."""

    async def story(world: World) -> None:
        link, buys, heard = world.link, [], list[object]()
        await world.exchange.subscribe_trades("BTC/USD", heard.append)
        for what, which in steps:
            match what, which:
                case "drop", Lane.REST:
                    link.receiver.on_closed(Lane.REST, "reset")  # type: ignore[union-attr]  # the shell has bound one
                case "drop", Lane() as lane:
                    link.drop(lane)
                case "refuse", Lane() as lane:
                    link.refuses[lane] = NetworkError("refused")
                case "admit", Lane() as lane:
                    link.refuses.pop(lane, None)
                case "mute", Lane() as lane:
                    link.mute[lane] = None
                case "speak", Lane() as lane:
                    link.mute.pop(lane, None)
                case "skip", Lane() as lane:
                    link.skip(lane)
                case "hang", str() as call:
                    link.hangs[call] = None
                case "let go", str() as call:
                    link.hangs.pop(call, None)
                case "fate", (Op() as op, Fate() as fate):
                    link.fates[op].append(fate)
                case "buy", str() as symbol:
                    buys.append(world.start_buy(symbol))
                case "sleep", float() as seconds:
                    await world.sleep(seconds)
        before_ns = world.loop.now_ns
        await world.exchange.disconnect()
        assert world.loop.now_ns - before_ns <= WITHIN_NS
        await world.sleep(0)
        assert all(buy.done() for buy in buys)
        assert all(buy.exception() is None or isinstance(buy.exception(), BaseError) for buy in buys)
        assert not any(link.is_open.values())
        heard.clear()
        link.is_open[Lane.MARKET] = True  # even if the venue should not have noticed
        link.push(Lane.MARKET, trade(key="late"))
        link.is_open[Lane.MARKET] = False
        assert not heard
        asked = len(link.requests)
        states = {intent.client_order_id: intent for intent in world.exchange.view().intents}
        for key, order in link.orders.items():
            assert order.status is OrderStatus.CANCELED or not states[key].is_settled, key
        await world.sleep(60)
        assert len(link.requests) == asked

    play(story)
