"""What a key is told of its account: balances of the new kind and the old, fees, rights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from papertape.model.account import Balance, Balances, KeyRights, Market
from papertape.model.units import EXACT, plain
from papertape.venues.coinbase.auth import Right

FIAT: Final = ("USD", "EUR", "GBP", "SGD", "CAD", "AUD", "JPY")
SINCE: Final = "2020-01-01T00:00:00Z"
"""When every account was opened, as far as anybody asks."""

VAULT: Final = "ACCOUNT_TYPE_VAULT"
"""An account whose money cannot be traded before its owner waits two days for it."""

OLD_FEES: Final = ("advanced_trade_only_volume", "advanced_trade_only_fees", "coinbase_pro_volume", "coinbase_pro_fees")
NOT_ON_A_PAGE: Final = ("ending_before", "previous_ending_before", "previous_uri")


def uuid_of(text: str) -> str:
    """An id that looks like one of Coinbase's; the same for the same text."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


def render_account(currency: str, balance: Balance) -> dict[str, Any]:
    """A row of `accounts`."""
    return {
        "uuid": uuid_of(currency),
        "name": f"{currency} Wallet",
        "currency": currency,
        "available_balance": {"value": plain(balance.free), "currency": currency},
        "default": True,
        "active": True,
        "created_at": SINCE,
        "updated_at": SINCE,
        "deleted_at": None,
        "type": "ACCOUNT_TYPE_FIAT" if currency in FIAT else "ACCOUNT_TYPE_CRYPTO",
        "ready": True,
        "hold": {"value": plain(balance.used), "currency": currency},
        "retail_portfolio_id": uuid_of("portfolio"),
        "platform": "ACCOUNT_PLATFORM_CONSUMER",
    }


def render_wallet(currency: str, balance: Balance) -> dict[str, Any]:
    """A row of /v2/accounts, which knows totals only."""
    name = uuid_of(currency)
    is_fiat = currency in FIAT
    code: dict[str, Any] = {"asset_id": uuid_of(f"asset {currency}"), "code": currency, "color": "#000000", "name": currency}
    code |= {"exponent": "2" if is_fiat else "8", "slug": currency.lower(), "type": "fiat" if is_fiat else "crypto", "rewards": None}
    return {
        "id": name,
        "name": f"{currency} Wallet",
        "primary": True,
        "type": "fiat" if is_fiat else "wallet",
        "balance": {"amount": plain(balance.total), "currency": currency},
        "created_at": SINCE,
        "updated_at": SINCE,
        "resource": "account",
        "resource_path": f"/v2/accounts/{name}",
        "currency": code,
        "allow_deposits": True,
        "allow_withdrawals": True,
    }


def render_wallets(rows: Sequence[dict[str, Any]], after: str, limit: int) -> dict[str, Any]:
    """A page of /v2/accounts: what follows the row with the id `after`."""
    ids = [row["id"] for row in rows]
    start = ids.index(after) + 1 if after in ids else 0
    shown = rows[start : start + limit]
    is_last = start + limit >= len(rows)
    following = None if is_last else shown[-1]["id"]
    pagination: dict[str, Any] = dict.fromkeys(NOT_ON_A_PAGE)
    pagination |= {"limit": str(limit), "next_starting_after": following, "order": "desc", "starting_after": after or None}
    pagination["next_uri"] = None if is_last else f"/v2/accounts?limit={limit}&starting_after={following}"
    return {"pagination": pagination, "data": list(shown)}


def find(balances: Balances, name: str) -> tuple[str, Balance] | None:
    """The currency whose account goes by this id; /v2 takes the currency's own name too."""
    return next(((c, b) for c, b in balances.currencies.items() if name in (uuid_of(c), c)), None)


def decode_account(row: Mapping[str, Any]) -> Balance:
    """The balance in a row of `accounts`."""
    return Balance(Decimal(row["available_balance"]["value"]), Decimal(row["hold"]["value"]))


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


def render_fees(markets: Sequence[Market]) -> dict[str, Any]:
    """The answer of `transaction_summary`: the tier of an account that has not traded yet, with the venue's fees."""
    maker, taker = (markets[0].maker_bps, markets[0].taker_bps) if markets else (Decimal(0), Decimal(0))
    tier = {"pricing_tier": "Advanced 1", "usd_from": "0", "usd_to": "1000", "aop_from": "", "aop_to": ""}
    rates = {"taker_fee_rate": plain(EXACT.divide(taker, Decimal(10_000))), "maker_fee_rate": plain(EXACT.divide(maker, Decimal(10_000)))}
    summary = {"total_volume": 0, "total_fees": 0, "fee_tier": tier | rates, "margin_rate": None, "goods_and_services_tax": None}
    return summary | dict.fromkeys(OLD_FEES, 0) | {"total_balance": "", "has_promo_fee": False}


def decode_fees(body: Mapping[str, Any]) -> tuple[Decimal, Decimal]:
    """Maker and taker fee in basis points, from a transaction summary."""
    rates = (Decimal(body["fee_tier"][name]) for name in ("maker_fee_rate", "taker_fee_rate"))
    maker, taker = (EXACT.multiply(rate, Decimal(10_000)) for rate in rates)
    return maker, taker


def render_permissions(rights: Sequence[Right]) -> dict[str, Any]:
    """The answer of `key_permissions`."""
    may = {f"can_{right}": right in rights for right in Right}
    return may | {"portfolio_uuid": uuid_of("portfolio"), "portfolio_type": "DEFAULT"}


def render_portfolios() -> dict[str, Any]:
    """The answer of `portfolios`: the one that every account has."""
    return {"portfolios": [{"name": "Default", "uuid": uuid_of("portfolio"), "type": "DEFAULT", "deleted": False}]}


def decode_rights(body: Any) -> KeyRights:
    """What `key_permissions` says; raises `KeyError` or `TypeError` where it says nothing of the kind."""
    return KeyRights(
        account=str(body["portfolio_uuid"]), can_view=body["can_view"] is True, can_trade=body["can_trade"] is True,
        can_transfer=body["can_transfer"] is not False,
    )  # fmt: skip
