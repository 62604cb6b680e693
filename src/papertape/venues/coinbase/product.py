"""What is traded and for how much: product lists, bars, currencies and rates, over REST.

Figures of the last day are those of what the tape has told so far, as no tape goes back far enough; so are the year's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from papertape.model.account import Candle, Market
from papertape.model.event import ONLINE, BookSnapshot
from papertape.model.instrument import Instrument
from papertape.model.phase import PHASES, Phase
from papertape.model.units import EXACT, SECOND, plain
from papertape.venues.coinbase.account import FIAT, uuid_of
from papertape.venues.coinbase.notation import Products, product_id, symbol_of

FLAGS: Final = ("watched", "is_disabled", "new", "cancel_only", "limit_only", "post_only", "auction_mode", "view_only", "is_alpha_testing")
SHUT: Final = ("trading_disabled", "is_disabled", "view_only")
"""Flags each of which says that nothing is traded."""

_FLAG_OF: Final = {
    Phase.LIMIT_ONLY: "limit_only", Phase.POST_ONLY: "post_only", Phase.AUCTION: "auction_mode", Phase.CANCEL_ONLY: "cancel_only",
}  # fmt: skip

EMPTY: Final = (
    "mid_market_price", "market_cap", "base_cbrn", "quote_cbrn", "product_cbrn", "icon_color", "icon_url",
    "display_name_overwrite", "about_description", "best_bid_price", "best_ask_price",
)  # fmt: skip
"""What real product lists hold as empty text."""

Days = Mapping[str, Candle]
"""By symbol, one bar of all that was traded in the last day; of what was not traded there is none."""


def render_product(market: Market, days: Days, alias: str = "") -> dict[str, Any]:
    """A product with every field of a real one; `alias` is that whose book it shares."""
    it = market.instrument
    name, day = product_id(it.symbol), days.get(it.symbol)
    return {
        "product_id": name,
        "price": "" if day is None else plain(day.close),
        "price_percentage_change_24h": change_of(day),
        "volume_24h": "0" if day is None else plain(day.volume),
        "volume_percentage_change_24h": "0",
        "base_increment": plain(it.lot),
        "quote_increment": plain(it.tick),
        "quote_min_size": plain(it.cost_min),
        "quote_max_size": "150000000",
        "base_min_size": plain(it.amount_min),
        "base_max_size": "1000000000",
        "base_name": it.base,
        "quote_name": it.quote,
        **dict.fromkeys(FLAGS, False),
        **({} if market.phase in (Phase.ONLINE, Phase.OFFLINE) else {_FLAG_OF[market.phase]: True}),
        **dict.fromkeys(EMPTY, ""),
        "alias": alias,
        "status": "offline" if market.phase is Phase.OFFLINE else "online",
        "trading_disabled": market.phase is Phase.OFFLINE,
        "product_type": "SPOT",
        "quote_currency_id": it.quote,
        "base_currency_id": it.base,
        "fcm_trading_session_details": None,
        "alias_to": [],
        "base_display_symbol": it.base,
        "quote_display_symbol": it.quote,
        "price_increment": plain(it.tick),
        "display_name": name,
        "product_venue": "CBE",
        "approximate_quote_24h_volume": "0" if day is None else plain(round(EXACT.multiply(day.volume, day.close), 2)),
        "new_at": "2023-01-01T00:00:00Z",
        "high_24h": "" if day is None else plain(day.high),
        "low_24h": "" if day is None else plain(day.low),
    }


def change_of(day: Candle | None) -> str:
    """By how many percent the price changed within a day; "0" where nothing was traded."""
    if day is None:
        return "0"
    share = EXACT.divide(EXACT.subtract(day.close, day.open), day.open)
    return plain(round(EXACT.multiply(share, Decimal(100)), 14))


def render_products(rows: Sequence[dict[str, Any]], offset: int, limit: int | None) -> dict[str, Any]:
    """The answer of `products`: the rows from `offset` on, `limit` at most."""
    end = len(rows) if limit is None else offset + limit
    shown = rows[offset:end]
    pagination = {"prev_cursor": "", "next_cursor": "", "has_next": end < len(rows), "has_prev": bool(offset and rows)}
    return {"products": list(shown), "num_products": len(shown), "pagination": pagination}


def decode_product(row: Mapping[str, Any]) -> Market:
    """The market that a row of a product list describes."""
    instrument = Instrument(
        symbol=f"{row['base_currency_id']}/{row['quote_currency_id']}",
        venue_symbol=row["product_id"],
        tick=Decimal(row.get("price_increment") or row["quote_increment"]),
        lot=Decimal(row["base_increment"]),
        amount_min=Decimal(row["base_min_size"]),
        cost_min=Decimal(row["quote_min_size"]),
    )
    assert symbol_of(instrument.venue_symbol) == instrument.symbol
    return Market(instrument=instrument, maker_bps=Decimal(0), taker_bps=Decimal(0), phase=_decode_phase(row))


def _decode_phase(row: Mapping[str, Any]) -> Phase:
    """The strictest that the row's flags say."""
    if row.get("status") != ONLINE or any(row.get(flag) for flag in SHUT):
        return Phase.OFFLINE
    return next((phase for phase in reversed(PHASES) if phase in _FLAG_OF and row.get(_FLAG_OF[phase])), Phase.ONLINE)


def decode_aliases(body: Mapping[str, Any]) -> dict[str, str]:
    """Of a product list, whose book each product shares, where that is another's."""
    return {row["product_id"]: row["alias"] for row in body["products"] if row.get("alias")}


def render_candle(candle: Candle) -> dict[str, str]:
    """A bar of `candles`."""
    figures = {name: plain(getattr(candle, name)) for name in ("low", "high", "open", "close", "volume")}
    return {"start": str(candle.open_ns // SECOND)} | figures


def decode_candle(row: Mapping[str, Any]) -> Candle:
    """The bar in a row of `candles`."""
    figures = {name: Decimal(str(row[name])) for name in ("low", "high", "open", "close", "volume")}
    return Candle(open_ns=int(row["start"]) * SECOND, **figures)


def _currencies(products: Products) -> list[str]:
    instruments = [each.instrument for each in products.by_symbol.values()]
    return list(dict.fromkeys(currency for it in instruments for currency in (it.base, it.quote)))


def render_currencies(products: Products) -> dict[str, Any]:
    """The answer of /v2/currencies: state money."""
    return {"data": [{"id": each, "name": each, "min_size": "0.01"} for each in _currencies(products) if each in FIAT]}


def render_coins(products: Products) -> dict[str, Any]:
    """The answer of /v2/currencies/crypto."""
    coins = [each for each in _currencies(products) if each not in FIAT]
    return {"data": [_render_coin(each, place) for place, each in enumerate(coins)]}


def _render_coin(currency: str, place: int) -> dict[str, Any]:
    about = {"asset_id": uuid_of(f"asset {currency}"), "code": currency, "name": currency, "color": "#000000"}
    return about | {"sort_index": 100 + place, "exponent": 8, "type": "crypto", "address_regex": ""}


def render_rates(currency: str, products: Products, days: Days) -> dict[str, Any]:
    """The answer of /v2/exchange-rates: what one unit of `currency` buys of the others, at the last price of a market of the two."""
    rates = {currency: "1"}
    for product in products.by_symbol.values():
        it, day = product.instrument, days.get(product.symbol)
        if day is not None and day.close and it.quote == currency:
            rates.setdefault(it.base, _rounded(EXACT.divide(Decimal(1), day.close)))
        elif day is not None and it.base == currency:
            rates.setdefault(it.quote, plain(day.close))
    return {"data": {"currency": currency, "rates": rates}}


def render_price(book: BookSnapshot, side: str, products: Products, days: Days) -> dict[str, Any] | None:
    """The answer of /v2/prices: what a buyer pays, a seller gets, or was paid last; None where nobody knows."""
    it = products.by_symbol[book.symbol].instrument
    levels, day = {"buy": book.asks, "sell": book.bids}.get(side, ()), days.get(book.symbol)
    price = it.price(levels[0][0]) if levels else day.close if day is not None else None
    return None if price is None else {"data": {"amount": plain(price), "base": it.base, "currency": it.quote}}


def _rounded(number: Decimal) -> str:
    return plain(EXACT.plus(number).quantize(Decimal("1e-16")))
