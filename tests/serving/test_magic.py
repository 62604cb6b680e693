"""Client order ids that force an outcome do what their table says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from papertape.model.order import OrderStatus
from papertape.model.request import Op, RefusalCode, ReplyLost
from papertape.model.units import SECOND
from papertape.session.serving.magic import OUTCOMES, outcome_of
from serving.stall import Stall, at_a_stall

ROOT = Path(__file__).parents[2]


def test_every_outcome_is_explained() -> None:
    """docs/serve.md has a row for each, with its story, and no row for anything else."""
    page = (ROOT / "docs/serve.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| `pt-")]
    told = {name.strip().strip("`").removeprefix("pt-").removesuffix("-…"): story.strip() for name, story in rows}
    assert told == {name: outcome.story for name, outcome in OUTCOMES.items()}


@pytest.mark.parametrize("name", [name for name in OUTCOMES if name.startswith("reject")])
def test_a_rejection_is_one_each_time(name: str) -> None:
    """The reason that the id names, at the first try and at the second; no order comes of it."""

    async def story(stall: Stall) -> None:
        for _ in range(2):
            answer = await stall.buy(f"pt-{name}-1")
            assert answer.refusal is not None
            assert answer.refusal.code == (name.removeprefix("reject-").replace("-", "_") if name != "reject" else "insufficient_funds")
        assert not stall.market.venue.truth_orders()

    at_a_stall(story)


@pytest.mark.parametrize(("name", "code"), [("rate-limit", RefusalCode.RATE_LIMITED), ("unavailable", RefusalCode.UNAVAILABLE)])
def test_a_venue_that_is_busy_takes_the_second_try(name: str, code: RefusalCode) -> None:
    """Refused and not done; then done, once."""

    async def story(stall: Stall) -> None:
        first = await stall.buy(f"pt-{name}-1")
        assert first.refusal is not None
        assert first.refusal.code is code
        assert not stall.market.venue.truth_orders()
        assert (await stall.buy(f"pt-{name}-1")).order is not None
        assert len(stall.market.venue.truth_orders()) == 1

    at_a_stall(story)


def test_a_503_can_lie() -> None:
    """The order is there although the venue said that it was away; a second try under the same id gets it and makes no other."""

    async def story(stall: Stall) -> None:
        first = await stall.buy("pt-unavailable-done-1")
        assert first.refusal is not None
        (order,) = stall.market.venue.truth_orders()
        again = await stall.buy("pt-unavailable-done-1")
        assert again.order is not None
        assert again.order.id == order.id
        assert len(stall.market.venue.truth_orders()) == 1

    at_a_stall(story)


@pytest.mark.parametrize(("name", "made"), [("lose-request", 0), ("lose-reply", 1)])
def test_what_is_lost_is_lost_once(name: str, made: int) -> None:
    """No answer to the first try, with or without an order; the second is answered with the one order that there is."""

    async def story(stall: Stall) -> None:
        with pytest.raises(ReplyLost):
            await stall.buy(f"pt-{name}-1")
        assert len(stall.market.venue.truth_orders()) == made
        assert (await stall.buy(f"pt-{name}-1")).order is not None
        assert len(stall.market.venue.truth_orders()) == 1

    at_a_stall(story)


def test_a_late_reply_is_thirty_seconds_late() -> None:
    """The order is made at once."""

    async def story(stall: Stall) -> None:
        asked = asyncio.ensure_future(stall.buy("pt-late-reply-1"))
        await asyncio.sleep(1)
        assert len(stall.market.venue.truth_orders()) == 1
        assert (await asked).order is not None
        assert 30 * SECOND < stall.market.time.now_ns < 31 * SECOND

    at_a_stall(story)


def test_a_late_order_shows_after_five_seconds() -> None:
    """In no list before."""

    async def story(stall: Stall) -> None:
        await stall.buy("pt-late-visible-1")
        assert not (await stall.ask(Op.ORDERS_OPEN)).orders
        await asyncio.sleep(5)
        assert len((await stall.ask(Op.ORDERS_OPEN)).orders) == 1

    at_a_stall(story)


@pytest.mark.parametrize(("name", "times"), [("lose-news", 0), ("repeat-news", 2)])
def test_news_are_told_never_or_twice(name: str, times: int) -> None:
    """Of that order; of any other once, as always."""

    async def story(stall: Stall) -> None:
        heard = stall.listen()
        await asyncio.sleep(1)
        await stall.buy(f"pt-{name}-1")
        await stall.buy("mine")
        await asyncio.sleep(1)
        ids = [update.order.client_order_id for update in heard]
        assert (ids.count(f"pt-{name}-1"), ids.count("mine")) == (times, 1)

    at_a_stall(story)


def test_the_venue_may_cancel_of_its_own_accord() -> None:
    """A second after it was made, and the user stream tells; one that has filled by then stays filled."""

    async def story(stall: Stall) -> None:
        heard = stall.listen()
        await asyncio.sleep(1)
        resting, filled = (await stall.buy("pt-cancel-1")).order, (await stall.buy("pt-cancel-2", price="70000")).order
        assert resting is not None
        assert filled is not None
        assert (resting.status, filled.status) == (OrderStatus.OPEN, OrderStatus.CLOSED)
        await asyncio.sleep(2)
        assert [order.status for order in stall.market.venue.truth_orders()] == [OrderStatus.CANCELED, OrderStatus.CLOSED]
        assert heard[-1].order.status is OrderStatus.CANCELED

    at_a_stall(story)


def test_a_cancel_may_be_refused_once() -> None:
    """The order goes on until it is cancelled again."""

    async def story(stall: Stall) -> None:
        order = (await stall.buy("pt-refuse-cancel-1")).order
        assert order is not None
        refused = await stall.ask(Op.ORDER_CANCEL, "pt-refuse-cancel-1", order_id=order.id)
        assert refused.refusal is not None
        assert stall.market.venue.truth_orders()[0].status is OrderStatus.OPEN
        await stall.ask(Op.ORDER_CANCEL, "pt-refuse-cancel-1", order_id=order.id)
        assert stall.market.venue.truth_orders()[0].status is OrderStatus.CANCELED

    at_a_stall(story)


def test_a_cancel_may_be_done_and_not_answered() -> None:
    """The order is gone, and the client does not know."""

    async def story(stall: Stall) -> None:
        order = (await stall.buy("pt-lose-cancel-reply-1")).order
        assert order is not None
        with pytest.raises(ReplyLost):
            await stall.ask(Op.ORDER_CANCEL, "pt-lose-cancel-reply-1", order_id=order.id)
        assert stall.market.venue.truth_orders()[0].status is OrderStatus.CANCELED

    at_a_stall(story)


def test_a_mistyped_outcome_is_refused_and_told() -> None:
    """Whoever believes that a reply was lost must not be left in that belief."""

    async def story(stall: Stall) -> None:
        answer = await stall.buy("pt-loose-reply-1")
        assert answer.refusal is not None
        assert not stall.market.venue.truth_orders()
        assert 'did you mean "pt-lose-reply-…"?' in stall.told[0]

    at_a_stall(story)


def test_ids_may_be_plain() -> None:
    """Without the magic such an id is one like any other."""

    async def story(stall: Stall) -> None:
        assert (await stall.buy("pt-lose-reply-1")).order is not None
        assert (await stall.buy("pt-whatever")).order is not None

    at_a_stall(story, has_magic=False)


def test_an_id_of_ours_is_never_magic() -> None:
    """The ids that papertape's own exchange makes begin with pt and a number."""
    assert [outcome_of(each) for each in ("pt0-1", "pt7-12", "ptreject-1", "mine", "", "pt-")] == [None] * 6


def test_the_longest_name_is_meant() -> None:
    """And what follows it is the client's own affair, hyphens and all."""
    found = [outcome_of(f"pt-{rest}") for rest in ("reject", "reject-unsupported", "reject-un-7", "lose-reply-a-b-c", "lose-replyx")]
    assert [None if each is None else each.name for each in found] == ["reject", "reject-unsupported", "reject", "lose-reply", None]
