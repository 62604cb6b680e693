"""A chronicle made from a journal alone: where a run was killed, or was no run but trading, there is none behind its last line.

Then nothing is known of prices but those of fills, nor when a request left the client, nor what the client believed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from papertape.model.units import Nanos
from papertape.session.chronicle import Asked, Bar, Chronicle, Filled, Placed, VenueChronicle


def retold(header: dict[str, Any], entries: Iterable[dict[str, Any]], end_ns: Nanos) -> Chronicle:
    """What the commands, answers and news of orders in a journal come to; all of it is the first venue's, since they name none."""
    asked: dict[int, dict[str, Any]] = {}
    wanted: dict[str, dict[str, Any]] = {}
    orders: dict[str, dict[str, Any]] = {}
    fills: list[Filled] = []
    for entry in entries:
        at_ns = entry["t"]
        match entry["kind"]:
            case "command":
                number = entry.get("request", -len(asked) - 1)
                asked[number] = {
                    "number": number, "op": entry["op"], "sent_ns": at_ns, "reached_ns": at_ns, "line": entry.get("line", ""),
                    "client_order_id": entry.get("client_order_id", ""), "order_id": entry.get("order_id", ""),
                }  # fmt: skip
                if isinstance(entry.get("order"), dict) and "client_order_id" in entry:
                    wanted.setdefault(entry["client_order_id"], entry["order"])
            case "answered" if entry.get("request") in asked:
                asked[entry["request"]] |= {"ended_ns": at_ns, "ended": "heard", "refusal": entry.get("refusal") or ""}
            case "request_lost" if entry.get("request") in asked:
                asked[entry["request"]] |= {"ended_ns": at_ns, "ended": "cut"}
            case "order":
                order = orders.setdefault(entry["id"], {"created_ns": at_ns, **entry})
                order |= {"status": entry["status"], "filled": entry["filled"], "updated_ns": at_ns}
                if "trade_id" in entry:
                    fills.append(_filled(entry, at_ns))
    for order in orders.values():
        order["order"] = wanted.get(order["client_order_id"], {})
    fills = [_with_words(fill, orders[fill.order_id]["order"]) for fill in fills]
    venue = VenueChronicle(
        venue=next(iter(header.get("venues") or {"": None})), prices=_prices(fills), asked=tuple(Asked(**each) for each in asked.values()),
        wishes=(), orders=tuple(_placed(each) for each in orders.values()), fills=tuple(fills), opening={}, has_books=False,
    )  # fmt: skip
    return Chronicle(end_ns=end_ns, invariants=(), must_happen=(), venues=(venue,))


def _filled(entry: dict[str, Any], at_ns: Nanos) -> Filled:
    return Filled(
        trade_id=entry["trade_id"], order_id=entry["id"], client_order_id=entry["client_order_id"], symbol="", side="", at_ns=at_ns,
        price=entry["price"], amount=entry["amount"], fee=entry.get("fee", "0"), liquidity=entry.get("liquidity", ""),
    )  # fmt: skip


def _with_words(fill: Filled, order: dict[str, Any]) -> Filled:
    return Filled(
        trade_id=fill.trade_id, order_id=fill.order_id, client_order_id=fill.client_order_id, symbol=order.get("symbol", ""),
        side=order.get("side", ""), at_ns=fill.at_ns, price=fill.price, amount=fill.amount, fee=fill.fee, liquidity=fill.liquidity,
    )  # fmt: skip


def _placed(entry: dict[str, Any]) -> Placed:
    order = entry["order"]
    return Placed(
        id=entry["id"], client_order_id=entry["client_order_id"], symbol=order.get("symbol", ""), type=order.get("type", ""),
        side=order.get("side", ""), amount=order.get("amount", "0"), status=entry["status"], filled=entry["filled"],
        created_ns=entry["created_ns"], limits=((entry["created_ns"], float(order["price"])),) if "price" in order else (),
        ended_ns=None if entry["status"] == "open" else entry["updated_ns"],
    )  # fmt: skip


def _prices(fills: list[Filled]) -> dict[str, list[Bar]]:
    found: dict[str, list[Bar]] = {}
    for fill in fills:
        price = float(fill.price)
        found.setdefault(fill.symbol, []).append(Bar(fill.at_ns, price, price, price))
    return found
