"""REST answers, written by the venue and read by a client: `decode(request, render(asked, answer)) == answer`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

from papertape.model.account import Balance, Balances, Candle, Market
from papertape.model.instrument import Instrument
from papertape.model.order import Fill, Order
from papertape.model.request import Answer, Op, Refusal, RefusalCode, Request
from papertape.model.units import EXACT, MILLISECOND, SECOND, Nanos, plain
from papertape.venues.coinbase.errors import Body, decode_cancel, decode_refusal, not_found, render_refusal
from papertape.venues.coinbase.market import decode_books, decode_trades, render_book, render_books, render_trades
from papertape.venues.coinbase.notation import Products, format_side, format_time, product_id, symbol_of
from papertape.venues.coinbase.order import STATUS_TO_WIRE, from_rest_fill, from_rest_order, to_rest_fill, to_rest_order
from papertape.venues.coinbase.request import Asked, Shape

FIAT: Final = ("USD", "EUR", "GBP", "SGD", "CAD", "AUD", "JPY")


VAULT: Final = "ACCOUNT_TYPE_VAULT"
"""An account whose money cannot be traded before its owner waits two days for it."""

NO_PRODUCTS: Final = Products()

Row = TypeVar("Row")


def render(
    asked: Asked, answers: Sequence[Answer], venue_ns: Nanos, prices: Mapping[str, str] = {}, products: Products = NO_PRODUCTS
) -> Body:
    """The HTTP answer to what was asked, from the venue's answers to each of its requests.

    Args:
        asked: what `parse` understood.
        answers: one for each of `asked.requests`.
        venue_ns: the venue's wall clock, nanoseconds since 1970-01-01 UTC.
        prices: last price by symbol, where one is known.
        products: what trades and books are told of.
    """
    if asked.shape is Shape.CANCELLED:
        return _render_cancels(asked, answers)
    if answers and answers[0].refusal is not None:
        request = asked.requests[0]
        return render_refusal(request.op, answers[0].refusal, request.order_id, asked.config)
    answer = answers[0] if answers else Answer()
    match asked.shape:
        case Shape.TIME:
            seconds, millis = str(venue_ns // SECOND), str(venue_ns // MILLISECOND)
            now = {"iso": format_time(venue_ns // SECOND * SECOND), "epochSeconds": seconds, "epochMillis": millis}
            return Body(200, now | {"data": {"iso": now["iso"], "epoch": int(seconds)}})  # `data` is what /v2/time has
        case Shape.PRODUCTS:
            is_spot = asked.product_type in ("", "SPOT")
            rows = [_render_product(each, prices) for each in answer.markets if is_spot and _wants(asked.symbols, each.symbol)]
            return Body(200, {"products": rows, "num_products": len(rows)})
        case Shape.PRODUCT:
            return _render_one_product(asked, answer, prices)
        case Shape.CANDLES:
            rows = [_render_candle(each) for each in reversed(answer.candles) if asked.end_ns is None or each.open_ns <= asked.end_ns]
            return Body(200, {"candles": rows})
        case Shape.FEES:
            return Body(200, _render_fees(answer.markets))
        case Shape.ACCOUNTS:
            assert answer.balances is not None
            accounts, paging = _page([_render_account(c, b) for c, b in answer.balances.currencies.items()], asked)
            return Body(200, {"accounts": accounts} | paging | {"size": len(accounts)})
        case Shape.ACCOUNT:
            assert answer.balances is not None
            found = [_render_account(c, b) for c, b in answer.balances.currencies.items() if _account_id(c) == asked.subject]
            return Body(200, {"account": found[0]}) if found else not_found("account not found")
        case Shape.WALLETS:
            assert answer.balances is not None
            rows = [_render_wallet(c, b) for c, b in answer.balances.currencies.items()]
            return Body(200, {"pagination": {"next_starting_after": None, "limit": asked.limit, "next_uri": None}, "data": rows})
        case Shape.CREATED:
            assert answer.order is not None
            return Body(200, _render_created(answer.order, asked.config))
        case Shape.EDITED:
            return Body(200, {"success": True, "errors": []})
        case Shape.ORDER:
            assert answer.order is not None
            return Body(200, {"order": to_rest_order(answer.order)})
        case Shape.ORDERS:
            orders, paging = _page(_listed_orders(asked, answer), asked)
            return Body(200, {"orders": [to_rest_order(each) for each in orders], "sequence": "0"} | paging)
        case Shape.FILLS:
            fills, paging = _page(answer.fills[::-1], asked)  # newest first
            return Body(200, {"fills": [to_rest_fill(each) for each in fills]} | paging)
        case Shape.TRADES:
            trades = [each for each in answer.trades if asked.end_ns is None or each.venue_ns <= asked.end_ns]
            return Body(200, render_trades(trades[-asked.limit :], answer.books[0], products))
        case Shape.BOOK:
            return Body(200, render_book(answer.books[0], products, prices))
        case Shape.BOOKS:
            return Body(200, render_books([each for each in answer.books if _wants(asked.symbols, each.symbol)], products))
        case Shape.CURRENCIES:
            return Body(200, {"data": [_render_fiat(each) for each in _currencies(products) if each in FIAT]})
        case Shape.COINS:
            coins = [each for each in _currencies(products) if each not in FIAT]
            return Body(200, {"data": [_render_coin(each, place) for place, each in enumerate(coins)]})
        case Shape.PERMISSIONS:
            may = {"can_view": True, "can_trade": True, "can_transfer": False}
            return Body(200, may | {"portfolio_uuid": _account_id("portfolio"), "portfolio_type": "DEFAULT"})
    return Body(200, {"data": {"currency": "USD", "rates": {"USD": "1"}}})


def _wants(names: Sequence[str], name: str) -> bool:
    return not names or name in names


def _wants_order(asked: Asked, order: Order) -> bool:
    return (
        _wants(asked.statuses, STATUS_TO_WIRE[order.status])
        and _wants(asked.symbols, order.symbol)
        and _wants(asked.ids, order.id)
        and (asked.start_ns is None or order.created_ns >= asked.start_ns)
        and (asked.end_ns is None or order.created_ns < asked.end_ns)
    )


def _currencies(products: Products) -> list[str]:
    instruments = [each.instrument for each in products.by_symbol.values()]
    return list(dict.fromkeys(currency for it in instruments for currency in (it.base, it.quote)))


def _render_fiat(currency: str) -> dict[str, Any]:
    return {"id": currency, "name": currency, "min_size": "0.01"}


def _render_coin(currency: str, place: int) -> dict[str, Any]:
    about = {"asset_id": _account_id(f"asset {currency}"), "code": currency, "name": currency, "color": "#000000"}
    return about | {"sort_index": 100 + place, "exponent": 8, "type": "crypto", "address_regex": ""}


def shown(asked: Asked, answer: Answer) -> tuple[str, ...] | None:
    """Client order ids of those that stand on the page that was asked for; None for what has no pages, and shows all that is in it."""
    if answer.refusal is None and asked.shape in (Shape.ORDERS, Shape.FILLS):
        rows: Sequence[Order | Fill] = _listed_orders(asked, answer) if asked.shape is Shape.ORDERS else answer.fills[::-1]
        return tuple(dict.fromkeys(each.client_order_id for each in _page(rows, asked)[0]))
    return None


def _listed_orders(asked: Asked, answer: Answer) -> Sequence[Order]:
    orders = answer.orders if asked.requests[0].op is Op.ORDERS_OPEN else answer.orders[::-1]  # newest first
    return [each for each in orders if _wants_order(asked, each)]


def _page(rows: Sequence[Row], asked: Asked) -> tuple[Sequence[Row], dict[str, Any]]:
    end = asked.offset + asked.limit
    has_next = end < len(rows)
    return rows[asked.offset : end], {"has_next": has_next, "cursor": str(end) if has_next else ""}


def _render_created(order: Order, config: dict[str, Any]) -> dict[str, Any]:
    names = {"order_id": order.id, "product_id": product_id(order.symbol), "side": format_side(order.side)}
    return {
        "success": True,
        "success_response": names | {"client_order_id": order.client_order_id, "attached_order_id": ""},
        "order_configuration": config,
    }


def _render_cancels(asked: Asked, answers: Sequence[Answer]) -> Body:
    refused = next((each.refusal for each in answers if each.refusal is not None), None)
    if refused is not None and refused.code in (RefusalCode.RATE_LIMITED, RefusalCode.UNAVAILABLE, RefusalCode.BANNED):
        return render_refusal(Op.ORDER_CANCEL, refused)
    rows: list[dict[str, Any]] = []
    for request, answer in zip(asked.requests, answers, strict=True):
        if answer.refusal is None:
            rows.append({"success": True, "failure_reason": "UNKNOWN_CANCEL_FAILURE_REASON", "order_id": request.order_id})
        else:
            rows += render_refusal(Op.ORDER_CANCEL, answer.refusal, request.order_id).content["results"]
    return Body(200, {"results": rows})


def _render_product(market: Market, prices: Mapping[str, str]) -> dict[str, Any]:
    it = market.instrument
    name = product_id(it.symbol)
    figures = ("price_percentage_change_24h", "volume_24h", "volume_percentage_change_24h", "approximate_quote_24h_volume")
    flags = ("watched", "is_disabled", "new", "cancel_only", "limit_only", "post_only", "auction_mode", "view_only")
    return {
        "product_id": name,
        "price": prices.get(it.symbol, ""),
        **dict.fromkeys(figures, "0"),
        "base_increment": plain(it.lot),
        "quote_increment": plain(it.tick),
        "quote_min_size": plain(it.cost_min),
        "quote_max_size": "150000000",
        "base_min_size": plain(it.amount_min),
        "base_max_size": "1000000000",
        "base_name": it.base,
        "quote_name": it.quote,
        **dict.fromkeys(flags, False),
        "status": "online" if market.active else "delisted",
        "trading_disabled": not market.active,
        "product_type": "SPOT",
        "quote_currency_id": it.quote,
        "base_currency_id": it.base,
        "fcm_trading_session_details": None,
        "mid_market_price": "",
        "alias": "",
        "alias_to": [],
        "base_display_symbol": it.base,
        "quote_display_symbol": it.quote,
        "price_increment": plain(it.tick),
        "display_name": name,
        "product_venue": "CBE",
    }


def _render_one_product(asked: Asked, answer: Answer, prices: Mapping[str, str]) -> Body:
    wanted = asked.requests[0].symbol
    for market in answer.markets:
        if market.symbol == wanted:
            return Body(200, _render_product(market, prices))
    return render_refusal(Op.MARKETS_FETCH, Refusal(code=RefusalCode.UNKNOWN_SYMBOL, message=wanted))


def _render_candle(candle: Candle) -> dict[str, str]:
    figures = {name: plain(getattr(candle, name)) for name in ("low", "high", "open", "close", "volume")}
    return {"start": str(candle.open_ns // SECOND)} | figures


def _render_fees(markets: Sequence[Market]) -> dict[str, Any]:
    maker, taker = (markets[0].maker_bps, markets[0].taker_bps) if markets else (Decimal(0), Decimal(0))
    tier = {"pricing_tier": "Advanced 1", "usd_from": "0", "usd_to": "1000"}
    rates = {"taker_fee_rate": plain(EXACT.divide(taker, Decimal(10_000))), "maker_fee_rate": plain(EXACT.divide(maker, Decimal(10_000)))}
    return {"total_volume": 0, "total_fees": 0, "fee_tier": tier | rates, "margin_rate": None, "goods_and_services_tax": None}


def _render_account(currency: str, balance: Balance) -> dict[str, Any]:
    return {
        "uuid": _account_id(currency),
        "name": f"{currency} Wallet",
        "currency": currency,
        "available_balance": {"value": plain(balance.free), "currency": currency},
        "default": True,
        "active": True,
        "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
        "deleted_at": None,
        "type": "ACCOUNT_TYPE_FIAT" if currency in FIAT else "ACCOUNT_TYPE_CRYPTO",
        "ready": True,
        "hold": {"value": plain(balance.used), "currency": currency},
        "retail_portfolio_id": "",
        "platform": "ACCOUNT_PLATFORM_CONSUMER",
    }


def _render_wallet(currency: str, balance: Balance) -> dict[str, Any]:
    code = {"code": currency, "name": currency}
    amount = {"amount": plain(balance.total), "currency": currency}
    return {"id": _account_id(currency), "type": "fiat" if currency in FIAT else "wallet", "currency": code, "balance": amount}


def _account_id(currency: str) -> str:
    digest = hashlib.sha256(currency.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


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
        case Op.ORDERS_OPEN:
            return Answer(orders=tuple(from_rest_order(each) for each in body["orders"])), cursor
        case Op.ORDERS_FETCH:
            return Answer(orders=tuple(from_rest_order(each) for each in reversed(body["orders"]))), cursor
        case Op.FILLS_FETCH:
            return Answer(fills=tuple(from_rest_fill(each) for each in reversed(body["fills"]))), cursor
        case Op.BALANCE_FETCH:
            rows = [each for each in body["accounts"] if each.get("type") != VAULT]
            return Answer(balances=together([Balances({each["currency"]: _decode_account(each)}) for each in rows])), cursor
        case Op.MARKETS_FETCH:
            rows = [each for each in body["products"] if each.get("product_type", "SPOT") == "SPOT"]
            return Answer(markets=tuple(_decode_product(each) for each in rows)), ""
        case Op.OHLCV_FETCH:
            return Answer(candles=tuple(sorted((_decode_candle(each) for each in body["candles"]), key=lambda bar: bar.open_ns))), ""
        case Op.TRADES_FETCH:
            trades, best = decode_trades(body, request.symbol, products)
            return Answer(trades=trades, books=(best,)), ""
        case Op.BOOK_FETCH:
            return Answer(books=decode_books(body, products)), ""
        case Op.TIME_FETCH:
            return Answer(), ""
        case Op.ORDER_CANCEL:
            return Answer(refusal=decode_cancel(body["results"][0])), ""
        case Op.ORDER_CREATE | Op.ORDER_EDIT:
            if body["success"] is not True:
                raise ValueError(f"neither a yes nor a reason: {body!r}")
            return Answer(), ""


def acknowledged_id(body: Any) -> str:
    """The venue's id of an order that a create was answered with; also of the old one, where the client's id came again."""
    return str((body.get("success_response") or {}).get("order_id") or body["order_id"])


def together(parts: Sequence[Balances]) -> Balances:
    """Several accounts' money as one account's: what the pages of a list hold, and the accounts of one currency.

    >>> dollars = [Balances({"USD": Balance(Decimal(each))}) for each in (1, 2)]
    >>> together(dollars)["USD"].free
    Decimal('3')
    """
    found: dict[str, Balance] = {}
    for part in parts:
        for currency, balance in part.currencies.items():
            known = found.get(currency, Balance())
            found[currency] = Balance(EXACT.add(known.free, balance.free), EXACT.add(known.used, balance.used))
    return Balances(found)


def decode_fees(body: Any) -> tuple[Decimal, Decimal]:
    """Maker and taker fee in basis points, from a transaction summary."""
    tier = body["fee_tier"]
    return EXACT.multiply(Decimal(tier["maker_fee_rate"]), Decimal(10_000)), EXACT.multiply(
        Decimal(tier["taker_fee_rate"]), Decimal(10_000)
    )


def _decode_account(row: dict[str, Any]) -> Balance:
    return Balance(Decimal(row["available_balance"]["value"]), Decimal(row["hold"]["value"]))


def _decode_product(row: dict[str, Any]) -> Market:
    instrument = Instrument(
        symbol=f"{row['base_currency_id']}/{row['quote_currency_id']}",
        venue_symbol=row["product_id"],
        tick=Decimal(row.get("price_increment") or row["quote_increment"]),
        lot=Decimal(row["base_increment"]),
        amount_min=Decimal(row["base_min_size"]),
        cost_min=Decimal(row["quote_min_size"]),
    )
    assert symbol_of(instrument.venue_symbol) == instrument.symbol
    is_active = row.get("status") == "online" and not row.get("trading_disabled")
    return Market(instrument=instrument, maker_bps=Decimal(0), taker_bps=Decimal(0), active=is_active)


def _decode_candle(row: dict[str, Any]) -> Candle:
    figures = {name: Decimal(str(row[name])) for name in ("low", "high", "open", "close", "volume")}
    return Candle(open_ns=int(row["start"]) * SECOND, **figures)
