"""However the lanes flap, the venue is never dialled or spoken to more often than it allows."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import pairwise

import msgspec
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from exchanges.scripted import RULES, ScriptedLink, World, play, snapshot
from papertape.model.errors import BadSymbol, BaseError, NetworkError, RateLimitExceeded, with_retry_after
from papertape.model.request import Channel, Lane
from papertape.model.units import MILLISECOND, SECOND
from papertape.model.venue import Quota
from papertape.resilience.intents import MemoryIntents

DIALS, WORDS, PUBLIC = Quota(count=4, per_ns=SECOND), Quota(count=5, per_ns=SECOND), Quota(count=3, per_ns=SECOND)
STRICT = msgspec.structs.replace(RULES, dial_quota=DIALS, message_quota=WORDS, public_quota=PUBLIC)
SYMBOLS = ("BTC/USD", "ETH/USD")

what = st.one_of(
    st.tuples(st.just("drop"), st.sampled_from(Lane)),
    st.tuples(st.just("refuse"), st.sampled_from(Lane)),
    st.tuples(st.just("limit"), st.just(Lane.REST)),
    st.tuples(st.just("allow"), st.sampled_from(Lane)),
    st.tuples(st.just("skip"), st.sampled_from([Lane.MARKET, Lane.USER])),
    st.tuples(st.just("subscribe"), st.just(Lane.MARKET)),
    st.tuples(st.just("unsubscribe"), st.just(Lane.MARKET)),
    st.tuples(st.just("crash"), st.just(Lane.REST)),
)
histories = st.lists(st.tuples(st.integers(0, 700), what), max_size=25)


class Meter:
    """When the link was dialled and spoken to."""

    def __init__(self, link: ScriptedLink) -> None:
        self.words: list[int] = []
        self.words_of_life = 0  # those before it were said by lives that are over
        self.doubled: list[str] = []
        self._link = link
        self._subscribe, self._unsubscribe = link.subscribe, link.unsubscribe
        link.subscribe, link.unsubscribe = self.subscribe, self.unsubscribe  # type: ignore[method-assign]  # this link's alone

    async def subscribe(self, lane: Lane, channel: Channel, symbol: str, span_ns: int = 0) -> None:
        self.words.append(self._link.loop.now_ns)
        if (channel, symbol) in self._link.subscribed[lane] and self._link.is_open[lane]:
            self.doubled.append(f"{channel} {symbol}")
        await self._subscribe(lane, channel, symbol)

    async def unsubscribe(self, lane: Lane, channel: Channel, symbol: str, span_ns: int = 0) -> None:
        self.words.append(self._link.loop.now_ns)
        await self._unsubscribe(lane, channel, symbol)


def within(times: list[int], quota: Quota) -> bool:
    return all(last - first >= quota.per_ns for first, last in zip(times, times[quota.count :], strict=False))


async def befall(world: World, kind: str, lane: Lane, subscriptions: list[object]) -> None:
    link = world.link
    match kind:
        case "drop":
            link.drop(lane)
            if lane is Lane.REST and link.receiver is not None:
                link.receiver.on_closed(lane, "reset")
        case "refuse":
            link.refuses[lane] = NetworkError("refused")
        case "limit":
            link.refuses[lane] = with_retry_after(RateLimitExceeded("too many"), 2 * SECOND)
        case "allow":
            link.refuses.pop(lane, None)
        case "skip":
            link.skip(lane)
        case "subscribe":
            for symbol in SYMBOLS:
                for subscribe in (world.exchange.subscribe_order_book, world.exchange.subscribe_trades):
                    with suppress(BadSymbol):  # the markets are not known yet
                        subscriptions.append(await subscribe(symbol, lambda item: None))  # type: ignore[operator]  # either of two, whose callbacks differ
        case "unsubscribe":
            while subscriptions:
                await subscriptions.pop().unsubscribe()  # type: ignore[attr-defined]  # what the list holds has it


@settings(max_examples=60, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))  # shrinking takes minutes here
@given(histories)
def test_no_history_of_drops_and_refusals_makes_a_storm(history: list[tuple[int, tuple[str, Lane]]]) -> None:
    """In no window more stream connections than the venue allows, whatever lives there were; nor, in one life, more messages or openings
    of REST, which are requests; and no topic is subscribed to twice on one connection.
    """

    async def story(world: World) -> None:
        meter, subscriptions, present, born = Meter(world.link), list[object](), world, [0]
        world.link.snapshots["ETH/USD"] = msgspec.structs.replace(snapshot(), symbol="ETH/USD")
        trying = [asyncio.ensure_future(_connect(present))]
        for wait_ms, (kind, lane) in history:
            await asyncio.sleep(wait_ms / 1_000)
            if kind == "crash":
                await _kill(trying)
                for each in Lane:
                    world.link.is_open[each] = False
                subscriptions.clear()
                present = _again(world)
                born.append(len(world.link.opened))
                meter.words_of_life = len(meter.words)
                trying = [asyncio.ensure_future(_connect(present))]
            else:
                trying.append(asyncio.ensure_future(befall(present, kind, lane, subscriptions)))
        await asyncio.sleep(1)
        world.link.refuses.clear()
        await asyncio.sleep(40)
        assert present.exchange.health.is_healthy
        opened = world.link.opened
        assert within([at_ns for at_ns, lane in opened if lane is not Lane.REST], DIALS)
        for first, end in pairwise([*born, len(opened)]):
            assert within([at_ns for at_ns, lane in opened[first:end] if lane is Lane.REST], PUBLIC)
        assert within(meter.words[meter.words_of_life :], WORDS)
        assert meter.doubled == []
        assert not present.errors
        await present.exchange.disconnect()

    play(story, connect=False, rules=STRICT, rate_margin_ns=100 * MILLISECOND)


async def _connect(world: World) -> None:
    try:
        await world.exchange.connect()
    except BaseError:
        return


async def _kill(trying: list[asyncio.Future[None]]) -> None:
    """The process dies: none of its tasks takes another step."""
    dead = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in dead:
        task.cancel()
    await asyncio.gather(*dead, return_exceptions=True)


def _again(world: World) -> World:
    return World(world.loop, STRICT, {"rate_margin_ns": 100 * MILLISECOND}, MemoryIntents(), "later", world.link)


def test_a_venue_that_wants_quiet_is_not_even_dialled() -> None:
    """A refusal to open REST that says "wait two seconds" is obeyed, by the streams too."""

    async def story(world: World) -> None:
        link = world.link
        link.refuses[Lane.REST] = with_retry_after(RateLimitExceeded("too many"), 2 * SECOND)
        connecting = asyncio.ensure_future(_connect(world))
        await asyncio.sleep(0.1)
        link.drop(Lane.USER)
        link.refuses.clear()
        await connecting
        quiet_ns = link.opened[0][0] + 10 * MILLISECOND  # when it was said
        assert all(at_ns < quiet_ns or at_ns >= quiet_ns + 2 * SECOND for at_ns, _ in link.opened)
        assert world.exchange.health.is_healthy

    play(story, connect=False)


def test_what_waits_for_its_turn_is_not_said_on_the_next_connection() -> None:
    """A subscription whose lane went away while it waited is made once, by the lane that came after."""

    async def story(world: World) -> None:
        asking = asyncio.ensure_future(world.exchange.subscribe_trades("BTC/USD", lambda item: None))
        await asyncio.sleep(0.01)
        world.link.drop(Lane.MARKET)
        await asyncio.sleep(20)
        await asking
        assert world.link.subscribed[Lane.MARKET] == [(Channel.HEARTBEATS, ""), (Channel.TRADES, "BTC/USD")]

    play(story, rules=msgspec.structs.replace(RULES, message_quota=Quota(count=1, per_ns=3 * SECOND)))
