"""Never two effective orders for one intent, and no intent forgotten."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from exchanges.scripted import LONG, LOOKUP, RULES, SCAN, Fate, World, play
from papertape.model.errors import (
    DuplicateOrderId,
    ExchangeNotAvailable,
    InsufficientFunds,
    NetworkError,
    OrderNotFound,
    OutcomeUnknown,
    RateLimitExceeded,
    never_sent,
)
from papertape.model.notes import Mark
from papertape.model.order import OrderStatus
from papertape.model.request import Lane, Op, Request
from papertape.model.units import MINUTE, SECOND
from papertape.model.venue import VenueRules


def test_an_order_is_written_down_before_it_is_sent() -> None:
    """At the moment the request leaves, the intent and the sending are durable."""

    async def story(world: World) -> None:
        def check(request: Request) -> None:
            if request.op is Op.ORDER_CREATE:
                world.store.crash()
                assert world.logged(request.client_order_id) == (True, request.attempt)

        world.link.on_request = check
        order = await world.buy()
        assert (order.client_order_id, order.status) == ("r-1", OrderStatus.OPEN)
        assert (await world.buy()).client_order_id == "r-2"

    play(story)


@pytest.mark.parametrize("lane", [Lane.USER, Lane.REST])
def test_an_order_waits_while_the_line_is_down(lane: Lane) -> None:
    """Nothing is sent until both lanes are back; then it goes, once."""

    async def story(world: World) -> None:
        world.link.refuses[lane] = NetworkError("refused")
        world.link.drop(lane)
        if lane is Lane.REST:
            world.link.receiver.on_closed(lane, "reset")  # type: ignore[union-attr]  # the shell has bound one
        placing = world.start_buy()
        await world.sleep(10)
        assert world.link.creates() == []
        assert world.exchange.health.queue_depth == 1
        world.link.refuses.clear()
        assert (await placing).status is OrderStatus.OPEN
        assert len(world.link.creates()) == 1
        assert Mark.ORDER_WAITED_IN_OUTBOX in world.notes.marks

    play(story)


def test_a_deadline_between_two_looks_at_the_clock_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Live, time goes on while code runs: the budget is there a moment before the order expires, and the next look would be too late."""

    async def story(world: World) -> None:
        placing = world.exchange._line.placing
        now_ns, times = placing._clock.now_ns, list[int]()
        spend = placing._requests.spend

        async def at_the_last_moment(op: Op, **rest: Any) -> bool:
            is_spent = await spend(op, **rest)
            if op is Op.ORDER_CREATE:
                until_ns = placing.outbox.deadline_ns("r-1")
                times.extend((until_ns - 1, until_ns, until_ns))
            return is_spent

        monkeypatch.setattr(placing._requests, "spend", at_the_last_moment)
        monkeypatch.setattr(placing._clock, "now_ns", lambda: times.pop(0) if times else now_ns())
        assert (await world.buy()).status is OrderStatus.OPEN
        assert len(world.link.creates()) == 1

    play(story)


def test_an_order_that_waited_too_long_is_never_sent() -> None:
    """After its time to live it raises ExchangeNotAvailable, vouched for as never sent, and stays unsent when the line is back."""

    async def story(world: World) -> None:
        world.link.refuses[Lane.USER] = NetworkError("refused")
        world.link.drop(Lane.USER)
        with pytest.raises(ExchangeNotAvailable, match="never sent") as caught:
            await world.buy()
        assert never_sent(caught.value)
        assert world.loop.now_ns >= 30 * SECOND
        world.link.refuses.clear()
        await world.sleep(60)
        assert world.link.creates() == []
        assert Mark.ORDER_EXPIRED_IN_OUTBOX in world.notes.marks
        (intent,) = world.exchange.view().intents
        assert (intent.state, intent.is_settled) == ("never_sent", True)

    play(story, poll_after_ns=LONG)


def test_a_rate_limit_is_obeyed_and_the_same_order_sent_again() -> None:
    """After "too many requests" nothing leaves before the wait is over; then the same intent goes under the same id."""

    async def story(world: World) -> None:
        world.link.fates[Op.ORDER_CREATE] = [Fate.LIMITED, Fate.LIMITED]
        await world.buy()
        first, second, third = world.link.creates()
        assert {each.client_order_id for each in (first, second, third)} == {"r-1"}
        assert [each.attempt for each in (first, second, third)] == [1, 2, 3]
        times = [at for at, request in world.link.requests if request.op is Op.ORDER_CREATE]
        assert all(later - earlier >= 3 * SECOND for earlier, later in pairwise(times))
        assert world.notes.marks.count(Mark.RETRIED_AFTER_RATE_LIMIT) == 2

    play(story)


def test_a_rate_limit_that_does_not_end_is_raised_as_such() -> None:
    """When the time to live is over the bot learns why nothing was sent."""

    async def story(world: World) -> None:
        world.link.fates[Op.ORDER_CREATE] = [Fate.LIMITED] * 100
        with pytest.raises(RateLimitExceeded):
            await world.buy()
        assert world.link.executed == []

    play(story)


def test_what_never_left_is_sent_again() -> None:
    """A refused connection costs nothing but time: the lane is dialled and the same id goes out."""

    async def story(world: World) -> None:
        world.link.fates[Op.ORDER_CREATE] = [Fate.NEVER_SENT]
        await world.buy()
        assert [request.client_order_id for request in world.link.creates()] == ["r-1", "r-1"]
        assert len(world.link.executed) == 1
        assert Mark.OUTCOME_UNKNOWN not in world.notes.marks

    play(story)


@pytest.mark.parametrize("rules", [RULES, LOOKUP, SCAN], ids=lambda rules: str(rules.reconcile))
@pytest.mark.parametrize("fate", [Fate.LOST_AFTER, Fate.RESET_AFTER, Fate.ROTTEN])
def test_a_lost_answer_makes_no_second_order(rules: VenueRules, fate: Fate) -> None:
    """The venue did it and the answer is lost, while the user lane is mute: the order is found by the venue's own way, and there is one."""

    async def story(world: World) -> None:
        world.link.mute[Lane.USER] = None
        world.link.fates[Op.ORDER_CREATE] = [fate]
        order = await world.buy()
        assert (order.id, order.client_order_id) == ("v-1", "r-1")
        assert len(world.link.executed) == 1
        assert len({request.client_order_id for request in world.link.creates()}) == 1
        assert len(world.link.creates()) == (2 if rules is RULES else 1)
        assert Mark.OUTCOME_UNKNOWN in world.notes.marks
        assert Mark.RECONCILED_AFTER_LOST_REPLY in world.notes.marks

    play(story, rules=rules, stale_after_ns=MINUTE)


def test_a_lost_request_is_sent_again_under_its_id() -> None:
    """The venue never saw it: the identical request makes the one order that was wanted."""

    async def story(world: World) -> None:
        world.link.fates[Op.ORDER_CREATE] = [Fate.LOST_BEFORE, Fate.LOST_BEFORE]
        order = await world.buy()
        assert order.client_order_id == "r-1"
        first, *others = world.link.creates()
        assert all((other.client_order_id, other.order) == (first.client_order_id, first.order) for other in others)
        assert [request.attempt for request in world.link.creates()] == [1, 2, 3]
        assert len(world.link.executed) == 1

    play(story)


def test_the_user_lane_settles_what_the_answer_did_not() -> None:
    """Where the user lane tells of the order, the bot need not wait for an answer that never comes, and nothing is sent again."""

    async def story(world: World) -> None:
        world.link.fates[Op.ORDER_CREATE] = [Fate.LOST_AFTER]
        before_ns = world.loop.now_ns
        order = await world.buy()
        assert order.id == "v-1"
        assert world.loop.now_ns - before_ns < 2 * SECOND
        await world.sleep(20)
        assert len(world.link.creates()) == 1
        assert world.notes.marks == [Mark.RECONCILED_AFTER_LOST_REPLY]

    play(story)


@pytest.mark.parametrize("rules", [LOOKUP, SCAN], ids=lambda rules: str(rules.reconcile))
def test_not_found_is_not_dead(rules: VenueRules) -> None:
    """A venue whose lists lag does not show the order at first; nobody concludes from that, and when it shows, it is ours."""

    async def story(world: World) -> None:
        world.link.mute[Lane.USER] = None
        world.link.hides_orders = True
        world.link.fates[Op.ORDER_CREATE] = [Fate.RESET_AFTER]
        with pytest.raises(OutcomeUnknown) as caught:
            await world.buy()
        assert world.exchange.view().intents[0].is_unknown
        await world.sleep(20)
        world.link.hides_orders = False
        order = await world.exchange.resolve(caught.value.client_order_id)
        assert order.id == "v-1"
        assert len(world.link.creates()) == 1

    play(story, rules=rules)


@pytest.mark.parametrize("rules", [RULES, LOOKUP, SCAN], ids=lambda rules: str(rules.reconcile))
def test_what_the_venue_never_had_is_believed_lost_only_after_the_settle_time(rules: VenueRules) -> None:
    """Two minutes after the last sending the venue's "no such order" counts; only then may the bot think of the symbol again."""

    async def story(world: World) -> None:
        link = world.link
        link.fates[Op.ORDER_CREATE] = [Fate.LOST_BEFORE] * 100
        with pytest.raises(OutcomeUnknown):
            await world.buy()
        with pytest.raises(OrderNotFound, match="never had it"):
            await world.exchange.resolve("r-1")
        last_ns = max(at for at, request in link.requests if request.op is Op.ORDER_CREATE)
        assert world.loop.now_ns >= last_ns + 2 * MINUTE
        link.fates.clear()
        assert (await world.buy()).client_order_id == "r-2"
        assert [request.client_order_id for request in link.executed] == ["r-2"]

    play(story, rules=rules)


def test_an_order_is_not_repeated_after_the_bot_was_told() -> None:
    """Once OutcomeUnknown is raised the request is never sent again: at a price from long ago nobody wants it any more."""

    async def story(world: World) -> None:
        link = world.link
        link.fates[Op.ORDER_CREATE] = [Fate.LOST_BEFORE] * 4
        with pytest.raises(OutcomeUnknown):
            await world.buy()
        told_ns = world.loop.now_ns
        await world.sleep(600)
        late = [at for at, request in link.requests if request.op is Op.ORDER_CREATE and at > told_ns]
        assert late == []
        assert link.executed == []

    play(story)


def test_no_new_exposure_while_an_outcome_is_unknown() -> None:
    """A second order in that symbol is refused, unsent; another symbol goes on."""

    async def story(world: World) -> None:
        world.link.fates[Op.ORDER_CREATE] = [Fate.LOST_BEFORE, Fate.LOST_BEFORE]
        first = world.start_buy()
        await world.sleep(10.5)
        with pytest.raises(ExchangeNotAvailable, match=r"outcome of r-1 is unknown.*nothing was sent") as caught:
            await world.buy()
        assert never_sent(caught.value)
        assert (await world.buy("ETH/USD")).client_order_id == "r-2"
        assert (await first).client_order_id == "r-1"

    play(story)


def test_orders_that_wait_for_the_line_wait_for_the_unknown_too() -> None:
    """An order of the same symbol that is still in the outbox does not overtake the hunt for an unknown one; other symbols do."""

    async def story(world: World) -> None:
        link = world.link
        link.mute[Lane.USER] = None
        link.fates[Op.ORDER_CREATE] = [Fate.LOST_BEFORE, Fate.LIMITED]
        tasks = [world.start_buy(), world.start_buy(), world.start_buy("ETH/USD")]
        orders = await asyncio.gather(*tasks)
        assert [order.client_order_id for order in orders] == ["r-1", "r-2", "r-3"]
        assert len(link.executed) == 3

    play(story, stale_after_ns=10 * MINUTE)


def test_a_refusal_of_the_repetition_stands_once_nothing_has_turned_up() -> None:
    """The request was lost, and its repetition refused: in the end that is the venue's answer, and the bot learns why."""

    async def story(world: World) -> None:
        world.link.fates[Op.ORDER_CREATE] = [Fate.LOST_BEFORE, Fate.POOR]
        with pytest.raises(OutcomeUnknown):
            await world.buy()
        with pytest.raises(InsufficientFunds):
            await world.exchange.resolve("r-1")
        assert world.loop.now_ns >= 2 * MINUTE
        (intent,) = world.exchange.view().intents
        assert (intent.state, intent.is_settled) == ("refused", True)
        assert len([request for _, request in world.link.requests if request.op is Op.ORDER_CREATE]) == 2, "a refused one is not repeated"
        world.link.fates.clear()
        await world.buy()

    play(story)


def test_an_order_that_the_venue_is_slow_to_show_is_not_taken_for_the_refused_repetition() -> None:
    """Its money is what the repetition lacks, and for a minute no question shows it: it must not be forgotten, as it may have filled."""

    async def story(world: World) -> None:
        link = world.link
        link.mute[Lane.USER] = None
        link.hides_orders = True
        link.fates[Op.ORDER_CREATE] = [Fate.LOST_AFTER, Fate.POOR]
        with pytest.raises(OutcomeUnknown):
            await world.buy()
        await world.sleep(30)
        assert world.exchange.view().intents[0].state == "unknown"
        link.hides_orders = False
        assert (await world.exchange.resolve("r-1")).client_order_id == "r-1"
        assert len(link.executed) == 1

    play(story, stale_after_ns=10 * MINUTE)


@pytest.mark.parametrize("rules", [RULES, LOOKUP, SCAN])
def test_a_refusal_of_the_repetition_is_no_proof_that_nothing_was_done(rules: VenueRules) -> None:
    """The first request was done, and the money that the second one lacks is in its order: the bot gets that order."""

    async def story(world: World) -> None:
        world.link.mute[Lane.USER] = None  # nobody else tells
        world.link.fates[Op.ORDER_CREATE] = [Fate.LOST_AFTER, Fate.POOR]
        order = await world.buy()
        assert order.client_order_id == "r-1"
        assert world.exchange.view().intents[0].order == order
        assert len(world.link.executed) == 1

    play(story, rules=rules, stale_after_ns=10 * MINUTE)


def test_a_refusal_of_the_repetition_stands_for_nothing_while_nobody_can_look() -> None:
    async def story(world: World) -> None:
        world.link.mute[Lane.USER] = None
        world.link.fates[Op.ORDER_CREATE] = [Fate.LOST_AFTER, Fate.POOR]
        world.link.fates[Op.ORDERS_OPEN] = [Fate.LOST_BEFORE]
        order = await world.buy()
        assert order.client_order_id == "r-1"
        assert len(world.link.executed) == 1

    play(story, stale_after_ns=10 * MINUTE, request_within_ns=5 * SECOND)


def test_a_refusal_is_raised_as_the_venue_said_it() -> None:
    """No repetition, no wrapping."""

    async def story(world: World) -> None:
        world.link.fates[Op.ORDER_CREATE] = [Fate.POOR]
        with pytest.raises(InsufficientFunds, match="no money"):
            await world.buy()
        assert len(world.link.creates()) == 1

    play(story)


def test_whoever_stops_waiting_leaves_the_order_on_its_way() -> None:
    """Cancelling the await abandons the wait, not the order: it is seen through and known."""

    async def story(world: World) -> None:
        world.link.fates[Op.ORDER_CREATE] = [Fate.LOST_BEFORE]
        placing = world.start_buy()
        await world.sleep(0.005)
        placing.cancel()
        await world.sleep(30)
        assert placing.cancelled()
        (intent,) = world.exchange.view().intents
        assert intent.state == "open"
        assert len(world.link.executed) == 1

    play(story)


def test_an_id_of_the_bots_own_is_used_once() -> None:
    """The bot may name its orders; the same name twice is refused before anything leaves."""

    async def story(world: World) -> None:
        await world.buy(client_order_id="mine")
        with pytest.raises(DuplicateOrderId, match="mine"):
            await world.buy(client_order_id="mine")
        assert [request.client_order_id for request in world.link.creates()] == ["mine"]

    play(story)
