"""REST answers, written by the venue and read by a client: `decode(request, render(asked, answer)) == answer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from papertape.model.account import Balances
from papertape.model.order import Fill, Order
from papertape.model.request import Answer, Op, RefusalCode, Request
from papertape.model.units import MILLISECOND, SECOND, Nanos
from papertape.venues.coinbase.account import (
    VAULT,
    decode_account,
    find,
    render_account,
    render_fees,
    render_permissions,
    render_portfolios,
    render_wallet,
    render_wallets,
    together,
    uuid_of,
)
from papertape.venues.coinbase.api import Shape
from papertape.venues.coinbase.asked import Asked
from papertape.venues.coinbase.auth import USUAL_RIGHTS, Right
from papertape.venues.coinbase.errors import Body, decode_cancel, decode_refusal, not_found, render_refusal
from papertape.venues.coinbase.market import decode_books, decode_trades, render_book, render_books, render_trades
from papertape.venues.coinbase.notation import Products, format_side, format_time, product_id
from papertape.venues.coinbase.order import (
    STATUS_TO_WIRE,
    fill_cursor,
    from_rest_fill,
    from_rest_order,
    order_cursor,
    order_type,
    time_in_force,
    to_rest_fill,
    to_rest_order,
)
from papertape.venues.coinbase.page import page
from papertape.venues.coinbase.preview import decode_preview, render_edit_preview, render_preview
from papertape.venues.coinbase.product import (
    Days,
    decode_candle,
    decode_product,
    render_candle,
    render_coins,
    render_currencies,
    render_price,
    render_product,
    render_products,
    render_rates,
)

NO_PRODUCTS: Final = Products()
NOTHING: Final[Mapping[str, Any]] = {}
FROM_BEFORE_THE_VENUE: Final = (RefusalCode.RATE_LIMITED, RefusalCode.UNAVAILABLE, RefusalCode.BANNED)
"""Refusals that do not speak of what was asked, and look the same whatever it was."""

Configs = Mapping[str, dict[str, Any]]
"""By order id, what an order was asked for with, where that says more than the order does."""


def render(
    asked: Asked,
    answers: Sequence[Answer],
    venue_ns: Nanos,
    products: Products = NO_PRODUCTS,
    *,
    days: Days = NOTHING,
    configs: Configs = NOTHING,
    rights: Sequence[Right] = USUAL_RIGHTS,
) -> Body:
    """The HTTP answer to what was asked, from the venue's answers to each of its requests.

    Args:
        asked: what `parse` understood.
        answers: one for each of `asked.requests`.
        venue_ns: the venue's wall clock, nanoseconds since 1970-01-01 UTC.
        products: what trades and books are told of.
        rights: those of the key that asked.
    """
    refusals = [each.refusal for each in answers if each.refusal is not None]
    stopped = next((each for each in refusals if each.code in FROM_BEFORE_THE_VENUE), None)
    if asked.shape is Shape.CANCELLED and stopped is None:
        return _render_cancels(asked, answers)
    answer, request = (answers[0], asked.requests[0]) if answers else (Answer(), Request(op=Op.TIME_FETCH))
    if asked.shape is Shape.PREVIEWED and stopped is None:
        return Body(200, render_preview(answer, request, products, venue_ns))
    if asked.shape is Shape.EDIT_PREVIEWED and stopped is None:
        return Body(200, render_edit_preview(answer, products))
    if refusals:
        return render_refusal(request.op, stopped or refusals[0], request.order_id or product_id(request.symbol), asked.config)
    if asked.shape in ABOUT_ACCOUNT:
        return _render_account(asked, answer, rights)
    if asked.shape in ABOUT_ORDERS:
        return _render_orders(asked, answer, configs)
    return _render_market(asked, answer, venue_ns, products, days)


ABOUT_ACCOUNT: Final = (
    Shape.FEES, Shape.ACCOUNTS, Shape.ACCOUNT, Shape.WALLETS, Shape.WALLET, Shape.PERMISSIONS, Shape.PORTFOLIOS,
)  # fmt: skip
ABOUT_ORDERS: Final = (Shape.CREATED, Shape.EDITED, Shape.ORDER, Shape.ORDERS, Shape.FILLS)


def _render_account(asked: Asked, answer: Answer, rights: Sequence[Right]) -> Body:
    balances = answer.balances or Balances({})
    match asked.shape:
        case Shape.FEES:
            return Body(200, render_fees(answer.markets))
        case Shape.PERMISSIONS:
            return Body(200, render_permissions(rights))
        case Shape.PORTFOLIOS:
            return Body(200, render_portfolios())
        case Shape.ACCOUNTS:
            rows, cursor = page(list(balances.currencies), asked.cursor, asked.limit, lambda currency: f"0.{uuid_of(currency)}")
            accounts = [render_account(each, balances[each]) for each in rows]
            return Body(200, {"accounts": accounts, "has_next": bool(cursor), "cursor": cursor, "size": len(accounts)})
        case Shape.WALLETS:
            wallets = [render_wallet(c, b) for c, b in balances.currencies.items()]
            return Body(200, render_wallets(wallets, asked.cursor, asked.limit or len(wallets)))
    found = find(balances, asked.subject)
    if asked.shape is Shape.WALLET:
        return Body(200, {"data": render_wallet(*found)}) if found else OLD_NOT_FOUND
    return Body(200, {"account": render_account(*found)}) if found else not_found("account not found")


OLD_NOT_FOUND: Final = Body(404, {"errors": [{"id": "not_found", "message": "Not found"}]})
"""The old API's way of saying it."""


def _render_orders(asked: Asked, answer: Answer, configs: Configs) -> Body:
    match asked.shape:
        case Shape.EDITED:
            return Body(200, {"success": True, "errors": []})
        case Shape.ORDERS:
            orders, cursor = page(_listed_orders(asked, answer), asked.cursor, asked.limit, order_cursor)
            rows = [to_rest_order(each, configs.get(each.id)) for each in orders]
            return Body(200, {"orders": rows, "sequence": "0", "has_next": bool(cursor), "cursor": cursor})
        case Shape.FILLS:
            fills, cursor = page(_listed_fills(asked, answer), asked.cursor, asked.limit, fill_cursor)
            return Body(200, {"fills": [to_rest_fill(each) for each in fills], "cursor": cursor})
    assert answer.order is not None
    if asked.shape is Shape.CREATED:
        return Body(200, _render_created(answer.order, asked.config))
    return Body(200, {"order": to_rest_order(answer.order, configs.get(answer.order.id))})


def _render_market(asked: Asked, answer: Answer, venue_ns: Nanos, products: Products, days: Days) -> Body:
    match asked.shape:
        case Shape.PRODUCTS:
            wanted, kinds = asked.words.get("product_ids", ()), asked.words.get("product_type", ())
            rows = [
                render_product(each, days, products.alias(each.symbol))
                for each in answer.markets
                if _wants(wanted, product_id(each.symbol)) and _wants(kinds, "SPOT")
            ]
            return Body(200, render_products(rows, asked.offset, asked.limit))
        case Shape.PRODUCT:
            symbol = asked.requests[0].symbol
            found = next((each for each in answer.markets if each.symbol == symbol), None)
            if found is None:
                return not_found(f"Product {product_id(symbol)} not supported")
            return Body(200, render_product(found, days, products.alias(symbol)))
        case Shape.CANDLES:
            bars = [each for each in reversed(answer.candles) if asked.end_ns is None or each.open_ns <= asked.end_ns]
            return Body(200, {"candles": [render_candle(each) for each in bars[: asked.limit]]})
        case Shape.TRADES:
            trades = [each for each in answer.trades if asked.end_ns is None or each.venue_ns <= asked.end_ns]
            return Body(200, render_trades(trades[len(trades) - min(asked.limit or 0, len(trades)) :], answer.books[0], products))
        case Shape.BOOK:
            return Body(200, render_book(answer.books[0], products, days, asked.subject))
        case Shape.BOOKS:
            wanted = asked.words.get("product_ids", ())
            return Body(200, render_books([each for each in answer.books if _wants(wanted, product_id(each.symbol))], products))
        case Shape.CURRENCIES:
            return Body(200, render_currencies(products))
        case Shape.COINS:
            return Body(200, render_coins(products))
        case Shape.RATES:
            return Body(200, render_rates(asked.subject, products, days))
        case Shape.PRICE:
            price = render_price(answer.books[0], asked.subject, products, days)
            return OLD_NOT_FOUND if price is None else Body(200, price)
    seconds, millis = str(venue_ns // SECOND), str(venue_ns // MILLISECOND)
    now = {"iso": format_time(venue_ns // SECOND * SECOND), "epochSeconds": seconds, "epochMillis": millis}
    return Body(200, now | {"data": {"iso": now["iso"], "epoch": int(seconds)}})  # `data` is what /v2/time has


def _wants(names: Sequence[str], name: str) -> bool:
    return not names or name in names


def _wants_order(asked: Asked, order: Order) -> bool:
    facts = {
        "order_ids": order.id, "product_ids": product_id(order.symbol), "product_type": "SPOT",
        "order_status": STATUS_TO_WIRE[order.status],
        "order_types": order_type(order), "order_side": format_side(order.side), "time_in_forces": time_in_force(order),
        "order_placement_source": "RETAIL_ADVANCED",
    }  # fmt: skip
    return (
        all(facts[name] in words for name, words in asked.words.items() if words)
        and (asked.start_ns is None or order.created_ns >= asked.start_ns)
        and (asked.end_ns is None or order.created_ns < asked.end_ns)
    )


def shown(asked: Asked, answer: Answer) -> tuple[str, ...] | None:
    """Client order ids of those that stand on the page that was asked for; None for what has no pages, and shows all that is in it."""
    if answer.refusal is not None:
        return None
    rows: Sequence[Order | Fill]
    if asked.shape is Shape.ORDERS:
        rows = page(_listed_orders(asked, answer), asked.cursor, asked.limit, order_cursor)[0]
    elif asked.shape is Shape.FILLS:
        rows = page(_listed_fills(asked, answer), asked.cursor, asked.limit, fill_cursor)[0]
    else:
        return None
    return tuple(dict.fromkeys(each.client_order_id for each in rows))


def _listed_orders(asked: Asked, answer: Answer) -> Sequence[Order]:
    return [each for each in reversed(answer.orders) if _wants_order(asked, each)]  # newest first


def _listed_fills(asked: Asked, answer: Answer) -> Sequence[Fill]:
    found: list[Fill] = []
    for each in reversed(answer.fills):  # newest first
        facts = {
            "order_ids": each.order_id, "trade_ids": each.trade_id, "product_ids": product_id(each.symbol),
            "order_side": format_side(each.side),
        }  # fmt: skip
        is_wanted = all(facts[name] in words for name, words in asked.words.items() if words)
        if is_wanted and (asked.end_ns is None or each.venue_ns <= asked.end_ns):
            found.append(each)
    return found


def _render_created(order: Order, config: dict[str, Any]) -> dict[str, Any]:
    names = {"order_id": order.id, "product_id": product_id(order.symbol), "side": format_side(order.side)}
    return {
        "success": True,
        "success_response": names | {"client_order_id": order.client_order_id, "attached_order_id": ""},
        "order_configuration": config,
    }


def _render_cancels(asked: Asked, answers: Sequence[Answer]) -> Body:
    rows: list[dict[str, Any]] = []
    for request, answer in zip(asked.requests, answers, strict=True):
        if answer.refusal is None:
            rows.append({"success": True, "failure_reason": "UNKNOWN_CANCEL_FAILURE_REASON", "order_id": request.order_id})
        else:
            rows += render_refusal(Op.ORDER_CANCEL, answer.refusal, request.order_id).content["results"]
    return Body(200, {"results": rows})


def decode(request: Request, status: int, body: Any, headers: dict[str, str], products: Products = NO_PRODUCTS) -> tuple[Answer, str]:
    """The answer, and where its next page begins ("" if nowhere).

    A create is acknowledged by ids alone, a cancel and an edit by nothing but a yes: `answer.order` is then None, and for a create
    `acknowledged` makes the order. Raises `ValueError`, `KeyError` or `TypeError` if the body is not what the op is answered with.
    """
    refusal = decode_refusal(status, body, headers)
    if refusal is not None:
        return Answer(refusal=refusal), ""
    cursor = str(body.get("cursor") or "") if body.get("has_next", True) else ""
    match request.op:
        case Op.ORDER_FETCH:
            return Answer(order=from_rest_order(body["order"])), ""
        case Op.ORDERS_OPEN | Op.ORDERS_FETCH:
            return Answer(orders=tuple(from_rest_order(each) for each in reversed(body["orders"]))), cursor
        case Op.FILLS_FETCH:
            return Answer(fills=tuple(from_rest_fill(each) for each in reversed(body["fills"]))), cursor
        case Op.BALANCE_FETCH:
            rows = [each for each in body["accounts"] if each.get("type") != VAULT]
            return Answer(balances=together([Balances({each["currency"]: decode_account(each)}) for each in rows])), cursor
        case Op.MARKETS_FETCH:
            rows = [each for each in body["products"] if each.get("product_type", "SPOT") == "SPOT"]
            return Answer(markets=tuple(decode_product(each) for each in rows)), ""
        case Op.OHLCV_FETCH:
            return Answer(candles=tuple(sorted((decode_candle(each) for each in body["candles"]), key=lambda bar: bar.open_ns))), ""
        case Op.TRADES_FETCH:
            trades, best = decode_trades(body, request.symbol, products)
            return Answer(trades=trades, books=(best,)), ""
        case Op.BOOK_FETCH:
            return Answer(books=decode_books(body, products, request.symbol)), ""
        case Op.TIME_FETCH:
            return Answer(), ""
        case Op.ORDER_PREVIEW:
            return decode_preview(request, body), ""
        case Op.ORDER_CANCEL:
            return Answer(refusal=decode_cancel(body["results"][0])), ""
        case Op.ORDER_CREATE | Op.ORDER_EDIT:
            if body["success"] is not True:
                raise ValueError(f"neither a yes nor a reason: {body!r}")
            return Answer(), ""


def acknowledged_id(body: Any) -> str:
    """The venue's id of an order that a create was answered with; also of the old one, where the client's id came again."""
    return str((body.get("success_response") or {}).get("order_id") or body["order_id"])
