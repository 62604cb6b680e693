"""The venue's books: every movement is written twice, and nothing is ever rounded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, Inexact
from enum import StrEnum
from typing import Final

import msgspec

from papertape.model.account import Balance, Balances
from papertape.model.errors import IllegalMove, InsufficientFunds
from papertape.model.units import EXACT, Nanos, plain

MONEY: Final = EXACT.copy()
"""`EXACT`, and an error should a sum ever not be."""
MONEY.traps[Inexact] = True


class Account(StrEnum):
    """Who may own money. Only the client's two accounts may never fall below zero."""

    FREE = "the client's, to spend"
    HELD = "the client's, held by open orders"
    MARKET = "everybody else's"
    FEES = "the venue's"
    OPENING = "where the client's first money came from"


class Posting(msgspec.Struct, frozen=True, gc=False):
    """One line of a transaction: `amount` goes to `account`, or leaves it where below zero."""

    account: Account
    currency: str
    amount: Decimal


class Transaction(msgspec.Struct, frozen=True, gc=False):
    """Postings that belong together; they sum to zero in each currency.

    Attributes:
        at_ns: venue clock.
        why: for people: what happened, with the order's id.
    """

    at_ns: Nanos
    why: str
    postings: tuple[Posting, ...]


class Ledger:
    """Accounts by currency, moved by transactions only.

    >>> ledger = Ledger({"USD": Decimal(100)}, currencies=["BTC", "USD"], at_ns=0)
    >>> ledger.hold("o-1", "USD", Decimal(40), at_ns=1)
    >>> ledger.balances()["USD"]
    Balance(free=Decimal('60'), used=Decimal('40'))
    >>> ledger.hold("o-2", "USD", Decimal(61), at_ns=2)
    Traceback (most recent call last):
    ccxt.base.errors.InsufficientFunds: that needs 61 USD; 60 are free
    """

    def __init__(self, opening: Mapping[str, Decimal], *, currencies: Iterable[str], at_ns: Nanos) -> None:
        self.transactions: list[Transaction] = []
        self._sums: dict[tuple[Account, str], Decimal] = {}
        self._currencies = list(dict.fromkeys([*opening, *currencies]))
        for currency, amount in opening.items():
            if amount < 0:
                raise InsufficientFunds(f"an account cannot open with {plain(amount)} {currency}")
            if amount:
                self.post(
                    at_ns, "opening", Posting(Account.FREE, currency, amount), Posting(Account.OPENING, currency, amount.copy_negate())
                )

    def sum_of(self, account: Account, currency: str) -> Decimal:
        return self._sums.get((account, currency), Decimal(0))

    def free(self, currency: str) -> Decimal:
        return self.sum_of(Account.FREE, currency)

    def balances(self) -> Balances:
        return Balances({c: Balance(free=self.free(c), used=self.sum_of(Account.HELD, c)) for c in self._currencies})

    def afford(self, currency: str, amount: Decimal) -> None:
        """Raise `ccxt.InsufficientFunds` if less than `amount` is free."""
        free = self.free(currency)
        if amount > free:
            raise InsufficientFunds(f"that needs {plain(amount)} {currency}; {plain(free)} are free")

    def hold(self, order_id: str, currency: str, amount: Decimal, at_ns: Nanos) -> None:
        """Set `amount` aside for an order, or raise `ccxt.InsufficientFunds` and change nothing."""
        self.afford(currency, amount)
        self.release(order_id, currency, amount.copy_negate(), at_ns)

    def release(self, order_id: str, currency: str, amount: Decimal, at_ns: Nanos) -> None:
        """Give back what was held."""
        if amount:
            why = f"{'release' if amount > 0 else 'hold'} {order_id}"
            self.post(at_ns, why, Posting(Account.HELD, currency, amount.copy_negate()), Posting(Account.FREE, currency, amount))

    def bought(
        self, order_id: str, base: str, quote: str, *, amount: Decimal, cost: Decimal, fee: Decimal, released: Decimal, at_ns: Nanos
    ) -> None:
        """A buy was filled: `released` of its hold pays `cost` and `fee`, and what is over is free again."""
        self.post(
            at_ns,
            f"buy {order_id}",
            Posting(Account.HELD, quote, released.copy_negate()),
            Posting(Account.MARKET, quote, cost),
            Posting(Account.FEES, quote, fee),
            Posting(Account.FREE, quote, MONEY.subtract(MONEY.subtract(released, cost), fee)),
            Posting(Account.MARKET, base, amount.copy_negate()),
            Posting(Account.FREE, base, amount),
        )

    def sold(self, order_id: str, base: str, quote: str, *, amount: Decimal, cost: Decimal, fee: Decimal, at_ns: Nanos) -> None:
        """A sell was filled: `amount` of its hold goes, `cost` less `fee` comes."""
        self.post(
            at_ns,
            f"sell {order_id}",
            Posting(Account.HELD, base, amount.copy_negate()),
            Posting(Account.MARKET, base, amount),
            Posting(Account.MARKET, quote, cost.copy_negate()),
            Posting(Account.FEES, quote, fee),
            Posting(Account.FREE, quote, MONEY.subtract(cost, fee)),
        )

    def post(self, at_ns: Nanos, why: str, *postings: Posting) -> None:
        """Write a transaction; one that does not balance, or overdraws the client, is `IllegalMove` and leaves no trace."""
        rest: dict[str, Decimal] = {}
        sums: dict[tuple[Account, str], Decimal] = {}
        for line in postings:
            rest[line.currency] = MONEY.add(rest.get(line.currency, Decimal(0)), line.amount)
            key = (line.account, line.currency)
            sums[key] = MONEY.add(sums.get(key, self._sums.get(key, Decimal(0))), line.amount)
        for currency, amount in rest.items():
            if amount:
                raise IllegalMove(f"ledger, {why}: {plain(amount)} {currency} would come from nowhere")
        for (account, currency), amount in sums.items():
            if amount < 0 and account in (Account.FREE, Account.HELD):
                raise IllegalMove(f"ledger, {why}: {account.name} would hold {plain(amount)} {currency}")
        self._sums.update(sums)
        self.transactions.append(Transaction(at_ns, why, postings))
