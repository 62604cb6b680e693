"""Orders as they lived: asked, resting, filled, cancelled, and for how long the client did not know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from papertape.model.units import Nanos
from papertape.reports.html.story import Story
from papertape.session.chronicle import Asked, Bar, Filled, News, Placed, VenueChronicle, Wish

UNANSWERED: Final = ("cut", "lost", "given up")


class Unknown(msgspec.Struct, frozen=True):
    """A time in which the client did not know what had become of an order; None where that lasted to the end."""

    begin_ns: Nanos
    end_ns: Nanos | None


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """One order on both sides.

    Attributes:
        key: its client order id; the venue's own id where it has none.
        asked_ns: when the bot wanted it; as near to that as is known.
        price: where to draw it, quote per base; None where no price is known at all.
        limits: (from when, until when, quote per base) for each limit it rested at.
        outcome: in a word or two.
        ended_ns: when that was so.
        believed: what the client thought of it at the end; empty where that is not known.
        line: which line of the user's code wanted it.
    """

    venue: str
    key: str
    order_id: str
    symbol: str
    side: str
    type: str
    amount: str
    asked_ns: Nanos
    sent_ns: Nanos | None
    price: float | None
    limits: tuple[tuple[Nanos, Nanos, float], ...]
    fills: tuple[Filled, ...]
    outcome: str
    ended_ns: Nanos
    unknowns: tuple[Unknown, ...]
    news: tuple[News, ...]
    believed: str
    line: str
    foreign: bool = False

    @property
    def is_odd(self) -> bool:
        """Somebody will want to see it: its outcome was unknown, or it was refused, foreign, or never sent."""
        return bool(self.unknowns) or self.foreign or self.outcome not in ("filled", "cancelled", "open at the end", "expired")


def lives_of(story: Story, chronicle: VenueChronicle) -> list[Life]:
    """Every order of one venue, in the order in which they were asked for."""
    creates: dict[str, list[Asked]] = {}
    for asked in chronicle.asked:
        if asked.op == "order.create" and asked.client_order_id:
            creates.setdefault(asked.client_order_id, []).append(asked)
    fills: dict[str, list[Filled]] = {}
    for fill in chronicle.fills:
        fills.setdefault(fill.order_id, []).append(fill)
    placed = {order.client_order_id or order.id: order for order in chronicle.orders}
    wishes = {wish.client_order_id: wish for wish in chronicle.wishes}
    keys = dict.fromkeys([*wishes, *creates, *placed])
    bars = chronicle.prices
    found = []
    for key in keys:
        order, wish = placed.get(key), wishes.get(key)
        mine = fills.get(order.id, []) if order is not None else []
        found.append(_life(story, chronicle.venue, key, order, wish, creates.get(key, []), mine, bars))
    return sorted(found, key=lambda life: (life.asked_ns, life.key))


def _life(
    story: Story,
    venue: str,
    key: str,
    order: Placed | None,
    wish: Wish | None,
    creates: Sequence[Asked],
    fills: Sequence[Filled],
    prices: dict[str, list[Bar]],
) -> Life:
    words = {} if wish is None else wish.order
    symbol = order.symbol if order is not None else words.get("symbol", "")
    sent_ns = creates[0].sent_ns if creates else None if wish is None else wish.sent_ns
    known = [
        each
        for each in (None if wish is None else wish.wanted_ns, sent_ns, None if order is None else order.created_ns)
        if each is not None
    ]
    asked_ns = min(known)
    outcome, ended_ns = _outcome(order, wish, creates, story.end_ns)
    unknowns = _unknowns(creates, wish, story.told.get(key, ()))
    news = () if wish is None else wish.news
    believed = ""
    if wish is not None:
        believed = f"{news[-1].status}, filled {news[-1].filled}" if news else wish.ended or "unknown"
    return Life(
        venue=venue, key=key, order_id="" if order is None else order.id, symbol=symbol,
        side=order.side if order is not None else words.get("side", ""), type=order.type if order is not None else words.get("type", ""),
        amount=_amount(order, words), asked_ns=asked_ns, sent_ns=sent_ns,
        price=_price(order, words, fills, prices.get(symbol, []), asked_ns), limits=_rested(order, story.end_ns), fills=tuple(fills),
        outcome=outcome, ended_ns=ended_ns, unknowns=unknowns, news=news, believed=believed,
        line=wish.line if wish is not None and wish.line else next((each.line for each in creates if each.line), ""),
        foreign=order is not None and order.foreign,
    )  # fmt: skip


def _amount(order: Placed | None, words: dict[str, str]) -> str:
    if order is not None and order.amount != "0":
        return order.amount
    return words.get("amount") or (f"for {words['cost']}" if "cost" in words else "")


def _outcome(order: Placed | None, wish: Wish | None, creates: Sequence[Asked], end_ns: Nanos) -> tuple[str, Nanos]:
    """What the venue has, else what the client was told."""
    if order is not None and order.status != "rejected":
        if order.status == "closed":
            return "filled", end_ns if order.ended_ns is None else order.ended_ns
        if order.status == "open":
            return "open at the end", end_ns
        words = {"canceled": "cancelled", "expired": "expired"}.get(order.status, order.status)
        return words, end_ns if order.ended_ns is None else order.ended_ns
    refused = next((each for each in creates if each.refusal), None)
    if refused is not None:
        return f"refused ({refused.refusal.replace('_', ' ')})", refused.ended_ns or refused.sent_ns
    if order is not None:
        return "rejected", order.created_ns
    if wish is not None and wish.ended:
        return wish.ended, end_ns if wish.ended_ns is None else wish.ended_ns
    return "never at the venue", end_ns


def _unknowns(creates: Sequence[Asked], wish: Wish | None, told_ns: Sequence[Nanos]) -> tuple[Unknown, ...]:
    """Of each request that nobody answered: from when the venue had dealt with it to the first news of that order."""
    heard = [each.ended_ns for each in creates if each.ended == "heard" and each.ended_ns is not None]
    known = [*told_ns, *heard]
    if wish is not None:
        known += [news.at_ns for news in wish.news] + ([wish.ended_ns] if wish.ended_ns is not None else [])
    found = []
    for each in creates:
        if each.ended in UNANSWERED:
            begin_ns = each.sent_ns if each.reached_ns is None else each.reached_ns
            found.append(Unknown(begin_ns, min((at_ns for at_ns in known if at_ns > begin_ns), default=None)))
    return tuple(found)


def _rested(order: Placed | None, end_ns: Nanos) -> tuple[tuple[Nanos, Nanos, float], ...]:
    if order is None or order.status == "rejected" or not order.limits:
        return ()
    ends = [*(at_ns for at_ns, _ in order.limits[1:]), end_ns if order.ended_ns is None else order.ended_ns]
    return tuple((at_ns, until_ns, price) for (at_ns, price), until_ns in zip(order.limits, ends, strict=True) if until_ns > at_ns)


def _price(order: Placed | None, words: dict[str, str], fills: Sequence[Filled], bars: Sequence[Bar], at_ns: Nanos) -> float | None:
    if order is not None and order.limits:
        return order.limits[0][1]
    if "price" in words:
        return float(words["price"])
    if fills:
        return float(fills[0].price)
    before = [bar.last for bar in bars if bar.at_ns <= at_ns]
    return before[-1] if before else None
