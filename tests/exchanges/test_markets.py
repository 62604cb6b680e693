"""How markets stand: what a stream says, what REST is asked for because of it, what a bot is told, and that no order is held back."""

from __future__ import annotations

import msgspec
import pytest

from exchanges.scripted import RULES, Fate, World, play
from papertape.model.account import Market
from papertape.model.errors import MarketClosed, NotSupported
from papertape.model.event import ONLINE, MarketStatus
from papertape.model.notes import Mark
from papertape.model.phase import Phase
from papertape.model.request import Channel, Lane, Op
from papertape.model.units import SECOND

TELLING = msgspec.structs.replace(RULES, status_every_ns=5 * SECOND)
STATUS = (Channel.STATUS, "BTC/USD")


def say(world: World, text: str = "", status: str = ONLINE) -> None:
    now_ns = world.loop.wall_ns()
    world.link.push(Lane.MARKET, MarketStatus(venue_ns=now_ns, local_ns=now_ns, symbol="BTC/USD", status=status, text=text))


def asked(world: World) -> int:
    return len(world.link.asked(Op.MARKETS_FETCH))


async def follow(world: World) -> list[Phase]:
    told: list[Phase] = []

    def hear(market: Market) -> None:
        told.append(market.phase)
        assert world.exchange.markets["BTC/USD"] is market

    await world.exchange.subscribe_status("BTC/USD", hear)
    await world.sleep(1)
    say(world)
    return told


def test_words_that_change_have_rest_asked_and_the_bot_told() -> None:
    """Which orders are taken now, only the list of markets says; the same words again ask nothing. Health and a mark tell of it."""

    async def story(world: World) -> None:
        told = await follow(world)
        assert (told, asked(world)) == ([Phase.ONLINE], 1)  # as it connected
        assert world.exchange.health.is_healthy
        world.link.phases["BTC/USD"] = Phase.POST_ONLY
        for _ in range(3):
            say(world, "Post only mode")
            await world.sleep(1)
        assert (told, asked(world)) == ([Phase.ONLINE, Phase.POST_ONLY], 2)
        assert world.exchange.markets["BTC/USD"].active
        assert world.exchange.health.not_online == {"BTC/USD": Phase.POST_ONLY}
        assert world.exchange.health.why == "market BTC/USD: post only mode"
        assert world.exchange.health.may_trade
        world.link.phases.clear()
        say(world)
        await world.sleep(1)
        assert (told[2:], asked(world)) == ([Phase.ONLINE], 3)
        assert world.exchange.health.is_healthy
        assert world.notes.marks.count(Mark.MARKET_PHASE_CHANGED) == 2

    play(story, rules=TELLING)


def test_a_market_that_is_shut_is_so_at_once_whatever_rest_says() -> None:
    """The stream names no reason that a list of yesterday could take back."""

    async def story(world: World) -> None:
        told = await follow(world)
        say(world, status="delisted")
        assert told == [Phase.ONLINE, Phase.OFFLINE]
        await world.sleep(5)
        assert (told, asked(world)) == ([Phase.ONLINE, Phase.OFFLINE], 2)
        assert not world.exchange.markets["BTC/USD"].active
        say(world)
        await world.sleep(1)
        assert told[2:] == [Phase.ONLINE]

    play(story, rules=TELLING)


def test_no_order_is_held_back_and_a_refusal_has_rest_asked() -> None:
    """What is known of a market may be old: the order goes, the venue says no, and the bot knows why; a cancel goes as ever."""

    async def story(world: World) -> None:
        told = await follow(world)
        order = await world.buy()
        world.link.phases["BTC/USD"] = Phase.CANCEL_ONLY
        for _ in range(2):
            with pytest.raises(MarketClosed, match="Cancel only mode"):
                await world.buy()
        await world.sleep(1)
        assert told == [Phase.ONLINE, Phase.CANCEL_ONLY]
        assert len(world.link.creates()) == 3
        await world.exchange.cancel_order(order.id)
        world.link.phases.clear()
        await world.buy()

    play(story, rules=TELLING)


def test_a_market_that_was_found_closed_is_asked_about_until_it_is_open() -> None:
    """Although the stream never says a word of it: every ten seconds, with what it says anyhow, and no oftener."""

    async def story(world: World) -> None:
        told = await follow(world)
        world.link.phases["BTC/USD"] = Phase.CANCEL_ONLY
        with pytest.raises(MarketClosed):
            await world.buy()
        for second in range(60):
            if second == 40:
                world.link.phases.clear()
            await world.sleep(1)
            say(world)
        assert told == [Phase.ONLINE, Phase.CANCEL_ONLY, Phase.ONLINE]
        assert 5 <= asked(world) <= 8

    play(story, rules=TELLING)


def test_a_list_that_changes_without_a_word_is_found_within_a_minute() -> None:
    """No public source shows that the stream's words change with it."""

    async def story(world: World) -> None:
        told = await follow(world)
        world.link.phases["BTC/USD"] = Phase.AUCTION
        await world.sleep(61)
        assert told == [Phase.ONLINE, Phase.AUCTION]

    play(story, rules=TELLING)


def test_what_rest_could_not_tell_is_asked_for_with_the_next_word() -> None:
    async def story(world: World) -> None:
        told = await follow(world)
        world.link.phases["BTC/USD"] = Phase.CANCEL_ONLY
        world.link.fates[Op.MARKETS_FETCH] = [Fate.NEVER_SENT] * 30
        say(world, "Cancel only mode")
        await world.sleep(40)  # as long as a fetch is repeated, and more
        assert told == [Phase.ONLINE]
        world.link.fates.clear()
        say(world, "Cancel only mode")
        await world.sleep(20)
        assert told == [Phase.ONLINE, Phase.CANCEL_ONLY]

    play(story, rules=TELLING)


def test_a_status_that_says_nothing_any_more_is_subscribed_to_anew() -> None:
    """It should come now and then, changed or not: silence alone tells, though only a long one, since no venue says how often."""

    async def story(world: World) -> None:
        await follow(world)
        world.link.asked_for.clear()
        await world.sleep(280)
        assert world.link.asked_for == []
        await world.sleep(60)
        assert world.link.asked_for == [STATUS]
        assert world.notes.marks == [Mark.MUTE_FOUND]

    play(story, rules=TELLING)


def test_it_is_followed_with_whatever_is_followed_of_a_market_if_the_settings_say_so() -> None:
    """Once, however much is followed, and until nothing is; a callback may have it beside. A venue without it is not asked."""

    async def story(world: World) -> None:
        book = await world.exchange.subscribe_order_book("BTC/USD", lambda book: None)
        trades = await world.exchange.subscribe_trades("BTC/USD", lambda trade: None)
        told = await follow(world)
        await book.unsubscribe()
        world.link.phases["BTC/USD"] = Phase.LIMIT_ONLY
        say(world, "Limit only mode")
        await world.sleep(1)
        assert told == [Phase.ONLINE, Phase.LIMIT_ONLY]
        assert world.link.subscribed[Lane.MARKET].count(STATUS) == 1
        await trades.unsubscribe()
        assert STATUS in world.link.subscribed[Lane.MARKET]

    async def without(world: World) -> None:
        await world.exchange.subscribe_order_book("BTC/USD", lambda book: None)
        with pytest.raises(NotSupported, match="scripted streams no status of its markets; fetch_markets asks for it"):
            await world.exchange.subscribe_status("BTC/USD", lambda market: None)
        await world.sleep(200)
        assert STATUS not in world.link.asked_for
        assert asked(world) == 1

    async def ended(world: World) -> None:
        book = await world.exchange.subscribe_order_book("BTC/USD", lambda book: None)
        await world.sleep(1)
        await book.unsubscribe()
        assert [each for each in world.link.subscribed[Lane.MARKET] if each[0] is not Channel.HEARTBEATS] == []
        say(world, "Cancel only mode")
        await world.sleep(1)
        assert (asked(world), world.exchange.health.is_healthy) == (1, True)

    play(story, rules=TELLING, follow_status=True)
    play(ended, rules=TELLING, follow_status=True)
    play(without, follow_status=True)
