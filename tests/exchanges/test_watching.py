"""A subscription that says nothing is compared with REST; the dead one is renewed, and no other. What comes early is held."""

from __future__ import annotations

from exchanges.scripted import EPOCH_NS, World, change, play, snapshot, trade
from papertape.model.notes import Mark
from papertape.model.request import Channel, Lane, Op
from papertape.model.units import SECOND

BOOK, TRADES = (Channel.BOOK, "BTC/USD"), (Channel.TRADES, "BTC/USD")


async def subscribe(world: World) -> tuple[list[object], list[int]]:
    bids: list[object] = []
    heard: list[int] = []
    await world.exchange.subscribe_order_book("BTC/USD", lambda book: bids.append(book.best_bid))
    await world.exchange.subscribe_trades("BTC/USD", lambda trade: heard.append(trade.event.price_ticks))
    await world.sleep(1)
    return bids, heard


async def print_trades(world: World, first: int, count: int, *, is_streamed: bool) -> None:
    for number in range(first, first + count):
        each = trade(at_ns=EPOCH_NS + number * SECOND, ticks=number, key=f"t{number}")
        world.link.traded.append(each)
        if is_streamed:
            world.link.push(Lane.MARKET, each)
        await world.sleep(1)


def test_a_quiet_market_is_asked_about_and_left_alone() -> None:
    """Ten minutes without a change: a question now and then, no alarm, nothing subscribed to anew."""

    async def story(world: World) -> None:
        await subscribe(world)
        await print_trades(world, 1, 1, is_streamed=True)
        asked = len(world.link.asked_for)
        await world.sleep(600)
        assert len(world.link.asked_for) == asked
        assert 25 <= len(world.link.asked(Op.BOOK_FETCH)) <= 30  # each 30 s of silence, and each minute in any case
        assert Mark.MUTE_FOUND not in world.notes.marks
        assert world.exchange.health.is_healthy

    play(story)


def test_a_book_that_went_mute_is_renewed_alone() -> None:
    """Trades go on and the book stands still while REST's moves: found within 30 s, a look, and two more seconds."""

    async def story(world: World) -> None:
        bids, heard = await subscribe(world)
        await world.sleep(5)  # past the comparison that follows a snapshot
        world.link.asked_for.clear()
        world.link.snapshots["BTC/USD"] = snapshot(bid=9_800, at_ns=EPOCH_NS + 40 * SECOND)
        await print_trades(world, 1, 42, is_streamed=True)
        assert world.link.asked_for == [BOOK]
        assert bids[-1] == (9_800, 5)
        assert heard == list(range(1, 43))
        assert world.notes.marks.count(Mark.MUTE_FOUND) == 1

    play(story)


def test_trades_that_went_mute_are_renewed_and_told() -> None:
    """The book goes on and no trade comes: what was missed is told, once each."""

    async def story(world: World) -> None:
        _, heard = await subscribe(world)
        await print_trades(world, 1, 2, is_streamed=True)
        world.link.asked_for.clear()
        for number in range(3, 48):
            world.link.push(Lane.MARKET, change(9_800, number, at_ns=EPOCH_NS + number))
            await print_trades(world, number, 1, is_streamed=False)
        assert world.link.asked_for == [TRADES]
        await print_trades(world, 48, 2, is_streamed=True)
        assert heard == list(range(1, 50))
        assert world.notes.marks.count(Mark.MUTE_FOUND) == 1

    play(story)


def test_changes_that_come_before_their_snapshot_are_held_for_it() -> None:
    """Those that are younger than it are applied to it, and the bot sees one whole book."""

    async def story(world: World) -> None:
        bids: list[object] = []
        link = world.link
        late = link.snapshots.pop("BTC/USD")
        await world.exchange.subscribe_order_book("BTC/USD", lambda book: bids.append(book.best_bid))
        await world.sleep(0.1)
        link.push(Lane.MARKET, change(9_950, 1, at_ns=EPOCH_NS + 10))
        link.push(Lane.MARKET, change(9_940, 2, at_ns=EPOCH_NS + 30))
        assert bids == []
        link.push(Lane.MARKET, snapshot(bid=9_900, at_ns=EPOCH_NS + 20))
        assert bids == [(9_940, 2)]
        assert late.bids[0] == (9_900, 5)

    play(story)


def test_changes_from_before_a_gap_are_not_held() -> None:
    """What was lost may have undone them."""

    async def story(world: World) -> None:
        bids: list[object] = []
        link = world.link
        del link.snapshots["BTC/USD"]
        await world.exchange.subscribe_order_book("BTC/USD", lambda book: bids.append(book.best_bid))
        await world.sleep(0.1)
        link.push(Lane.MARKET, change(9_950, 1, at_ns=EPOCH_NS + 30))
        link.skip(Lane.MARKET)
        link.push(Lane.MARKET, change(9_910, 1, at_ns=EPOCH_NS + 40))
        link.push(Lane.MARKET, snapshot(bid=9_900, at_ns=EPOCH_NS + 30))
        assert bids == [(9_910, 1)]

    play(story)


def test_trades_that_are_mute_before_the_first_are_found_by_the_first_question() -> None:
    """Nothing was ever told, so REST says soon from where to count; that nothing was traded by then is a place to count from as well."""

    async def story(world: World) -> None:
        heard: list[int] = []
        await world.exchange.subscribe_trades("BTC/USD", lambda trade: heard.append(trade.event.price_ticks))
        await world.sleep(5)
        await print_trades(world, 1, 40, is_streamed=False)
        assert world.notes.marks.count(Mark.MUTE_FOUND) == 1
        await print_trades(world, 41, 1, is_streamed=True)
        assert heard == list(range(1, 42))

    play(story)
